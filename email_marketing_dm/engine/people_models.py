"""Compute RFM scores and AIPL stages of all contacts from the facts of data tables, in SQL."""

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from odoo.tools import SQL

from ..clock.daily import DAY, day_start, local_day
from .clock import to_local
from .people_moves import write_moves

#: Customer types by (R is high, F is high, M is high) read as a binary number: 0 none, 7 all three.
RFM_TYPES = (
    "potential",
    "key_winback",
    "general_retention",
    "key_retention",
    "general_development",
    "key_development",
    "general_value",
    "high_value",
)
#: A hundred years. Dates of 740,000 days ago can't be calculated.
MOST_DAYS = 36_500
#: Stages from the lowest to the highest.
AIPL_STAGES = ("a", "i", "p", "l")


@dataclass(frozen=True)
class Today:
    """The day for which results are computed, and spans of days that end on it.

    :ivar datetime now: the moment, naive UTC; later facts are ignored
    :ivar str tz: name of the time zone whose calendar counts; UTC if it is empty
    """

    now: datetime
    tz: str = "UTC"

    @property
    def day(self) -> date:
        """The calendar day of `now` in the time zone."""
        return local_day(self.now, self.tz)

    def end(self, is_date):
        """Return the exclusive upper bound of facts: tomorrow, or one second after `now`.

        One second is added because Odoo stores whole seconds, so that facts of the present second
        are included.

        :param bool is_date: whether facts have a date (stored as its midnight) instead of a moment
        """
        return self.day + DAY if is_date else self.now + timedelta(seconds=1)

    def begin(self, days, is_date):
        """Return the first date or moment (naive UTC) of the last `days` days, today included.

        More than `MOST_DAYS` count as so many.
        """
        first = self.day - (min(days, MOST_DAYS) - 1) * DAY
        return first if is_date else day_start(first, self.tz)

    def within(self, days, is_date):
        """Return SQL that tells whether a fact (f) is of the last `days` days, today included."""
        bounds = self.begin(days, is_date), self.end(is_date)
        return SQL("f.date >= %s AND f.date < %s", *bounds)

    def local_date(self, moment, is_date):
        """Return SQL of the date of a fact, in the time zone `tz`.

        :param SQL moment: the fact's date, a timestamp in UTC, or its midnight if `is_date`
        """
        return SQL("%s::date", moment if is_date else to_local(moment, self.tz))


@dataclass(frozen=True)
class Bands:
    """Thresholds of the RFM scores 3 and 2, and of high scores.

    :ivar recency: (maximum days since the last purchase for score 3, for score 2)
    :ivar frequency: (minimum number of purchases for score 3, for score 2)
    :ivar monetary: (amount above which the score is 3, amount from which it is 2)
    :ivar baselines: for R, F and M the minimum score that counts as high; None for the average
        score of all customers
    :ivar decimals: of the currency; amounts are rounded to them before they are compared
    """

    recency: tuple = (30, 90)
    frequency: tuple = (5, 2)
    monetary: tuple = (1000, 100)
    baselines: tuple = (None, None, None)
    decimals: int = 2


def rfm_scores(facts, today, period, bands, is_date):
    """Return CTEs ending in `fresh`: one row per contact with a purchase within the period.

    A fact with a negative amount is a refund: it lowers the sum of amounts, but counts neither for
    the frequency nor for the last date. Contacts with refunds only are left out. All other facts
    are purchases, also those without an amount.

    :param SQL facts: as `directmail.data.table._select_facts` returns them
    :param Today today: the day to compute for
    :param int period: number of days for which purchases count, today included
    :param Bands bands: the thresholds of the scores
    :param bool is_date: see `Today.end`
    :return: SQL; columns partner_id, last_date, frequency, monetary, r_score, f_score, m_score,
        customer_type
    """
    purchase = SQL("f.amount >= 0 OR f.amount IS NULL")
    bought = SQL(
        """SELECT f.partner_id,
                  %(last_date)s AS last_date,
                  count(*) FILTER (WHERE %(purchase)s) AS frequency,
                  round(COALESCE(sum(f.amount), 0), %(decimals)s) AS monetary
             FROM (%(facts)s) f
            WHERE f.partner_id IS NOT NULL AND %(within)s
            GROUP BY f.partner_id
           HAVING count(*) FILTER (WHERE %(purchase)s) > 0""",
        last_date=today.local_date(SQL("max(f.date) FILTER (WHERE %s)", purchase), is_date),
        purchase=purchase,
        decimals=bands.decimals,
        facts=facts,
        within=today.within(period, is_date),
    )
    return score_customers(bought, today.day, bands)


