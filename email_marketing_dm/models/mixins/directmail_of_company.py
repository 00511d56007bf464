from odoo import models
from odoo.exceptions import UserError, ValidationError
from odoo.tools import format_list


class DirectmailOfCompany(models.AbstractModel):
    """Records that stay in their company and refer only to records of that company.

    Odoo checks record rules before a write and not after it. Without this model, writing
    ``company_id``, or another field of `_company_path`, would move a record to another company.
    """

    _name = "directmail.of.company"
    _description = "Belongs to a Company"
    _inherit = ["directmail.links"]
    _check_company_auto = True
    #: path of fields from the record to its company
    _company_path = "company_id"

    def write(self, vals):
        # Only a many2one field can change the company.
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
        # sudo() reads only the company, for a comparison.
        return {record: record.sudo().mapped(self._company_path) for record in self}

    def _check_company(self, fnames=None):
        """Override: don't name the records of another company, as Odoo's message would."""
        try:
            return super()._check_company(fnames)
        except UserError:
            # sudo() reads only the names of the records' own companies.
            companies = self.sudo().mapped(self._company_path)
            message = self.env._(
                "A record of another company can't be used here. Choose one that belongs to %s.",
                format_list(self.env, companies.mapped("name")),
            )
            # `from None`: clients get the traceback, which would contain Odoo's message.
            raise ValidationError(message) from None
