from odoo import api, models
from odoo.exceptions import UserError

from ...engine.rfm_preview import count_bars, count_scores, read_ranges
from ...statistics.histogram import make_edges, make_even_edges
from .directmail_rfm_model import METRICS

AMOUNTS = ("m_amount_3", "m_amount_2")
#: The settings that decide the scores and what counts as high: a preview takes only these.
THRESHOLDS = frozenset(
    (
        *("r_days_3", "r_days_2", "f_count_3", "f_count_2", *AMOUNTS),
        *(f"{metric}_{name}" for metric in dict(METRICS) for name in ("baseline", "threshold")),
    )
)
#: Histograms reach so far beyond the higher threshold, so that it can be raised.
ROOM = 1.25


class DirectmailRfmModel(models.Model):
    """Preview of thresholds: the customers' values, and the types with thresholds not yet saved.

    Both are about the customers of the last computation, which read them with the owner's rights.
    They tell as much as saving and computing would, so they need the right to change the model.
    """

    _inherit = "directmail.rfm.model"

    @api.readonly
    def get_histograms(self):
        """Return how the values of the customers are spread.

        :return: {"people": number of customers, "r" (days since the last purchase), "f"
            (purchases), "m" (amount in the company's currency): {"edges": in rising order,
            "people": numbers of customers between them, the lower edge included}}; only
            {"people": 0} if there are no customers
        :rtype: dict
        """
        self.ensure_one()
        self.check_access("write")
        self.env["directmail.rfm.customer"].flush_model()
        day = self.computed_on
        people, days, purchases, low, positive, high = (
            read_ranges(self.env, self.id, day) if day else [0] * 6
        )
        if not people:
            return {"people": 0}
        # Customers that no computation has written may lack values.
        days, purchases, low, high = days or 0, purchases or 0, float(low or 0), float(high or 0)
        most = max(high, self.m_amount_3 * ROOM)
        edges = {
            "r": make_even_edges(0, max(days, self.r_days_2 * ROOM), whole=True),
            "f": make_edges(1, 1, max(purchases, self.f_count_3 * ROOM), whole=True),
            "m": make_edges(min(low, self.m_amount_2), float(positive or most), most),
        }
        counts = count_bars(self.env, self.id, day, edges)
        return {
            "people": people,
            **{name: {"edges": edges[name], "people": counts[name]} for name in edges},
        }

    @api.readonly
    def preview_types(self, changes):
        """Count the customers of each type as if the model were computed with other thresholds.

        :param dict changes: unsaved values of `THRESHOLDS`; others are ignored
        :return: {"types": list of {"name", "label", "people", "before"}: customers with these
            thresholds, and by the last computation; "scores": {"r", "f" or "m": numbers of
            customers with score 1, 2 and 3}; "averages": {"r", "f" or "m": average score}}, or
            {"error": why the thresholds can't be used}
        :rtype: dict
        """
        self.ensure_one()
        self.check_access("write")
        # All of them: the record in memory would keep what an earlier preview set.
        wanted = {name: changes.get(name, self[name]) for name in THRESHOLDS}
        try:
            model = self.new(wanted, origin=self)
            for name in AMOUNTS:
                model[name] = model.currency_id.round(model[name])  # as saving does
            model._check_bands()
            bands = model._get_bands()
        except (UserError, ValueError) as error:
            return {"error": error.args[0]}
        self.env["directmail.rfm.customer"].flush_model()
        rows = count_scores(self.env, self.id, self.computed_on, bands) if self.computed_on else []
        scores = {metric: [0, 0, 0] for metric in dict(METRICS)}
        types = {}
        for *reached, customer_type, people in rows:
            types[customer_type] = types.get(customer_type, 0) + people
            for metric, score in zip(scores, reached, strict=True):
                scores[metric][score - 1] += people
        total = sum(types.values())
        return {
            "types": [
                {
                    "name": segment.customer_type,
                    "label": segment.display_name,
                    "people": types.get(segment.customer_type, 0),
                    "before": segment.people,
                }
                for segment in self.segment_ids
            ],
            "scores": scores,
            "averages": {
                metric: sum(people * score for score, people in enumerate(counts, 1)) / total
                if total
                else 0
                for metric, counts in scores.items()
            },
        }
