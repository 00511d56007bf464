"""Audience: an ordered list of lines becomes one SQL statement.

Contacts, records of other models and bare addresses are three sorts of people that never meet, so
the lines are combined for each sort by itself, on the column that tells its people apart. An
audience of contacts only, which nearly all are, is a combination of mere integers.

Lines are read from top to bottom: the people so far *or* those of the line, *and* also in the line,
*except* those of the line. There is no precedence; whoever wants some makes a group.
"""

from dataclasses import dataclass

from odoo.fields import Domain
from odoo.tools import SQL

from .sql import address_key, usable_address

#: {sort of people: columns that tell them apart}
KEYS = {
    "contact": ("partner_id",),
    "record": ("res_model", "res_id"),
    "address": ("address_key",),
}
#: {sort of people: what a line says of them}
COLUMNS = {
    "contact": ("partner_id",),
    "record": ("res_model", "res_id", "email"),
    "address": ("email", "email_encrypted", "address_key"),
}
OF_SORT = {
    "contact": SQL("partner_id IS NOT NULL"),
    "record": SQL("partner_id IS NULL AND res_id IS NOT NULL"),
    "address": SQL("partner_id IS NULL AND res_id IS NULL AND address_key IS NOT NULL"),
}
#: How a person without a contact is reached, which may change from refresh to refresh.
ADDRESS = tuple(map(SQL.identifier, ("email", "email_encrypted", "address_key")))
#: What tells any two people apart, as one value
PERSON = SQL(
    """COALESCE(partner_id::text, CASE WHEN res_id IS NOT NULL THEN res_model || ',' || res_id
                                       ELSE address_key END)"""
)


@dataclass(frozen=True)
class Line:
    """One line of an audience.

    :ivar operator: 'or', 'and' or 'except'; of no account in the first line
    :ivar select: SQL selecting the six columns of a person; perhaps the same person repeatedly
    :ivar sorts: the sorts of people it can find
    :ivar seen: whether it finds only contacts that the owner may see
    :ivar unique: whether, if it finds contacts only, it finds nobody twice
    :ivar lines: instead of all that, the lines of a group
    """

    operator: str
    select: SQL = None
    sorts: frozenset = frozenset(("contact",))
    seen: bool = False
    unique: bool = False
    lines: tuple = ()


@dataclass(frozen=True)
class _People:
    """People of one sort: a SELECT of its columns.

    :ivar unique: nobody is in it twice
    """

    select: SQL
    unique: bool
    seen: bool


def select_people(lines, visible, master_key):
    """Return SQL that selects the people of an audience, each exactly once, as six columns.

    :param lines: list of `Line`
    :param SQL visible: selects the ids of the contacts that the owner may see
    :rtype: SQL
    """
    statement = _Statement(lines)
    # Whichever sort comes first names the columns.
    parts = []
    contacts = statement.fold("contact")
    if contacts:
        found = contacts.select
        if not contacts.seen:
            found = SQL(
                "SELECT partner_id FROM (%s) found WHERE partner_id IN (%s)", found, visible
            )
        if not contacts.unique:
            found = SQL("SELECT DISTINCT partner_id FROM (%s) found", found)
        parts.append(
            SQL(
                """SELECT partner_id, NULL::varchar AS res_model, NULL::int AS res_id,
                          NULL::text AS email, NULL::text AS email_encrypted,
                          NULL::text AS address_key
                     FROM (%s) contacts""",
                found,
            )
        )
    records = statement.fold("record")
    if records:
        parts.append(
            SQL(
                """SELECT NULL::int AS partner_id, res_model, res_id, email,
                          NULL::text AS email_encrypted,
                          CASE WHEN %(usable)s THEN %(key)s END AS address_key
                     FROM (SELECT DISTINCT ON (res_model, res_id) * FROM (%(found)s) found
                            ORDER BY res_model, res_id, email) records""",
                usable=usable_address(SQL("email")),
                key=address_key(master_key, SQL("email")),
                found=records.select,
            )
        )
    addresses = statement.fold("address")
    if addresses:
        parts.append(
            SQL(
                """SELECT NULL::int AS partner_id, NULL::varchar AS res_model,
                          NULL::int AS res_id, email, email_encrypted, address_key
                     FROM (SELECT DISTINCT ON (address_key) * FROM (%s) found
                            ORDER BY address_key, email_encrypted, email) addresses""",
                addresses.select,
            )
        )
    if not parts:
        parts.append(SQL("SELECT NULL::int AS partner_id, NULL::varchar AS res_model,"
                         " NULL::int AS res_id, NULL::text AS email,"
                         " NULL::text AS email_encrypted, NULL::text AS address_key WHERE false"
                         ))  # fmt: skip
    return SQL("%s%s", statement.head(), SQL(" UNION ALL ").join(parts))


