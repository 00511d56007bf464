"""Which people moved between the groups of an RFM or AIPL model, and the groups of an earlier day.

Moves are stored as one row per person and day on which the group changed, with the group before
and after. So the group at the end of a day is the group before the first later move, or else the
group of today: days on which nothing changed, and people who never moved, need no rows, and rows
that are too old can be deleted without a loss for later days.
"""

from dataclasses import dataclass

from odoo.tools import SQL


@dataclass(frozen=True)
class Groups:
    """Where the groups of a model's people and their moves are stored.

    :ivar str results: table with the group of each person who is in the model
    :ivar str moves: table of the moves
    :ivar str owner: column of both with the id of the RFM or AIPL model
    :ivar int owner_id: that id
    :ivar str group: column of both with the group; `previous_` + its name is the group before
    """

    results: str
    moves: str
    owner: str
    owner_id: int
    group: str

    def names(self):
        """Return the names as SQL, for the statements of this module."""
        return {
            "results": SQL.identifier(self.results),
            "moves": SQL.identifier(self.moves),
            "owner": SQL.identifier(self.owner),
            "owner_id": self.owner_id,
            "group": SQL.identifier(self.group),
            "previous": SQL.identifier(f"previous_{self.group}"),
        }


def write_moves(groups, day):
    """Return CTEs that store the moves of a computation, to follow those of `replace_results`.

    They read `merged` (people in the model, with `had`, their group until now) and `gone` (people
    who left it). A person who moves twice on a day keeps the group before of the first move.

    :param Groups groups: where to write
    :param date day: the day of the computation
    """
    return SQL(
        """moved AS (
            INSERT INTO %(moves)s AS m (%(owner)s, partner_id, date, %(previous)s, %(group)s)
            SELECT %(owner_id)s, partner_id, %(day)s, had, %(group)s
              FROM merged WHERE had IS DISTINCT FROM %(group)s
             UNION ALL
            SELECT %(owner_id)s, partner_id, %(day)s, %(group)s, NULL FROM gone
                ON CONFLICT (partner_id, %(owner)s, date)
                DO UPDATE SET %(group)s = EXCLUDED.%(group)s
        )""",
        day=day,
        **groups.names(),
    )


def forget_moves(groups, day, returns_only):
    """Return SQL that deletes moves of a day, after the results were replaced.

    :param bool returns_only: only those by which people came back to where they were in the
        morning; otherwise all, because nothing is known before that day
    """
    return SQL(
        """DELETE FROM %(moves)s WHERE %(owner)s = %(owner_id)s AND date = %(day)s
              AND %(condition)s RETURNING id""",
        day=day,
        condition=SQL("%(previous)s IS NOT DISTINCT FROM %(group)s", **groups.names())
        if returns_only
        else SQL("TRUE"),
        **groups.names(),
    )


def select_flow(groups, since, until, movers_only=False):
    """Return SQL with each person's groups at the ends of two days.

    :param Groups groups: where to read
    :param date since: the first day; moves after it must be stored
    :param date until: the second day, later than ``since``
    :param bool movers_only: leave out people without a move since the first day, which is faster
    :return: SQL; columns partner_id, was, now; the groups are NULL for people outside of the
        model. A person is returned once; both groups may be NULL
    """
    # Without the CASE, which every mover passes anyway, PostgreSQL drops the movers from other
    # groups before it joins.
    moved = SQL("first.partner_id, first.was")
    if not movers_only:
        moved = SQL(
            """COALESCE(first.partner_id, present.partner_id) AS partner_id,
               CASE WHEN first.partner_id IS NULL THEN present.%(group)s ELSE first.was END AS was
            """,
            **groups.names(),
        )
    return SQL(
        """SELECT %(moved)s,
                  CASE WHEN later.partner_id IS NULL THEN present.%(group)s
                       ELSE later.was END AS now
             FROM (SELECT partner_id, %(group)s FROM %(results)s
                    WHERE %(owner)s = %(owner_id)s) present
             %(join)s JOIN (%(first)s) first ON first.partner_id = present.partner_id
             LEFT JOIN (%(later)s) later ON later.partner_id = first.partner_id""",
        moved=moved,
        join=SQL("RIGHT") if movers_only else SQL("FULL"),
        first=_first_moves(groups, since),
        later=_first_moves(groups, until),
        **groups.names(),
    )


