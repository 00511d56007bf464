"""Engagement: which mails each contact received, opened and clicked, in a company's email tasks.

A mail counts as received if DirectMail took it, outside of a trial, and no failure was reported.
It is *measured* if opens of the task and of this person were recorded, and still may be. Only
measured mails say something about a person who did nothing: people without any are in no group.

Groups, by the latest sign of life (the first open or click of a mail; before there is one, the
first measured mail): *engaged* reacted within the first span of days; *cooling* are other people
with a sign of life within the second, longer span; *asleep* had none since, although they received
measured mails; the others, to whom none was sent, are *resting*.
"""

from odoo.tools import SQL

from .audience_count import limited
from .measuring import (
    RULED_OUT,
    find_answer,
    get_measuring,
    has_old_template,
    is_everybody_measured,
    join_answers,
    read_rules,
)
from .person import person_columns
from .trial import is_real

GROUPS = ("engaged", "cooling", "asleep", "resting")
#: {what a person did with a mail: the column of `select_mails` that says when}
MOMENTS = {"received": "claimed_at", "opened": "opened_at", "clicked": "clicked_at"}
#: defaults of a line: days of the first and the second span, and the number of emails
DAYS, QUIET_DAYS, MAILS = 30, 90, 10
#: SQL over a contact's rows of `select_mails`: one of the mails is measured, or was reacted to
HAS_KNOWN = SQL("bool_or(measured OR reacted_at IS NOT NULL)")


def select_unmeasured(env, company_id):
    """Return SQL of the ids of the contacts who are not measured, if their country alone decides.

    To ask it of contacts instead of each of their mails takes a fraction of the time.

    :return: SQL; None if everybody is measured, or if people were asked: their answers are found by
        the address of each mail
    """
    rules = read_rules(env, company_id)
    if is_everybody_measured(rules) or rules.has_answers:
        return None
    measuring = get_measuring(rules, SQL("NULL::varchar"), SQL("p.country_id"))
    # Compared like this, because PostgreSQL expects one row in 200 to have such a value. It expects
    # as many expressions to be null, which would be nearly everybody here.
    return SQL(
        "SELECT p.id FROM res_partner p WHERE CASE WHEN %s IS NULL THEN 0 ELSE 1 END = 1",
        measuring,
    )


def leave_out(rows, unmeasured):
    """Return SQL of the rows of contacts who are not among some.

    Those who are left out are few, as a rule, so PostgreSQL has to remember fewer than with an IN.

    :param SQL rows: has a column partner_id, which is never null
    :param SQL unmeasured: as `select_unmeasured` returns it, or None: all rows are returned
    """
    if unmeasured is None:
        return rows
    return SQL(
        """SELECT * FROM (%s) AS contacts WHERE NOT EXISTS (
                  SELECT FROM (%s) AS unmeasured (id) WHERE unmeasured.id = contacts.partner_id)""",
        rows,
        unmeasured,
    )


def select_mails(env, company_id, tasks, partner_ids=None, measured_only=False):
    """Return SQL of the mails that contacts received, one row for each.

    :param env: reads the company's rules for measuring; its settings were flushed
    :param SQL tasks: selects the ids of the email tasks whose mails count
    :param list partner_ids: ids of the contacts; None: all
    :param bool measured_only: the caller leaves out all contacts who are among
        `select_unmeasured`, which is not None
    :return: SQL; columns partner_id, claimed_at, measured, opened_at, clicked_at and reacted_at
        (first open, click, and the later of both; null if there was none, or it does not count any
        more)
    """
    rules = read_rules(env, company_id)
    is_measured, joins = SQL("d.measuring IS NULL"), SQL()
    if not measured_only and not is_everybody_measured(rules):
        if partner_ids is None:
            answers = join_answers(rules, company_id, SQL("d"))
        else:
            # `join_answers` would read the answers of everybody.
            answer = find_answer(rules, company_id, SQL("d.address_key"))
            answers = {"join_answers": SQL(), "answer": answer}
        joins = SQL("%s LEFT JOIN res_partner p ON p.id = d.partner_id", answers["join_answers"])
        measuring = get_measuring(rules, answers["answer"], SQL("p.country_id"))
        is_measured = SQL("(d.measuring IS NULL AND %s IS NULL)", measuring)
    found = _read_tasks(env, company_id, tasks)
    # Arrays instead of a join: with a wrong guess at the number of tasks, PostgreSQL would read all
    # deliveries once for each. No COALESCE of the outcome, which PostgreSQL expects of one mail in
    # 200.
    return SQL(
        """SELECT d.partner_id, d.claimed_at,
                  %(is_measured)s AND d.task_id = ANY(%(recorded)s::int[]) AS measured,
                  CASE WHEN %(is_measured)s THEN d.opened_at END AS opened_at,
                  CASE WHEN %(is_measured)s THEN d.clicked_at END AS clicked_at,
                  CASE WHEN %(is_measured)s THEN GREATEST(d.opened_at, d.clicked_at) END
                  AS reacted_at
             FROM directmail_delivery d %(joins)s
            WHERE d.task_id = ANY(%(tasks)s::int[]) AND d.company_id = %(company)s
              AND %(is_wanted)s AND d.state = 'sent'
              AND (d.outcome = 'delivered' OR d.outcome IS NULL)""",
        is_measured=is_measured,
        is_wanted=SQL("d.partner_id IS NOT NULL")
        if partner_ids is None
        else SQL("d.partner_id = ANY(%s::int[])", list(partner_ids)),
        recorded=[task for task, is_recorded in found if is_recorded],
        tasks=[task for task, _is_recorded in found],
        company=company_id,
        joins=joins,
    )


