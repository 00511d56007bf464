from odoo import fields, models


class DirectmailAudienceMember(models.Model):
    """A person in an audience. Written in bulk by the refresh, never by hand."""

    _name = "directmail.audience.member"
    _description = "Audience Member"
    _log_access = False
    _rec_name = "partner_id"
    _order = "id"

    audience_id = fields.Many2one(
        "directmail.audience", required=True, readonly=True, ondelete="cascade"
    )
    partner_id = fields.Many2one(
        "res.partner", "Contact", required=True, readonly=True, index=True, ondelete="cascade"
    )
    email = fields.Char(related="partner_id.email")
    lang = fields.Selection(related="partner_id.lang")
    country_id = fields.Many2one(related="partner_id.country_id")

    # Merging contacts deletes the second row of a person who was in twice: that is what we want.
    # It looks for constraints, so a mere unique index would make it fail instead.
    _person_unique = models.Constraint("UNIQUE(audience_id, partner_id)")
