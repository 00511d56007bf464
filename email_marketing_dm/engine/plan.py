"""Plan: freeze the audiences of a task into one delivery per person, in one statement."""

from collections import namedtuple

from odoo import fields
from odoo.tools import SQL

from .fatigue import Judge, read_rules
from .sql import address_key, count_changes, usable_address

Fate = namedtuple("Fate", "reason rule held_until")
Fate.__doc__ = """What becomes of people in a task.

:ivar reason: why they get no mail (`directmail.delivery.reason`); None for those who get one
:ivar rule: the fatigue rule behind it (`directmail.delivery.fatigue_rule`), or None
:ivar held_until: with reason None, when those go out who are held now (naive UTC); None: at once
"""


def _judged_people(task, at=None):
    """Return CTEs ending in `judged`: every person of the task with the verdict on a mail.

    Nobody is left out: a person who gets no mail is a row with a reason.

    :param datetime at: the moment to judge for (naive UTC); by default now
    """
    key = task.env["directmail.keyring"]._get_master_key()
    rules, now = read_rules(task.env, task.company_id)
    return SQL(
        """people AS (
            SELECT DISTINCT m.partner_id FROM directmail_audience_member m
             WHERE m.audience_id IN %(audiences)s
        ), addressed AS (
            SELECT p.id AS partner_id, p.email AS typed,
                   CASE WHEN %(usable)s THEN p.email_normalized END AS email
              FROM people JOIN res_partner p ON p.id = people.partner_id
        ), keyed AS (
            SELECT *, CASE WHEN email IS NOT NULL THEN %(key)s END AS address_key FROM addressed
        ), ranked AS (
            SELECT *, row_number() OVER (PARTITION BY address_key ORDER BY partner_id) AS copy
              FROM keyed
        ), fixed AS (
            SELECT partner_id, email, address_key, CASE
                WHEN COALESCE(btrim(typed), '') = '' THEN 'no_address'
                WHEN email IS NULL THEN 'invalid_address'
                WHEN copy > 1 THEN 'duplicate' END AS reason
              FROM ranked
        ), judged AS (
            SELECT fixed.partner_id, fixed.email, fixed.address_key,
                   COALESCE(fixed.reason, verdict.reason) AS reason,
                   CASE WHEN fixed.reason IS NULL THEN verdict.fatigue_rule END AS fatigue_rule,
                   CASE WHEN fixed.reason IS NULL THEN verdict.held_until END AS held_until
              FROM fixed CROSS JOIN %(verdict)s AS verdict
        )""",
        audiences=tuple(task.audience_ids.ids) or (0,),
        usable=usable_address(SQL("p.email_normalized")),
        key=address_key(key, SQL("email")),
        verdict=Judge(task, rules, at or now).verdict(SQL("fixed")),
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
                       (task_id, account_id, company_id, partner_id, email, address_key, state,
                        reason, fatigue_rule, not_before, uncounted)
                SELECT %(task)s, %(account)s, %(company)s, partner_id, email, address_key,
                       CASE WHEN reason IS NULL THEN 'waiting' ELSE 'suppressed' END, reason,
                       fatigue_rule, held_until, %(uncounted)s
                  FROM judged
                 ORDER BY partner_id
                RETURNING task_id, NULL AS old_state, state AS new_state,
                          NULL AS old_outcome, NULL AS new_outcome
            ), %(counted)s
            SELECT new_state, count(*) FROM changed GROUP BY new_state""",
            judged=_judged_people(task),
            task=task.id,
            account=task.account_id.id,
            company=task.company_id.id,
            uncounted=task.is_notification and not task.notification_counts,
            counted=count_changes(SQL.identifier("changed"), "user"),
        )
    )
    return dict(rows)


def estimate(task):
    """Count, without changing anything, who would get a mail and why others would not.

    A task with a set time is judged for that time, with what has been sent by now.

    :return: {`Fate`: number of people}. Those who get a mail have the reason None; those of them
        who are held first, by do-not-disturb hours or a quiet period, have `held_until` and `rule`
    :rtype: dict
    """
    task.env.flush_all()
    at = max(task.scheduled_at, fields.Datetime.now()) if task.scheduled_at else None
    rows = task.env.execute_query(
        SQL(
            """WITH %s SELECT reason, fatigue_rule, held_until, count(*) FROM judged
                GROUP BY reason, fatigue_rule, held_until""",
            _judged_people(task, at),
        )
    )
    return {Fate(*fate): number for *fate, number in rows}
