from odoo import models
from odoo.tools import SQL


class DirectmailTask(models.Model):
    """What becomes of mails that never left, as DirectMail's records prove."""

    _inherit = "directmail.task"

    def _send_again(self):
        """Let those wait once more whose mail never left, where the task's policy says so.

        Each person gets at most one second try.

        The message ID is made from the delivery, so the second mail carries that of the first: a
        mailbox that has both after all may show one.
        """
        self.ensure_one()
        if self.not_sent_policy != "again" or self.state not in ("sending", "paused", "done"):
            return
        if not self.env["directmail.delivery"].search_count(
            [("task_id", "=", self.id), ("state", "=", "not_sent"), ("resent", "=", False)], limit=1
        ):
            return
        # Whoever closes or cancels the task at this moment writes it too: one of the two is tried
        # again, and nobody is left waiting in a task that is over.
        rows = self.env.execute_query(
            SQL(
                """UPDATE directmail_task SET finished_at = finished_at
                    WHERE id = %s AND state IN ('sending', 'paused', 'done') RETURNING id""",
                self.id,
            )
        )
        if not rows:
            return
        [(again,)] = self.env["directmail.task.counter"]._apply(
            SQL(
                """UPDATE directmail_delivery d
                      SET state = 'waiting', resent = TRUE, claim_token = NULL, claimed_at = NULL,
                          lease_until = NULL, not_before = NULL, code = NULL, message = NULL
                    WHERE task_id = %s AND state = 'not_sent' AND resent IS NOT TRUE
                RETURNING d.task_id, 'not_sent' AS old_state, d.state AS new_state,
                          d.outcome AS old_outcome, d.outcome AS new_outcome""",
                self.id,
            ),
            "events",
        )
        if not again:
            return
        self.env.invalidate_all()
        if self.state == "done":
            self.write({"state": "sending", "finished_at": False})
        if self.state == "sending":
            self.account_id._trigger_sending()
