from datetime import timedelta

from odoo import fields

from ..engine.people_models import Today
from .common_models import ModelsCommon

START = fields.Datetime.now().replace(hour=12, minute=0, second=0, microsecond=0) - timedelta(60)


class MovesCommon(ModelsCommon):
    """A model of stages, computed on several days; lines about the movement between them."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.env.company.directmail_models_tz = "UTC"
        cls.ids = cls.people.ids
        cls.leads = cls.env["crm.lead"].create(
            [
                {"name": "Purchase", "partner_id": person.id, "type": "opportunity"}
                for person in cls.people
            ]
        )
        cls.env.flush_all()
        cls.aipl = cls._make_aipl(
            *(
                {"stage": stage, "domain": f"[('name', '=', 'Purchase {stage}')]"}
                for stage in "aipl"
            )
        )
        cls.segments = {segment.stage: segment for segment in cls.aipl.segment_ids}

    def _compute(self, moment, now):
        """Compute the model at a moment when people are in these stages."""
        for lead, stage in zip(self.leads, now, strict=True):
            lead.name = f"Purchase {stage}"
        aipl = self.aipl.sudo()
        aipl._replace_results(Today(moment, "UTC"))
        aipl.write({"computed_on": moment.date(), "computed_at": moment})

    def _compute_days(self, *days):
        """Compute on consecutive days, given as texts with the stages of the people: "ap-i-l"."""
        for number, text in enumerate(days):
            now = [None if letter == "-" else letter for letter in text]
            self._compute(START + timedelta(days=number), now)

    def _day(self, number):
        return (START + timedelta(days=number)).date()

    def _line(self, kind="moved", before="", after="", **vals):
        return {
            "kind": "aipl",
            "aipl_model_id": self.aipl.id,
            "aipl_by": "move",
            "move_kind": kind,
            "aipl_before_ids": [(6, 0, [self.segments[name].id for name in before])],
            "aipl_segment_ids": [(6, 0, [self.segments[name].id for name in after])],
            **vals,
        }

    def _dates(self, since, until=None):
        return {
            "move_span": "dates",
            "move_since": self._day(since),
            "move_until": until is not None and self._day(until),
        }

    def _find(self, *args, **vals):
        """Return the numbers of the people whom an unsaved line finds."""
        line = self.env["directmail.audience.line"].new(self._line(*args, **vals))
        rows = self.env.execute_query(line._select_aipl(line.env))
        found = [self.ids.index(row[0]) for row in rows]
        self.assertEqual(len(found), len(set(found)), "each person once")
        return set(found)

    def _refreshed(self, line, user=None):
        audience = self.env["directmail.audience"].with_user(user or self.user)
        audience = audience.create({"name": "Some", "line_ids": [(0, 0, line)]})
        audience.action_refresh()
        self.assertFalse(audience.refresh_error)
        return audience.sudo().member_ids.partner_id
