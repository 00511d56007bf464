from odoo import models


class MailActivity(models.Model):
    """Move activities only to records of this addon on which the user may create activities."""

    _inherit = "mail.activity"

    def write(self, vals):
        """Override: check the record that an activity is moved to.

        Odoo checks only the record that it is taken from, and computes `res_name` of the new one
        as superuser. The assigned user could read the name of any record by its id.

        :raise AccessError: if the current user may not make an activity there
        """
        res = super().write(vals)
        if not self.env.su and {"res_id", "res_model_id", "res_model"}.intersection(vals):
            # sudo() reads the records' models only; check_access() uses the user's rights.
            moved = self.sudo().filtered(
                lambda one: (one.res_model or "").startswith("directmail.")
            )
            moved.with_env(self.env).check_access("create")
        return res
