from odoo import models
from odoo.exceptions import UserError, ValidationError


class DirectmailOfCompany(models.AbstractModel):
    """A record that stays in its company, and refers only to what belongs to that company.

    Odoo checks record rules before a write and not after it. Without this model, writing
    ``company_id``, or the field that the company is taken from, would hand a record over to another
    company.
    """

    _name = "directmail.of.company"
    _description = "Belongs to a Company"
    _inherit = ["directmail.links"]
    _check_company_auto = True
    #: the path to the company
    _company_path = "company_id"

    def write(self, vals):
        # Only a reference can lead to another company.
        if not any(name in self._fields and self._fields[name].type == "many2one" for name in vals):
            return super().write(vals)
        companies = self._get_companies()
        res = super().write(vals)
        for record, company in self._get_companies().items():
            if company != companies[record]:
                raise UserError(
                    self.env._(
                        "%s can't be moved to another company. Create a new one there instead.",
                        record.display_name,
                    )
                )
        return res

    def _get_companies(self):
        """Return {record: its company}."""
        # The company alone is read, to compare it.
        return {record: record.sudo().mapped(self._company_path) for record in self}

    def _check_company(self, fnames=None):
        """Override: what belongs to another company is not named, as Odoo's message would do."""
        try:
            return super()._check_company(fnames)
        except UserError:
            companies = self.sudo().mapped(self._company_path)
            message = self.env._(
                "A record of another company can't be used here. Choose one that belongs to %s.",
                ", ".join(companies.mapped("name")),
            )
            # `from None`: clients get the traceback, and with it the message of a cause.
            raise ValidationError(message) from None
