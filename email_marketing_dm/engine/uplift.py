"""Uplift: sums over the conversions of people who were mailed, and of their control group."""

from odoo.tools import SQL

from .trial import is_real

#: Columns of a group, as `statistics.uplift.Group` names them.
_GROUP = SQL(
    """count(*), count(c.person), COALESCE(sum(c.amount), 0), COALESCE(sum(c.amount ^ 2), 0),
       COALESCE(sum(c.amount ^ 3), 0)"""
)


def read_groups(env, people, facts, in_window):
    """Return the sums of each group over the conversions of its people.

    :param SQL people: selects (person, assignment, begin, partner_id, res_model, res_id): the
        people with their group, the moment from which their conversions count, and the contact and
        record that conversions are of. A person may have several rows
    :param SQL facts: selects (partner_id, res_model, res_id, date, amount)
    :param SQL in_window: whether the conversion of a row `p` (begin, date) counts
    :return: {assignment: values of a `statistics.uplift.Group` as a list}
    :rtype: dict
    """
    rows = env.execute_query(
        SQL(
            """WITH facts AS MATERIALIZED (%(facts)s), people AS MATERIALIZED (%(people)s
               ), pairs AS (
                    SELECT person, begin, date, amount
                      FROM people JOIN facts USING (partner_id)
                     UNION ALL
                    SELECT person, begin, date, amount
                      FROM people JOIN facts USING (res_model, res_id)
               ), converted AS (
                    SELECT p.person, sum(p.amount::numeric)::float AS amount
                      FROM pairs p WHERE %(in_window)s GROUP BY p.person
               )
               SELECT assignment, %(group)s
                 FROM (SELECT DISTINCT person, assignment FROM people) AS person
                 LEFT JOIN converted c USING (person)
                GROUP BY assignment""",
            facts=facts,
            people=people,
            in_window=in_window,
            group=_GROUP,
        )
    )
    return {assignment: values for assignment, *values in rows}


def select_drawn(company_id, draw, start, end):
    """Return the people of a draw of a company's global control group, for `read_groups`.

    A person enters with the first email task of the draw that could have mailed them, and stays,
    whatever happens later. People who were in the group only for a part of the draw, because its
    share was reduced, are left out: their share of the hash decided that, not the mails.

    :param int draw: number of the draw (`directmail.task.control_shuffle`)
    :param datetime start: conversions before it don't count
    :param datetime end: email tasks from then on don't count
    :rtype: SQL
    """
    return SQL(
        """SELECT address_key AS person,
                  CASE WHEN held THEN 'control' ELSE 'mail' END AS assignment,
                  GREATEST(first_at, %(start)s) AS begin, partner_id, res_model, res_id
             FROM (
                SELECT d.address_key, d.partner_id, d.res_model, d.res_id,
                       min(t.planned_at) OVER person AS first_at,
                       bool_or(d.assignment = 'global') OVER person AS held,
                       bool_or(d.assignment != 'global') OVER person AS mailed
                  FROM directmail_task t JOIN directmail_delivery d ON d.task_id = t.id
                 WHERE t.company_id = %(company)s AND t.control_shuffle = %(draw)s
                   AND t.planned_at < %(end)s AND %(is_real)s
                   AND d.assignment IS NOT NULL AND d.address_key IS NOT NULL
                WINDOW person AS (PARTITION BY d.address_key)
             ) AS planned
            WHERE held != mailed
            GROUP BY 1, 2, 3, 4, 5, 6""",
        start=start,
        end=end,
        company=company_id,
        draw=draw,
        is_real=is_real(SQL("t.account_id")),
    )