def score_customers(bought, day, bands):
    """Return CTEs ending in `fresh`: the scores and the type of each customer.

    :param SQL bought: selects partner_id, last_date, frequency and monetary, one row per customer
    :param date day: recency is counted up to it
    :param Bands bands: the thresholds of the scores
    :return: SQL; columns as those of `rfm_scores`
    """
    high = [
        SQL("(s.%s >= %s)::int", name, SQL("%s::numeric", value) if value is not None else average)
        for name, value, average in zip(
            map(SQL.identifier, ("r_score", "f_score", "m_score")),
            bands.baselines,
            (SQL("baseline.r"), SQL("baseline.f"), SQL("baseline.m")),
            strict=True,
        )
    ]
    return SQL(
        """bought AS (%(bought)s), scored AS MATERIALIZED (
            SELECT *,
                   CASE WHEN %(day)s - last_date <= %(r3)s THEN 3
                        WHEN %(day)s - last_date <= %(r2)s THEN 2 ELSE 1 END AS r_score,
                   CASE WHEN frequency >= %(f3)s THEN 3
                        WHEN frequency >= %(f2)s THEN 2 ELSE 1 END AS f_score,
                   CASE WHEN monetary > %(m3)s THEN 3
                        WHEN monetary >= %(m2)s THEN 2 ELSE 1 END AS m_score
              FROM bought
        ), baseline AS MATERIALIZED (
            SELECT avg(r_score) AS r, avg(f_score) AS f, avg(m_score) AS m FROM scored
        ), fresh AS NOT MATERIALIZED (
            SELECT s.*,
                   (%(types)s::varchar[])[1 + 4 * %(r)s + 2 * %(f)s + %(m)s] AS customer_type
              FROM scored s CROSS JOIN baseline
        )""",
        bought=bought,
        day=SQL("%s::date", day),
        r3=bands.recency[0],
        r2=bands.recency[1],
        f3=bands.frequency[0],
        f2=bands.frequency[1],
        m3=SQL("%s::numeric", bands.monetary[0]),
        m2=SQL("%s::numeric", bands.monetary[1]),
        types=list(RFM_TYPES),
        r=high[0],
        f=high[1],
        m=high[2],
    )


@dataclass(frozen=True)
class Condition:
    """A condition for an AIPL stage: a minimum number and amount of facts within some days.

    :ivar str stage: one of `AIPL_STAGES`
    :ivar SQL facts: as `directmail.data.table._select_facts` returns them
    :ivar int count: minimum number of facts, 1 or more
    :ivar amount: minimum sum of their amounts, or None
    :ivar int days: number of days for which facts count, today included; None for all facts
    :ivar bool is_date: see `Today.end`
    """

    stage: str
    facts: SQL
    count: int = 1
    amount: float | None = None
    days: int | None = None
    is_date: bool = False


def aipl_stages(conditions, today, decimals=2):
    """Return a CTE `fresh` with the highest stage of each contact who meets any condition.

    :param conditions: `Condition` objects, at least one
    :param Today today: the day to compute for
    :param int decimals: of the currency; amounts are rounded to them before they are compared
    :return: SQL; columns partner_id, stage
    """
    met = SQL(" UNION ALL ").join(_met(condition, today, decimals) for condition in conditions)
    return SQL(
        """fresh AS NOT MATERIALIZED (
            SELECT partner_id, (%(stages)s::varchar[])[max(rank)] AS stage
              FROM (%(met)s) met GROUP BY partner_id
        )""",
        stages=list(AIPL_STAGES),
        met=met,
    )


def _met(condition, today, decimals):
    """Return SQL (partner_id, rank of the stage from 1 to 4) of contacts who meet a condition."""
    where = [SQL("f.partner_id IS NOT NULL")]
    if condition.days is not None:
        where.append(today.within(condition.days, condition.is_date))
    having = []
    if condition.count > 1:
        having.append(SQL("count(*) >= %s", condition.count))
    if condition.amount is not None:
        amount = SQL("round(COALESCE(sum(f.amount), 0), %s)", decimals)
        having.append(SQL("%s >= %s::numeric", amount, condition.amount))
    return SQL(
        "SELECT f.partner_id, %(rank)s AS rank FROM (%(facts)s) f WHERE %(where)s%(group)s",
        rank=AIPL_STAGES.index(condition.stage) + 1,
        facts=condition.facts,
        where=SQL(" AND ").join(where),
        group=SQL(" GROUP BY f.partner_id HAVING %s", SQL(" AND ").join(having))
        if having
        else SQL(),
    )


