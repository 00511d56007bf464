from . import directmail_task_report
