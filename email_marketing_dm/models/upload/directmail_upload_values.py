from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tools import SQL, format_list

from ...lists.columns import (
    CONTACT_USES,
    NOTHING,
    PLACEHOLDER,
    USED_MAX,
    find_doubles,
    join_name,
    read_value,
)
from .contact_choices import ContactChoices
from .directmail_upload_line import PEOPLE, PROBLEM_MAX

CONTACTS = 200  # contacts written in one transaction
#: {use of a column: field of the contact} of the fields that are plain texts
TEXT_FIELDS = {
    "company": "company_name",
    "function": "function",
    "phone": "phone",
    "street": "street",
    "zip": "zip",
    "city": "city",
    "website": "website",
}


class RowReader:
    """Reads the values of a list's columns besides that of the IDs, row by row.

    :param upload: the `directmail.upload` with the columns
    :param ContactChoices choices: of the owner
    """

    def __init__(self, upload, choices):
        self._choices = choices
        self._is_secret = upload.id_kind == "encrypted"
        # Plain tuples: fields of records would be slow for each cell.
        self._columns = [
            (column.number, column.use, column.key, column.name)
            for column in upload._get_used_columns()
        ]

    def read_row(self, row):
        """Return three values of fields of a row: `kept_values`, `contact_values`, `problems`.

        :param list row: the texts of its cells
        """
        kept, for_contact, problems = {}, {}, []
        for number, use, key, name in self._columns:
            value = read_value(row[number]) if number < len(row) else ""
            if not value:
                continue
            if flaw := self._choices.find_flaw(use, value, self._is_secret):
                # An address of a person with an encrypted address is not kept here, either.
                shown = "" if flaw == "address" else value[:PROBLEM_MAX]
                problems.append({"column": name, "value": shown, "flaw": flaw})
            elif use == PLACEHOLDER:
                kept[key] = value
            elif use == "tags" and "tags" in for_contact:
                for_contact["tags"] += f", {value}"
            else:
                for_contact[use] = value
        return kept, for_contact, problems


