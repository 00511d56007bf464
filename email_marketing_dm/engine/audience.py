"""Compile the ordered lines of an audience into one SQL statement.

There are four sorts of people: contacts, records of other models, bare addresses and encrypted
addresses. A person of one sort never equals a person of another, so the lines are combined for each
sort separately, on the columns in `KEYS`. Most audiences have contacts only, for which the
statement compares nothing but integers.

An address in clear and the same address encrypted count as two people, although their address keys
are equal. Otherwise a user could combine a list of guessed addresses with an encrypted one, look at
the count, and so find out the encrypted address.

Lines are evaluated from top to bottom: `or` adds the people of the line, `and` keeps the people who
are also in the line, `except` removes the people of the line. There is no precedence; a group
(`Line.lines`) serves as parentheses.
"""

from dataclasses import dataclass

from odoo.fields import Domain
from odoo.tools import SQL

from .person import person_columns
from .sql import address_key, usable_address

#: {sort of people: columns that identify a person}
KEYS = {
    "contact": ("partner_id",),
    "record": ("res_model", "res_id"),
    "address": ("address_key",),
    "encrypted": ("address_key",),
}
#: {sort of people: columns that a line selects}
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

    :ivar operator: 'or', 'and' or 'except'; ignored in the first line
    :ivar select: SQL with the columns `person.PERSON_COLUMNS`; may return a person more than once
    :ivar where: instead of `select`, if the line is a condition on the contact itself: that
        condition on a row of `res_partner`
    :ivar sorts: the sorts of people that the line can find
    :ivar seen: whether the line finds only contacts that the owner may see
    :ivar unique: whether `select` returns each contact once; ignored with several `sorts`
    :ivar lines: instead of all these, the lines of a group
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
    """People of one sort: a SELECT of its `COLUMNS`.

    :ivar unique: whether `select` returns each person once
    :ivar seen: whether `select` returns only contacts that the owner may see
    :ivar where: the condition on a row of `res_partner` that `select` consists of, or None
    """

    select: SQL
    unique: bool
    seen: bool
    where: SQL = None


def select_people(lines, visible, master_key):
    """Return SQL that selects the people of an audience, each exactly once.

    :param lines: list of `Line`
    :param SQL visible: selects the ids of the contacts that the owner may see
    :return: SQL with the columns `person.PERSON_COLUMNS`
    :rtype: SQL
    """
    statement = _Statement(lines)
    parts = []
    contacts = statement.fold("contact")
    if contacts:
        found = contacts.select
        if not contacts.seen:
            # `visible` has each contact once, so no DISTINCT is needed. Not IN if the line finds
            # each once, too: PostgreSQL expects 200 values of aggregated rows, and then looks up
            # contact by contact.
            kept = SQL("WHERE id IN (%s)", found)
            if contacts.unique:
                kept = SQL("JOIN (%s) found ON found.partner_id = seen.id", found)
            found = SQL("SELECT seen.id AS partner_id FROM (%s) seen (id) %s", visible, kept)
        elif not contacts.unique:
            found = SQL("SELECT DISTINCT partner_id FROM (%s) found", found)
        columns = person_columns(*COLUMNS["contact"])
        parts.append(SQL("SELECT %s FROM (%s) contacts", columns, found))
    records = statement.fold("record")
    if records:
        key = SQL(
            "CASE WHEN %s THEN %s END",
            usable_address(SQL("email")),
            address_key(master_key, SQL("email")),
        )
        parts.append(
            SQL(
                """SELECT %s
                     FROM (SELECT DISTINCT ON (res_model, res_id) * FROM (%s) found
                            ORDER BY res_model, res_id, email) records""",
                person_columns(*COLUMNS["record"], address_key=key),
                records.select,
            )
        )
    for addresses in filter(None, map(statement.fold, ("address", "encrypted"))):
        parts.append(
            SQL(
                """SELECT %s
                     FROM (SELECT DISTINCT ON (address_key) * FROM (%s) found
                            ORDER BY address_key, email_encrypted, email) addresses""",
                person_columns(*COLUMNS["address"]),
                addresses.select,
            )
        )
    if not parts:
        parts.append(SQL("SELECT %s WHERE FALSE", person_columns()))
    return SQL("%s%s", statement.head(), SQL(" UNION ALL ").join(parts))


def finds_records(lines):
    """Tell whether some lines can find records of other models.

    :param lines: list of `Line`
    """
    return any(
        finds_records(line.lines) if line.lines else "record" in line.sorts for line in lines
    )


class _Statement:
    """The lines of an audience; a line that finds several sorts of people becomes a CTE."""

    def __init__(self, lines):
        self._lines = lines
        self._shared = {}  # {id of a line: name of its CTE}

    def head(self):
        """Return the WITH clause for the lines with several sorts; call it after `fold`."""
        if not self._shared:
            return SQL()
        ctes = SQL(", ").join(
            SQL("%s AS (%s)", name, line.select) for name, line in self._shared.values()
        )
        return SQL("WITH %s ", ctes)

    def fold(self, sort):
        """Return the `_People` of one sort, or None if no line can find any of that sort."""
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
        # One scan of `res_partner` with both conditions, instead of one scan for each line.
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
    # UNION would keep a person twice whose other columns differ between lines; `select_people`
    # removes duplicates by `KEYS` at the end.
    return _People(SQL("(%s) UNION ALL (%s)", people.select, found.select), False, seen)


def _narrow_by_where(people, operator, found, sort):
    """Return SQL of the contacts for whom a condition on `res_partner` holds, or does not hold.

    Needs no trick as in `_narrow`: PostgreSQL looks contacts up by primary key or reads the table
    once, and either plan is fast.
    """
    return SQL(
        "SELECT * FROM (%s) people WHERE %s EXISTS (SELECT FROM res_partner WHERE %s AND (%s))",
        people.select,
        SQL("NOT") if operator == "except" else SQL(),
        SQL("res_partner.id = people.partner_id"),
        found.where,
    )


def _narrow(people, operator, found, sort):
    """Return SQL of the people who are also in the line, or who are not in it.

    For recently inserted or aggregated rows, PostgreSQL's row estimate is often far too low, so
    that it would choose a nested loop that scans one side for each row of the other. A full join
    can only be a hash or merge join. CASE and OFFSET keep the planner from reducing it to a left or
    inner join.
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
    """Return SQL that selects the ids of the unarchived contacts that the user may see.

    :rtype: SQL
    """
    return env["res.partner"]._search(Domain.TRUE).select()
