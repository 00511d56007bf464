from . import (
    directmail_audience,
    directmail_audience_refresh,
    directmail_audience_rule,
    directmail_audience_rule_select,
    directmail_audience_rule_aipl,
    directmail_audience_rule_rfm,
    directmail_audience_rule_upload,
    directmail_audience_folder,
    directmail_audience_member,
    directmail_audience_pick,
    directmail_audience_size,
)
