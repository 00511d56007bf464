from odoo import api, fields, models

from ...groups import GROUP_ADMIN


class DirectmailKeyProblem(models.AbstractModel):
    """Show on a form that this server must not send, because of its master key."""

    _name = "directmail.key.problem"
    _description = "Problem with the Master Key"

    key_problem = fields.Text("Master key", compute="_compute_key_problem")

    @api.depends_context("uid")
    def _compute_key_problem(self):
        problem = self.env["directmail.keyring"]._find_problem()
        user = self.env.user
        if problem and (user.has_group(GROUP_ADMIN) or user.has_group("base.group_system")):
            text = problem.full_text
        else:
            text = problem and problem.args[0]
        self.key_problem = text

    def _check_key(self):
        """Refuse actions that need the master key of the data.

        :raise MasterKeyProblem: this server has no usable master key, or not that of the data
        """
        self.env["directmail.keyring"]._get_master_key()
