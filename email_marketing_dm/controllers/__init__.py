from . import directmail_recipient
