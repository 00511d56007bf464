from . import directmail_control, directmail_control_quarter, directmail_control_power
