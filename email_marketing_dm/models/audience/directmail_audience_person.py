from odoo import api, fields, models
from odoo.tools import SQL

from ..mixins.directmail_seen import is_administrator


class DirectmailAudiencePerson(models.AbstractModel):
    """A person in an audience, now or at the time of a snapshot."""

    _name = "directmail.audience.person"
    _description = "Person in an Audience"
    _inherit = ["directmail.person"]

    audience_id = fields.Many2one(
        "directmail.audience", required=True, readonly=True, ondelete="cascade"
    )
    partner_id = fields.Many2one(index=True, ondelete="cascade")
    shown_email = fields.Char("Email", compute="_compute_shown_email", compute_sudo=True)
    country_id = fields.Many2one(related="partner_id.country_id")

    @api.model
    def _bare_to_sql(self, alias):
        """Override: the audience's owner, who added the address, and administrators see it."""
        if is_administrator(self.env):
            return SQL("TRUE")
        return SQL(
            "EXISTS (SELECT FROM directmail_audience a WHERE a.id = %s.audience_id"
            " AND a.user_id = %s)",
            alias,
            self.env.uid,
        )

    @api.depends("partner_id.email", "email")
    def _compute_shown_email(self):
        for person in self:
            person.shown_email = person.partner_id.email if person.partner_id else person.email
