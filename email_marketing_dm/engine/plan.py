"""Plan: freeze the audiences of a task into one delivery per person, in one statement."""

from odoo.tools import SQL

from .people import addressed_people
from .sql import changing_reason, count_changes


def _judged_people(task):
    """Return CTEs ending in `judged`: every person of the task with the reason against a mail.

    Nobody is left out: a person who gets no mail is a row with a reason.
    """
    return SQL(
        """excluded AS MATERIALIZED (
            WITH %(excluded)s SELECT partner_id, res_model, res_id, address_key FROM addressed
        ), excluded_contacts AS (
            SELECT DISTINCT partner_id FROM excluded WHERE partner_id IS NOT NULL
        ), excluded_records AS (
            SELECT DISTINCT res_model, res_id FROM excluded WHERE res_id IS NOT NULL
        ), excluded_addresses AS (
            SELECT DISTINCT address_key FROM excluded WHERE address_key IS NOT NULL
        ), %(addressed)s, ranked AS (
            SELECT *, row_number() OVER (PARTITION BY address_key
                                         ORDER BY partner_id, res_model, res_id, email) AS copy
              FROM addressed
        ), judged AS (
            SELECT ranked.partner_id, ranked.res_model, ranked.res_id, email, email_encrypted,
                   ranked.address_key, CASE
                WHEN COALESCE(contact.partner_id, record.res_id) IS NOT NULL
                  OR address.address_key IS NOT NULL THEN 'excluded'
                WHEN flaw IS NOT NULL THEN flaw
                WHEN copy > 1 THEN 'duplicate'
                ELSE %(changing)s END AS reason
              FROM ranked
              LEFT JOIN excluded_contacts contact ON contact.partner_id = ranked.partner_id
              LEFT JOIN excluded_records record
                ON record.res_model = ranked.res_model AND record.res_id = ranked.res_id
              LEFT JOIN excluded_addresses address ON address.address_key = ranked.address_key
        )""",
        excluded=addressed_people(task, task.exclude_audience_ids),
        addressed=addressed_people(task, task.audience_ids),
        changing=changing_reason(
            SQL("ranked.email"),
            SQL("ranked.address_key"),
            SQL("%s", task.company_id.id),
            SQL("%s", task.sender_id.id),
        ),
    )


def insert_deliveries(task):
    """Write the deliveries of a task and count them.

    :return: {state: number of people}
    :rtype: dict
    """
    rows = task.env.execute_query(
        SQL(
            """WITH %(judged)s, changed AS (
                INSERT INTO directmail_delivery
                       (task_id, account_id, company_id, partner_id, res_model, res_id, email,
                        email_encrypted, address_key, state, reason)
                SELECT %(task)s, %(account)s, %(company)s, partner_id, res_model, res_id, email,
                       email_encrypted, address_key,
                       CASE WHEN reason IS NULL THEN 'waiting' ELSE 'suppressed' END, reason
                  FROM judged
                 ORDER BY partner_id, res_model, res_id
                RETURNING task_id, NULL AS old_state, state AS new_state,
                          NULL AS old_outcome, NULL AS new_outcome
            ), %(counted)s
            SELECT new_state, count(*) FROM changed GROUP BY new_state""",
            judged=_judged_people(task),
            task=task.id,
            account=task.account_id.id,
            company=task.company_id.id,
            counted=count_changes(SQL.identifier("changed"), "user"),
        )
    )
    return dict(rows)


def estimate(task):
    """Count, without changing anything, who would get a mail and why others would not.

    :return: {reason, or None for those who get one: number of people}
    :rtype: dict
    """
    rows = task.env.execute_query(
        SQL("WITH %s SELECT reason, count(*) FROM judged GROUP BY reason", _judged_people(task))
    )
    return dict(rows)