class DirectmailUpload(models.Model):
    """The values of columns besides that of the IDs: kept with the row, or written to its contact.

    `kept_values` of a row fill the placeholders of columns. `contact_values` are for fields of the
    contact, and are emptied once they are written. Of people without a contact they stay, and fill
    the placeholders of these fields.
    """

    _inherit = "directmail.upload"

    contact_update = fields.Selection(
        [
            ("fill", "Fill in empty fields only"),
            ("overwrite", "Overwrite fields"),
            ("keep", "Don't change them"),
        ],
        "Contacts that are found",
        required=True,
        default=lambda self: self._default_contact_update(),
        help="Which values of the columns for contacts are written to contacts that exist. Tags are"
        " only added. An empty cell changes nothing.",
    )
    has_contact_columns = fields.Boolean(compute="_compute_has_contact_columns")
    updated_count = fields.Integer("Contacts changed", readonly=True, copy=False)
    problem_count = fields.Integer(
        "Rows with values that were not used",
        readonly=True,
        copy=False,
        help="The people in these rows are in the list, but some value of another column could not"
        " be used.",
    )

    @api.model
    def _default_contact_update(self):
        return "fill" if self.env["res.partner"].has_access("write") else "keep"

    @api.depends("column_ids.use", "column_id")
    def _compute_has_contact_columns(self):
        for upload in self:
            upload.has_contact_columns = any(
                column.use in CONTACT_USES for column in upload._get_used_columns()
            )

    def _get_used_columns(self):
        """Return the columns whose values are used, without that of the IDs."""
        ids = self.column_id._origin
        return self.column_ids.filtered(
            lambda column: column.use != NOTHING and column._origin != ids
        )

    def _check_columns(self):
        """Check what the columns are used for, and the right to change contacts.

        :raise UserError: with the problem and how to solve it
        """
        used = self._get_used_columns()
        if len(used) > USED_MAX:
            raise UserError(
                self.env._(
                    "At most %s columns can be used. Choose “Not used” for the others.", USED_MAX
                )
            )
        if doubles := find_doubles(used.mapped("use")):
            labels = dict(used._fields["use"]._description_selection(self.env))
            raise UserError(
                self.env._(
                    "Several columns have the same use: %s. Choose another use for all but one of"
                    " them.",
                    format_list(self.env, [labels[use] for use in doubles]),
                )
            )
        writes = self.has_contact_columns and self.contact_update != "keep"
        if writes and not self.env["res.partner"].has_access("write"):
            raise UserError(
                self.env._(
                    "You may not change contacts. Choose “Don't change them” for the contacts that"
                    " are found, or ask an administrator for the right to change contacts."
                )
            )

    # === ROWS === #

    def _drop_values(self):
        """Empty the values of rows that no audience can use, whose `status` is not in `PEOPLE`.

        If contacts are not updated (`contact_update` is "keep"), also empty the `contact_values` of
        matched rows.
        """
        self.env.cr.execute(
            SQL(
                """UPDATE directmail_upload_line
                      SET kept_values = CASE WHEN status IN %(people)s THEN kept_values END,
                          problems = CASE WHEN status IN %(people)s THEN problems END,
                          contact_values = CASE WHEN status IN %(people)s
                                                 AND (status != 'matched' OR %(updates)s)
                                                THEN contact_values END
                    WHERE upload_id = %(upload)s
                      AND (kept_values IS NOT NULL OR contact_values IS NOT NULL
                           OR problems IS NOT NULL)
                      AND (status NOT IN %(people)s OR status = 'matched' AND NOT %(updates)s)""",
                people=PEOPLE,
                updates=self.contact_update != "keep",
                upload=self.id,
            )
        )
        self.env["directmail.upload.line"].invalidate_model()

    def _count_problems(self):
        [(number,)] = self.env.execute_query(
            SQL(
                """SELECT count(*) FROM directmail_upload_line
                    WHERE upload_id = %s AND problems IS NOT NULL""",
                self.id,
            )
        )
        return number

    # === CONTACTS === #

    def _update_contacts(self, progress):
        """Write the values of the next rows to their contacts, as the owner.

        :return: the number of rows
        :rtype: int
        """
        rows = self.env.execute_query(
            SQL(
                """SELECT id FROM directmail_upload_line
                    WHERE upload_id = %s AND status = 'matched' AND contact_values IS NOT NULL
                    ORDER BY id LIMIT %s""",
                self.id,
                CONTACTS,
            )
        )
        lines = self.env["directmail.upload.line"].browse(number for (number,) in rows)
        env = self._get_owner_env()
        contacts = env["res.partner"].browse(lines.partner_id.ids)
        allowed = contacts.exists()._filtered_access("write")
        choices, changes = ContactChoices(env), []
        for line in lines:
            contact = env["res.partner"].browse(line.partner_id.id)
            if contact not in allowed:
                line._add_problem("not_allowed")
            elif vals := self._get_changes(contact, line.contact_values, choices):
                changes.append((line, contact, vals))
        progress.updated += self._write_safely(
            env, changes, lambda contact, vals: contact.write(vals)
        )
        lines.contact_values = False
        return len(lines)

    def _write_safely(self, env, changes, write):
        """Call ``write`` for each change; a change that Odoo refuses does not stop the others.

        :param env: the owner's environment
        :param changes: list of (row, contact, values)
        :param write: called with contact and values
        :return: the number of changes that were made
        :rtype: int
        """
        refusals = (AccessError, UserError, ValidationError)
        try:
            with env.cr.savepoint():
                for _line, contact, vals in changes:
                    write(contact, vals)
            return len(changes)
        except refusals:
            env.invalidate_all()
        made = 0
        for line, contact, vals in changes:
            try:
                with env.cr.savepoint():
                    write(contact, vals)
                made += 1
            except refusals as error:
                env.invalidate_all()
                line._add_problem("refused", str(error.args[0]))
        return made

    def _get_contact_vals(self, values, choices):
        """Return values of fields of a contact.

        :param dict values: `contact_values` of a row
        :param ContactChoices choices: of the owner
        """
        vals = {name: values[use] for use, name in TEXT_FIELDS.items() if use in values}
        if name := join_name(values):
            vals["name"] = name
        return vals | choices.get_vals(values)

    def _get_changes(self, contact, values, choices):
        """Return the values that change a contact, as `contact_update` says.

        :param contact: in the owner's environment
        :param values, choices: as for `_get_contact_vals`
        """
        changes = {}
        for name, value in self._get_contact_vals(values, choices).items():
            if name == "category_id":
                known = {*contact.category_id.ids}
                value = [command for command in value if command[1] not in known]
                if value:
                    changes[name] = value
                continue
            present = self._get_present(contact, name)
            if present != value and (not present or self.contact_update == "overwrite"):
                changes[name] = value
        if contact.commercial_company_name and contact.commercial_partner_id.is_company:
            changes.pop("company_name", None)  # the contact is or belongs to a company
        return changes

    @api.model
    def _get_present(self, contact, name):
        """Return the value that a contact has; a name that is only its address counts as none."""
        if name == "country_id":
            return contact.country_id.id
        if name == "name" and contact.name in (contact.email, contact.email_normalized):
            return False
        return contact[name]
