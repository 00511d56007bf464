from . import (
    directmail_optout,
    directmail_unsubscribe_request,
)
