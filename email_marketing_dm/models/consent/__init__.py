from . import (
    directmail_consent,
    directmail_optout,
    directmail_optout_file,
    directmail_unsubscribe_request,
)
