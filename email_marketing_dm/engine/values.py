"""Read the values of placeholders: fields of records, as texts for the mail's reader.

A path leads from a record to the value: ``city``, ``parent_id.name``. It begins at the record of
the person who gets the mail. That record's own fields may be read with all rights, because they are
sent to that person only. Records behind a relation are about others, so they are read only if all
of the users of a `ValueReader` may read them. The same holds for a record that is not the person's
own, such as the order for which a series starts.
"""

from odoo.exceptions import AccessError
from odoo.tools import format_date, format_time, formatLang, html2plaintext

#: Types of fields that can be written as text; a relation is written as the names of its records.
TEXT_TYPES = frozenset(
    (
        "boolean", "char", "date", "datetime", "float", "html", "integer", "many2many", "many2one",
        "monetary", "one2many", "selection", "text",
    )
)  # fmt: skip


def find_obstacle(records, path):
    """Return why a path can't be a placeholder for the user of an (empty) recordset.

    :return: "" if it can be one, else "unreadable" for a field that does not exist or that the user
        may not read, "through_many" for a relation to many records before the path's end, or
        "not_text" for a field whose type is not in `TEXT_TYPES`
    """
    *steps, name = path.split(".")
    for step in steps:
        field = _get_field(records, step)
        if field is None or not field.relational:
            return "unreadable"
        if field.type != "many2one":
            return "through_many"
        records = records.env[field.comodel_name]
    field = _get_field(records, name)
    if field is None or field.relational and not records.env[field.comodel_name].has_access("read"):
        return "unreadable"
    return "" if field.type in TEXT_TYPES else "not_text"


def needs_rights(records, path):
    """Tell whether the value of a path depends on the rights of the users who read it.

    That is so behind a relation, and for a field that is computed for each reader.

    :param records: the (empty) recordset at which the path begins
    """
    field = records._fields.get(path)
    return field is None or field.relational or is_personal(field)


def is_personal(field):
    """Tell whether a field is computed with each reader's own rights: unstored, without sudo."""
    return bool(field.compute) and not field.store and not field.compute_sudo


def has_left(user, company):
    """Tell whether a user is archived or not a member of a company (any more).

    The system user is always archived, but acts for the server and so has not left.
    """
    # sudo() because the current user may not read other users' companies; only a boolean returns.
    user = user.sudo()
    return company not in user.company_ids or not (user.active or user._is_superuser())


def describe_path(records, path):
    """Return a path with its fields' labels: "Related Company › Name (parent_id.name)".

    If the user of the (empty) recordset may not read a field on it, the bare path is returned.
    """
    labels = []
    for name in path.split("."):
        field = None if records is None else _get_field(records, name)
        if field is None:
            return path
        labels.append(field._description_string(records.env))
        records = records.env[field.comodel_name] if field.relational else None
    return f"{' › '.join(labels)} ({path})"


def _get_field(records, name):
    """Return a field that the records' user may read, or None."""
    field = records._fields.get(name)
    if (
        field is None
        or not records.has_access("read")
        or not records._has_field_access(field, "read")
    ):
        return None
    return field


