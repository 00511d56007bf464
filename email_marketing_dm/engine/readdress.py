"""Readdress: give waiting deliveries the new address of a person whose address has changed.

An address may occur once per task (`_address_unique`), and PostgreSQL checks that row by row. So
when people swap addresses, all of them first lose the old address, then get the new one.
"""

from collections import namedtuple

from odoo.tools import SQL

from .exclusion import find_excluded
from .family import move
from .people import current_addresses

_Found = namedtuple(
    "_Found", "id partner_id res_model res_id email email_encrypted address_key flaw"
)


def readdress(env, context, rules, task_id, ids):
    """Empty the addresses of moved deliveries; return the UPDATE that sets the new ones.

    A waiting delivery that holds one of the new addresses, but whose person has another address
    now, is moved too.

    :param PeopleContext context: how to find people and addresses
    :param rules: the `fatigue.TaskRules` of the task
    :param ids: of waiting deliveries with the state `claim.MOVED`, which the caller has locked
    :return: an UPDATE of deliveries, as for `claim._apply`. A delivery is suppressed as 'duplicate'
        if another delivery of the task, or of the same step and run of a series, has its new
        address or contact, and as 'excluded' if the task excludes its new address or contact.
        A duplicate of a person of a control group leaves the comparison, so that no address is in
        both groups
    :rtype: SQL
    """
    people, looked_at = [], []
    while ids:
        looked_at += ids
        found = _find(env, context, rules, ids)
        people += found
        ids = _find_holders(env, task_id, [row.address_key for row in found], looked_at)
    env.execute_query(
        SQL(
            """UPDATE directmail_delivery
                  SET email = NULL, email_encrypted = NULL, address_key = NULL
                WHERE id IN %s RETURNING id""",
            tuple(row.id for row in people),
        )
    )
    # Deliveries with a flaw get no new address; the next claim suppresses them for the flaw.
    moved = [row[:-1] for row in people if not row.flaw]
    excluded = find_excluded(env, context, rules, task_id, moved)
    move(env, rules, [(row[0], row[-1]) for row in moved])
    return _set_addresses(env, rules, task_id, moved, excluded)


def _set_addresses(env, rules, task_id, moved, excluded):
    """Return the UPDATE of `readdress`.

    :param moved: the first seven values of `_Found` of each delivery without a flaw
    :param excluded: the ids of those that the task excludes
    """
    return SQL(
        """UPDATE directmail_delivery d
              SET partner_id = new.partner_id, res_model = new.res_model, res_id = new.res_id,
                  email = new.email, email_encrypted = new.email_encrypted,
                  address_key = new.address_key,
                  is_contact = d.is_contact OR new.partner_id IS NOT NULL,
                  state = CASE WHEN new.reason IS NULL THEN d.state ELSE 'suppressed' END,
                  reason = new.reason,
                  assignment = CASE WHEN NOT new.is_held_out THEN d.assignment END,
                  fatigue_rule = CASE WHEN new.reason IS NULL THEN d.fatigue_rule END
             FROM (
                SELECT moved.*, is_held_out,
                       CASE WHEN id = ANY(%(excluded)s) THEN 'excluded'
                       WHEN row_number() OVER (PARTITION BY address_key, (
                                SELECT COALESCE(x.series_run, 1) FROM directmail_delivery x
                                 WHERE x.id = moved.id) ORDER BY id) > 1
                       OR EXISTS (
                            SELECT FROM directmail_delivery o
                             WHERE o.task_id = ANY(%(tasks)s)
                               AND o.address_key = moved.address_key
                               AND o.state != 'suppressed' AND %(same_run)s)
                       OR EXISTS (
                            SELECT FROM directmail_delivery o
                             WHERE o.partner_id = moved.partner_id AND o.task_id = ANY(%(tasks)s)
                               AND o.state != 'suppressed' AND o.id != moved.id
                               AND (o.id < moved.id OR o.id NOT IN %(ids)s) AND %(same_run)s)
                       OR is_held_out
                       THEN 'duplicate' END AS reason
                  FROM (VALUES %(moved)s) AS moved (id, partner_id, res_model, res_id, email,
                                                    email_encrypted, address_key)
                 CROSS JOIN LATERAL (SELECT %(is_held_out)s) AS control (is_held_out)
             ) AS new
            WHERE d.id = new.id
        RETURNING d.task_id, 'waiting' AS old_state, d.state AS new_state,
                  d.outcome AS old_outcome, d.outcome AS new_outcome""",
        tasks=_find_tasks(env, task_id),
        ids=tuple(row[0] for row in moved),
        # The mail of an earlier run of a series is no duplicate.
        same_run=SQL(
            """COALESCE(o.series_run, 1) = (SELECT COALESCE(x.series_run, 1)
                                              FROM directmail_delivery x WHERE x.id = moved.id)"""
        ),
        excluded=list(excluded),
        is_held_out=_is_held_out(rules, task_id),
        moved=SQL(", ").join(
            SQL("(%s::int, %s::int, %s::varchar, %s::int, %s::varchar, %s::varchar, %s)", *row)
            for row in moved
        ),
    )


def _find_tasks(env, task_id):
    """Return the ids of the tasks whose mails count as the same: of a series, all of the step."""
    rows = env.execute_query(
        SQL(
            """SELECT %(task)s UNION
               SELECT o.id FROM directmail_task t
                 JOIN directmail_task o ON o.series_step_id = t.series_step_id
                WHERE t.id = %(task)s""",
            task=task_id,
        )
    )
    return [row[0] for row in rows]


def _is_held_out(rules, task_id):
    """Return SQL that tells whether the new address is that of a person in a control group."""
    if not rules.control:
        return SQL("FALSE")
    return SQL(
        """EXISTS (SELECT FROM directmail_delivery o
                    WHERE o.task_id = %s AND o.address_key = moved.address_key
                      AND o.assignment IN ('control', 'global'))""",
        task_id,
    )


def _find(env, context, rules, ids):
    """Return the present address or flaw of the deliveries that are not to be mailed as planned.

    :rtype: list[_Found]
    """
    rows = env.execute_query(
        SQL(
            """WITH people AS (SELECT * FROM directmail_delivery WHERE id IN %(ids)s), %(addressed)s
               SELECT %(columns)s FROM addressed WHERE moved OR flaw IS NOT NULL""",
            ids=tuple(ids),
            addressed=current_addresses(env, context, rules, planned=True),
            columns=SQL(", ").join(map(SQL.identifier, _Found._fields)),
        )
    )
    return [_Found(*row) for row in rows]


def _find_holders(env, task_id, keys, looked_at):
    """Lock the other waiting deliveries of a task with one of these keys, and return their ids."""
    rows = env.execute_query(
        SQL(
            """SELECT id FROM directmail_delivery
                WHERE task_id = %s AND state = 'waiting' AND address_key = ANY(%s)
                  AND id != ALL(%s) FOR UPDATE""",
            task_id,
            keys,
            looked_at,
        )
    )
    return [row[0] for row in rows]
