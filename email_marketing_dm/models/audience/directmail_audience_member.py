from odoo import api, fields, models
from odoo.tools import SQL

from ..mixins.directmail_seen import is_administrator


class DirectmailAudienceMember(models.Model):
    """A person in an audience. Written in bulk by the refresh, never by hand."""

    _name = "directmail.audience.member"
    _description = "Audience Member"
    _inherit = ["directmail.person"]
    _log_access = False
    _order = "id"

    audience_id = fields.Many2one(
        "directmail.audience", required=True, readonly=True, ondelete="cascade"
    )
    partner_id = fields.Many2one(index=True, ondelete="cascade")
    entered_at = fields.Datetime("In since", readonly=True)
    shown_email = fields.Char("Email", compute="_compute_shown_email", compute_sudo=True)
    lang = fields.Selection(related="partner_id.lang")
    country_id = fields.Many2one(related="partner_id.country_id")

    _record_index = models.Index("(res_model, res_id) WHERE partner_id IS NULL")
    # Each mail asks whether its address is among those that its task leaves out.
    _address_index = models.Index("(address_key) WHERE address_key IS NOT NULL")
    # Merging contacts takes out the second row of a person who was in twice, see
    # `base.partner.merge.automatic.wizard`.
    _person_unique = models.Constraint("UNIQUE(audience_id, partner_id)")

    @api.model
    def _bare_to_sql(self, alias):
        """Override: whoever owns the audience has brought the address in."""
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
        for member in self:
            member.shown_email = member.partner_id.email if member.partner_id else member.email
