from odoo import models
from odoo.exceptions import AccessError

from ..groups import GROUP_USER


class ResPartner(models.Model):
    """How much mail a contact has had lately."""

    _inherit = "res.partner"

    def action_view_directmail_fatigue(self):
        """Open how many mails this contact had in each window, against each limit.

        :raise AccessError: for whoever does not send mail
        """
        self.ensure_one()
        self.check_access("read")
        if not self.env.user.has_group(GROUP_USER):
            raise AccessError(self.env._("You need the right to send email tasks."))
        status = self.env["directmail.fatigue.status"]._make(self)
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Mails lately"),
            "res_model": status._name,
            "res_id": status.id,
            "view_mode": "form",
            "target": "new",
        }
