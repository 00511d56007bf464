from . import (
    directmail_optout,
    directmail_optout_file,
    directmail_unsubscribe_request,
)
