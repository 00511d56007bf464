"""Exclusion: find the people who are left out of a task by its *Except* audiences.

A person is left out if their contact, source record or address is in `exclude_audience_ids`. A
contact may have an address in clear and an encrypted one; both are excluded, whichever of them the
task uses. But an address in clear never excludes a person with an encrypted address. Otherwise a
user could find out an encrypted address by excluding lists of guessed addresses.
"""

from odoo.tools import SQL

from .idn import other_spelling
from .people import addressed_people, has_others_than_contacts
from .sql import address_key


def get_exclusion(env, context, rules, person):
    """Return the parts of `engine.plan`'s statement that find all excluded people of a task.

    :param PeopleContext context: how to find people and addresses
    :param rules: the `fatigue.TaskRules` of the task
    :param SQL person: name of a row with the columns of a person
    :return: {"excluded": CTEs, "join_excluded": joins, "is_excluded": a WHEN of a CASE}; all empty
        if the task has no *Except* audience
    :rtype: dict
    """
    if not rules.except_ids:
        return {"excluded": SQL(), "join_excluded": SQL(), "is_excluded": SQL()}
    return {
        "excluded": SQL(
            """excluded AS MATERIALIZED (
                WITH %s SELECT partner_id, res_model, res_id, address_key,
                               email_encrypted IS NOT NULL AS is_encrypted FROM addressed
            ), excluded_contacts AS (
                SELECT DISTINCT partner_id FROM excluded WHERE partner_id IS NOT NULL
            ), excluded_records AS (
                SELECT DISTINCT res_model, res_id FROM excluded WHERE res_id IS NOT NULL
            ), excluded_addresses AS (
                SELECT address_key, bool_or(is_encrypted) AS has_encrypted FROM (
                    SELECT address_key, is_encrypted FROM excluded WHERE address_key IS NOT NULL
                     UNION ALL %s
                ) AS found GROUP BY address_key
            ),""",
            addressed_people(env, context, rules, rules.except_ids),
            _select_other_keys(rules, context.get_master_key(env)),
        ),
        "join_excluded": SQL(
            """LEFT JOIN excluded_contacts contact ON contact.partner_id = %(person)s.partner_id
               LEFT JOIN excluded_records record ON record.res_model = %(person)s.res_model
                     AND record.res_id = %(person)s.res_id
               LEFT JOIN excluded_addresses address
                 ON address.address_key = %(person)s.address_key
                AND (address.has_encrypted OR %(person)s.email_encrypted IS NULL)""",
            person=person,
        ),
        "is_excluded": SQL(
            """WHEN COALESCE(contact.partner_id, record.res_id) IS NOT NULL
                 OR address.address_key IS NOT NULL THEN 'excluded'"""
        ),
    }


def _select_other_keys(rules, master_key):
    """Return SQL (address key, is encrypted) of the other address of each excluded contact.

    That is the encrypted one if the task uses addresses in clear, and the other way round.
    """
    if rules.is_encrypted:
        column = SQL("p.email_normalized")
        key = address_key(master_key, column)
    else:
        key = column = SQL("p.email_encrypted_key")
    return SQL(
        """SELECT %s, %s
             FROM directmail_audience_member m JOIN res_partner p ON p.id = m.partner_id
            WHERE m.audience_id = ANY(%s) AND %s IS NOT NULL""",
        key,
        not rules.is_encrypted,
        rules.except_ids,
        column,
    )


def is_excluded(rules, person):
    """Return SQL of the reason 'excluded' for a person who is in *Except* now, or null.

    For a few people at a time. Each person is looked up by contact, source record and address in
    indexes, so that the cost does not depend on the size of the *Except* audiences. Excluded source
    records count with the address and contact of their audience's last refresh.

    :param rules: the `fatigue.TaskRules` of the task
    :param SQL person: name of a row with the columns of a person
    :rtype: SQL
    """
    if not rules.except_ids:
        return SQL("NULL")
    return SQL("CASE WHEN %s THEN 'excluded' END", is_in(rules.except_ids, person))


