from . import (
    directmail_delivery,
    directmail_event,
    directmail_poll,
)
