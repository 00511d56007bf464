from odoo import api, fields, models
from odoo.tools import formatLang

from ...content.languages import join_sentences


class DirectmailTask(models.Model):
    """What the page of a campaign and the report show of a task: its A/B test, its uplift."""

    _inherit = "directmail.task"

    test_result = fields.Char("Result of the A/B test", compute="_compute_test_result")
    test_rates = fields.Char("Versions", compute="_compute_test_result")
    uplift_range = fields.Char(
        "Uplift (points)",
        compute="_compute_uplift_range",
        help="By how many percentage points more of the mailed people converted than of the control"
        " group, and where the true difference is (95% certain).",
    )

    @api.depends(
        "compared_at", "details_removed_at", "planned_at", "state", "test_undecided", "verdict",
        "verdict_at", "version_ids.changed_at", "version_ids.mailed_count", "winner", "winner_by",
    )  # fmt: skip
    @api.depends_context("lang")
    def _compute_test_result(self):
        for task in self:
            # sudo(): reading the task was checked; it tells the name of the user who chose.
            told = task.sudo()
            state = told._get_test_state() if task.version_ids else False
            texts = [told._say_test(state)] if state not in (False, "draft") else []
            if state in ("asked", "decided"):
                texts.append(told._say_advice(state))
            task.test_result = join_sentences(told.env.lang, texts)
            task.test_rates = " · ".join(told._list_rates()) if state else False

    def _list_rates(self):
        """Return the rate of each version at the decision, as texts; none before."""
        criterion, values = self.test_criterion, {}
        if self.verdict:
            criterion, values = self.verdict["criterion"], self.verdict["values"]
        elif self.winner_by:
            # Chosen by hand before the comparison: the figures of that moment, or later ones.
            values = {
                version.letter: version._get_stored_rate(criterion)
                for version in self.version_ids
                if version.mailed_count
            }
        return [
            f"{letter}:\N{NO-BREAK SPACE}{self._say_value(criterion, value)}"
            for letter, value in sorted(values.items())
            if value is not None
        ]

    def _say_value(self, criterion, value):
        if criterion == "revenue":
            text = formatLang(self.env, value, currency_obj=self.currency_id)
        else:
            text = self._say_percent(value)
        return text.replace(" ", "\N{NO-BREAK SPACE}")

    @api.depends("uplift_groups", "control_share", "conversion_table_id", "in_tens")
    @api.depends_context("lang", "uid")
    def _compute_uplift_range(self):
        service = self.env["directmail.uplift"]
        for task in self:
            found = service._compare([task._get_uplift_pair()])
            task.uplift_range = found and service._say_range(found)

    def action_open(self):
        """Open the page of the task."""
        self.ensure_one()
        self.check_access("read")
        return {
            "type": "ir.actions.act_window",
            "res_model": self._name,
            "res_id": self.id,
            "views": [(False, "form")],
        }
