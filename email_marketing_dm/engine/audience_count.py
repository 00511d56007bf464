"""Count the people of an audience, saved or not, and how many of them can be mailed."""

from contextlib import contextmanager

from odoo.tools import SQL

from .idn import in_ascii, may_be_written_otherwise
from .sql import address_key, left_lists, prepare_for_many, usable_address
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


def count_reasons(env, people, company, master_key, timeout, lists=(), tens=False):
    """Count, for a task made now, the people who could be mailed and the others by reason.

    Opt-outs from a single sender are ignored, because the task's sender is not known yet.

    :param SQL people: selects the columns `person.PERSON_COLUMNS`
    :param company: the `res.company` whose opt-outs count
    :param master_key: see `engine.sql.address_key`
    :param float timeout: as in `count_people`
    :param lists: ids of the mailing lists that the people were chosen from
    :param bool tens: whether to round each number down to tens: see `engine.tens`
    :return: {reason, or None for the people who can be mailed: number of people}
    :raise QueryCanceled: as in `count_people`
    """
    judged = _judge_people(people, company, master_key, lists, tens)
    with limited(env, timeout):
        env.cr.execute(judged, log_exceptions=False)
        rows = env.cr.fetchall()
    counts = {reason: count for reason, count, _distinct, _mark in rows}
    for reason, count, distinct, _mark in rows:
        if reason is None:
            counts.update({None: distinct, "duplicate": count - distinct})
    if not tens:
        return counts
    mark = make_mark(master_key, company.id, sum(mark for *_counts, mark in rows))
    return {reason: in_tens(count, mark, reason) for reason, count in counts.items()}


def _judge_people(people, company, master_key, lists, tens):
    """Return SQL (reason, number of people, of different addresses, mark) for `count_reasons`."""
    return SQL(
        """WITH people AS (%(people)s), found AS (
            SELECT people.partner_id, people.email_encrypted,
                   CASE WHEN people.partner_id IS NULL THEN people.email
                        ELSE p.email END AS typed,
                   %(email)s AS email,
                   people.address_key
              FROM people LEFT JOIN res_partner p ON p.id = people.partner_id
        ), keyed AS (
            SELECT *, CASE WHEN address_key IS NOT NULL THEN address_key
                           WHEN %(usable)s THEN %(key)s END AS usable_key
              FROM found
        ), judged AS (
            SELECT usable_key, email_encrypted, partner_id, email, CASE
                WHEN COALESCE(NULLIF(btrim(typed), ''), email_encrypted) IS NULL
                    THEN 'no_address'
                WHEN usable_key IS NULL AND email_encrypted IS NOT NULL
                    THEN 'cannot_decrypt'
                WHEN usable_key IS NULL THEN 'invalid_address'
                WHEN EXISTS (SELECT 1 FROM mail_blacklist b
                              WHERE b.email = keyed.email AND b.active)
                  OR %(international)s AND EXISTS (
                      SELECT 1 FROM mail_blacklist b
                       WHERE b.address_key = usable_key AND b.active) THEN 'blacklisted'
                WHEN EXISTS (SELECT 1 FROM directmail_optout o
                              WHERE o.address_key = usable_key AND o.sender_id IS NULL
                                AND o.company_id = %(company)s) THEN 'opted_out'
                %(left_list)s END AS reason
              FROM keyed
        )
        SELECT reason, count(*),
               -- An address in clear does not count as a duplicate of an encrypted one:
               -- users could find out an encrypted address by counting guesses.
               count(DISTINCT usable_key)
                   FILTER (WHERE reason IS NULL AND email_encrypted IS NULL)
               + count(DISTINCT usable_key)
                   FILTER (WHERE reason IS NULL AND email_encrypted IS NOT NULL),
               %(mark)s
          FROM judged GROUP BY reason""",
        people=people,
        mark=SQL("sum(hashtext(concat_ws('/', partner_id, email, usable_key)))")
        if tens
        else SQL("NULL"),
        email=in_ascii(
            SQL(
                "(CASE WHEN people.partner_id IS NULL THEN people.email"
                " ELSE p.email_normalized END)"
            )
        ),
        usable=usable_address(SQL("email")),
        key=address_key(master_key, SQL("email")),
        company=company.id,
        international=may_be_written_otherwise(SQL("keyed.email")),
        left_list=SQL("WHEN %s THEN 'left_list'", left_lists(SQL("keyed.email"), lists))
        if lists
        else SQL(),
    )


@contextmanager
def limited(env, seconds):
    """Set `statement_timeout` for the block; after an error, the caller's rollback resets it."""
    prepare_for_many(env)
    env.cr.execute(SQL("SET LOCAL statement_timeout = %s", int(seconds * 1000)))
    yield
    env.cr.execute(SQL("SET LOCAL statement_timeout = 0"))
