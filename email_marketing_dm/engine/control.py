"""Control groups: people who pass every check of a task and still get no mail, to compare with.

A share of the people, by the hash of their address (`engine.assignment`), so that the estimate, the
plan and each claim agree, and an address is never in both groups. The reason for not mailing them
comes after all others: then the people who are mailed and those who are not have passed the same
checks.
"""

from odoo.tools import SQL

from .assignment import get_share

#: {reason of a delivery: value of its field `assignment`}; without a reason it is "mail".
ASSIGNMENTS = {"control_group": "control", "global_control": "global"}


def select_groups(task):
    """Return SQL of a scalar subquery: the control groups of a task, as JSON; null if it has none.

    The company's global control group, which notifications ignore, comes before the task's own.
    Follow-ups have the control group of the first task of their family, so that its people are not
    mailed by a follow-up.

    :param SQL task: name of a row of `directmail_task`
    :return: SQL of [[reason, salt for `get_share`, percent], ...]
    :rtype: SQL
    """
    return SQL(
        """(SELECT json_agg(json_build_array(reason, salt, percent) ORDER BY place) FROM (
                SELECT 1 AS place, 'global_control' AS reason,
                       concat('global/', c.company_id, '/', c.shuffle) AS salt,
                       c.share AS percent
                  FROM directmail_control c
                 WHERE c.company_id = %(task)s.company_id AND c.share > 0
                   AND %(task)s.is_notification IS NOT TRUE
                 UNION ALL
                SELECT 2, 'control_group',
                       concat('control/', COALESCE(%(task)s.family_id, %(task)s.id)),
                       %(task)s.control_share
                 WHERE %(task)s.control_share > 0
           ) AS groups)""",
        task=task,
    )


def read_groups(env, task_id):
    """Return the control groups of a task, as `get_control_reason` takes them; None without any."""
    [(groups,)] = env.execute_query(
        SQL("SELECT %s FROM directmail_task t WHERE t.id = %s", select_groups(SQL("t")), task_id)
    )
    return groups


def get_control_reason(groups, address_key):
    """Return SQL of the reason why a person of a control group gets no mail, or null.

    :param groups: of the task: see `select_groups`
    :param SQL address_key: of the person; without one the person is in no group
    :rtype: SQL
    """
    if not groups:
        return SQL("NULL")
    return SQL(
        "CASE %s END",
        SQL(" ").join(
            SQL("WHEN %s < %s / 100.0 THEN %s", get_share(salt, address_key), percent, reason)
            for reason, salt, percent in groups
        ),
    )


def get_assignment(groups, reason):
    """Return SQL of the group that a planned person is in; null without control groups.

    It is null, too, for a person who gets no mail for another reason: they are not compared.

    :param groups: of the task: see `select_groups`
    :param SQL reason: for which the person gets no mail, or null
    :return: SQL of a value of the field `assignment` of deliveries
    :rtype: SQL
    """
    if not groups:
        return SQL("NULL")
    whens = SQL(" ").join(
        SQL("WHEN %s THEN %s", name, group) for name, group in ASSIGNMENTS.items()
    )
    return SQL(
        "CASE WHEN %(reason)s IS NULL THEN 'mail' ELSE CASE %(reason)s %(whens)s END END",
        reason=reason,
        whens=whens,
    )