def is_in(audience_ids, person):
    """Return SQL that tells whether a person is in one of some audiences: see `is_excluded`.

    :param audience_ids: a list of ids
    :param SQL person: name of a row with the columns of a person
    :rtype: SQL
    """
    member = SQL("FROM directmail_audience_member m WHERE m.audience_id = ANY(%s)", audience_ids)
    contact = SQL(
        """FROM res_partner c JOIN directmail_audience_member m
             ON m.partner_id = c.id AND m.audience_id = ANY(%s) WHERE""",
        audience_ids,
    )
    return SQL(
        """(EXISTS (SELECT %(member)s AND m.partner_id = %(person)s.partner_id)
            OR EXISTS (SELECT %(member)s AND m.partner_id IS NULL
                          AND m.res_model = %(person)s.res_model
                          AND m.res_id = %(person)s.res_id)
            OR EXISTS (SELECT %(member)s AND m.address_key = %(person)s.address_key
                          AND (m.email_encrypted IS NOT NULL
                               OR %(person)s.email_encrypted IS NULL))
            OR EXISTS (SELECT %(contact)s c.email_normalized = %(person)s.email)
            OR EXISTS (SELECT %(contact)s %(other_spelling)s)
            OR EXISTS (SELECT %(contact)s c.email_encrypted_key = %(person)s.address_key))""",
        member=member,
        contact=contact,
        person=person,
        other_spelling=other_spelling(SQL("c.email_normalized"), SQL("%s.email", person)),
    )


def find_excluded(env, context, rules, task_id, people):
    """Return which of the people who got a new contact or address in a task are excluded.

    A person is excluded by the present members of the *Except* audiences, by the present address of
    excluded source records, or by a delivery of the task that was suppressed as 'excluded' for the
    same contact or address.

    :param PeopleContext context: how to find people and addresses
    :param rules: the `fatigue.TaskRules` of the task
    :param int task_id: of a task that has been planned
    :param people: [(delivery id, partner_id, res_model, res_id, email, email_encrypted,
        address_key)]
    :return: ids of deliveries
    :rtype: set
    """
    if not people or not rules.except_ids:
        return set()
    statement = select_excluded(env, context, rules, task_id, people)
    return {row[0] for row in env.execute_query(statement)}


def select_excluded(env, context, rules, task_id, people):
    """Return the SQL that `find_excluded` runs; it selects ids of deliveries."""
    return SQL(
        """WITH %(records)s new (id, partner_id, res_model, res_id, email, email_encrypted,
                                 address_key) AS (VALUES %(people)s)
           SELECT new.id FROM new
            WHERE %(is_excluded)s IS NOT NULL %(is_record)s
               OR EXISTS (SELECT FROM directmail_delivery o
                           WHERE o.task_id = %(task)s AND o.reason = 'excluded'
                             AND o.address_key = new.address_key
                             AND (o.email_encrypted IS NOT NULL OR new.email_encrypted IS NULL))
               OR EXISTS (SELECT FROM directmail_delivery o
                           WHERE o.task_id = %(task)s AND o.reason = 'excluded'
                             AND o.partner_id = new.partner_id)""",
        task=task_id,
        people=SQL(", ").join(
            SQL("(%s::int, %s::int, %s::varchar, %s::int, %s::varchar, %s::varchar, %s)", *row)
            for row in people
        ),
        is_excluded=is_excluded(rules, SQL("new")),
        **_get_records(env, context, rules),
    )


def _get_records(env, context, rules):
    """Return the parts of `select_excluded` that use the present address of source records.

    :return: {"records": a CTE, "is_record": a further OR}; both empty if the *Except* audiences
        have contacts only
    """
    if not has_others_than_contacts(env, rules.except_ids):
        return {"records": SQL(), "is_record": SQL()}
    return {
        "records": SQL(
            """records AS MATERIALIZED (
                WITH %s SELECT partner_id, address_key,
                               email_encrypted IS NOT NULL AS is_encrypted FROM addressed),""",
            addressed_people(
                env,
                context,
                rules._replace(has_records=True),
                rules.except_ids,
                among=SQL("partner_id IS NULL AND res_id IS NOT NULL"),
            ),
        ),
        "is_record": SQL(
            """OR new.partner_id IN (SELECT partner_id FROM records WHERE partner_id IS NOT NULL)
               OR new.address_key IN (SELECT address_key FROM records WHERE is_encrypted)
               OR (new.email_encrypted IS NULL AND new.address_key IN (
                  SELECT address_key FROM records WHERE address_key IS NOT NULL))"""
        ),
    }
