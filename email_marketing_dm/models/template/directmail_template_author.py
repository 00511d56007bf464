from odoo import api, fields, models

from ...content.expressions import COLUMN_PREFIX, split_record_path
from ...content.filling import body_value, html_value, plain_value
from ...content.names import get_first_name
from ...engine.installed import find_model
from ...engine.row_values import read_row_values
from ...engine.values import ValueReader, describe_path, find_obstacle, has_left, needs_rights
from ...lists.columns import FIELD_USES, join_name
from .directmail_template import TEMPLATE_CONTENT_FIELDS

# {(model, path on contacts): paths on the model that mean the same, best first}, where they differ:
# `name` of a lead is its subject.
SOURCE_PATHS = {("crm.lead", "name"): ("contact_name", "partner_name")}
# Names of the field with a person's language, on contacts and source records.
LANGUAGE_FIELDS = ("lang", "lang_code")


class DirectmailTemplate(models.Model):
    """Rights with which placeholders are read, and their values for each person.

    A value is read only if the template's owner, `content_user_id` (who last changed the content)
    and the task's owner may all read it. Otherwise a user could insert a placeholder into a mail
    sent with a colleague's rights, and receive data that only the colleague may read.
    """

    _inherit = "directmail.template"
    _guarded_fields = frozenset(("content_user_id",))

    content_user_id = fields.Many2one(
        "res.users",
        "Content last changed by",
        required=True,
        readonly=True,
        copy=False,
        index=True,
        ondelete="restrict",
        default=lambda self: self.env.user,
        help="The user who last changed the content. Placeholders show only what this user, the"
        " template's owner and the owner of the email task may all read.",
    )
    is_author = fields.Boolean(compute="_compute_is_author")

    @api.depends("content_user_id")
    @api.depends_context("uid")
    def _compute_is_author(self):
        for template in self:
            template.is_author = template.content_user_id == self.env.user

    def copy(self, default=None):
        copies = super().copy(default)
        if not set(TEMPLATE_CONTENT_FIELDS) & set(default or {}):
            for template, copied in zip(self, copies, strict=True):
                # sudo(): super() checked the right to copy; `content_user_id` is guarded.
                copied.sudo().content_user_id = template.content_user_id
        return copies

    # === ACTIONS === #

    def action_take_over_content(self):
        """Make the current user the `content_user_id`; the content stays as it is."""
        self.check_access("write")
        for template in self:
            # sudo(): writing was checked above; `content_user_id` is guarded.
            before = template.content_user_id
            template.sudo().content_user_id = self.env.user
            template._post_note(
                self.env._(
                    "%(user)s took over the content, which %(author)s last changed.",
                    user=self.env.user.name,
                    author=before.sudo().name,
                )
            )
        return True

    # === BUSINESS === #

    def _find_rewritten(self, vals):
        """Return the templates whose content vals change; none for the superuser.

        `write` makes the current user their `content_user_id`. A superuser, as in crons, must not
        become one: its rights would not limit placeholders.

        :param dict vals: values of any fields
        """
        if self.env.user._is_superuser():
            return self.browse()
        return self.filtered(lambda template: template._changes_content(vals))

    def _changes_content(self, vals):
        """Return whether vals change a field in TEMPLATE_CONTENT_FIELDS.

        :param dict vals: values of any fields
        :rtype: bool
        """
        return any(
            self._fields[name].convert_to_cache(vals[name], self)
            != self._fields[name].convert_to_cache(self[name], self)
            for name in set(TEMPLATE_CONTENT_FIELDS) & set(vals)
        )

    def _get_lenders(self, reader=None):
        """Return the users who must all be allowed to read a placeholder's value, `reader` last.

        They lend their rights to the mail. `engine.people.Lenders` are others: the owners of the
        audiences, who lend their people.

        :param reader: a further `res.users`, such as the owner of the email task
        """
        return self.user_id | self.content_user_id | (reader or self.user_id.browse())

    def _explain_missing_lender(self, sender):
        """Return which of `_get_lenders` has left the company, and what to do about it.

        :param sender: the `res.users` who owns the email task
        :return: a text; "" if nobody has left, or no placeholder needs rights
        :rtype: str
        """
        self.ensure_one()
        # sudo(): names of users and template are shown to the sender of the task.
        template, company = self.sudo(), self.sudo().company_id
        contacts = self.env["res.partner"]
        if not any(
            split_record_path(each["path"]) or needs_rights(contacts, each["path"])
            for each in template.variables or ()
            if not each["path"].startswith(COLUMN_PREFIX)
        ):
            return ""
        names = {"template": template.name, "company": company.name}
        if has_left(template.content_user_id, company):
            return self.env._(
                "%(user)s, who last changed the content of %(template)s, no longer works for"
                " %(company)s. Open the template, check what it says, and press Take over content.",
                user=template.content_user_id.name,
                **names,
            )
        if has_left(template.user_id, company):
            return self.env._(
                "%(user)s, the owner of the template %(template)s, no longer works for"
                " %(company)s. Ask an administrator to choose a new owner of the template.",
                user=template.user_id.name,
                **names,
            )
        if has_left(sender, company):
            return self.env._(
                "%(user)s, the owner of the email task, no longer works for %(company)s. Ask an"
                " administrator to choose a new owner of the email task.",
                user=sender.sudo().name,
                company=company.name,
            )
        return ""

    # === VALUES OF PLACEHOLDERS === #

    def _find_obstacle(self, path):
        """Return why owner or author may not use a path as a placeholder, a code; "" if they may.

        :param str path: dotted path of fields, from a contact, or of a column of uploaded lists
        :rtype: str
        """
        if path.startswith(COLUMN_PREFIX):
            return ""
        records = self.env["res.partner"]
        if of_record := split_record_path(path):
            model_name, path = of_record
            records = find_model(self.env, model_name)
            if records is None or not path:
                return "unreadable"
        found = (find_obstacle(records.with_user(user), path) for user in self._get_lenders())
        return next(filter(None, found), "")

    def _describe_path(self, path):
        """Return the label that the placeholder picker shows for a path, and the path.

        :param str path: as for `_find_obstacle`
        :rtype: str
        """
        if path.startswith(COLUMN_PREFIX):
            columns = self.env["directmail.upload.column"]
            return columns._describe_key(path.removeprefix(COLUMN_PREFIX))
        if split_record_path(path):
            return self._describe_record_path(path)
        return describe_path(self.env["res.partner"].with_user(self.user_id), path)

    def _get_values(self, people, reader=None, uploads=None, records=None):
        """Return the values of the template's variables for each person.

        A value comes from the contact; of a person without one, from the source record (such as a
        lead) or from the person's row in an uploaded list; else it is the placeholder's default. It
        is read with the rights that all of `_get_lenders` have, in the template's company: see
        `engine.values`. Values of rows are about the person who gets the mail, so they need no
        rights beyond those with which the uploads were chosen.

        :param people: objects with the attributes of `engine.content.Person`, such as
            `engine.claim.Claimed`; ids are int, the model is a name, each may be None. Read in one
            batch per model and language
        :param reader: the `res.users` for `_get_lenders`: owner of the email task, or reader of the
            preview
        :param uploads: the `directmail.upload`s whose rows have values for these people
        :param records: {person.id: record that the person's mail is about}, all of one model
        :return: {person.id: {variable: text}}, escaped for the variable's place
        :rtype: dict
        """
        self.ensure_one()
        variables = self.variables or []
        found, langs = {}, {}
        for own, lang, numbers in self._get_records(people):
            texts = self._read_texts(variables, own, lang, reader)
            found |= {person: (texts, number) for person, number in numbers.items()}
            langs |= dict.fromkeys(numbers, lang)
        rows = self._read_rows(variables, people, uploads)
        if records:
            about = self._read_record_texts(variables, records, langs, reader)
            rows = {
                person.id: {**rows.get(person.id, {}), **about.get(person.id, {})}
                for person in people
            }
        values = {}
        for person in people:
            texts, number = found.get(person.id, ({}, None))
            in_row = rows.get(person.id, {})
            values[person.id] = {
                variable["name"]: _escape(
                    variable,
                    texts.get(_key(variable), {}).get(number)
                    or in_row.get(_key(variable))
                    or in_row.get(variable["path"]),
                )
                for variable in variables
            }
        return values

    @api.model
    def _read_rows(self, variables, people, uploads):
        """Return {person.id: {path: text}} of the people's rows in uploaded lists.

        :param variables: value of the field `variables`
        :param people, uploads: as in `_get_values`
        """
        paths = {variable["path"] for variable in variables}
        has_columns = any(path.startswith(COLUMN_PREFIX) for path in paths)
        if not uploads or not (has_columns or paths & {*FIELD_USES}):
            return {}
        found = read_row_values(self.env, uploads.ids, people)
        return {
            number: {
                **{COLUMN_PREFIX + key: text for key, text in kept.items()},
                **get_field_texts(for_contact),
            }
            for number, (kept, for_contact) in found.items()
        }

    def _get_records(self, people):
        """Yield the contacts or source records of people, grouped by model and language.

        People whose record does not exist (any more) are left out.

        :param people: as in `_get_values`
        :return: (records with sudo, language code, {person.id: record id})
        """
        by_model = {}
        for person in people:
            if person.partner_id:
                by_model.setdefault("res.partner", {})[person.id] = person.partner_id
            elif find_model(self.env, person.res_model) is not None:
                by_model.setdefault(person.res_model, {})[person.id] = person.res_id
        for model, numbers in by_model.items():
            # sudo(): only the language is read here; `ValueReader` checks the rights for values.
            records = self.env[model].sudo().browse(set(numbers.values())).exists()
            name = next((name for name in LANGUAGE_FIELDS if name in records._fields), None)
            by_lang = records.grouped(name) if name else {False: records}
            for lang, group in by_lang.items():
                here = set(group.ids)
                people_here = {key: number for key, number in numbers.items() if number in here}
                yield group, lang or self.user_id.lang, people_here

    def _read_texts(self, variables, records, lang, reader):
        """Return {(path, format): {record id: text}} of variables, for records of one model.

        :param variables: value of the field `variables`
        :param records: records with the language `lang`
        :param reader: as in `_get_values`
        :raise KeyError: for a path whose field contacts no longer have
        """
        company = self.company_id or self.account_id.company_id
        values = ValueReader(self._get_lenders(reader), company, self.account_id.tz, lang)
        texts = {}
        for path, value_format in dict.fromkeys(map(_key, variables)):
            if path.startswith(COLUMN_PREFIX) or split_record_path(path):
                continue
            if records._name == "res.partner":
                # Raises KeyError if the field is gone: no mail is better than mails without it.
                records.browse().mapped(path)
            found = texts[path, value_format] = {}
            for candidate in SOURCE_PATHS.get((records._name, path), (path,)):
                if values.may_read(records._name, candidate):
                    for number, text in values.get_texts(records, candidate, value_format).items():
                        found[number] = found.get(number) or text
        return texts


def get_field_texts(values):
    """Return {path of a placeholder: text} for a person without a contact.

    :param dict values: {use of a column: value} of the person's row
    """
    name = join_name(values)
    known = {**values, "name": name, "first_name": values.get("first_name") or get_first_name(name)}
    return {path: known[use] for path, use in FIELD_USES.items() if known.get(use)}


def _key(variable):
    return variable["path"], variable.get("format", "")


def _escape(variable, text):
    if variable["where"] == "subject":
        return plain_value(text or variable.get("fallback"))
    if text and variable["where"] == "body":
        return body_value(text)
    # Not `body_value`: line breaks in a default come from its HTML source and mean nothing.
    return html_value(text or variable.get("fallback"))