class ValueReader:
    """Reads fields of many records at once, with the rights that all of the users share.

    :param users: one or more `res.users`; if one of them has left (`has_left`), nothing is read
        behind a relation
    :param company: the `res.company` that is the only allowed company
    :param tz: name of the time zone in which moments are written
    :param lang: code of the language in which values are written
    """

    def __init__(self, users, company, tz, lang):
        context = {
            **users.env.context,
            # The cron's company may differ from the template's, and company-dependent fields with
            # it.
            "allowed_company_ids": company.ids,
            "lang": lang,
            "tz": tz,
        }
        self._envs = [users.env(user=user.id, su=False, context=context) for user in users]
        self._belong_here = not any(has_left(user, company) for user in users)

    def may_read(self, model, path):
        """Tell whether a path that begins at a model can be a placeholder for all of the users."""
        return not any(find_obstacle(env[model], path) for env in self._envs)

    def get_texts(self, records, path, value_format="", is_own=True):
        """Return {record id: text} of a path for records of one model, with one read per step.

        A text is empty, or its record missing, if there is no value or not all of the users may
        read it. A field that is computed for each reader (`is_personal`), such as the number of
        opportunities, is empty unless it is the same for all of the users.

        :param value_format: "date" to write a moment without its time
        :param is_own: whether the records are the people's own; others are left out unless all of
            the users may read them
        """
        *steps, name = path.split(".")
        if is_own:
            ends = self._see(records, self._envs[-1])
        else:
            ends = {record.id: record for record in self._filter(records, self._envs)}
        for step in steps:
            if not ends:
                return {}
            allowed = self._get_allowed(ends.values(), step)
            # sudo() follows the relation; `allowed` has the records that all users may read.
            ends = {
                start: allowed[found.id]
                for start, end in ends.items()
                if (found := end.sudo()[step]).id in allowed
            }
        if not ends:
            return {}
        field = next(iter(ends.values()))._fields[name]
        allowed = self._get_allowed(ends.values(), name) if field.relational else {}
        texts = _write_all(ends, field, value_format, allowed)
        if field.relational or is_personal(field):  # names of records are computed per reader too
            records = _join(ends.values())
            for env in self._envs[:-1]:
                seen = self._see(records, env)
                others = _write_all(
                    {start: seen[end.id] for start, end in ends.items()},
                    field,
                    value_format,
                    {number: record.with_env(env) for number, record in allowed.items()},
                )
                texts = {
                    start: text if text == others[start] else "" for start, text in texts.items()
                }
        return texts

    def _see(self, records, env):
        """Return {id: record} in one user's environment; with all rights if the user can't read it.

        Only for the records where paths begin: see the module's docstring.
        """
        records = records.with_env(env)
        seen = self._filter(records, [env])
        hidden = (records - seen).sudo()
        return {record.id: record for group in (seen, hidden) for record in group}

    def _get_allowed(self, records, name):
        """Return {id: record} of the records behind a relation that all of the users may read."""
        # sudo() reads ids only; `_filter` applies the rights of each user.
        records = _join(records).sudo()
        return {record.id: record for record in self._filter(records[name], self._envs)}

    def _filter(self, records, envs):
        """Return the records that are readable in all of the environments, in the last of them."""
        if not self._belong_here:
            return records.browse()
        for env in envs:
            records = records.with_env(env)._filtered_access("read")
        return records


def _write_all(ends, field, value_format, allowed):
    """Return {key: text} of a field for {key: record}; the other parameters are as in `_write`."""
    # The cache of unstored computed fields is shared between the users of a transaction, so drop
    # what was computed for another user.
    if is_personal(field):
        _join(ends.values()).invalidate_recordset()
    if allowed:
        _join(allowed.values()).invalidate_recordset(["display_name"])
    texts = {}
    for start, end in ends.items():
        try:
            texts[start] = _write(end, field, value_format, allowed)
        except AccessError:
            # The compute method read a record that the user may not read.
            texts[start] = ""
    return texts


def _join(records):
    """Return records of one model as one recordset."""
    records = list(records)
    return records[0].browse(record.id for record in records)


def _write(record, field, value_format, allowed):
    """Return a field's value as text in the environment's language.

    :param allowed: {id: record} of the records of a relation whose names may be written
    """
    env = record.env
    if field.relational:
        # sudo() reads ids only; `allowed` has those that the users have rights to read.
        found = record.sudo()[field.name]
        return ", ".join(allowed[key].display_name or "" for key in found.ids if key in allowed)
    value = record[field.name]
    if field.type == "boolean":
        return env._("Yes") if value else env._("No")
    if value is False or value is None:
        return ""
    if field.type == "selection":
        return dict(field._description_selection(env)).get(value, str(value))
    if field.type == "html":
        return html2plaintext(value, include_references=False).strip()
    if field.type in ("date", "datetime"):
        return _write_moment(env, value, field.type == "datetime" and value_format != "date")
    if field.type in ("integer", "float", "monetary") and field.name != "id":
        return _write_number(record, field, value)
    return str(value)


def _write_moment(env, value, with_time):
    text = format_date(env, value)
    if with_time:
        text += " " + format_time(env, value, tz=env.context["tz"], time_format="short")
    return text


def _write_number(record, field, value):
    if field.type == "integer":
        return formatLang(record.env, value, digits=0)
    if field.type == "monetary":
        # sudo(): only the currency's symbol and digits are used; its amount was readable.
        currency = record.sudo()[field.get_currency_field(record)]
        return formatLang(record.env, value, currency_obj=currency)
    digits = field.get_digits(record.env)
    return formatLang(record.env, value, digits=digits[1] if digits else 2)
