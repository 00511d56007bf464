from odoo import api, models

LINKS = ("many2one", "many2many")


class DirectmailLinks(models.AbstractModel):
    """Records and dialogs that may refer only to records that the user may read.

    Odoo does not check references. It shows the display names of referenced records and reads
    related fields as superuser, so a reference by id would bypass record rules, in saved records
    and in forms that are not saved.
    """

    _name = "directmail.links"
    _description = "Refers to Readable Records Only"

    @api.model_create_multi
    def create(self, vals_list):
        records = super().create(vals_list)
        records._check_links(self._fields)
        return records

    def write(self, vals):
        res = super().write(vals)
        self._check_links(name for name in vals if name in self._fields)
        return res

    @api.model
    def default_get(self, fields):
        values = super().default_get(fields)
        self._check_form_links(values)
        return values

    def onchange(self, values, field_names, fields_spec):
        """Override: check a form's references before related fields are read through them."""
        self._check_form_links(values)
        return super().onchange(values, field_names, fields_spec)

    @api.model
    def _is_checked_link(self, name):
        """Tell whether references in a field are checked: those to contacts and this addon's."""
        field = self._fields[name]
        return (
            field.type in LINKS
            and field.store
            and not field.related
            and field.comodel_name.startswith(("directmail.", "res.partner"))
        )

    def _check_links(self, names):
        """Refuse references to records that the current user may not read.

        :param names: names of the fields to check
        :raise AccessError: one of them refers to such a record
        """
        if self.env.su:
            return
        for name in filter(self._is_checked_link, names):
            # sudo() reads the ids only; check_access() uses the user's rights.
            linked = self.sudo().with_context(active_test=False).mapped(name)
            linked._origin.with_env(self.env).check_access("read")

    @api.model
    def _check_form_links(self, values):
        """Check the references in a form's values and in those of its lines.

        :raise AccessError: as `_check_links`
        """
        names = [name for name in values if name in self._fields]
        links = {name: values[name] for name in names if self._is_checked_link(name)}
        self.new(links)._check_links(links)
        for name in names:
            if self._fields[name].type == "one2many":
                lines = self.env[self._fields[name].comodel_name]
                if isinstance(lines, self.env.registry["directmail.links"]):
                    for command in values[name] or ():
                        if isinstance(command[-1], dict):
                            lines._check_form_links(command[-1])
