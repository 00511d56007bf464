"""Paths of fields ("order_id.partner_id") and filters: what they touch, and whether one may."""

from odoo.fields import Domain
from odoo.tools import SQL, OrderedSet

from ..lists.filters import parse_filter
from .technical import check_named, check_told

#: operators that take ids of records
REFERRING = frozenset(("=", "!=", "in", "not in", "child_of", "parent_of"))


def steps(model, path):
    """Yield (model, field) for each field on a path.

    What follows a date ("create_date.month_number") or a set of properties is no field and ends it.

    :param model: an empty recordset
    :raise ValueError: naming what is not there
    """
    names = path.split(".")
    for number, name in enumerate(names):
        field = model._fields.get(name)
        if field is None:
            raise ValueError(f"{model._name}.{name}")
        yield model, field
        if field.type in ("date", "datetime", "properties"):
            return
        if number < len(names) - 1:
            if not field.comodel_name:
                raise ValueError(f"{model._name}.{name}.{names[number + 1]}")
            model = model.env[field.comodel_name]


def conditions(model, domain):
    """Yield (condition, [(model, field), …]) for each condition of a filter, nested ones included.

    :raise ValueError: naming a field that is not there
    """
    for condition in Domain(domain).iter_conditions():
        found = list(steps(model, condition.field_expr))
        yield condition, found
        last = found[-1][1]
        # The ids of a list are given as SQL, which names no field of anybody's.
        if condition.operator.rstrip("!").endswith("any") and last.comodel_name:
            yield from conditions(model.env[last.comodel_name], condition.value)


def read_filter(model, text, env):
    """Return a filter, as it is kept with a record, as a `Domain` without unknown names.

    :param model: an empty recordset with all rights: whose fields may be used is asked elsewhere
    :param env: its user is ``uid`` in the filter, and their time zone says which day is today
    :raise ValueError: with the reason, if it can't be read, or names a field that is not there,
        can't be searched, or is none of those that may be told (see `engine.technical`)
    """
    tz = env.context.get("tz") or env.user.tz or "UTC"
    try:
        domain = Domain(parse_filter(text, uid=env.uid, tz=tz))
        _check_searchable(model, domain)
        domain.validate(model)
        _check_references(model, domain)
    except (TypeError, KeyError, RecursionError) as error:
        raise ValueError(str(error)) from error
    return domain


def _check_searchable(model, domain):
    """Refuse a filter on a technical field, or on one that is worked out each time it is read.

    Odoo notices the latter behind a relation only when it makes SQL, as a fault of the program.

    :raise ValueError: naming the field, or one that is not there
    """
    for condition, found in conditions(model, domain):
        for step_model, field in found:
            check_told(step_model, field)
        step_model, field = found[-1]
        check_named(step_model, field, condition.value)
        if not field._description_searchable:
            raise ValueError(f"{step_model._name}.{field.name}")


def _check_references(model, domain):
    """Refuse a filter that names a record, a tag for one, that was deleted.

    PostgreSQL would find nobody: an "except" would then keep nobody out.

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
        comodel = model.env[field.comodel_name].sudo()
        if len(comodel.browse(numbers).exists()) < len(set(numbers)):
            raise ValueError(
                model.env._(
                    "it names a record under “%s” that was deleted. Edit the filter.",
                    field._description_string(model.env),
                )
            )


def check_readable(model, domain):
    """Refuse a filter with a model or field that the user of ``model`` may not read.

    The ORM checks what becomes SQL. It does not check what a field's own search method looks at,
    so every step of every path is checked here.

    :raise AccessError: naming the field or model
    :raise ValueError: naming a field that is not there
    """
    for _condition, found in conditions(model, domain):
        _check_steps(found)


def check_path(model, path):
    """Refuse a path with a model or field that the user of ``model`` may not read.

    :raise AccessError: naming the field or model
    :raise ValueError: naming a field that is not there, or that nobody may be told
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
    """Return SQL for the value at the end of a path, joining what it leads through.

    A record on the way that the user of ``model`` may not read takes its row out of the query.

    :param model: the model of the query's main table
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
