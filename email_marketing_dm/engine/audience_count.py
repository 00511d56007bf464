"""Count the people of an audience, saved or not, and how many of them can be mailed."""

from contextlib import contextmanager

from odoo.tools import SQL

from .people import current_addresses
from .sql import changing_reason, prepare_for_many
from .tens import in_tens, make_mark


def count_people(env, people, timeout):
    """Return the number of people that SQL selects.

    :param float timeout: seconds after which PostgreSQL cancels the query
    :raise QueryCanceled: after the timeout; the caller must roll back to a savepoint
    """
    with limited(env, timeout):
        env.cr.execute(SQL("SELECT count(*) FROM (%s) people", people), log_exceptions=False)
        return env.cr.fetchone()[0]


def estimate_people(env, people):
    """Return the planner's estimate of the number of people: fast, but sometimes far off.

    It is rounded to two significant digits, so that it does not look like an exact count.
    """
    env.cr.execute(SQL("EXPLAIN (FORMAT JSON) %s", people))
    [[[plan]]] = env.cr.fetchall()
    rows = plan["Plan"]["Plan Rows"]
    return round(rows, 2 - len(str(rows)))


def count_reasons(env, context, rules, people, timeout, lists=(), tens=False):
    """Count, for a task made now, the people who could be mailed and the others by reason.

    The reasons are those of `engine.plan`, as far as they depend neither on the task nor on earlier
    mails. Opt-outs from a single sender are ignored, because the task's sender is not known yet.

    :param PeopleContext context: how to find addresses
    :param rules: the `people.Addressing` of the task
    :param SQL people: selects the columns `person.PERSON_COLUMNS`
    :param float timeout: as in `count_people`
    :param lists: ids of the mailing lists that the people were chosen from
    :param bool tens: whether to round each number down to tens: see `engine.tens`
    :return: {reason, or None for the people who can be mailed: number of people}
    :raise QueryCanceled: as in `count_people`
    """
    judged = _judge_people(env, context, rules, people, lists, tens)
    with limited(env, timeout):
        env.cr.execute(judged, log_exceptions=False)
        rows = env.cr.fetchall()
    counts = {reason: count for reason, count, _distinct, _mark in rows}
    for reason, count, distinct, _mark in rows:
        if reason is None:
            counts.update({None: distinct, "duplicate": count - distinct})
    if not tens:
        return counts
    total = sum(mark for *_counts, mark in rows)
    mark = make_mark(context.get_master_key(env), rules.company_id, total)
    return {reason: in_tens(count, mark, reason) for reason, count in counts.items()}


def _judge_people(env, context, rules, people, lists, tens):
    """Return SQL (reason, number of people, of different addresses, mark) for `count_reasons`."""
    # OFFSET 0 for the reason that `plan.select_judged` names.
    return SQL(
        """WITH people AS (
            SELECT *, partner_id IS NOT NULL AS is_contact FROM (%(people)s) AS chosen
        ), %(addressed)s, judged AS (
            SELECT partner_id, res_model, res_id, email, email_encrypted, address_key,
                   COALESCE(flaw, %(reason)s) AS reason
              FROM addressed OFFSET 0
        )
        SELECT reason, count(*),
               -- An address in clear does not count as a duplicate of an encrypted one:
               -- users could find out an encrypted address by counting guesses.
               count(DISTINCT address_key)
                   FILTER (WHERE reason IS NULL AND email_encrypted IS NULL)
               + count(DISTINCT address_key)
                   FILTER (WHERE reason IS NULL AND email_encrypted IS NOT NULL),
               %(mark)s
          FROM judged GROUP BY reason""",
        people=people,
        addressed=current_addresses(env, context, rules, carried=("is_contact",)),
        reason=changing_reason(
            SQL("addressed.email"),
            SQL("addressed.address_key"),
            SQL("%s", rules.company_id),
            SQL("NULL::int"),
            lists,
        ),
        mark=SQL("sum(hashtext(concat_ws('/', partner_id, res_model, res_id, email, address_key)))")
        if tens
        else SQL("NULL"),
    )


@contextmanager
def limited(env, seconds):
    """Set `statement_timeout` for the block; after an error, the caller's rollback resets it."""
    prepare_for_many(env)
    env.cr.execute(SQL("SET LOCAL statement_timeout = %s", int(seconds * 1000)))
    yield
    env.cr.execute(SQL("SET LOCAL statement_timeout = 0"))
