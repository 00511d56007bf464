from . import (
    directmail_series,
    directmail_series_run,
    directmail_series_step,
    directmail_series_entry,
)
