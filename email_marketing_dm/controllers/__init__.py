from . import directmail_recipient, directmail_upload
from . import directmail_events, directmail_tracking
