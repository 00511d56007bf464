from . import (
    directmail_task,
    directmail_task_content,
    directmail_task_conversion,
    directmail_task_effectiveness,
    directmail_task_family,
    directmail_task_tens,
    directmail_task_estimate,
    directmail_task_owner,
    directmail_task_page,
    directmail_task_results,
    directmail_task_run,
    directmail_task_actions,
)
