"""Plan: create one delivery for each person of a task's audiences, in one statement."""

from collections import namedtuple
from dataclasses import dataclass

from odoo.tools import SQL

from .context import PeopleContext
from .control import get_assignment
from .exclusion import get_exclusion
from .family import get_family, take_tickets
from .fatigue import Eligibility, TaskRules
from .fatigue_rules import read_rules
from .measuring import NOTHING, get_measuring, is_everybody_measured, join_answers
from .measuring import read_rules as read_measuring_rules
from .people import Lenders, addressed_people
from .series_exits import get_exit_reason
from .series_plan import carry_entries, entered_people, get_delivery_columns, get_earlier_mails
from .sql import count_changes, prepare_for_many
from .tens import in_tens
from .versions import TestGroup, assign_versions

#: People who opened or clicked a mail of the last so many days count as engaged.
ENGAGED_DAYS = 90


class Estimate(dict):
    """{`Fate`: number of people}, and of how many opens are not recorded.

    :ivar unmeasured: number of people who get a mail, but whose opens are not recorded
    :ivar unclicked: the same of clicks
    """

    unmeasured = 0
    unclicked = 0


Fate = namedtuple("Fate", "reason rule held_until")
Fate.__doc__ = """What a task does with a group of people.

:ivar reason: why they get no mail (`directmail.delivery.reason`); None if they get one
:ivar rule: the fatigue rule that suppresses or holds them (`directmail.delivery.fatigue_rule`), or
    None
:ivar held_until: with reason None, when held mails may go out (naive UTC); None for at once
"""


@dataclass(frozen=True)
class TaskPlan:
    """What a plan or an estimate needs of a task.

    :ivar audience_ids: ids of the audiences whose people are mailed
    :ivar lenders: the owners of these audiences
    :ivar uncounted: whether its mails don't count for fatigue control
    :ivar rules: decide who may be mailed
    :ivar context: how to find people and addresses
    :ivar got_from: the other tasks of the family that sent the same content: see `engine.family`
    :ivar test_group: of its A/B test
    :ivar engaged_first: whether people who opened or clicked lately are mailed first
    :ivar entry_ids: of a step of a series: ids of the `directmail.series.entry` records that get
        the mail, instead of the people of audiences; None otherwise
    :ivar earlier_ids: of a step of a series: ids of the tasks that send it, this one included
    """

    task_id: int
    account_id: int
    audience_ids: list[int]
    lenders: Lenders
    uncounted: bool
    rules: TaskRules
    context: PeopleContext
    got_from: tuple[tuple[int, str | None], ...] = ()
    test_group: TestGroup | None = None
    engaged_first: bool = False
    entry_ids: list[int] | None = None
    earlier_ids: tuple[int, ...] = ()


