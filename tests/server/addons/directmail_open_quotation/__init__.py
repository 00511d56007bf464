from . import directmail_audience_line
