from . import directmail_consent_proof, directmail_task_report