@dataclass(frozen=True)
class Move:
    """The people who went from one group to another since the day before, or stayed in theirs.

    :ivar str previous: the group on the day before; None for people who entered the model
    :ivar str group: the group now; None for people who left the model
    :ivar int people: their number
    :ivar dict sums: {name of a column: sum of its values}; empty for people who left the model
    """

    previous: str | None
    group: str | None
    people: int
    sums: dict = field(default_factory=dict)


def read_moves(rows, sums):
    """Return the rows of `replace_results` as a list of `Move`s.

    :param sums: as in `replace_results`
    """
    return [
        Move(previous, group, people, dict(zip(sums, figures, strict=True)))
        for previous, group, people, *figures in rows
    ]


def replace_results(groups, day, columns, sums, fresh, keep_previous):
    """Return SQL that replaces a model's results by the rows of `fresh`, and counts the moves.

    Only rows that differ are written, because most people do not change from day to day. People
    whose group changed get a row among the moves, except by the first computation.

    :param engine.people_moves.Groups groups: the tables of the results, with one row per (owner,
        partner_id), and of the moves
    :param date day: the day on which people moved
    :param columns: names of the columns of `fresh` besides partner_id. The last one is the person's
        group; the column `previous_` + its name holds the group of the day before
    :param sums: names of the columns that are summed per group
    :param SQL fresh: CTEs ending in `fresh`
    :param keep_previous: how to set the previous group: "keep" it (a second computation on the same
        day), "shift" the stored group into it (a new day), or the "same" as the new group (the
        first computation, so that no one moves)
    :return: SQL; its rows are read by `read_moves`
    """
    names = [SQL.identifier(name) for name in columns]
    group = names[-1]
    previous = SQL.identifier(f"previous_{columns[-1]}")
    was = {
        "keep": SQL("s.%s", previous),
        "shift": SQL("s.%s", group),
        "same": SQL("f.%s", group),
    }[keep_previous]
    return SQL(
        """WITH %(fresh)s, merged AS MATERIALIZED (
            SELECT f.*, %(was)s AS was, s.id AS old_id, s.%(group)s AS had,
                   s.id IS NOT NULL AND (%(old)s) IS DISTINCT FROM (%(new)s, %(was)s) AS changed
              FROM fresh f
              LEFT JOIN %(table)s s ON s.%(owner)s = %(owner_id)s AND s.partner_id = f.partner_id
        ), updated AS (
            UPDATE %(table)s s SET %(set)s, %(previous)s = m.was
              FROM merged m WHERE m.changed AND s.id = m.old_id
        ), inserted AS (
            INSERT INTO %(table)s (%(owner)s, partner_id, %(names)s, %(previous)s)
            SELECT %(owner_id)s, partner_id, %(names)s, was FROM merged WHERE old_id IS NULL
        ), gone AS (
            DELETE FROM %(table)s s WHERE s.%(owner)s = %(owner_id)s
               AND NOT EXISTS (SELECT FROM merged m WHERE m.old_id = s.id)
            RETURNING s.partner_id, s.%(group)s
        )%(moves)s
        SELECT was, %(group)s, %(sums)s FROM merged GROUP BY 1, 2""",
        fresh=fresh,
        was=was,
        old=SQL(", ").join([SQL("s.%s", name) for name in [*names, previous]]),
        new=SQL(", ").join([SQL("f.%s", name) for name in names]),
        table=SQL.identifier(groups.results),
        owner=SQL.identifier(groups.owner),
        owner_id=groups.owner_id,
        moves=SQL() if keep_previous == "same" else SQL(", %s", write_moves(groups, day)),
        set=SQL(", ").join([SQL("%s = m.%s", name, name) for name in names]),
        names=SQL(", ").join(names),
        previous=previous,
        group=group,
        sums=SQL(", ").join(
            [SQL("count(*)"), *(SQL("sum(%s)", SQL.identifier(name)) for name in sums)]
        ),
    )