def select_judged(env, task, at=None):
    """Return CTEs ending in `judged`: each person of the task, and whether to mail them.

    A person who gets no mail is a row with a reason, so that no person of the audiences is missing.
    `measuring` of people who get one tells whether their opens and clicks may be recorded. Of a
    step of a series, `judged` also has `series_entry_id` and `series_run`.

    :param TaskPlan task: of the task
    :param datetime at: the moment to decide for (naive UTC); by default the database's now
    """
    context, task_rules = task.context, task.rules
    rules, now = read_rules(env, context, task_rules.company_id)
    measuring = read_measuring_rules(env, task_rules.company_id)
    answers = join_answers(measuring, task_rules.company_id, SQL("fixed"))
    measured = SQL("NULL::varchar")
    if not is_everybody_measured(measuring):
        measured = SQL(
            "CASE WHEN COALESCE(fixed.reason, eligibility.reason) IS NULL THEN %s END",
            get_measuring(measuring, answers["answer"], SQL("fixed.country_id")),
        )
    # OFFSET 0 keeps the planner from copying the reason to each place where `judged` is used.
    return SQL(
        """%(got)s %(excluded)s %(addressed)s, ranked AS (
            SELECT *, row_number() OVER (PARTITION BY address_key, flaw %(per_run)s
                                         ORDER BY %(encrypted_first)s
                                                  partner_id, res_model, res_id, email) AS copy
              FROM addressed
        ), fixed AS (
            SELECT ranked.partner_id, ranked.res_model, ranked.res_id, email, email_encrypted,
                   ranked.address_key, lender_id, country_id %(carried)s, CASE
                %(is_excluded)s
                WHEN flaw IS NOT NULL THEN flaw
                WHEN copy > 1 THEN 'duplicate' %(is_got)s END AS reason
              FROM ranked %(join_excluded)s %(join_got)s
        ), judged AS (
            SELECT fixed.partner_id, fixed.res_model, fixed.res_id, fixed.email,
                   fixed.email_encrypted, fixed.address_key, fixed.lender_id %(carried)s,
                   COALESCE(fixed.reason, eligibility.reason) AS reason,
                   CASE WHEN fixed.reason IS NULL THEN eligibility.fatigue_rule END AS fatigue_rule,
                   CASE WHEN fixed.reason IS NULL THEN eligibility.held_until END AS held_until,
                   %(measured)s AS measuring
              FROM fixed %(join_answers)s CROSS JOIN %(eligibility)s AS eligibility
             OFFSET 0
        )""",
        addressed=_select_people(env, task),
        carried=carry_entries(task.entry_ids),
        per_run=SQL() if task.entry_ids is None else SQL(", series_run"),
        # For equal address keys, the encrypted address comes first and the one in clear is the
        # duplicate. The other way round, a list of guessed addresses would reveal encrypted ones.
        encrypted_first=SQL("email_encrypted IS NULL,") if task_rules.has_records else SQL(),
        eligibility=Eligibility(env, task_rules, rules, at or now).select(SQL("fixed")),
        **_select_excluded(env, task),
        **_select_got(task),
        measured=measured,
        join_answers=answers["join_answers"],
    )


def _select_people(env, task):
    """Return CTEs ending in `addressed`: the people of the task and their addresses."""
    if task.entry_ids is not None:
        return entered_people(env, task.context, task.rules, task.entry_ids, task.lenders)
    return addressed_people(env, task.context, task.rules, task.audience_ids, lenders=task.lenders)


def _select_excluded(env, task):
    """Return the parts of the statement that find people who are left out: see `get_exclusion`.

    A step of a series has no *Except* audiences; what calls off the series leaves people out.
    """
    person = SQL("ranked")
    if task.entry_ids is None:
        return get_exclusion(env, task.context, task.rules, person)
    reason = get_exit_reason(task.rules.exits, person)
    return {
        "excluded": SQL(),
        "join_excluded": SQL(),
        "is_excluded": SQL("WHEN %(reason)s IS NOT NULL THEN %(reason)s", reason=reason),
    }


def _select_got(task):
    """Return the parts of the statement that find people who got the mail: see `get_family`."""
    if task.entry_ids is not None:
        return get_earlier_mails(task.earlier_ids, SQL("ranked"))
    return get_family(task.got_from, SQL("ranked"))


