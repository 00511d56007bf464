from . import (
    directmail_fatigue,
    directmail_fatigue_rule,
    directmail_quiet,
)
