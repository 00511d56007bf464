import functools

from odoo import api, models
from odoo.fields import Domain

#: The contact may be read. Archived contacts count, too.
VISIBLE = Domain("partner_id", "any", Domain("active", "in", [True, False]))


class DirectmailAboutContact(models.AbstractModel):
    """A row about the contact in its field `partner_id`.

    Only users who may read the contact can read the row. A record rule can't check this, because
    its domain is evaluated as superuser.
    """

    _name = "directmail.about.contact"
    _description = "About a Contact"
    _log_access = False

    @api.model
    def _search(self, domain, *args, bypass_access=False, **kwargs):
        if not self.env.su and not bypass_access:
            domain = Domain(domain) & VISIBLE
        return super()._search(domain, *args, bypass_access=bypass_access, **kwargs)

    def _check_access(self, operation):
        refused = super()._check_access(operation)
        if self.env.su or not any(self._ids) or (refused and refused[0] == self):
            return refused
        # sudo() reads which contacts these are; the rights to them are the user's.
        contacts = self.sudo().partner_id.with_env(self.env)
        hidden = contacts - contacts._filtered_access("read")
        forbidden = self.sudo().filtered(lambda row: row.partner_id.id in hidden._ids)
        if not forbidden:
            return refused
        rules = self.env["ir.rule"]
        if refused:
            forbidden |= refused[0].sudo()
        forbidden = forbidden.with_env(self.env)
        return forbidden, functools.partial(rules._make_access_error, operation, forbidden)
