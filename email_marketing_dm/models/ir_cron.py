import logging

from odoo import models

_logger = logging.getLogger(__name__)

OURS = ("directmail.",)


class IrCron(models.Model):
    _inherit = "ir.cron"

    def _callback(self, cron_name, server_action_id):
        """Override: this addon's jobs wait while its code is newer than the database."""
        if self.model_name and self.model_name.startswith(OURS):
            modules = self.env["ir.module.module"]
            if not modules._is_directmail_upgraded():
                _logger.warning(
                    "The job %s waits: email_marketing_dm is newer than this database. Upgrade it"
                    " with -u email_marketing_dm.",
                    cron_name,
                )
                return None
        return super()._callback(cron_name, server_action_id)
