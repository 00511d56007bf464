from . import directmail_control
