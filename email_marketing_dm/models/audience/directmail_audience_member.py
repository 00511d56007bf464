from odoo import api, fields, models
from odoo.tools import SQL

from ..mixins.directmail_seen import is_administrator


class DirectmailAudienceMember(models.Model):
    """A person in an audience. Only a refresh writes members, in bulk by SQL."""

    _name = "directmail.audience.member"
    _description = "Audience Member"
    _inherit = ["directmail.person"]
    _log_access = False
    _order = "id"

    audience_id = fields.Many2one(
        "directmail.audience", required=True, readonly=True, ondelete="cascade"
    )
    partner_id = fields.Many2one(index=True, ondelete="cascade")
    entered_at = fields.Datetime("Member since", readonly=True)
    shown_email = fields.Char("Email", compute="_compute_shown_email", compute_sudo=True)
    lang = fields.Selection(related="partner_id.lang")
    country_id = fields.Many2one(related="partner_id.country_id")

    _record_index = models.Index("(res_model, res_id) WHERE partner_id IS NULL")
    # Sending looks up each mail's address among the members of the task's excluded audiences.
    _address_index = models.Index("(address_key) WHERE address_key IS NOT NULL")
    # When contacts are merged, our override of `base.partner.merge.automatic.wizard` deletes the
    # second row of one audience. Odoo would delete all rows of the merged contacts instead.
    _person_unique = models.Constraint("UNIQUE(audience_id, partner_id)")

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
        for member in self:
            member.shown_email = member.partner_id.email if member.partner_id else member.email
