import re

from markupsafe import Markup

from odoo import api, models
from odoo.tools import format_date, format_datetime, formatLang

from ..directmail.placeholders import html_value, plain_value

# Where a source record keeps what a contact calls "name": the name of a lead is its subject.
SOURCE_PATHS = {("crm.lead", "name"): ("contact_name", "partner_name")}


class DirectmailTemplate(models.Model):
    """What a template's variables are for each person."""

    _inherit = "directmail.template"

    def _is_readable(self, model, path, user=None):
        """Tell whether the owner may read a field, and each step on the way to it.

        Values are read with all rights when mails go out, so this is asked before.

        :param str model: where the path begins
        :param user: somebody else than the owner
        """
        records = self.env[model].with_user(user or self.user_id)
        for name in path.split("."):
            field = records._fields.get(name) if records is not None else None
            if (
                field is None
                or not records.has_access("read")
                or not records._has_field_access(field, "read")
            ):
                return False
            records = records[name] if field.relational else None
        return True

    @api.private
    def _get_values(self, people):
        """Return what the template's variables are for each person.

        A value comes from the contact, else from the source record (a lead, say) if the
        template's owner may read it there, else it is the placeholder's own.

        :param people: objects with `id`, `partner_id`, `res_model` and `res_id` (two numbers and
            a model's name, or None), such as `engine.claim.Claimed`; read in one batch per model
            and language, whatever their number
        :return: {person.id: {variable: text}}, escaped for where the variable stands
        :rtype: dict
        """
        self.ensure_one()
        records = self._get_records(people)
        paths = {
            model: self._get_source_paths(model)
            for model in {record._name for record in records.values()}
        }
        values = {}
        for person in people:
            record = records.get(person.id)
            values[person.id] = {
                variable["name"]: self._get_value(record, variable, paths)
                for variable in self.variables or []
            }
        return values

    def _get_records(self, people):
        """Return {person.id: contact or source record}, each in the language it is read in.

        Whoever has none, or none any more, is missing.
        """
        numbers = {}
        for person in people:
            if person.partner_id:
                numbers.setdefault("res.partner", {})[person.id] = person.partner_id
            elif person.res_model in self.env:
                numbers.setdefault(person.res_model, {})[person.id] = person.res_id
        found = {}
        for model, by_person in numbers.items():
            # a cron's company is not the template's, and some values differ between companies
            sender = self.with_company(self.company_id or self.account_id.company_id)
            records = sender.env[model].sudo().browse(set(by_person.values())).exists()
            by_lang = records.grouped("lang") if "lang" in records._fields else {False: records}
            readable = {
                record.id: record
                for lang, group in by_lang.items()
                for record in group.with_context(lang=lang or self.user_id.lang)
            }
            found |= {
                person: readable[number]
                for person, number in by_person.items()
                if number in readable
            }
        return found

    def _get_source_paths(self, model):
        """Return {path on contacts: paths on another model to look for the same}."""
        paths = {}
        for variable in self.variables or []:
            path = variable["path"]
            if model == "res.partner":
                paths[path] = (path,)
            else:
                candidates = SOURCE_PATHS.get((model, path), (path,))
                paths[path] = tuple(p for p in candidates if self._is_readable(model, p))
        return paths

    def _get_value(self, record, variable, paths):
        text = ""
        for path in paths[record._name][variable["path"]] if record else ():
            *steps, name = path.split(".")
            found = record
            for step in steps:
                found = found[step][:1]
            text = text or self._format_value(found, name)
        text = text or variable.get("fallback") or ""
        return plain_value(text) if variable["where"] == "subject" else html_value(text)

    @api.model
    def _format_value(self, record, name):
        """Return a field's value as a reader in the context's language expects it."""
        field, value, env = record._fields[name], record[name], record.env
        if not record or value in (False, None) and field.type != "boolean":
            return ""
        if field.relational:
            return ", ".join(value.mapped("display_name"))
        if field.type == "selection":
            return dict(field._description_selection(env)).get(value, value)
        if field.type == "date":
            return format_date(env, value)
        if field.type == "datetime":
            return format_datetime(env, value)
        if field.type in ("float", "monetary"):
            return formatLang(env, value)
        if isinstance(value, Markup):
            return re.sub(r"<[^>]+>", "", value).strip()
        return str(value)
