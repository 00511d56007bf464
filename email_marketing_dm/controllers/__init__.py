from . import directmail_recipient, directmail_upload
