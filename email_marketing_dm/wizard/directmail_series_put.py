from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import formatLang


class DirectmailSeriesPut(models.TransientModel):
    """*Put into series*: lets the marked contacts enter a series that was started."""

    _name = "directmail.series.put"
    _description = "Put Into Series"
    _inherit = ["directmail.links"]

    series_id = fields.Many2one(
        "directmail.series",
        "Email series",
        domain="[('state', 'in', ('running', 'paused'))]",
        help="A series that was started. The contacts enter it within a minute; if it is paused,"
        " when it goes on.",
    )
    contact_count = fields.Integer("Marked contacts", compute="_compute_contact_count")

    @api.depends_context("active_ids", "active_model")
    def _compute_contact_count(self):
        for wizard in self:
            wizard.contact_count = len(wizard._get_contacts())

    def _get_contacts(self):
        """Return the marked contacts that the user may read."""
        if self.env.context.get("active_model") != "res.partner":
            return self.env["res.partner"]
        ids = self.env.context.get("active_ids") or []
        return self.env["res.partner"].browse(ids).exists()._filtered_access("read")

    def action_put(self):
        """Put the marked contacts into the series.

        :return: a message with the number of contacts
        :raise UserError: if none is marked, or the series lets nobody enter
        """
        self.ensure_one()
        self.check_access("read")
        series, contacts = self.series_id, self._get_contacts()
        if not series:
            raise UserError(self.env._("Choose a series."))
        if not contacts:
            raise UserError(self.env._("No contacts are marked. Mark some contacts first."))
        series.check_access("write")
        series._put(contacts)
        message = self.env._(
            "Contacts who are put into the series %(series)s: %(count)s. Those who have been in it"
            " before don't enter again.",
            series=series.name,
            count=formatLang(self.env, len(contacts), digits=0),
        )
        if series.reentry != "never":
            message = self.env._(
                "Contacts who are put into the series %(series)s: %(count)s. Those who are inside"
                " don't enter a second time.",
                series=series.name,
                count=formatLang(self.env, len(contacts), digits=0),
            )
        return {
            "type": "ir.actions.client",
            "tag": "display_notification",
            "params": {
                "type": "success",
                "message": message,
                "next": {"type": "ir.actions.act_window_close"},
            },
        }
