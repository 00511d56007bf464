from . import directmail_task_estimate