def _first_moves(groups, day):
    """Return SQL (partner_id, was) of the group at the end of a day, of people who moved later."""
    return SQL(
        """SELECT DISTINCT ON (partner_id) partner_id, %(previous)s AS was FROM %(moves)s
            WHERE %(owner)s = %(owner_id)s AND date > %(day)s ORDER BY partner_id, date""",
        day=day,
        **groups.names(),
    )


def select_moved(groups, since, until, before, after):
    """Return SQL with the ids of the people who were in one group and are in another.

    :param since, until: as in `select_flow`
    :param before: names of groups at the end of the first day; None among them stands for people
        outside of the model
    :param after: the same at the end of the second day
    :return: SQL; column partner_id, each person once
    """
    return SQL(
        "SELECT partner_id FROM (%s) flow WHERE %s AND %s",
        select_flow(groups, since, until, movers_only=not set(before) & set(after)),
        _is_in(SQL("was"), before),
        _is_in(SQL("now"), after),
    )


def _is_in(column, names):
    inside = [name for name in names if name]
    conditions = [SQL("%s = ANY(%s)", column, inside)] if inside else []
    if None in names:
        conditions.append(SQL("%s IS NULL", column))
    return SQL("(%s)", SQL(" OR ").join(conditions))


def select_returned(groups, since, until, after):
    """Return SQL with the ids of the people who had left the model and came back.

    They left on any day for which moves are stored, came back after the end of ``since``, and were
    in one of the groups ``after`` at the end of ``until``.

    :param since, until: as in `select_flow`
    :return: SQL; column partner_id, each person once
    """
    return SQL(
        """SELECT partner_id FROM (%(flow)s) flow
            WHERE %(after)s AND partner_id IN (
                  SELECT back.partner_id FROM %(moves)s back
                    JOIN %(moves)s away
                      ON away.%(owner)s = back.%(owner)s AND away.partner_id = back.partner_id
                     AND away.date < back.date AND away.%(group)s IS NULL
                   WHERE back.%(owner)s = %(owner_id)s AND back.%(previous)s IS NULL
                     AND back.date > %(since)s AND back.date <= %(until)s)""",
        flow=select_flow(groups, since, until, movers_only=True),
        after=_is_in(SQL("now"), after),
        since=since,
        until=until,
        **groups.names(),
    )


def keep_moves_of_one(groups, partner_ids, kept_id):
    """Return SQL that keeps the moves of one of several contacts that are about to be merged.

    In each model these are the moves of the contact whose result is kept, so that they still lead
    to the present group. ``groups.owner_id`` is ignored.

    :param partner_ids: ids of all contacts, the remaining one included
    :param int kept_id: id of the contact that remains
    """
    return SQL(
        """WITH kept AS (
               SELECT DISTINCT ON (%(owner)s) %(owner)s, partner_id
                 FROM (SELECT %(owner)s, partner_id, 0 AS rank, id FROM %(results)s
                        WHERE partner_id = ANY(%(partners)s)
                        UNION ALL
                       SELECT %(owner)s, partner_id, 1, partner_id FROM %(moves)s
                        WHERE partner_id = ANY(%(partners)s)) known
                ORDER BY %(owner)s, rank, (partner_id = %(kept)s) DESC, id
           )
           DELETE FROM %(moves)s m USING kept
            WHERE m.%(owner)s = kept.%(owner)s AND m.partner_id = ANY(%(partners)s)
              AND m.partner_id != kept.partner_id""",
        partners=list(partner_ids),
        kept=kept_id,
        **groups.names(),
    )
