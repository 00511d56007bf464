from . import (
    directmail_audience,
    directmail_consent,
    directmail_events,
    directmail_here,
    directmail_optout,
    directmail_preference,
    directmail_recipient,
    directmail_signup,
    directmail_thumbnail,
    directmail_tracking,
    directmail_upload,
    export,
)
