from odoo import models
from odoo.fields import Domain

from ...content.expressions import RECORD_PREFIX, make_record_path, split_record_path
from ...engine.installed import find_model
from ...engine.values import ValueReader, describe_path, find_obstacle

#: states in which `variables` are those of the content
COMPILED_STATES = ("in_review", "approved")


class DirectmailTemplate(models.Model):
    """Placeholders for the record for which a series starts, such as an order.

    Their paths name the model of the record (`content.expressions.make_record_path`). A record is
    read only if all of `_get_lenders` may read it, in mails of series whose owner is one of them.
    """

    _inherit = "directmail.template"

    def _read_record_texts(self, variables, records, langs, reader):
        """Return {person.id: {(path, format): text}} of the records that mails are about.

        A record that does not exist any more, or that not all of the users may read, has no texts.

        :param variables: value of the field `variables`
        :param records: {person.id: record}, all of one model
        :param langs: {person.id: code of the language}; by default that of the template's owner
        :param reader: as in `_get_values`
        """
        model = next(iter(records.values())).browse()
        wanted = {
            (variable["path"], variable.get("format", "")): of_record[1]
            for variable in variables
            if (of_record := split_record_path(variable["path"])) and of_record[0] == model._name
        }
        by_lang, texts = {}, {}
        for person, record in records.items():
            lang = langs.get(person) or self.user_id.lang
            by_lang.setdefault(lang, {})[person] = record.id
        for lang, numbers in by_lang.items():
            company = self.company_id or self.account_id.company_id
            values = ValueReader(self._get_lenders(reader), company, self.account_id.tz, lang)
            # sudo(): only whether they exist; `ValueReader` checks the rights.
            here = model.sudo().browse(set(numbers.values())).exists()
            for key, path in wanted.items():
                if not path or not here or not values.may_read(model._name, path):
                    continue
                found = values.get_texts(here, path, key[1], is_own=False)
                for person, number in numbers.items():
                    texts.setdefault(person, {})[key] = found.get(number)
        return texts

    def _describe_record_path(self, path):
        """Return the labels of the model and of the fields of a path, for users."""
        model_name, rest = split_record_path(path)
        model = find_model(self.env, model_name)
        if model is None:
            return path
        # sudo() reads the label of a model.
        label = self.env["ir.model"]._get(model_name).sudo().name
        return f"{label} › {describe_path(model.with_user(self.user_id), rest)}"

    def _get_record_paths(self):
        """Return the paths of the content to records, as a list of `split_record_path`."""
        self.ensure_one()
        variables = self.variables or ()
        if self.state not in COMPILED_STATES:
            texts = (self.subject, self.preview_text, self.body_html)
            if not any(RECORD_PREFIX in (text or "") for text in texts):
                return []
            variables = self._compile_content(self.body_html).variables
        found = (split_record_path(variable["path"]) for variable in variables)
        return list(filter(None, found))

    def _explain_record(self, model_name, reader):
        """Return why mails can't show the records that the content names, and what to do, or "".

        :param str model_name: of the records that the mails are about; False if they are not about
            a record
        :param reader: the `res.users` who owns the series or email task
        """
        self.ensure_one()
        # sudo(): users of a series or email task may not read all of its template.
        template = self.sudo()
        paths = template._get_record_paths()
        others = {name for name, _path in paths} - {model_name}
        if not others:
            return template._explain_unreadable_record(paths, reader)
        labels = [template.env["ir.model"]._get(name).name or name for name in sorted(others)]
        values = {"template": template.name, "records": ", ".join(labels)}
        if model_name:
            return self.env._(
                "The template %(template)s shows values of records (%(records)s), but the series"
                " starts by other records. Remove these placeholders, or choose another template.",
                **values,
            )
        return self.env._(
            "The template %(template)s shows values of records (%(records)s). It can only be used"
            " in a series that starts by such records. Remove these placeholders, or choose another"
            " template.",
            **values,
        )

    def _explain_unreadable_record(self, paths, reader):
        """Return which field of records a user may not read, and what to do, or "".

        :param paths: as of `_get_record_paths`
        :param reader: as in `_explain_record`
        """
        for model_name, path in paths:
            model = find_model(self.env, model_name)
            if model is None or find_obstacle(model.with_user(reader).sudo(False), path):
                # sudo(): the name of a colleague, which all users may read.
                return self.env._(
                    "%(user)s may not read the field %(field)s, which the template %(template)s"
                    " shows. Remove this placeholder, or ask an administrator for the right.",
                    user=reader.sudo().name,
                    field=self._describe_record_path(make_record_path(model_name, path)),
                    template=self.name,
                )
        return ""

    def _find_samples(self, variables, person, company):
        """Return a record for the preview: the newest of the contact, else the newest of all.

        Only records that the current user may read.

        :param variables: value of the field `variables`
        :param person: `engine.content.Person` whose contact the preview is for
        :param company: the only allowed company
        :return: as the parameter `records` of `_get_values`
        """
        found = (split_record_path(variable["path"]) for variable in variables or ())
        model_name = next((of_record[0] for of_record in found if of_record), None)
        model = find_model(self.env, model_name)
        if model is None or not model.has_access("read"):
            return {}
        # Technical models have no usable data table.
        tables = self.env["directmail.data.table"].search(
            [("model_name", "=", model_name), ("usable", "=", True)]
        )
        if not tables:
            return {}
        model = model.with_context(allowed_company_ids=company.ids)
        # sudo(): the definition of a table that the user may use.
        path = tables[0].sudo().partner_path
        mine = Domain(path, "=", person.partner_id) if path and person.partner_id else Domain.FALSE
        sample = model.search(mine, order="id desc", limit=1) or model.search(
            Domain.TRUE, order="id desc", limit=1
        )
        return {person.id: sample} if sample else {}
