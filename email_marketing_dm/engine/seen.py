"""Seen: decide which people a user may see in members, deliveries, uploads and opt-outs.

This grants no rights of its own. A user sees a contact or a record of another model if Odoo lets
the user read it. Users see the bare addresses that they uploaded, and DirectMail administrators see
all; the condition for that differs between tables, so each passes its own as `bare`.
"""

from odoo.fields import Domain
from odoo.tools import SQL

from .installed import find_model


def prepare_to_look(env):
    """Switch PostgreSQL's JIT compiler off for this transaction.

    The planner overestimates the cost of looking each person up, and would compile the statement,
    which takes seconds.
    """
    env.cr.execute("SET LOCAL jit = off")


def seen_person(env, person, bare, source_models, query=None):
    """Return SQL that tells whether a user may see the person of a row.

    Call `prepare_to_look` before running a statement with this SQL.

    :param env: its user's rights count
    :param SQL person: name of a row with partner_id, res_model and res_id
    :param SQL bare: the condition to see rows without a contact and without another record, or
        whose record was deleted
    :param source_models: names of the models whose records may stand in `res_model`, `res_id`
    :param Query query: the query of the row, or None. The contacts that the user may see are joined
        to it, so that PostgreSQL can choose between looking up a few and reading all once
    :rtype: SQL
    """
    contact = SQL("%s.partner_id", person)
    seen = seen_contact(env, contact) if query is None else _join_contacts(env, query, contact)
    return SQL(
        """CASE WHEN %(person)s.partner_id IS NOT NULL THEN %(contact)s
                WHEN %(person)s.res_id IS NOT NULL THEN %(record)s
                ELSE (%(bare)s) IS TRUE END""",
        person=person,
        contact=seen,
        record=_seen_record(env, person, bare, source_models),
        bare=bare,
    )


def _join_contacts(env, query, contact):
    """Left-join the visible contacts to a query; return SQL of the condition that one matched."""
    alias = query.make_alias(query.table, "seen_contact")
    visible = env["res.partner"].with_context(active_test=False)._search(Domain.TRUE)
    number = SQL.identifier(alias, "id")
    query.add_join("LEFT JOIN", alias, visible.subselect(), SQL("%s = %s", number, contact))
    return SQL("%s IS NOT NULL", number)


def seen_contact(env, contact):
    """Return SQL that tells whether a user may see a contact, archived or not.

    :param SQL contact: its id
    """
    return _is_among(env["res.partner"], contact)


def _seen_record(env, person, bare, source_models):
    """Return SQL that tells whether a user may see the record `res_model`, `res_id` of a row.

    The user's own rights on the model count. A data table that is open to marketing users lets them
    count its records, but not see them.
    """
    conditions = [SQL("FALSE")]
    for name in sorted(set(source_models)):
        model = find_model(env, name)
        if model is None or not model._auto:
            continue
        deleted = SQL(
            "NOT EXISTS (SELECT FROM %s r WHERE r.id = %s.res_id OFFSET 0)",
            SQL.identifier(model._table),
            person,
        )
        seen = SQL("%s AND (%s)", deleted, bare)
        if model.has_access("read"):
            seen = SQL("(%s OR %s)", _is_among(model, SQL("%s.res_id", person)), seen)
        conditions.append(SQL("%s.res_model = %s AND %s", person, name, seen))
    return SQL("(%s)", SQL(" OR ").join(conditions))


def _is_among(model, number):
    """Return SQL that tells whether the user of `model` may read the record with an id.

    OFFSET 0 keeps PostgreSQL from turning EXISTS into a join that reads all readable records first,
    which would be slow for a page of few rows.

    :param SQL number: the record's id
    """
    query = model.with_context(active_test=False)._search(Domain.TRUE)
    query.add_where(SQL("%s = %s", SQL.identifier(query.table, "id"), number))
    return SQL("EXISTS (%s OFFSET 0)", query.select())
