import random

from odoo.exceptions import AccessError
from odoo.tests import tagged

from ..common import make_user
from ..common_models import ALL_LEADS, GROUP_ADMIN, ModelsCommon

MEASURES = ("r", "f", "m")


@tagged("post_install", "-at_install")
class TestRfmPreview(ModelsCommon):
    """What thresholds would do, before they are saved, against a computation with them."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.rfm = cls._make_rfm()

    def _compute(self, *purchases):
        """Compute the model with purchases: (number of a person, days ago, amount)."""
        for person, days_ago, amount in purchases:
            self._buy(self.people[person], days_ago, amount)
        self.rfm.action_compute()
        self.assertFalse(self.rfm.compute_error)

    def _check_preview(self, changes):
        """Check that a preview tells what saving and computing lead to."""
        told = self.rfm.preview_types(changes)
        before = {segment.customer_type: segment.people for segment in self.rfm.segment_ids}
        self.assertEqual({row["name"]: row["before"] for row in told["types"]}, before)
        self.rfm.write(changes)
        self.rfm.action_compute()
        after = {segment.customer_type: segment.people for segment in self.rfm.segment_ids}
        self.assertEqual({row["name"]: row["people"] for row in told["types"]}, after, changes)
        customers = self.rfm.customer_ids
        for measure in MEASURES:
            scores = customers.mapped(f"{measure}_score")
            self.assertEqual(told["scores"][measure], [scores.count(score) for score in (1, 2, 3)])
            self.assertAlmostEqual(
                told["averages"][measure], self.rfm[f"{measure}_average"], delta=0.005
            )

    def _check_histograms(self):
        """Check that each customer is in one bar of each measure."""
        found = self.rfm.get_histograms()
        customers = self.rfm.customer_ids
        self.assertEqual(found["people"], len(customers))
        for measure, name in zip(MEASURES, ("recency", "frequency", "monetary"), strict=True):
            edges, people = found[measure]["edges"], found[measure]["people"]
            values = customers.mapped(name)
            expected = [
                sum(low <= value < high for value in values)
                for low, high in zip(edges, edges[1:], strict=False)
            ]
            self.assertEqual(people, expected, measure)
            self.assertEqual(sum(people), len(customers), measure)

    def test_random_thresholds(self):
        rng = random.Random(22)
        self._compute(
            *(
                (rng.randrange(6), rng.randint(0, 360), rng.choice([-30, 0, 5, 99.995, 100, 4000]))
                for _purchase in range(40)
            )
        )
        self._check_histograms()
        for _round in range(8):
            days, counts, amounts = (
                sorted(rng.sample(range(2, most), 2)) for most in (360, 12, 9000)
            )
            changes = {
                "r_days_3": days[0],
                "r_days_2": days[1],
                "f_count_2": counts[0],
                "f_count_3": counts[1],
                "m_amount_2": amounts[0] + 0.004,
                "m_amount_3": amounts[1] + 0.996,
            }
            for measure in MEASURES:
                changes[f"{measure}_baseline"] = rng.choice(["average", "custom"])
                changes[f"{measure}_threshold"] = rng.choice([1, 1.5, 2, 2.004, 3])
            self._check_preview(changes)
        self._check_histograms()

    def test_nothing_to_count(self):
        """A model that was not computed, and one without customers."""
        for _time in range(2):
            self.assertEqual(self.rfm.get_histograms(), {"people": 0})
            told = self.rfm.preview_types({"r_days_3": 5})
            self.assertEqual([row["people"] for row in told["types"]], [0] * 8)
            self.assertEqual(told["averages"], {"r": 0, "f": 0, "m": 0})
            self.table.domain = "[('name', '=', 'nobody bought this')]"
            self.rfm.action_compute()

    def test_one_customer(self):
        self._compute((0, 0, 0))
        self._check_histograms()
        self._check_preview({"r_days_3": 0, "m_amount_2": -1})

    def test_all_are_equal(self):
        self._compute(*((person, 3, 250) for person in range(6)))
        self._check_histograms()
        self._check_preview({"m_amount_2": 250, "m_amount_3": 251})

    def test_very_large_amounts(self):
        self._compute((0, 1, 0.01), (1, 2, 1e15), (2, 3, 3e15), (3, 4, -5e14), (3, 5, 1))
        self._check_histograms()
        self._check_preview({"m_amount_2": 1e15, "m_amount_3": 2e15, "r_days_2": 36_000})

    def test_what_can_not_be_used(self):
        """Wrong thresholds are explained; other settings of the model can't be tried."""
        self._compute((0, 1, 500), (1, 100, 20))
        for changes, said in (
            ({"r_days_3": 90}, "Recency"),
            ({"f_count_2": 1}, "Frequency"),
            ({"m_amount_3": 100}, "Amount"),
            ({"r_days_3": "soon"}, "soon"),
        ):
            self.assertIn(said, self.rfm.preview_types(changes)["error"])
        stranger = make_user(self.env, "dm_stranger", f"{GROUP_ADMIN},{ALL_LEADS}")
        before = self.rfm.preview_types({})
        self.assertEqual(
            self.rfm.preview_types({"user_id": stranger.id, "period_days": 1, "name": "x"}), before
        )
        self.assertEqual((self.rfm.user_id, self.rfm.period_days), (self.owner, 365))

    def test_rights(self):
        """Only people who may change the model learn what thresholds would do."""
        self._compute((0, 1, 500))
        company = self.env["res.company"].create({"name": "Elsewhere"})
        stranger = make_user(self.env, "dm_elsewhere", GROUP_ADMIN)
        stranger.sudo().write({"company_ids": [(6, 0, company.ids)], "company_id": company.id})
        elsewhere = self.rfm.with_user(stranger).with_context(allowed_company_ids=company.ids)
        for rfm in (self._as(self.user, self.rfm), elsewhere):
            with self.assertRaises(AccessError):
                rfm.get_histograms()
            with self.assertRaises(AccessError):
                rfm.preview_types({})