def _read_tasks(env, company_id, tasks):
    """Return [(id, whether opens are recorded)] of the email tasks whose mails count.

    :param env, company_id, tasks: as for `select_mails`
    """
    return env.execute_query(
        SQL(
            """SELECT t.id, t.track_opens AND t.nobody_measured IS NOT TRUE AND NOT (%(is_old)s
                      AND EXISTS (SELECT FROM directmail_delivery u WHERE u.task_id = t.id
                                     AND u.measuring IN %(ruled_out)s))
                 FROM directmail_task t
                WHERE t.company_id = %(company)s AND t.id IN (%(tasks)s) AND %(is_real)s""",
            is_old=has_old_template(SQL("t.id")),
            ruled_out=RULED_OUT["open"],
            company=company_id,
            tasks=tasks,
            is_real=is_real(SQL("t.account_id")),
        )
    )


def select_number(mails, done, number, since=None):
    """Return SQL of the contacts who received, opened or clicked a number of mails.

    :param SQL mails: as `select_mails` returns them
    :param str done: "received", "opened" or "clicked"
    :param int number: of mails, at least
    :param datetime since: only mails submitted, or first opened or clicked, from then on count
        (naive UTC); None: all
    """
    moment = SQL.identifier(MOMENTS[done])
    return SQL(
        "SELECT %s FROM (%s) AS mails WHERE %s GROUP BY partner_id HAVING count(*) >= %s",
        person_columns("partner_id"),
        mails,
        SQL("%s >= %s", moment, since) if since else SQL("%s IS NOT NULL", moment),
        number,
    )


def select_reacted(mails, since):
    """Return SQL of the contacts who opened or clicked a mail.

    :param SQL mails: as `select_mails` returns them
    :param datetime since: only opens and clicks from then on count (naive UTC)
    """
    return SQL(
        "SELECT %s FROM (%s) AS mails WHERE reacted_at >= %s GROUP BY partner_id",
        person_columns("partner_id"),
        mails,
        since,
    )


def select_unanswered(mails, number):
    """Return SQL of the contacts who neither opened nor clicked their last measured mails.

    :param SQL mails: as `select_mails` returns them
    :param int number: of measured mails since the last one that a contact reacted to, at least
    """
    return SQL(
        "SELECT %s FROM (%s) AS engagement WHERE unanswered >= %s",
        person_columns("partner_id"),
        _summarize(mails),
        number,
    )


def select_group(mails, group, warm, cool):
    """Return SQL of the contacts of a group.

    :param SQL mails: as `select_mails` returns them
    :param str group: one of `GROUPS`
    :param datetime warm: begin of the first span (naive UTC): engaged contacts reacted since
    :param datetime cool: begin of the second, longer span: cooling contacts had a sign of life
        since
    """
    return SQL(
        "SELECT %s FROM (%s) AS engagement WHERE %s",
        person_columns("partner_id"),
        _summarize(mails),
        _get_group_condition(group, warm, cool),
    )


def count_engagement(env, mails, visible, warm, cool, number, timeout):
    """Count the contacts of each group.

    :param SQL mails, datetime warm, datetime cool: as for `select_group`
    :param SQL visible: selects the ids of the contacts that count
    :param int number: as for `select_unanswered`
    :param float timeout: seconds, as for `audience_count.count_people`
    :return: {one of `GROUPS`, "unmeasured" for people who received mails but none that is measured,
        or "unanswered": number of contacts}
    """
    groups = [
        SQL("count(*) FILTER (WHERE %s)", _get_group_condition(group, warm, cool))
        for group in GROUPS
    ]
    with limited(env, timeout):
        env.cr.execute(
            SQL(
                """SELECT %s, count(*) FILTER (WHERE NOT %s),
                          count(*) FILTER (WHERE unanswered >= %s)
                     FROM (%s) AS engagement WHERE partner_id IN (%s)""",
                SQL(", ").join(groups),
                IS_KNOWN,
                number,
                _summarize(mails),
                visible,
            ),
            log_exceptions=False,
        )
        [row] = env.cr.fetchall()
    return dict(zip((*GROUPS, "unmeasured", "unanswered"), row, strict=True))


