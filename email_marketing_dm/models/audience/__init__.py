from . import (
    directmail_audience,
    directmail_audience_refresh,
    directmail_audience_count,
    directmail_audience_line,
    directmail_audience_line_select,
    directmail_audience_line_sentence,
    directmail_audience_line_task,
    directmail_audience_line_aipl,
    directmail_audience_line_rfm,
    directmail_audience_line_upload,
    directmail_audience_folder,
)
