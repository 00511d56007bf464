"""Seen: which people a user may see in the lists of members, deliveries, uploads and opt-outs.

Nothing here gives a right: a contact is seen by whoever Odoo lets read it, a record of another
model likewise. A bare address is seen by whoever brought it in and by administrators of
DirectMail, which only the table that holds it can tell.
"""

from odoo.fields import Domain
from odoo.tools import SQL

from .installed import find_model


def seen_person(env, person, bare):
    """Return SQL that tells whether a user may see the person of a row.

    Looks each person up by number. A list of all that the user may see would not fit in memory,
    and PostgreSQL would read it again for each row.

    :param env: whose rights count
    :param SQL person: name of a row with partner_id, res_model and res_id
    :param SQL bare: the condition for rows of neither a contact nor another record, or of one that
        was deleted
    :rtype: SQL
    """
    return SQL(
        """CASE WHEN %(person)s.partner_id IS NOT NULL THEN %(contact)s
                WHEN %(person)s.res_id IS NOT NULL THEN %(record)s
                ELSE (%(bare)s) IS TRUE END""",
        person=person,
        contact=seen_contact(env, SQL("%s.partner_id", person)),
        record=_seen_record(env, person, bare),
        bare=bare,
    )


def seen_contact(env, contact):
    """Return SQL that tells whether a user may see a contact, archived or not.

    :param SQL contact: its id
    """
    return _is_among(env["res.partner"], contact)


def _seen_record(env, person, bare):
    """Return SQL that tells whether a user may see the record `res_model`, `res_id` of a row.

    A data table that is open to marketing users tells them how many match, not who.
    """
    tables = env["directmail.data.table"].sudo().with_context(active_test=False).search([])
    conditions = [SQL("FALSE")]
    for name in sorted(set(tables.mapped("model_name"))):
        model = find_model(env, name)
        if model is None or not model._auto:
            continue
        deleted = SQL(
            "NOT EXISTS (SELECT FROM %s r WHERE r.id = %s.res_id)",
            SQL.identifier(model._table),
            person,
        )
        seen = SQL("%s AND (%s)", deleted, bare)
        if model.has_access("read"):
            seen = SQL("(%s OR %s)", _is_among(model, SQL("%s.res_id", person)), seen)
        conditions.append(SQL("%s.res_model = %s AND %s", person, name, seen))
    return SQL("(%s)", SQL(" OR ").join(conditions))


def _is_among(model, number):
    """Return SQL that tells whether the user of `model` may read the record with a number."""
    query = model.with_context(active_test=False)._search(Domain.TRUE)
    query.add_where(SQL("%s = %s", SQL.identifier(query.table, "id"), number))
    return SQL("EXISTS (%s)", query.select())
