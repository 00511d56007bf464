from . import (
    directmail_upload,
    directmail_upload_head,
    directmail_upload_run,
    directmail_upload_column,
    directmail_upload_sheet,
    directmail_upload_line,
    directmail_upload_progress,
)
