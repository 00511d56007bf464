"""RFM and AIPL against plain Python, on random purchases around every edge there is."""

from datetime import datetime, time, timedelta, timezone
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from zoneinfo import ZoneInfo

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from odoo.tests import tagged

from ...engine.people_models import Today
from ..common_models import ModelsCommon

CENT = Decimal("0.01")
PERIOD = 60
ZONES = ("UTC", "Asia/Singapore", "America/New_York", "Pacific/Chatham", "CET")
# The two in March and November are days on which New York changes its clocks.
MOMENTS = (
    "2026-11-24 14:00:01",
    "2026-03-08 12:00:00",
    "2026-11-01 23:59:59",
    "2026-07-01 00:00:00",
)
TYPES = {
    (1, 1, 1): "high_value",
    (1, 0, 1): "key_development",
    (0, 1, 1): "key_retention",
    (0, 0, 1): "key_winback",
    (1, 1, 0): "general_value",
    (1, 0, 0): "general_development",
    (0, 1, 0): "general_retention",
    (0, 0, 0): "potential",
}

people = st.integers(0, 5)
days_ago = st.sampled_from((-2, -1, 0, 1, 6, 7, 8, 29, 30, 31, PERIOD - 1, PERIOD, PERIOD + 1, 400))
clocks = st.sampled_from((time(), time(0, 0, 1), time(12), time(14, 0, 1), time(23, 59, 59)))
amounts = st.one_of(
    st.sampled_from(("0", "99.99", "100", "100.01", "50", "-50", "1000", "1000.005", "-1000")),
    st.decimals(-2000, 3000, places=2).map(str),
).map(Decimal)
purchases = st.lists(
    st.tuples(st.one_of(people, people, people, st.none()), days_ago, clocks, amounts), max_size=14
)
examples = settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
    database=None,
)
bands = st.sampled_from(
    [
        {"r_days_3": 7, "r_days_2": 30, "f_count_3": 3, "f_count_2": 2},
        {"r_days_3": 0, "r_days_2": 1, "f_count_3": 5, "f_count_2": 4, "m_amount_2": 0},
    ]
)
baselines = st.fixed_dictionaries(
    {metric: st.sampled_from((None, None, 1, 1.5, 2, 2.5, 3)) for metric in "rfm"}
)
conditions = st.lists(
    st.fixed_dictionaries(
        {
            "stage": st.sampled_from("aipl"),
            "min_count": st.integers(1, 3),
            "min_amount": st.sampled_from((0, 0, 50, 100.01)),
            "days": st.sampled_from((0, 7, 30)),
            "big_only": st.booleans(),
        }
    ),
    min_size=1,
    max_size=6,
)


def rounded(amount):
    return amount.quantize(CENT, ROUND_HALF_UP)


class World:
    """Purchases at a moment in a time zone, and what plain Python makes of them."""

    def __init__(self, now, tz, drawn, mere_days):
        self.now = datetime.fromisoformat(now)
        self.zone = ZoneInfo(tz)
        self.today = self.local(self.now).date()
        self.mere_days = mere_days
        self.purchases = []
        for person, days, clock, amount in drawn:
            day = self.today - timedelta(days=days)
            local = datetime.combine(day, clock, self.zone)
            moment = local.astimezone(timezone.utc).replace(tzinfo=None)
            self.purchases.append((person, moment, amount))

    def local(self, moment):
        return moment.replace(tzinfo=timezone.utc).astimezone(self.zone)

    def days_ago(self, moment):
        """How long ago on the calendar; None if it has not happened yet."""
        days = (self.today - self.local(moment).date()).days
        happened = days >= 0 if self.mere_days else moment <= self.now
        return days if happened else None

    def of(self, person, days):
        """(days ago, amount) of somebody's purchases of so many days; 0 days: all so far."""
        found = []
        for buyer, moment, amount in self.purchases:
            ago = self.days_ago(moment)
            if buyer == person and ago is not None and (not days or ago < days):
                found.append((ago, amount))
        return found

    def rfm(self, bands, baselines):
        raw = {}
        for person in range(6):
            mine = self.of(person, PERIOD)
            bought = [ago for ago, amount in mine if amount >= 0]
            if bought:
                total = rounded(sum(amount for _ago, amount in mine))
                raw[person] = (min(bought), len(bought), total)
        scores = {person: self.scores(*values, bands) for person, values in raw.items()}
        limits = [
            Fraction(sum(s[n] for s in scores.values()), len(scores) or 1)
            if baselines[metric] is None
            else Fraction(baselines[metric])
            for n, metric in enumerate("rfm")
        ]
        return {
            person: (
                *raw[person],
                *score,
                TYPES[tuple(int(s >= limit) for s, limit in zip(score, limits, strict=True))],
            )
            for person, score in scores.items()
        }

    @staticmethod
    def scores(ago, count, amount, bands):
        least = bands.get("m_amount_2", 100)
        return (
            3 if ago <= bands["r_days_3"] else 2 if ago <= bands["r_days_2"] else 1,
            3 if count >= bands["f_count_3"] else 2 if count >= bands["f_count_2"] else 1,
            3 if amount > 1000 else 2 if amount >= least else 1,
        )

    def aipl(self, conditions):
        stages = {}
        for person in range(6):
            for condition in conditions:
                mine = [
                    amount
                    for _ago, amount in self.of(person, condition["days"])
                    if not condition["big_only"] or amount >= 100
                ]
                enough = rounded(sum(mine, Decimal())) >= Decimal(str(condition["min_amount"]))
                if len(mine) >= condition["min_count"] and (enough or not condition["min_amount"]):
                    old = stages.get(person, "")
                    stages[person] = max(old, condition["stage"], key=" aipl".find)
        return stages