class _Statement:
    """The lines of an audience; those that find several sorts of people are evaluated once."""

    def __init__(self, lines):
        self._lines = lines
        self._shared = {}  # {id of a line: name of its CTE}

    def head(self):
        """Return the WITH clause for the lines that were used more than once."""
        if not self._shared:
            return SQL()
        ctes = SQL(", ").join(
            SQL("%s AS (%s)", name, line.select) for name, line in self._shared.values()
        )
        return SQL("WITH %s ", ctes)

    def fold(self, sort):
        """Return the `_People` of one sort, or None where no line can find any."""
        return self._fold(self._lines, sort)

    def _fold(self, lines, sort):
        people = None
        for number, line in enumerate(lines):
            found = self._read(line, sort)
            operator = line.operator if number else "or"
            if operator == "or":
                people = _join(people, found, sort)
            elif people and found:
                keep = _keep if operator == "and" else _drop
                people = keep(people, found, sort)
            elif operator == "and":
                people = None
        return people

    def _read(self, line, sort):
        if line.lines:
            return self._fold(line.lines, sort)
        if sort not in line.sorts:
            return None
        columns = SQL(", ").join(map(SQL.identifier, COLUMNS[sort]))
        if len(line.sorts) == 1:
            source = SQL("(%s)", line.select)
        else:
            name = SQL.identifier(f"line_{len(self._shared) + 1}")
            source, _line = self._shared.setdefault(id(line), (name, line))
        select = SQL("SELECT %s FROM %s AS line WHERE %s", columns, source, OF_SORT[sort])
        return _People(select, line.unique and len(line.sorts) == 1, line.seen)


def _join(people, found, sort):
    if not people or not found:
        return people or found
    seen = people.seen and found.seen
    if sort == "contact":
        return _People(SQL("(%s) UNION (%s)", people.select, found.select), True, seen)
    # The rest of a person's columns may differ from line to line; the keys decide at the end.
    return _People(SQL("(%s) UNION ALL (%s)", people.select, found.select), False, seen)


def _keep(people, found, sort):
    keys = SQL(", ").join(map(SQL.identifier, KEYS[sort]))
    select = SQL(
        "SELECT * FROM (%s) people WHERE (%s) IN (SELECT %s FROM (%s) line)",
        people.select,
        keys,
        keys,
        found.select,
    )
    return _People(select, people.unique, people.seen or found.seen)


def _drop(people, found, sort):
    same = SQL(" AND ").join(
        SQL("line.%s = people.%s", SQL.identifier(key), SQL.identifier(key)) for key in KEYS[sort]
    )
    select = SQL(
        "SELECT * FROM (%s) people WHERE NOT EXISTS (SELECT 1 FROM (%s) line WHERE %s)",
        people.select,
        found.select,
        same,
    )
    return _People(select, people.unique, people.seen)


