from . import (
    directmail_delivery,
    directmail_event_count,
    directmail_event,
    directmail_event_pending,
    directmail_poll,
    directmail_poll_turn,
    directmail_gate,
)
