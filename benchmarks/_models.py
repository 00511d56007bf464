"""RFM and AIPL models beside hand-written SQL: both sides of their benchmarks.

Two figures each: the first time, when nothing is there yet; and every day after, when the product
writes only what changed and the hand-written side replaces everything. The clock includes the
commit. After each part both must have the same results.
"""

import statistics
import time
from datetime import timedelta

from odoo import fields

from ._figures import alternate, report, scale, spread
from ._people import ORDERS, PEOPLE, environment, people_database, vacuum

GOAL = 1.5
#: days that both sides look back
PERIOD = 365


class ByHand:
    """How somebody who knows SQL would do it.

    :ivar str table: where the results go; ``create`` makes it like the product's
    :ivar str insert: fills it; parameters model, day, start (of the period) and now
    :ivar str figures: what the product counts per group
    :ivar str different: how many people the product has otherwise
    """

    def __init__(self, table, create, insert, figures, different):
        self.table = table
        self.create = create
        self.insert = insert
        self.figures = figures
        self.different = different


class Sides:
    """The two ways of computing, at the same moment of the same model."""

    def __init__(self, name, model, by_hand):
        self._name = name
        self._model = model
        self._cr = model.env.cr
        self._by_hand = by_hand
        self._results = model.env[model._result_model]._table
        self._now = fields.Datetime.now()
        model.company_id.directmail_models_tz = "UTC"
        self._cr.execute(by_hand.create)
        self._cr.commit()

    def by_hand(self):
        """:return: seconds"""
        self._vacuum()
        start = time.perf_counter()
        midnight = self._now.replace(hour=0, minute=0, second=0)
        self._cr.execute(f"DELETE FROM {self._by_hand.table}")
        self._cr.execute(
            self._by_hand.insert,
            {
                "model": self._model.id,
                "day": self._now.date(),
                "start": midnight - timedelta(days=PERIOD - 1),
                "now": self._now,
            },
        )
        self._cr.execute(self._by_hand.figures)
        self._cr.fetchall()
        self._cr.commit()
        return time.perf_counter() - start

    def product(self):
        """:return: seconds"""
        self._vacuum()
        start = time.perf_counter()
        if not self._model._compute_results(self._now):
            raise SystemExit(self._model.compute_error)
        self._cr.commit()
        return time.perf_counter() - start

    def first_time(self, side):
        """Return a function that runs a side on empty tables."""

        def run():
            self._cr.execute(f"TRUNCATE {self._results}, {self._by_hand.table}")
            self._model.write({"computed_on": False})
            self._cr.commit()
            return side()

        return run

    def next_day_by_hand(self):
        """The product's run after it is on the same day."""
        self._now += timedelta(days=1)
        return self.by_hand()

    def check(self):
        """Both sides have the same. :return: how many people"""
        self._cr.execute(self._by_hand.different)
        [different] = self._cr.fetchone()
        self._cr.execute(
            f"SELECT (SELECT count(*) FROM {self._results}),"
            f" (SELECT count(*) FROM {self._by_hand.table})"
        )
        count, count_by_hand = self._cr.fetchone()
        if different or count != count_by_hand:
            raise SystemExit(f"{different} of {count} and {count_by_hand} people differ")
        return count

    def _vacuum(self):
        self._cr.commit()
        vacuum(self._name, self._results, self._by_hand.table)


def compare(bench, make_model, by_hand):
    """Measure and print both figures. :return: the exit code"""
    people = scale(PEOPLE)
    with people_database(people) as name, environment(name) as env:
        sides = Sides(name, make_model(env), by_hand)
        by_hand, product = alternate(
            sides.first_time(sides.by_hand), sides.first_time(sides.product), minutes=5
        )
        sides.by_hand()
        count = sides.check()
        daily_by_hand, daily = alternate(sides.next_day_by_hand, sides.product, minutes=5)
        sides.check()
    size = f"{people:,} contacts, {people * ORDERS:,} orders, {count:,} people in the model"
    good = [
        report(
            figure,
            statistics.median(ours) / statistics.median(theirs),
            "<=",
            GOAL,
            f"{when}; {size}",
            f"product: {spread(ours, 1)} s; by hand: {spread(theirs, 1)} s",
        )
        for figure, when, ours, theirs in (
            (bench, "the first time", product, by_hand),
            (f"{bench}_daily", "on every following day", daily, daily_by_hand),
        )
    ]
    return 0 if all(good) else 1