def insert_deliveries(env, task):
    """Insert the deliveries of a task, and add them to its counters.

    :param TaskPlan task: of the task
    :return: {state: number of people}
    :rtype: dict
    """
    prepare_for_many(env)
    rows = env.execute_query(
        SQL(
            """WITH %(judged)s, changed AS (
                INSERT INTO directmail_delivery
                       (task_id, account_id, company_id, partner_id, res_model, res_id, email,
                        email_encrypted, address_key, is_contact, lender_id, state, reason,
                        fatigue_rule, not_before, uncounted, assignment, measuring
                        %(entry_columns)s %(columns)s)
                SELECT %(task)s, %(account)s, %(company)s, partner_id, res_model, res_id, email,
                       email_encrypted, address_key, partner_id IS NOT NULL, lender_id,
                       CASE WHEN reason IS NULL THEN 'waiting' ELSE 'suppressed' END, reason,
                       %(fatigue_rule)s, %(held_until)s, %(uncounted)s, %(assignment)s, measuring
                       %(entry_values)s %(values)s
                  FROM judged %(assigned)s
                 ORDER BY %(first)s partner_id, res_model, res_id
                RETURNING id, address_key, task_id, NULL AS old_state, state AS new_state,
                          NULL AS old_outcome, NULL AS new_outcome
            ), %(tickets)s %(counted)s
            SELECT new_state, count(*) FROM changed GROUP BY new_state""",
            judged=select_judged(env, task),
            task=task.task_id,
            account=task.account_id,
            company=task.rules.company_id,
            uncounted=task.uncounted,
            assignment=get_assignment(task.rules.control, SQL.identifier("reason")),
            tickets=take_tickets(task.rules.content_id),
            counted=count_changes(SQL.identifier("changed"), "user"),
            first=_rank_engaged(task) if task.engaged_first else SQL(),
            **get_delivery_columns(task.entry_ids),
            **assign_versions(task.task_id, task.test_group),
        )
    )
    return dict(rows)


def _rank_engaged(task):
    """Return SQL that sorts people who opened or clicked a mail lately first, the latest on top.

    Claims take deliveries in the order of their ids.
    """
    return SQL(
        """CASE WHEN reason IS NULL THEN (
               SELECT max(GREATEST(d.opened_at, d.clicked_at)) FROM directmail_delivery d
                WHERE d.company_id = %s AND d.address_key = judged.address_key
                  AND d.state IN ('sending', 'unknown', 'sent')
                  AND d.claimed_at > now() AT TIME ZONE 'UTC' - %s * interval '1 day')
           END DESC NULLS LAST,""",
        task.rules.company_id,
        ENGAGED_DAYS,
    )


def estimate(env, task, at=None, mark=None):
    """Count the people of a task who would get a mail, and the others by reason; write nothing.

    Limits are applied as of `at`, with the mails that have been sent until now.

    :param TaskPlan task: of the task
    :param datetime at: when the task starts (naive UTC); by default the database's now
    :param int mark: of the task's audiences, to round numbers down to tens and leave out zeros: see
        `engine.tens.mark_lists`
    :return: {`Fate`: number of people}. People who get a mail have the reason None; if
        do-not-disturb hours or a quiet period hold their mail, `held_until` and `rule` are set
    :rtype: Estimate
    """
    env.flush_all()
    prepare_for_many(env)
    rows = env.execute_query(
        SQL(
            """WITH %s SELECT reason, fatigue_rule, held_until, count(*),
                              count(*) FILTER (WHERE measuring IS NOT NULL),
                              count(*) FILTER (WHERE measuring = %s)
                 FROM judged GROUP BY reason, fatigue_rule, held_until""",
            select_judged(env, task, at),
            NOTHING,
        )
    )
    fates = Estimate({Fate(*fate): number for *fate, number, _opens, _clicks in rows})
    fates.unmeasured = sum(row[-2] for row in rows)
    fates.unclicked = sum(row[-1] for row in rows)
    if mark is None:
        return fates
    told = Estimate(tell_in_tens(fates, mark))
    told.unmeasured = in_tens(fates.unmeasured, mark, "unmeasured")
    told.unclicked = in_tens(fates.unclicked, mark, "unclicked")
    return told


def tell_in_tens(counts, mark):
    """Return numbers of people by reason, rounded down to tens, without those that become 0.

    :param dict counts: {`Fate` or reason: number of people}
    :param int mark: of the task's audiences: see `engine.tens.mark_lists`
    :rtype: dict
    """
    told = {}
    for key, count in counts.items():
        figure = "/".join(map(str, key)) if isinstance(key, Fate) else key
        told[key] = in_tens(count, mark, figure)
    return {key: count for key, count in told.items() if count}
