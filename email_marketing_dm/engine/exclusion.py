"""Exclusion: who is left out of a task, because they or their address are in *Except*.

A list of addresses in clear leaves out nobody whose address is encrypted: whoever can make such a
list could find out the address by trying.
"""

from odoo.tools import SQL

from .idn import in_ascii
from .people import addressed_people


def get_exclusion(task, case, person, among=None):
    """Return the parts of a statement that leave people of some audiences out.

    :param task: a `directmail.task` record
    :param case: a `fatigue.Case` of the task
    :param SQL person: name of a row with the columns of a person
    :param SQL among: as for `addressed_people`
    :return: {"excluded": CTEs, "join_excluded": joins, "is_excluded": a WHEN of a CASE}; all empty
        where the task excludes nobody
    :rtype: dict
    """
    if not task.exclude_audience_ids:
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
                SELECT address_key, bool_or(is_encrypted) AS has_encrypted FROM excluded
                 WHERE address_key IS NOT NULL GROUP BY address_key
            ),""",
            addressed_people(task, task.exclude_audience_ids, case, among),
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


def is_excluded(case, person):
    """Return the reason against mailing a contact or record that is in *Except* by now, or null.

    Merging contacts can make a waiting person one whom *Except* names, at an address that has not
    changed: `find_excluded` is not asked then.

    :param case: a `fatigue.Case`
    :param SQL person: name of a row with the columns of a person
    :rtype: SQL
    """
    if not case.except_ids:
        return SQL("NULL")
    return SQL(
        """CASE WHEN EXISTS (
                SELECT FROM directmail_audience_member m
                 WHERE m.audience_id = ANY(%(audiences)s)
                   AND m.partner_id = %(person)s.partner_id
            ) OR EXISTS (
                SELECT FROM directmail_audience_member m
                 WHERE m.audience_id = ANY(%(audiences)s) AND m.partner_id IS NULL
                   AND m.res_model = %(person)s.res_model AND m.res_id = %(person)s.res_id
            ) THEN 'excluded' END""",
        audiences=case.except_ids,
        person=person,
    )


def find_excluded(task, case, people):
    """Return which people of a task, whose contact or address is new to it, are excluded.

    The audiences count as they are now, and whoever was left out when the task was planned.

    :param task: a `directmail.task` record that has been planned
    :param case: a `fatigue.Case` of the task
    :param people: [(delivery id, partner_id, res_model, res_id, email, email_encrypted,
        address_key)]
    :return: ids of deliveries
    :rtype: set
    """
    if not people or not task.exclude_audience_ids:
        return set()
    others = task.exclude_audience_ids._has_others_than_contacts()
    rows = task.env.execute_query(
        SQL(
            """WITH %(excluded)s new (id, partner_id, res_model, res_id, email, email_encrypted,
                                      address_key) AS (VALUES %(people)s)
               SELECT new.id FROM new %(join_excluded)s
                WHERE CASE %(is_excluded)s END IS NOT NULL
                   OR EXISTS (
                      SELECT FROM directmail_delivery o
                       WHERE o.task_id = %(task)s AND o.reason = 'excluded' AND o.id != new.id
                         AND (o.partner_id = new.partner_id
                              OR o.address_key = new.address_key AND (
                                 o.email_encrypted IS NOT NULL OR new.email_encrypted IS NULL)))""",
            task=task.id,
            people=SQL(", ").join(
                SQL("(%s::int, %s::int, %s::varchar, %s::int, %s::varchar, %s::varchar, %s)", *row)
                for row in people
            ),
            **get_exclusion(
                task, case._replace(has_records=others), SQL("new"), _who_may_be(people)
            ),
        )
    )
    return {row[0] for row in rows}


def _who_may_be(people):
    """Return a condition on `members` that leaves few of a large audience to be looked at.

    Records of other models stay: their address is known by their source only.
    """
    contacts = [row[1] for row in people if row[1]]
    emails = [row[4] for row in people if row[4]]
    keys = [row[6] for row in people]
    return SQL(
        """(res_id IS NOT NULL OR partner_id = ANY(%(contacts)s) OR address_key = ANY(%(keys)s)
            OR %(email)s = ANY(%(emails)s)
            OR partner_id IN (SELECT id FROM res_partner
                               WHERE %(contact_email)s = ANY(%(emails)s)
                                  OR email_encrypted_key = ANY(%(keys)s)))""",
        contacts=contacts,
        emails=emails,
        keys=keys,
        email=in_ascii(SQL("email")),
        contact_email=in_ascii(SQL("email_normalized")),
    )
