"""Audience: an ordered list of lines becomes one SQL statement.

Contacts, records of other models, bare addresses and encrypted ones are four sorts of people that
never meet, so the lines are combined for each sort by itself, on the column that tells its people
apart. An audience of contacts only, which nearly all are, is a combination of mere integers.

An address in clear and the same one encrypted are two people here, though their keys are equal: by
combining a list of guesses with an encrypted address, and counting, one could find the address.

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
    "encrypted": ("address_key",),
}
#: {sort of people: what a line says of them}
COLUMNS = {
    "contact": ("partner_id",),
    "record": ("res_model", "res_id", "email"),
    "address": ("email", "email_encrypted", "address_key"),
    "encrypted": ("email", "email_encrypted", "address_key"),
}
OF_SORT = {
    "contact": SQL("partner_id IS NOT NULL"),
    "record": SQL("partner_id IS NULL AND res_id IS NOT NULL"),
    "address": SQL(
        "partner_id IS NULL AND res_id IS NULL AND address_key IS NOT NULL"
        " AND email_encrypted IS NULL"
    ),
    "encrypted": SQL(
        "partner_id IS NULL AND res_id IS NULL AND address_key IS NOT NULL"
        " AND email_encrypted IS NOT NULL"
    ),
}
#: {operator: how two conditions on the same row are joined}
CONDITIONS = {
    "or": "(%s) OR (%s)",
    "and": "(%s) AND (%s)",
    "except": "(%s) AND (%s) IS NOT TRUE",
}


@dataclass(frozen=True)
class Line:
    """One line of an audience.

    :ivar operator: 'or', 'and' or 'except'; of no account in the first line
    :ivar select: SQL selecting the six columns of a person; perhaps the same person repeatedly
    :ivar where: instead, if all it asks is something of the contact itself: the condition on a row
        of `res_partner`
    :ivar sorts: the sorts of people it can find
    :ivar seen: whether it finds only contacts that the owner may see
    :ivar unique: whether, if it finds contacts only, it finds nobody twice
    :ivar lines: instead of all that, the lines of a group
    """

    operator: str
    select: SQL = None
    where: SQL = None
    sorts: frozenset = frozenset(("contact",))
    seen: bool = False
    unique: bool = False
    lines: tuple = ()


@dataclass(frozen=True)
class _People:
    """People of one sort: a SELECT of its columns.

    :ivar unique: nobody is in it twice
    :ivar where: the same as a condition on a row of `res_partner`, if it is no more than that
    """

    select: SQL
    unique: bool
    seen: bool
    where: SQL = None


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
            # Whom the owner may see is a contact once, however often the lines find it.
            found = SQL(
                "SELECT id AS partner_id FROM (%s) seen (id) WHERE id IN (%s)", visible, found
            )
        elif not contacts.unique:
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
    for addresses in filter(None, map(statement.fold, ("address", "encrypted"))):
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
            if operator == "or" and not (people and found):
                people = people or found
            elif people and found:
                people = _combine(people, operator, found, sort)
            elif operator == "and":
                people = None
        return people

    def _read(self, line, sort):
        if line.lines:
            return self._fold(line.lines, sort)
        if sort not in line.sorts:
            return None
        if line.where:
            return _contacts(line.where, line.seen)
        columns = SQL(", ").join(map(SQL.identifier, COLUMNS[sort]))
        if len(line.sorts) == 1:
            source = SQL("(%s)", line.select)
        else:
            name = SQL.identifier(f"line_{len(self._shared) + 1}")
            source, _line = self._shared.setdefault(id(line), (name, line))
        select = SQL("SELECT %s FROM %s AS line WHERE %s", columns, source, OF_SORT[sort])
        return _People(select, line.unique and len(line.sorts) == 1, line.seen)


def _contacts(where, seen):
    select = SQL("SELECT res_partner.id AS partner_id FROM res_partner WHERE %s", where)
    return _People(select, True, seen, where)


def _combine(people, operator, found, sort):
    seen = _are_seen(people, operator, found)
    if people.where and found.where:
        # One look at each contact, instead of one for each line.
        return _contacts(SQL(CONDITIONS[operator], people.where, found.where), seen)
    if operator == "or":
        return _join(people, found, sort, seen)
    kept = _narrow_by_where if found.where else _narrow
    return _People(kept(people, operator, found, sort), people.unique, seen)


def _are_seen(people, operator, found):
    if operator == "or":
        return people.seen and found.seen
    return people.seen or (operator == "and" and found.seen)


def _join(people, found, sort, seen):
    if sort == "contact":
        return _People(SQL("(%s) UNION (%s)", people.select, found.select), True, seen)
    # The rest of a person's columns may differ from line to line; the keys decide at the end.
    return _People(SQL("(%s) UNION ALL (%s)", people.select, found.select), False, seen)


def _narrow_by_where(people, operator, found, sort):
    """Return the people who are contacts for whom a condition holds, or does not hold.

    Contacts are looked up by their number, or all of them are read: either is quick.
    """
    return SQL(
        "SELECT * FROM (%s) people WHERE %s EXISTS (SELECT FROM res_partner WHERE %s AND (%s))",
        people.select,
        SQL("NOT") if operator == "except" else SQL(),
        SQL("res_partner.id = people.partner_id"),
        found.where,
    )


def _narrow(people, operator, found, sort):
    """Return the people who are also in the line, or who are not.

    What PostgreSQL expects of people who were filled in a moment ago, or counted, is often far too
    little, and then it would look through all of one side for each row of the other. A full join it
    can only do by hashing or sorting, whatever it expects; CASE and OFFSET keep it from seeing that
    a lesser join would do.
    """
    keys = [SQL.identifier(key) for key in KEYS[sort]]
    return SQL(
        """SELECT people.* FROM (%(people)s) people
             FULL JOIN (SELECT DISTINCT %(keys)s FROM (%(line)s) line) line ON %(same)s
            WHERE CASE WHEN people.%(key)s IS NULL THEN FALSE ELSE line.%(key)s %(wanted)s END
           OFFSET 0""",
        people=people.select,
        keys=SQL(", ").join(keys),
        line=found.select,
        same=SQL(" AND ").join(SQL("line.%s = people.%s", key, key) for key in keys),
        key=keys[-1],
        wanted=SQL("IS NULL") if operator == "except" else SQL("IS NOT NULL"),
    )


def visible_contacts(env):
    """Return SQL that selects the ids of the contacts that the user may see.

    :rtype: SQL
    """
    return env["res.partner"]._search(Domain.TRUE).select()
