from odoo import api, models
from odoo.fields import Domain
from odoo.tools import SQL

LINKS = ("many2one", "many2many")


class DirectmailLinks(models.AbstractModel):
    """Records and dialogs that may refer only to records that the user may read.

    Odoo does not check references. It shows the display names of referenced records and reads
    related fields as superuser, so a reference by id would bypass record rules, in saved records
    and in forms that are not saved.

    Users who may read the record but not a record that it refers to, such as a line of a public
    audience that is made of a private one, get the id without the display name.
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

    # === NAMES === #
    # In these methods, Odoo reads the display names behind a many2one with all rights, or sorts
    # by them.

    def _read_format(self, fnames, load="_classic_read"):
        """Override: replace display names that the user may not read, in results of `read`."""
        rows = super()._read_format(fnames, load)
        if load != "_classic_read":
            return rows
        for name in filter(self._is_link_of_ours, fnames):
            hidden = self._find_unreadable(name, [row[name][0] for row in rows if row[name]])
            for row in rows:
                if row[name] and row[name][0] in hidden:
                    row[name] = (row[name][0], self._get_hidden_name())
        return rows

    def web_read(self, specification):
        """Override: replace display names that the user may not read, in lists and forms."""
        rows = super().web_read(specification)
        for name in filter(self._is_link_of_ours, specification):
            if "display_name" not in specification[name].get("fields", ()):
                continue
            # A record that is not saved yet refers by a `NewId`.
            found = [row[name] for row in rows if row[name]]
            numbers = {value["id"]: getattr(value["id"], "origin", value["id"]) for value in found}
            hidden = self._find_unreadable(name, filter(None, numbers.values()))
            for value in found:
                if numbers[value["id"]] in hidden:
                    value["display_name"] = self._get_hidden_name()
        return rows

    @api.model
    def _web_read_group_groupby_formatter(self, groupby_spec, values):
        """Override: replace display names that the user may not read, in headings of groups."""
        formatter = super()._web_read_group_groupby_formatter(groupby_spec, values)
        if not self._is_link_of_ours(groupby_spec):
            return formatter
        hidden = self._find_unreadable(groupby_spec, [value.id for value in values if value])

        def format_group(value):
            label, domain = formatter(value)
            if value and value.id in hidden:
                label = (value.id, self._get_hidden_name())
            return label, domain

        return format_group

    def _read_group_format_result(self, rows_dict, lazy_groupby):
        """Override: replace display names that the user may not read, in results of `read_group`.

        Odoo 19 has replaced that method, but still lets clients call it.
        """
        res = super()._read_group_format_result(rows_dict, lazy_groupby)
        for name in filter(self._is_link_of_ours, lazy_groupby):
            hidden = self._find_unreadable(name, [row[name][0] for row in rows_dict if row[name]])
            for row in rows_dict:
                if row[name] and row[name][0] in hidden:
                    row[name] = (row[name][0], self._get_hidden_name())
        return res

    def _order_field_to_sql(self, alias, field_name, direction, nulls, query):
        """Override: sort by records that the user may read; all others stand in the same place.

        Sorted among records with chosen names, the place of a record tells its name.
        """
        field = self._fields.get(field_name)
        if self.env.su or not self._is_link_of_ours(field_name):
            return super()._order_field_to_sql(alias, field_name, direction, nulls, query)
        linked = self.env[field.comodel_name]
        readable = linked.with_context(active_test=False)._search(Domain.TRUE)
        if linked._order == "id" or not readable.where_clause:
            return super()._order_field_to_sql(alias, field_name, direction, nulls, query)
        found = query.make_alias(alias, f"{field_name}__readable")
        number = SQL.identifier(found, "id")
        query.add_join(
            "LEFT JOIN",
            found,
            readable.subselect(SQL("%s.*", SQL.identifier(readable.table))),
            SQL("%s = %s", number, self._field_to_sql(alias, field_name, query)),
        )
        query._order_groupby.append(number)
        if nulls.code == "NULLS FIRST":
            place = SQL("%s IS NOT NULL", number)
        else:
            place = SQL("%s IS NULL %s", number, SQL() if nulls.code else direction)
        reverse = direction.code == "DESC"
        order = linked._order_to_sql(linked._order, query, alias=found, reverse=reverse)
        return SQL("%s, %s", place, order)

    @api.model
    def _is_link_of_ours(self, name):
        field = self._fields.get(name)
        return bool(
            field and field.type == "many2one" and field.comodel_name.startswith("directmail.")
        )

    @api.model
    def _find_unreadable(self, name, numbers):
        """Return the ids of those linked records that the current user may not read.

        :param str name: of a many2one
        :param numbers: ids of records that it refers to
        :rtype: set
        """
        linked = self.env[self._fields[name].comodel_name].browse(dict.fromkeys(numbers))
        return set() if self.env.su else {*(linked - linked._filtered_access("read"))._ids}

    @api.model
    def _get_hidden_name(self):
        return self.env._("Not visible to you")
