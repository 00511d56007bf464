"""Families: nobody gets the same content twice in an email task and its follow-ups.

`directmail.family.content` is a content (subject and text) that a family sends.
`directmail.family.mail` has a row, the *ticket*, for each delivery with it. A unique index allows
one ticket per content and address, and a claim takes only deliveries that have theirs. So neither
kills nor concurrent starts can mail the same content to an address twice.

A mail that failed temporarily leaves its address free: the next plan marks the ticket as
`released`. If that mail is delivered after all, the new one is suppressed at its claim.
"""

from odoo.tools import SQL

from ..directmail.failures import PERMANENT_CODES

# The conditions below are on rows of `directmail_delivery`, and never null: `outcome` is null until
# the first result.
FAILED_TEMPORARILY = SQL(
    """(COALESCE(outcome, '') = 'failed' AND opened_at IS NULL AND clicked_at IS NULL
        AND COALESCE(code, '') != ALL(%s))""",
    list(PERMANENT_CODES),
)
#: The person did not get the mail, so that the same content may be sent to the address.
_IS_FREE = SQL(
    "(state IN ('suppressed', 'cancelled', 'refused') OR state = 'sent' AND %s)",
    FAILED_TEMPORARILY,
)


#: Content mark of the runs of a recurring task that mails nobody twice, whatever their contents.
RUNS = "runs"


def take_content(env, family_id, mark):
    """Return the id of a content of a family, and lock it until the end of the transaction.

    The UPDATE makes a concurrent plan of the same content fail with a serialization error, so that
    it is retried and sees the tickets of this one.

    :param int family_id: the first task of the family
    :param str mark: see `content.identity.make_content_mark`
    :return: (id, whether the family had no such content before)
    :rtype: tuple
    """
    [row] = env.execute_query(
        SQL(
            """INSERT INTO directmail_family_content AS c (family_id, mark) VALUES (%s, %s)
                   ON CONFLICT (family_id, mark) DO UPDATE SET mark = EXCLUDED.mark
            RETURNING id, xmax = 0""",
            family_id,
            mark,
        )
    )
    return row


def enroll(env, content_id, task_id, letters=None):
    """Give the deliveries of a task that was planned outside of a family their tickets.

    :param int content_id: the content that the task's mails had
    :param letters: of the versions with this content; None for a task without an A/B test
    """
    env.cr.execute(
        SQL(
            """INSERT INTO directmail_family_mail (id, content_id, address_key, released)
               SELECT id, %s, address_key, %s FROM directmail_delivery
                WHERE %s AND address_key IS NOT NULL
                  AND state NOT IN ('suppressed', 'cancelled', 'refused')
                ORDER BY id ON CONFLICT DO NOTHING""",
            content_id,
            _IS_FREE,
            _is_sender(task_id, letters),
        )
    )


def _is_sender(task_id, letters):
    """Return SQL of whether a delivery is of a task, and of one of its versions unless None."""
    if letters is None:
        return SQL("task_id = %s", task_id)
    return SQL("(task_id = %s AND version = ANY(%s))", task_id, list(letters))


def release(env, content_id):
    """Release the tickets of deliveries whose person did not get the content."""
    env.cr.execute(
        SQL(
            """UPDATE directmail_family_mail f SET released = TRUE FROM directmail_delivery d
                WHERE d.id = f.id AND f.content_id = %s AND NOT f.released AND %s""",
            content_id,
            _IS_FREE,
        )
    )


def retake(env, content_id, task_id, got_from, letters=None):
    """Give the deliveries of a task that may still be mailed tickets of another content.

    People who got this content get no ticket, so the claim suppresses them.

    :param got_from: as of `get_family`
    :param letters: of the versions with this content; None for a task without an A/B test
    """
    may_be_mailed = SQL("%s AND state IN ('waiting', 'not_sent')", _is_sender(task_id, letters))
    env.cr.execute(
        SQL(
            """DELETE FROM directmail_family_mail
                WHERE id IN (SELECT id FROM directmail_delivery WHERE %s)""",
            may_be_mailed,
        )
    )
    env.cr.execute(
        SQL(
            """WITH got AS (%s)
               INSERT INTO directmail_family_mail (id, content_id, address_key, released)
               SELECT id, %s, address_key, FALSE FROM directmail_delivery
                WHERE %s AND address_key IS NOT NULL
                  AND address_key NOT IN (SELECT address_key FROM got)
                ORDER BY id ON CONFLICT DO NOTHING""",
            _select_got(got_from),
            content_id,
            may_be_mailed,
        )
    )


