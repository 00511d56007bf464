from . import (
    directmail_upload,
    directmail_upload_consent,
    directmail_upload_field,
    directmail_upload_head,
    directmail_upload_key,
    directmail_upload_run,
    directmail_upload_line,
    directmail_upload_values,
    directmail_upload_column,
)
