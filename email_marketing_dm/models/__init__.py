# The models below inherit from these, so they come first.
from . import directmail_guarded, directmail_person

from . import (
    directmail_account,
    directmail_account_connection,
    directmail_account_send,
    directmail_audience,
    directmail_audience_member,
    directmail_data_table,
    directmail_data_table_facts,
    directmail_data_table_presets,
    directmail_delivery,
    directmail_event,
    directmail_gate,
    directmail_keyring,
    directmail_optout,
    directmail_sender,
    directmail_task,
    directmail_task_counter,
    directmail_task_results,
    directmail_task_run,
    directmail_template,
    directmail_template_review,
    directmail_template_values,
    directmail_usage,
)