def move(env, rules, people):
    """Replace the tickets of deliveries that have a new address.

    A delivery whose new address got the content already gets none, and is suppressed by the claim.

    :param rules: the `fatigue.TaskRules` of the deliveries' task
    :param people: [(delivery id, new address key)]
    """
    content = _get_content(rules, SQL("moved.id"))
    if not content or not people:
        return
    env.cr.execute(
        SQL("DELETE FROM directmail_family_mail WHERE id IN %s", tuple(row[0] for row in people))
    )
    env.cr.execute(
        SQL(
            """INSERT INTO directmail_family_mail (id, content_id, address_key, released)
               SELECT id, content_id, address_key, FALSE
                 FROM (VALUES %s) AS moved (id, address_key), LATERAL (SELECT %s) AS c (content_id)
                WHERE content_id IS NOT NULL
                   ON CONFLICT DO NOTHING""",
            SQL(", ").join(SQL("(%s::int, %s)", *row) for row in people),
            content,
        )
    )


def follow_keys(env, first, last):
    """Copy the address keys of deliveries that a re-key has recomputed to their tickets.

    :param int first: lower bound of the deliveries' ids, excluded
    :param int last: upper bound, included
    """
    env.cr.execute(
        SQL(
            """WITH changed AS (
                   DELETE FROM directmail_family_mail f USING directmail_delivery d
                    WHERE d.id = f.id AND d.id > %s AND d.id <= %s
                      AND d.address_key != f.address_key
                RETURNING f.id, f.content_id, d.address_key, f.released)
               INSERT INTO directmail_family_mail (id, content_id, address_key, released)
               SELECT id, content_id, address_key, released FROM changed
                   ON CONFLICT DO NOTHING""",
            first,
            last,
        )
    )


def get_family(got_from, person):
    """Return the parts of `engine.plan`'s statement that find the people who got the content.

    :param got_from: [(task id, letter)] of the other tasks of the family that sent the same
        content, and of the versions; the letter is None for a task without an A/B test
    :param SQL person: name of a row with the column address_key
    :return: {"got": a CTE, "join_got": a join, "is_got": a WHEN of a CASE}; all empty without
        such a task
    :rtype: dict
    """
    if not got_from:
        return {"got": SQL(), "join_got": SQL(), "is_got": SQL()}
    return {
        "got": SQL("got AS MATERIALIZED (%s),", _select_got(got_from)),
        "join_got": SQL("LEFT JOIN got ON got.address_key = %s.address_key", person),
        "is_got": SQL("WHEN got.address_key IS NOT NULL THEN 'family'"),
    }


def _select_got(got_from):
    ids = [task_id for task_id, letter in got_from if not letter]
    is_sender = SQL("task_id = ANY(%s)", ids)
    if versions := tuple(pair for pair in got_from if pair[1]):
        is_sender = SQL("(%s OR (task_id, version) IN %s)", is_sender, versions)
    return SQL(
        """SELECT DISTINCT address_key FROM directmail_delivery
            WHERE %s AND address_key IS NOT NULL AND NOT %s""",
        is_sender,
        _IS_FREE,
    )


def take_tickets(content_id):
    """Return a CTE that gives the deliveries of the CTE `changed` their tickets.

    :param int content_id: of the task; None outside of a family
    """
    if not content_id:
        return SQL()
    return SQL(
        """tickets AS (
            INSERT INTO directmail_family_mail (id, content_id, address_key, released)
            SELECT id, %s, address_key, FALSE FROM changed WHERE new_state = 'waiting'
                ON CONFLICT DO NOTHING
        ),""",
        content_id,
    )


def _get_content(rules, delivery):
    """Return SQL of the id of the content of a delivery, or null; None outside of a family.

    :param rules: the `fatigue.TaskRules` of the task
    :param SQL delivery: an expression of the id of the delivery
    """
    if not rules.version_contents:
        return rules.content_id and SQL("%s", rules.content_id)
    return SQL(
        "(SELECT CASE version %s END FROM directmail_delivery WHERE id = %s)",
        SQL(" ").join(SQL("WHEN %s THEN %s", *pair) for pair in rules.version_contents.items()),
        delivery,
    )


def has_got(rules, person):
    """Return SQL of the reason 'family' for a delivery that may not be sent any more, or null.

    That is one without a ticket, or one whose address got an earlier mail that had failed.

    :param rules: the `fatigue.TaskRules` of the task
    :param SQL person: name of a row with the id and address_key of a delivery
    :rtype: SQL
    """
    content = _get_content(rules, SQL("%s.id", person))
    if not content:
        return SQL("NULL")
    return SQL(
        """CASE WHEN %(content)s IS NULL THEN NULL
                WHEN NOT EXISTS (
                    SELECT FROM directmail_family_mail f
                     WHERE f.id = %(person)s.id AND f.content_id = %(content)s
                       AND f.address_key = %(person)s.address_key AND NOT f.released)
                  OR EXISTS (
                    SELECT FROM directmail_family_mail f JOIN directmail_delivery d ON d.id = f.id
                     WHERE f.content_id = %(content)s AND f.released
                       AND f.address_key = %(person)s.address_key AND NOT %(is_free)s)
                THEN 'family' END""",
        person=person,
        content=content,
        is_free=_IS_FREE,
    )
