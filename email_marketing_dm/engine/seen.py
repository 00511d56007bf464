"""Seen: which people a user may see in the lists of members, deliveries, uploads and opt-outs.

Nothing here gives a right: a contact is seen by whoever Odoo lets read it, a record of another
model likewise. A bare address is seen by whoever brought it in and by administrators of
DirectMail, which only the table that holds it can tell.
"""

from odoo.fields import Domain
from odoo.tools import SQL

from .installed import find_model


def prepare_to_look(env):
    """Keep PostgreSQL from compiling the statements of this transaction.

    It expects so much of looking each person up that it would take seconds to compile that.
    """
    env.cr.execute("SET LOCAL jit = off")


def seen_person(env, person, bare, query=None):
    """Return SQL that tells whether a user may see the person of a row.

    Statements that use it should be prepared by `prepare_to_look`.

    :param env: whose rights count
    :param SQL person: name of a row with partner_id, res_model and res_id
    :param SQL bare: the condition for rows of neither a contact nor another record, or of one that
        was deleted
    :param Query query: of the row. The contacts that the user may see are joined to it, so that
        PostgreSQL can choose between looking up a few and reading all once
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
        record=_seen_record(env, person, bare),
        bare=bare,
    )


def _join_contacts(env, query, contact):
    """Join the contacts that a user may see to a query, and return SQL that tells who is there."""
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


def _seen_record(env, person, bare):
    """Return SQL that tells whether a user may see the record `res_model`, `res_id` of a row.

    A data table that is open to marketing users tells them how many match, not who.
    """
    # Only the names of models, of all companies' tables: their records are asked for as the user.
    tables = env["directmail.data.table"].sudo().with_context(active_test=False).search([])
    conditions = [SQL("FALSE")]
    for name in sorted(set(tables.mapped("model_name"))):
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
    """Return SQL that tells whether the user of `model` may read the record with a number.

    OFFSET keeps PostgreSQL from listing all such records first, which would be slow for one page.
    """
    query = model.with_context(active_test=False)._search(Domain.TRUE)
    query.add_where(SQL("%s = %s", SQL.identifier(query.table, "id"), number))
    return SQL("EXISTS (%s OFFSET 0)", query.select())
