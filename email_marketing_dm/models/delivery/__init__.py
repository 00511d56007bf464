from . import (
    directmail_delivery,
    directmail_delivery_topics,
    directmail_event,
    directmail_poll,
)