def replace_members(env, audience_id, people):
    """Make the people of an audience exactly those that SQL selects, in one statement.

    Who stays keeps the row, so that a refresh costs what changed.

    :param SQL people: selects the six columns of a person, each person once
    :return: (people now, entered, left)
    :rtype: tuple
    """
    columns = SQL("partner_id, res_model, res_id, email, email_encrypted, address_key")
    insert = SQL(
        """INSERT INTO directmail_audience_member (audience_id, entered_at, %(columns)s)
           SELECT %(audience)s, now() AT TIME ZONE 'UTC', %(columns)s""",
        audience=audience_id,
        columns=columns,
    )
    empty = not env.execute_query(
        SQL("SELECT 1 FROM directmail_audience_member WHERE audience_id = %s LIMIT 1", audience_id)
    )
    if empty:
        env.cr.execute(SQL("%s FROM (%s) people", insert, people))
        return env.cr.rowcount, env.cr.rowcount, 0
    # Members and people are compared by grouping, never by a join of the two: PostgreSQL knows
    # nothing yet about what has just been filled, expects one row, and would look through all of
    # one side for each row of the other. Contacts, nearly everybody, are compared by number.
    return env.execute_query(
        SQL(
            """WITH people AS MATERIALIZED (%(people)s), contacts AS MATERIALIZED (
                SELECT partner_id, max(id) AS id, bool_or(stays) AS stays FROM (
                    SELECT id, partner_id, FALSE AS stays FROM directmail_audience_member
                     WHERE audience_id = %(audience)s AND partner_id IS NOT NULL
                    UNION ALL
                    SELECT NULL, partner_id, TRUE FROM people WHERE partner_id IS NOT NULL
                ) rows GROUP BY partner_id
            ), others AS MATERIALIZED (
                SELECT max(id) AS id, bool_or(stays) AS stays,
                       max(res_model) AS res_model, max(res_id) AS res_id, %(now)s,
                       (%(old)s) IS DISTINCT FROM (%(new)s) AS moved
                  FROM (
                    SELECT id, partner_id, res_model, res_id, email, email_encrypted, address_key,
                           FALSE AS stays
                      FROM directmail_audience_member
                     WHERE audience_id = %(audience)s AND partner_id IS NULL
                    UNION ALL
                    SELECT NULL, NULL, res_model, res_id, email, email_encrypted, address_key, TRUE
                      FROM people WHERE partner_id IS NULL
                ) rows GROUP BY %(key)s
            ), gone AS (
                DELETE FROM directmail_audience_member m
                 USING (SELECT id FROM contacts WHERE NOT stays
                        UNION ALL SELECT id FROM others WHERE NOT stays) leaving
                 WHERE m.id = leaving.id
                RETURNING 1
            ), moved AS (
                UPDATE directmail_audience_member m
                   SET email = others.email, email_encrypted = others.email_encrypted,
                       address_key = others.address_key
                  FROM others WHERE m.id = others.id AND others.stays AND others.moved
            ), entered AS (
                %(insert)s FROM (
                    SELECT partner_id, NULL::varchar AS res_model, NULL::int AS res_id,
                           NULL::text AS email, NULL::text AS email_encrypted,
                           NULL::text AS address_key
                      FROM contacts WHERE id IS NULL
                    UNION ALL
                    SELECT NULL, res_model, res_id, email, email_encrypted, address_key
                      FROM others WHERE id IS NULL
                ) fresh RETURNING 1
            )
            SELECT (SELECT count(*) FROM people), (SELECT count(*) FROM entered),
                   (SELECT count(*) FROM gone)""",
            people=people,
            audience=audience_id,
            insert=insert,
            key=PERSON,
            now=SQL(", ").join(
                SQL("max(%s) FILTER (WHERE stays) AS %s", column, column) for column in ADDRESS
            ),
            old=SQL(", ").join(SQL("max(%s) FILTER (WHERE NOT stays)", c) for c in ADDRESS),
            new=SQL(", ").join(SQL("max(%s) FILTER (WHERE stays)", c) for c in ADDRESS),
        )
    )[0]


def visible_contacts(env):
    """Return SQL that selects the ids of the contacts that the user may see.

    :rtype: SQL
    """
    return env["res.partner"]._search(Domain.TRUE).select()
