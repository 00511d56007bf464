import logging
import time

from odoo import api, models
from odoo.exceptions import UserError
from odoo.tools import SQL

# Minimum time between two calls of the other servers' cron threads for jobs left to them.
HAND_OVER_SECONDS = 5
_handed_over = {}
_logger = logging.getLogger(__name__)


class IrCron(models.Model):
    """Leave this addon's crons to the server that has the data's master key.

    None of them runs while the code is newer than the database.
    """

    _inherit = "ir.cron"

    def method_direct_trigger(self):
        """Override: raise the reason why this server must not run the job now."""
        keyring = self.env["directmail.keyring"]
        if keyring._leaves_to_others(self.model_id.model or ""):
            raise keyring._find_problem() or UserError(
                self.env._("This job has to run on the server that has the new master key.")
            )
        return super().method_direct_trigger()

    @classmethod
    def _process_job(cls, cron_cr, job):
        """Override: skip jobs that `_leaves_to_others`, without changing them.

        The job stays ready for the server with the data's master key, and no failure is counted.
        """
        env = api.Environment(cron_cr, job["user_id"], {})
        if env[cls._name]._is_left_to_others(job):
            _logger.debug("Job %r is left to another server", job["cron_name"])
            cron_cr.postcommit.add(lambda: cls._hand_over(env[cls._name]))
            return None
        return super()._process_job(cron_cr, job)

    def _is_left_to_others(self, job):
        if not self.env["ir.module.module"]._is_directmail_upgraded():
            return False  # `_callback` skips this addon's jobs
        rows = self.env.execute_query(
            SQL(
                """SELECT m.model FROM ir_act_server s JOIN ir_model m ON m.id = s.model_id
                    WHERE s.id = %s""",
                job["ir_actions_server_id"],
            )
        )
        return bool(rows) and self.env["directmail.keyring"]._leaves_to_others(rows[0][0])

    def _callback(self, cron_name, server_action_id):
        """Override: skip this addon's jobs on a database that is not upgraded yet."""
        ours = (self.model_id.model or "").startswith("directmail.")
        if ours and not self.env["ir.module.module"]._is_directmail_upgraded():
            _logger.warning(
                "%s waits: email_marketing_dm is newer than this database. Run Odoo once with"
                " -u email_marketing_dm.",
                cron_name,
            )
            return None
        return super()._callback(cron_name, server_action_id)

    def _hand_over(self):
        """Call the other servers' cron threads, which may have skipped the job while it was locked.

        At most once per HAND_OVER_SECONDS, because the call wakes this server's threads, too.
        """
        now, name = time.monotonic(), self.env.cr.dbname
        if _handed_over.get(name, float("-inf")) + HAND_OVER_SECONDS > now:
            return
        _handed_over[name] = now
        self._notifydb()
