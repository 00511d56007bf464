"""Check paths of fields ("order_id.partner_id") and filters, and translate paths into SQL."""

from odoo.fields import Domain
from odoo.tools import SQL, OrderedSet, formatLang

from ..lists.filters import TERMS_MAX, TEXT_MAX, FilterError, parse_filter
from .technical import check_named, check_told

#: Operators of conditions whose value may be ids of records.
REFERRING = frozenset(("=", "!=", "in", "not in", "child_of", "parent_of"))


def steps(model, path):
    """Yield (model, field) for each field on a path.

    Stops at a date, datetime or properties field, because the names after it are no fields
    ("create_date.month_number").

    :param model: an empty recordset
    :raise ValueError: with the reason, naming the field that does not exist
    """
    names = path.split(".")
    for number, name in enumerate(names):
        field = model._fields.get(name)
        if field is None:
            raise ValueError(_make_unknown(model, name))
        yield model, field
        if field.type in ("date", "datetime", "properties"):
            return
        if number < len(names) - 1:
            if not field.comodel_name:
                raise ValueError(_make_unknown(model, f"{name}.{names[number + 1]}"))
            model = model.env[field.comodel_name]


def _make_unknown(model, path):
    path = f"{model._name}.{path}"
    return model.env._("There is no field %s.", path)


def conditions(model, domain):
    """Yield (condition, [(model, field), …]) for each condition of a filter, nested ones included.

    :raise ValueError: with the reason, naming a field that does not exist
    """
    for condition in Domain(domain).iter_conditions():
        found = list(steps(model, condition.field_expr))
        yield condition, found
        last = found[-1][1]
        # Without a comodel ("id any"), the value is a query of ids, which names no further field.
        if condition.operator.rstrip("!").endswith("any") and last.comodel_name:
            yield from conditions(model.env[last.comodel_name], condition.value)


def read_filter(model, text, env):
    """Return a stored filter as a `Domain`, after checking its fields and records.

    :param model: an empty recordset with all rights; a user's rights are checked by
        `check_readable`
    :param str text: the filter, as Odoo's filter editor writes it
    :param env: its user is ``uid`` in the filter, and their time zone decides which day is today
    :raise ValueError: with the reason, if the text can't be parsed, or names a deleted record or a
        field that does not exist, can't be searched, or is refused by `engine.technical`
    """
    tz = env.context.get("tz") or env.user.tz or "UTC"
    try:
        domain = Domain(parse_filter(text, uid=env.uid, tz=tz))
        _check_searchable(model, domain)
        domain.validate(model)
        _check_references(model, domain)
    except FilterError as error:
        raise ValueError(_explain(model.env, error)) from error
    except (TypeError, KeyError, RecursionError) as error:
        raise ValueError(model.env._("The filter contains an invalid value: %s", error)) from error
    return domain


def _explain(env, error):
    """Return the message of a `FilterError`."""
    sentences = {
        "too_long": env._(
            "The filter has more than %s characters. Shorten it.",
            formatLang(env, TEXT_MAX, digits=0),
        ),
        "too_many": env._(
            "The filter has more than %s conditions. Remove some of them.",
            formatLang(env, TERMS_MAX, digits=0),
        ),
        "too_deep": env._("The filter has too many nested groups. Simplify it."),
        "not_list": env._("The filter is not a list of conditions: %s", error.detail),
        "not_allowed": env._("The filter can't contain this expression: %s", error.detail),
        "bad_value": env._("The filter contains an invalid value: %s", error.detail),
    }
    return sentences[error.code]


def _check_searchable(model, domain):
    """Refuse a filter with a field of `engine.technical`, or with one that can't be searched.

    Odoo notices an unsearchable field behind a relation only when it generates SQL, and then fails
    with a programming error instead of a message for the user.

    :raise ValueError: with the reason
    """
    for condition, found in conditions(model, domain):
        for step_model, field in found:
            check_told(step_model, field)
        step_model, field = found[-1]
        check_named(step_model, field, condition.value)
        if not field._description_searchable:
            path = f"{step_model._name}.{field.name}"
            raise ValueError(model.env._("The field %s can't be searched.", path))


def _check_references(model, domain):
    """Refuse a filter that names a deleted record, such as a tag.

    The condition would match no one, so that an audience line with `except` would silently remove
    no one.

    :raise ValueError: naming the field
    """
    for condition, found in conditions(model, domain):
        field = found[-1][1]
        if not field.relational or condition.operator not in REFERRING:
            continue
        value = condition.value
        values = [value] if isinstance(value, int) else value
        if not isinstance(values, (list, tuple, set, frozenset, OrderedSet)):
            continue
        numbers = [number for number in values if type(number) is int and number > 0]
        # sudo(): only whether the records exist is read.
        comodel = model.env[field.comodel_name].sudo()
        if len(comodel.browse(numbers).exists()) < len(set(numbers)):
            raise ValueError(
                model.env._(
                    "The filter refers to a deleted record in “%s”. Edit the filter.",
                    field._description_string(model.env),
                )
            )


def check_readable(model, domain):
    """Refuse a filter with a model or field that the user of ``model`` may not read.

    The ORM checks the fields that it translates into SQL, but not the fields that a field's search
    method reads. So each step of each path is checked here.

    :raise AccessError: naming the field or model
    :raise ValueError: naming a field that does not exist
    """
    for _condition, found in conditions(model, domain):
        _check_steps(found)


def check_path(model, path):
    """Refuse a path with a model or field that the user of ``model`` may not read.

    :raise AccessError: naming the field or model
    :raise ValueError: naming a field that does not exist, or that `engine.technical` refuses
    """
    found = list(steps(model, path))
    for step_model, field in found:
        check_told(step_model, field)
    _check_steps(found)


def _check_steps(found):
    for step_model, field in found:
        step_model.browse().check_access("read")
        step_model._check_field_access(field, "read")


def path_to_sql(model, path, query):
    """Return SQL of the value at the end of a path, after joining its tables to the query.

    Rows of the query whose path leads through a record that the user of ``model`` may not read are
    removed from the query.

    :param model: the model of the query's main table
    :param str path: a path that `check_path` has accepted
    :param query: the `Query` to join the tables to
    :rtype: SQL
    """
    alias = query.table
    *hops, last = path.split(".")
    for name in hops:
        field = model._fields[name]
        if field.related and not field.store:
            model, field, alias = model._traverse_related_sql(alias, field, query)
        user_model = model.env[field.comodel_name]
        model, alias = field.join(model, alias, query)
        if not model.env.su:
            readable = user_model._search(Domain.TRUE, active_test=False)
            if readable.where_clause:
                query.add_where(SQL("%s IN %s", SQL.identifier(alias, "id"), readable.subselect()))
    return model._field_to_sql(alias, last, query)
