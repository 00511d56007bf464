from odoo import api, models
from odoo.exceptions import UserError, ValidationError

LINKS = ("many2one", "many2many")


class DirectmailOfCompany(models.AbstractModel):
    """A record that stays in its company, and refers only to what its writer may read there.

    Odoo checks record rules before a write and not after it, and never checks what a field is made
    to refer to. Without this model, writing ``company_id``, or the field that the company is taken
    from, would hand a record over to another company.
    """

    _name = "directmail.of.company"
    _description = "Belongs to a Company"
    _check_company_auto = True
    #: the path to the company
    _company_path = "company_id"

    @api.model_create_multi
    def create(self, vals_list):
        records = super().create(vals_list)
        records._check_readable_links(self._fields)
        return records

    def write(self, vals):
        links = [name for name in vals if name in self._fields and self._fields[name].type in LINKS]
        if not links:
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
        self._check_readable_links(links)
        return res

    def _get_companies(self):
        """Return {record: its company}."""
        # The company alone is read: what it is needed for was checked, or is about to be.
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

    def _check_readable_links(self, names):
        """Refuse references to records of this addon that the current user may not read.

        :param names: of the fields to look at
        :raise AccessError: if one refers to such a record
        """
        if self.env.su:
            return
        for name in names:
            field = self._fields[name]
            if (
                field.type in LINKS
                and field.store
                and not field.related
                and field.comodel_name.startswith("directmail.")
            ):
                # The values are read with all rights, only to ask for those of the user.
                linked = self.sudo().with_context(active_test=False).mapped(name)
                linked.with_env(self.env).check_access("read")
