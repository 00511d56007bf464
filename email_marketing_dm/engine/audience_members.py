"""Replace and count the members of an audience (`directmail.audience.member`)."""

from odoo.tools import SQL

from .idn import is_international
from .people import addressed_people
from .person import PERSON, PERSON_COLUMNS, person_columns
from .sql import UNMATCHABLE, usable_ascii_address

#: Columns of a person without a contact that may differ from refresh to refresh.
ADDRESS = ("email", "email_encrypted", "address_key")
#: SQL of one value that identifies a person without a contact, like `engine.audience.KEYS`.
IDENTITY = SQL(
    """CASE WHEN res_id IS NOT NULL THEN res_model || ',' || res_id
            WHEN email_encrypted IS NOT NULL THEN 'encrypted,' || address_key
            ELSE address_key END"""
)


def replace_members(env, audience_id, people):
    """Make the members of an audience exactly the people that SQL selects, in one statement.

    Rows of people who stay are kept, so that a refresh writes only what changed.

    :param SQL people: selects the columns `person.PERSON_COLUMNS`, each person once
    :return: (number of people in the audience now, who entered, who left)
    :rtype: tuple
    """
    # Insert ordered by partner_id: index pages, and the pages of `res_partner` that the foreign key
    # check reads, are then visited one after the other instead of at random.
    insert = SQL(
        """INSERT INTO directmail_audience_member (audience_id, entered_at, %(columns)s)
           SELECT %(audience)s, now() AT TIME ZONE 'UTC', %(columns)s""",
        audience=audience_id,
        columns=PERSON,
    )
    if _is_empty(env, audience_id):
        env.cr.execute(SQL("%s FROM (%s) people ORDER BY partner_id", insert, people))
        return env.cr.rowcount, env.cr.rowcount, 0
    # Full joins, because PostgreSQL has no statistics yet of members inserted a moment ago. If it
    # expects one row it chooses a nested loop, which scans one side for each row of the other; a
    # full join can only be a hash or merge join.
    return env.execute_query(
        SQL(
            """WITH people AS MATERIALIZED (%(people)s), changed AS MATERIALIZED (
                SELECT m.id, FALSE AS stays, %(contact)s
                  FROM (SELECT id, partner_id FROM directmail_audience_member
                         WHERE audience_id = %(audience)s AND partner_id IS NOT NULL) m
                  FULL JOIN (SELECT partner_id FROM people WHERE partner_id IS NOT NULL) people
                    ON people.partner_id = m.partner_id
                 WHERE m.id IS NULL OR people.partner_id IS NULL
                UNION ALL
                SELECT m.id, people.identity IS NOT NULL, %(other)s
                  FROM (SELECT *, %(identity)s AS identity FROM directmail_audience_member
                         WHERE audience_id = %(audience)s AND partner_id IS NULL) m
                  FULL JOIN (SELECT *, %(identity)s AS identity FROM people
                              WHERE partner_id IS NULL) people
                    ON people.identity = m.identity
                 WHERE m.id IS NULL OR people.identity IS NULL
                    OR (%(old)s) IS DISTINCT FROM (%(new)s)
            ), gone AS (
                DELETE FROM directmail_audience_member
                 WHERE id IN (SELECT id FROM changed WHERE id IS NOT NULL AND NOT stays)
                RETURNING 1
            ), moved AS (
                UPDATE directmail_audience_member m
                   SET email = changed.email, email_encrypted = changed.email_encrypted,
                       address_key = changed.address_key
                  FROM changed WHERE m.id = changed.id AND changed.stays
            ), entered AS (
                %(insert)s FROM changed WHERE id IS NULL ORDER BY partner_id RETURNING 1
            )
            SELECT (SELECT count(*) FROM people), (SELECT count(*) FROM entered),
                   (SELECT count(*) FROM gone)""",
            people=people,
            audience=audience_id,
            insert=insert,
            contact=person_columns("partner_id", alias="people"),
            other=person_columns(*PERSON_COLUMNS, alias="people"),
            identity=IDENTITY,
            old=SQL(", ").join(SQL.identifier("m", column) for column in ADDRESS),
            new=SQL(", ").join(SQL.identifier("people", column) for column in ADDRESS),
        )
    )[0]


def _is_empty(env, audience_id):
    # ORDER BY makes PostgreSQL use the index (audience_id, partner_id); without it, LIMIT 1 may
    # become a scan of the members of all audiences.
    return not env.execute_query(
        SQL(
            """SELECT 1 FROM directmail_audience_member WHERE audience_id = %s
                ORDER BY partner_id LIMIT 1""",
            audience_id,
        )
    )


def count_usable(env, context, rules, audience_id):
    """Return the number of people in an audience who have a usable address.

    :param PeopleContext context: how to find addresses
    :param rules: a `people.Addressing`
    :rtype: int
    """
    # PostgreSQL may expect very few members or usable addresses, as in `replace_members`, and then
    # choose a slow nested loop. It expects very many international addresses, and would rather read
    # all contacts than the index of these few. Without workers, because on a busy server they took
    # two to three times as long as one process.
    env.cr.execute(
        """SET LOCAL enable_nestloop = off; SET LOCAL enable_seqscan = off;
           SET LOCAL max_parallel_workers_per_gather = 0"""
    )
    [(usable,)] = env.execute_query(select_usable(audience_id))
    env.cr.execute(
        "RESET enable_nestloop; RESET enable_seqscan; RESET max_parallel_workers_per_gather"
    )
    if rules.has_records:
        usable += _count_usable_records(env, context, rules, audience_id)
    return usable


def select_usable(audience_id):
    """Return SQL of the number of contacts and bare addresses among what `count_usable` counts.

    :rtype: SQL
    """
    # ASCII and international addresses are counted apart, because each has its own index.
    return SQL(
        """SELECT (SELECT count(*) FROM directmail_audience_member m
                    WHERE %(is_member)s AND m.partner_id IS NULL AND m.res_id IS NULL
                      AND m.address_key IS NOT NULL
                      AND (m.email_encrypted IS NULL OR left(m.address_key, 1) != %(unmatchable)s))
                + (SELECT count(*) FROM directmail_audience_member m
                     JOIN res_partner p ON p.id = m.partner_id
                    WHERE %(is_member)s AND %(usable)s)
                + (SELECT count(*) FROM directmail_audience_member m
                    WHERE %(is_member)s AND m.partner_id = ANY(ARRAY(
                          SELECT p.id FROM res_partner p
                           WHERE %(international)s
                             AND directmail_ascii_address(p.email_normalized) IS NOT NULL)))""",
        is_member=SQL("m.audience_id = %s", audience_id),
        unmatchable=UNMATCHABLE,
        usable=usable_ascii_address(SQL("p.email_normalized")),
        international=is_international(SQL("p.email_normalized")),
    )


def _count_usable_records(env, context, rules, audience_id):
    """Return how many records of other models can be mailed: not archived, with an address."""
    records = addressed_people(
        env,
        context,
        rules,
        [audience_id],
        among=SQL("partner_id IS NULL AND res_id IS NOT NULL"),
    )
    [(usable,)] = env.execute_query(
        SQL("WITH %s SELECT count(*) FROM addressed WHERE flaw IS NULL", records)
    )
    return usable