@tagged("post_install", "-at_install")
class TestModelsOracle(ModelsCommon):
    def _enter(self, world, tz):
        ids = self.people.ids
        self._add_purchases(
            [
                (None if person is None else ids[person], moment, amount, "Purchase")
                for person, moment, amount in world.purchases
            ],
            tz,
        )

    def _in_savepoint(self, check, *args):
        savepoint = self.env.cr.savepoint()
        try:
            check(*args)
        finally:
            savepoint.rollback()
            savepoint.close(rollback=False)
            self.env.invalidate_all()

    def test_rfm(self):
        @examples
        @given(purchases, bands, baselines, st.sampled_from(MOMENTS), st.sampled_from(ZONES),
               st.booleans())  # fmt: skip
        def check(drawn, bands, baselines, now, tz, mere_days):
            self._in_savepoint(
                self._check_rfm, World(now, tz, drawn, mere_days), tz, bands, baselines
            )

        check()

    def _check_rfm(self, world, tz, bands, baselines):
        self._enter(world, tz)
        custom = {
            key: value
            for metric, limit in baselines.items()
            if limit is not None
            for key, value in (
                (f"{metric}_baseline", "custom"),
                (f"{metric}_threshold", limit),
            )
        }
        table = self.table_of_days if world.mere_days else self.table
        rfm = self._make_rfm(data_table_id=table.id, period_days=PERIOD, **bands, **custom).sudo()
        people = rfm._replace_results(Today(world.now, tz))
        rfm.computed_on = world.today
        expected = world.rfm(bands, baselines)
        self.assertEqual(people, len(expected))
        ids = self.people.ids
        found = {
            ids.index(score.partner_id.id): (
                score.recency,
                score.frequency,
                Decimal(str(score.monetary)),
                score.r_score,
                score.f_score,
                score.m_score,
                score.customer_type,
            )
            for score in rfm.customer_ids
        }
        self.assertEqual(found, expected)
        for segment in rfm.segment_ids:
            mine = [row for row in expected.values() if row[6] == segment.customer_type]
            self.assertEqual(segment.people, len(mine))
            self.assertEqual(segment.purchases, sum(row[1] for row in mine))
            self.assertAlmostEqual(segment.amount, float(sum(row[2] for row in mine)))

    def test_aipl(self):
        @examples
        @given(purchases, conditions, st.sampled_from(MOMENTS), st.sampled_from(ZONES),
               st.booleans())  # fmt: skip
        def check(drawn, conditions, now, tz, mere_days):
            self._in_savepoint(self._check_aipl, World(now, tz, drawn, mere_days), tz, conditions)

        check()

    def _check_aipl(self, world, tz, conditions):
        self._enter(world, tz)
        table = self.table_of_days if world.mere_days else self.table
        aipl = self._make_aipl(
            *(
                {
                    "data_table_id": table.id,
                    "domain": "[('expected_revenue', '>=', 100)]" if c["big_only"] else "[]",
                    **{key: value for key, value in c.items() if key != "big_only"},
                }
                for c in conditions
            )
        ).sudo()
        aipl._replace_results(Today(world.now, tz))
        results = self.env["directmail.aipl.contact"].search([("aipl_model_id", "=", aipl.id)])
        ids = self.people.ids
        self.assertEqual(
            {ids.index(result.partner_id.id): result.stage for result in results},
            world.aipl(conditions),
        )

    def test_day_after_day(self):
        """Repeated computations have the same result as a single one, and the counts add up."""
        days = st.lists(
            st.tuples(purchases, st.sampled_from((0, 0, 1, 1, 3, 40))), min_size=2, max_size=4
        )

        @settings(examples, max_examples=15)
        @given(days)
        def check(days):
            self._in_savepoint(self._check_days, days)

        check()

    def _check_days(self, days):
        bands = {"r_days_3": 7, "r_days_2": 30, "f_count_3": 3, "f_count_2": 2}
        baselines = dict.fromkeys("rfm")
        rfm = self._make_rfm(period_days=PERIOD, **bands).sudo()
        history = self.env["directmail.rfm.history"].sudo()
        now = datetime.fromisoformat(MOMENTS[0])
        seen, yesterday, before, day = [], None, None, None
        for drawn, later in days:
            now += timedelta(days=later)
            world = World(now.isoformat(" "), "UTC", drawn, False)
            self._enter(world, "UTC")
            seen += world.purchases
            world.purchases = list(seen)
            expected = {p: row[-1] for p, row in world.rfm(bands, baselines).items()}
            if day != world.today:
                yesterday, day = before, world.today
            rfm._replace_results(Today(now, "UTC"))
            rfm.computed_on = world.today
            ids = self.people.ids
            scores = {ids.index(s.partner_id.id): s for s in rfm.customer_ids}
            self.assertEqual({p: s.customer_type for p, s in scores.items()}, expected)
            before = expected
            rows = history.search([("rfm_model_id", "=", rfm.id), ("date", "=", day)])
            self.assertEqual(sum(row.people for row in rows if row.customer_type), len(expected))
            if yesterday is None:
                # The first day: nobody comes from anywhere, on later runs they may be new.
                continue
            self.assertEqual(
                sum(row.people for row in rows if row.previous_customer_type), len(yesterday)
            )
