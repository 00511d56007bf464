from . import directmail_audience_rule
