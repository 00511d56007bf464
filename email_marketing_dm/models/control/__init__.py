from . import directmail_control, directmail_control_quarter
