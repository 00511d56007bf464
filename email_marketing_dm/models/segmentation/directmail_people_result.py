import functools

from odoo import api, fields, models
from odoo.fields import Domain

#: The contact may be read. Archived contacts count: they stay until the model is computed again.
VISIBLE = Domain("partner_id", "any", Domain("active", "in", [True, False]))


class DirectmailPeopleResult(models.AbstractModel):
    """A contact in a group of an RFM or AIPL model. Written only in bulk, by SQL.

    Only users who may read the contact can read the row. A record rule can't check this, because
    its domain is evaluated as superuser.
    """

    _name = "directmail.people.result"
    _description = "Contact in a Model"
    _log_access = False
    _rec_name = "partner_id"
    #: names of the fields with the RFM or AIPL model, and with the group
    _owner_field = None
    _group_field = None

    partner_id = fields.Many2one(
        "res.partner", "Contact", required=True, readonly=True, index=True, ondelete="cascade"
    )
    email = fields.Char(related="partner_id.email")
    country_id = fields.Many2one(related="partner_id.country_id")

    @api.model
    def _search(self, domain, *args, bypass_access=False, **kwargs):
        if not self.env.su and not bypass_access:
            domain = Domain(domain) & VISIBLE
        return super()._search(domain, *args, bypass_access=bypass_access, **kwargs)

    def _check_access(self, operation):
        refused = super()._check_access(operation)
        if self.env.su or not any(self._ids) or (refused and refused[0] == self):
            return refused
        contacts = self.sudo().partner_id.with_env(self.env)
        hidden = contacts - contacts._filtered_access("read")
        forbidden = self.sudo().filtered(lambda result: result.partner_id.id in hidden._ids)
        if not forbidden:
            return refused
        rules = self.env["ir.rule"]
        if refused:
            forbidden |= refused[0].sudo()
        forbidden = forbidden.with_env(self.env)
        return forbidden, functools.partial(rules._make_access_error, operation, forbidden)