def count_unmeasured(env, mails, visible, timeout):
    """Count the contacts who received mails, but none that is measured, and of whom no reaction
    is known.

    :param SQL mails, SQL visible, float timeout: as for `count_engagement`
    :rtype: int
    """
    with limited(env, timeout):
        env.cr.execute(
            SQL(
                """SELECT count(*) FROM (
                          SELECT partner_id FROM (%s) AS mails
                           GROUP BY partner_id HAVING NOT %s) AS unmeasured
                    WHERE partner_id IN (%s)""",
                mails,
                HAS_KNOWN,
                visible,
            ),
            log_exceptions=False,
        )
        return env.cr.fetchone()[0]


def read_people(env, mails, warm, cool):
    """Return what contacts did with the mails that they received.

    :param SQL mails, datetime warm, datetime cool: as for `select_group`
    :return: {id of a contact: (number of mails received, opened, clicked, latest reaction (naive
        UTC, or None), one of `GROUPS` or "unknown")}; contacts without mails are left out
    :rtype: dict
    """
    groups = [SQL("WHEN %s THEN %s", _get_group_condition(group, warm, cool), group)
              for group in GROUPS]  # fmt: skip
    rows = env.execute_query(
        SQL(
            """SELECT partner_id, received, opened, clicked, reacted_at,
                      CASE %s ELSE 'unknown' END
                 FROM (%s) AS engagement""",
            SQL(" ").join(groups),
            _summarize(mails),
        )
    )
    return {partner_id: figures for partner_id, *figures in rows}


def select_contacts(mails, company_id):
    """Return SQL with one row for each contact of whom a measured mail or a reaction is known.

    Columns: id and partner_id, the contact; company_id; received_count, measured_count,
    opened_count and clicked_count, the numbers of mails; last_received and last_activity, the times
    of the latest mail and the latest reaction (naive UTC; the second is null without one). Of other
    contacts zeros would say that they opened nothing.

    :param SQL mails: as `select_mails` returns them for the company
    """
    return SQL(
        """SELECT partner_id AS id, partner_id, %s::int AS company_id,
                  count(*)::int AS received_count,
                  (count(*) FILTER (WHERE measured))::int AS measured_count,
                  count(opened_at)::int AS opened_count, count(clicked_at)::int AS clicked_count,
                  max(claimed_at) AS last_received, max(reacted_at) AS last_activity
             FROM (%s) AS mails
            GROUP BY partner_id HAVING %s""",
        company_id,
        mails,
        HAS_KNOWN,
    )


#: SQL of a row of `_summarize`: the contact has a measured mail, or reacted to one
IS_KNOWN = SQL("(sign_at IS NOT NULL)")


def _get_group_condition(group, warm, cool):
    return {
        "engaged": SQL("reacted_at >= %s", warm),
        "cooling": SQL("(reacted_at >= %s) IS NOT TRUE AND sign_at >= %s", warm, cool),
        "asleep": SQL(
            "(reacted_at >= %s) IS NOT TRUE AND sign_at < %s AND unanswered > 0", warm, cool
        ),
        "resting": SQL(
            "(reacted_at >= %s) IS NOT TRUE AND sign_at < %s AND unanswered = 0", warm, cool
        ),
    }[group]


def _summarize(mails):
    """Return SQL with one row for each contact who received mails.

    Columns: partner_id; reacted_at, the latest reaction; sign_at, the latest sign of life (null for
    people without a measured mail); unanswered, the number of measured mails that were submitted
    after the latest one with a reaction; received, opened and clicked, the numbers of mails.
    """
    return SQL(
        """SELECT mails.partner_id, max(answered.reacted_at) AS reacted_at,
                  COALESCE(max(answered.reacted_at), min(mails.claimed_at) FILTER (WHERE measured))
                  AS sign_at,
                  count(*) FILTER (WHERE measured AND (answered.claimed_at IS NULL
                                         OR mails.claimed_at > answered.claimed_at)) AS unanswered,
                  count(*) AS received, count(mails.opened_at) AS opened,
                  count(mails.clicked_at) AS clicked
             FROM (%(mails)s) AS mails
             LEFT JOIN (SELECT partner_id, max(claimed_at) AS claimed_at,
                               max(reacted_at) AS reacted_at
                          FROM (%(mails)s) AS reacted WHERE reacted_at IS NOT NULL
                         GROUP BY partner_id) AS answered
                    ON answered.partner_id = mails.partner_id
            GROUP BY mails.partner_id""",
        mails=mails,
    )
