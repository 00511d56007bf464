from . import (
    directmail_guarded,
    directmail_needs_account,
    directmail_notifying,
    directmail_links,
    directmail_of_company,
    directmail_used,
    directmail_owned,
    directmail_seen,
    directmail_key_problem,
    directmail_person,
    directmail_scheduled,
    directmail_uplift,
)
