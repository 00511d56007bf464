from odoo import models
from odoo.exceptions import UserError
from odoo.tools import formatLang

from ...clock.steps import find_moved
from ...engine import series_order as engine
from .directmail_series_step import STARTED

#: Context value while several steps are written at once. An object, so that no client can send it.
TOGETHER = object()


class DirectmailSeries(models.Model):
    """The order of the steps of a series that was started: moved steps, and added ones.

    People go on with the first step that they have not passed (`clock.steps.Path`), so that nobody
    comes to a step twice and nobody misses one that was moved.
    """

    _inherit = "directmail.series"

    def _write_together(self):
        """Return the series with a context in which the order of steps is not checked yet."""
        return self.with_context(directmail_steps=TOGETHER)

    def _on_steps_written(self, orders):
        """Check the new order of started series and settle added steps, once all are written.

        :param orders: {series: its steps, in the order of before}
        :raise UserError: if conditions do not allow the order, or an added step is not ready
        """
        started = self.filtered(lambda series: series.state in STARTED)
        # The cache keeps the order of before.
        self.env.flush_all()
        started.invalidate_recordset(["step_ids"])
        for series in started:
            (series.step_ids - orders[series])._settle()
            if find_moved(orders[series].ids, series.step_ids.sorted("sequence").ids):
                series._check_order()
        self._check_mails_left()

    def _check_order(self):
        """Refuse an order in which a condition asks about a later mail, or leads back.

        :raise UserError: with what to do
        """
        for step in self.step_ids.filtered(lambda step: step.kind == "check"):
            if problem := step._find_check_problem():
                raise UserError(
                    self.env._(
                        "The steps can't be in this order. %(step)s: %(problem)s",
                        step=step.display_name,
                        problem=problem,
                    )
                )

    def _describe_moves(self):
        """Return what the moves of an unsaved form mean for people, as texts."""
        self.ensure_one()
        steps = self.step_ids.sorted("sequence")
        numbers = [step._origin.id for step in steps]
        origin = self._origin
        moved = find_moved(origin.step_ids.sorted("sequence").ids, numbers)
        if not moved:
            return []
        # Readers of the series see its figures, which are exact: `_find_rounding_problem`.
        passed = engine.count_passed(self.env, origin._make_path(), moved)
        lines = []
        for step in origin.step_ids.browse(moved):
            had = passed.get(step.id, 0)
            values = {
                "step": step.display_name,
                "place": numbers.index(step.id) + 1,
                "passed": formatLang(self.env, had, digits=0),
                "others": formatLang(self.env, origin.inside_count - had, digits=0),
            }
            lines.append(
                self.env._(
                    "%(step)s moves to place %(place)s. For people inside who have not passed it"
                    " (%(others)s), the series ends there, even if they are at a later step now.",
                    **values,
                )
                if step.kind == "end"
                else self.env._(
                    "%(step)s moves to place %(place)s. People inside who are at it or"
                    " have passed it (%(passed)s) do not come to it again. The other people inside"
                    " (%(others)s) come to it once, even if they are at a later step now.",
                    **values,
                )
            )
        return lines


class DirectmailSeriesStep(models.Model):
    """Moving a step of a series that was started, and adding one."""

    _inherit = "directmail.series.step"

    def _is_together(self):
        """Return whether the series settles the order once all of its steps are written."""
        return self.env.context.get("directmail_steps") is TOGETHER

    # === MOVES === #

    def _before_moved(self, sequence):
        """Keep which steps people have passed, before steps of started series get a sequence."""
        moved = self.filtered(
            lambda step: step.series_id.state in STARTED and step.sequence != sequence
        )
        self.env.flush_all()
        for series in moved.series_id:
            engine.keep_passed(self.env, series._make_path())

    def _on_moved(self):
        """Check the new order, unless other steps are written, too.

        :raise UserError: if conditions do not allow it, with what to do
        """
        if not self._is_together():
            self.series_id.filtered(lambda series: series.state in STARTED)._check_order()

    # === ADDED STEPS === #

    def _place_added(self, vals_list):
        """Return the values of steps; those without a place come last in a started series."""
        last = {}
        placed = []
        for vals in vals_list:
            # sudo(): only the places of steps. Whether the user may add one is checked by `create`.
            series = self.env["directmail.series"].sudo().browse(vals.get("series_id") or ())
            if series.state in STARTED and "sequence" not in vals:
                steps = series._get_all_steps()
                place = last.get(series.id, max(steps.mapped("sequence"), default=0)) + 1
                vals = {**vals, "sequence": place}
                last[series.id] = place
            placed.append(vals)
        return placed

    def _on_added(self):
        """Settle steps that were added to a started series, unless others are written with them.

        :raise UserError: if one is not ready, with what to do
        """
        self._lock_series()
        added = self.filtered(lambda step: step.series_id.state in STARTED)
        if added and not self._is_together():
            added._settle()

    def _settle(self):
        """Check that added steps are ready, and let people pass those before their present step.

        :raise UserError: if a step is not ready, with what to do
        """
        for step in self.sorted("sequence"):
            if problem := step._find_problem():
                raise UserError(
                    self.env._("%(step)s: %(problem)s", step=step.display_name, problem=problem)
                )
            if problem := step._find_new_audience_problem():
                raise UserError(problem)
            step._fix_checked_mail()
            self.env.flush_all()
            engine.pass_added(self.env, step.series_id._make_path(), step.id)

    def _describe_added(self):
        """Return what an unsaved added step means for people, as a text."""
        steps = self.series_id.step_ids.sorted("sequence")
        later = steps[list(steps).index(self) + 1 :]._origin
        if not later:
            return self.env._(
                "%(summary)s is added at the end. People who have finished do not get it.",
                summary=self.summary,
            )
        return self.env._(
            "%(summary)s is added as step %(number)s. People inside who are at a later step"
            " (%(count)s) and people who have finished do not come to it.",
            summary=self.summary,
            number=self.number,
            count=formatLang(self.env, sum(later.mapped("inside_count")), digits=0),
        )
