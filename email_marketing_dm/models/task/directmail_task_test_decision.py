import math
from datetime import timedelta

from odoo import api, fields, models
from odoo.service.model import retrying

from ...engine import versions
from ...statistics.means import Sums
from ...statistics.verdict import decide_means, decide_rates
from .directmail_task_test import COUNTED_BY, HOURS
from .directmail_task_version import BASES, FIGURES


class DirectmailTask(models.Model):
    """Decision of an A/B test: made once, at one set time; it releases the rest of the people."""

    _inherit = "directmail.task"

    @api.model
    def _decide_tests(self, account):
        """Decide the tests of an account that are due; commit after each."""
        for task in self._get_open_tests(account):
            task = task._with_owner_language()
            # Retried, because a user may choose a version concurrently.
            retrying(task._decide_test, self.env)
            self.env["ir.cron"]._commit_progress()

    @api.model
    def _get_open_tests(self, account):
        """Return an account's tasks with versions that have not been compared yet.

        Not paused ones: their decision waits until they go on. A task without a rest may be done.
        """
        # Tests that were archived under an earlier version are decided, too.
        return self.with_context(active_test=False).search(
            [
                ("account_id", "=", account.id),
                ("state", "in", ("sending", "done")),
                ("compared_at", "=", False),
                ("details_removed_at", "=", False),
                ("version_ids", "!=", False),
                ("planned_at", "!=", False),
            ]
        )

    def _decide_test(self):
        """Set the time of the decision once the test group is out; decide when it has come."""
        self.ensure_one()
        now = fields.Datetime.now()
        if self.verdict_at and self.verdict_at > now:
            return
        self._lock()
        self.invalidate_recordset()
        if self.compared_at or self.state not in ("sending", "done"):
            return
        # As with the end of a task, a decision before any mail could go out would tell that nobody
        # of the test group may be mailed: see `_may_end`.
        if not versions.is_out(self.env, self.id) or not self._may_end():
            # Mails of the test group were held, or are sent a second time.
            if self.verdict_at:
                self.verdict_at = False
            return
        last = versions.get_last_moment(self.env, self.id)
        self.verdict_at = last + timedelta(hours=self.test_hours or HOURS) if last else now
        if self.verdict_at <= now:
            if self.test_criterion in ("conversions", "revenue"):
                self._count_conversions()
                if self.conversion_error or not self.conversion_table_id:
                    self._ask_without_figures()
                    return
            self._compare_versions()

    def _ask_without_figures(self):
        """Let the owner decide: the conversions that the test decides by could not be counted."""
        self._store_figures()
        self.verdict = {"problem": "conversions"}
        self.compared_at = fields.Datetime.now()
        asks = self._get_test_state() == "asked"
        self._tell_owner(
            self._say_decision(),
            "warning",
            asks and self.env._("A/B test without figures: choose a version"),
        )

    def _asks_if_undecided(self):
        """Return whether a user chooses what the rest gets, if the test names no winner.

        It names none if the content of a version was changed after some of its mails were sent.
        """
        return (
            self.test_undecided == "ask"
            or "problem" in (self.verdict or {})
            or bool(self._get_changed_versions())
        )

    def _compare_versions(self):
        """Compare the versions once, and do with the rest what follows from it."""
        counted = self._store_figures()
        letters = self.version_ids.mapped("letter")
        figure = COUNTED_BY[self.test_criterion]
        rows = [counted[letter] for letter in letters]
        if figure == "revenue":
            sums = [Sums(r["mailed"], r["revenue"], r["squares"], r["cubes"]) for r in rows]
            verdict = decide_means(sums)
        else:
            verdict = decide_rates([(row[figure], self._get_version_base(row)) for row in rows])
        winner = None if verdict.winner is None else letters[verdict.winner]
        self.verdict = {
            "criterion": self.test_criterion,
            "values": {
                letter: row[figure] / base if (base := self._get_version_base(row)) else None
                for letter, row in zip(letters, rows, strict=True)
            },
            "winner": winner,
            "best": letters[verdict.best],
            "rival": letters[verdict.rival],
            # JSON has no infinity, which means that too few people are known.
            "low": verdict.difference.low if math.isfinite(verdict.difference.low) else None,
            "high": verdict.difference.high if math.isfinite(verdict.difference.high) else None,
            "chance": verdict.chance,
            "worse": [letters[index] for index in verdict.worse],
        }
        self._conclude(winner)

    def _conclude(self, winner):
        """Send the rest what the comparison or the setting says, and tell the owner.

        Nothing is sent by itself if a version was changed during the test: its figures are not
        those of the mail that the rest would get.

        :param str winner: letter of the version that is better than all others; None without one
        """
        has_rest = bool(versions.count_rest(self.env, self.id)["people"])
        ask = False
        if self._get_changed_versions():
            self.compared_at = fields.Datetime.now()
            ask = has_rest and self.env._("A version was changed in the A/B test: choose a version")
        elif winner:
            self._settle(winner, "test")
        elif not has_rest:
            self.compared_at = fields.Datetime.now()
        elif self.test_undecided == "a":
            # Version A may be visibly worse than two others that can't be told apart.
            is_worse = "A" in self.verdict["worse"]
            self._settle(self.verdict["best"] if is_worse else "A", "policy")
        elif self.test_undecided == "split":
            self._settle(None, "policy")
        else:
            self.compared_at = fields.Datetime.now()
            ask = self.env._("A/B test without a visible difference: choose a version")
        self._tell_owner(self._say_decision(), "warning" if ask else "success", ask)

    def _settle(self, letter, by):
        """Record the decision and release the rest.

        :param str letter: of the version for the rest; None splits the rest evenly
        :param str by: a value of `winner_by`
        """
        self.ensure_one()
        self.write(
            {
                "winner": letter,
                "winner_by": by,
                "compared_at": self.compared_at or fields.Datetime.now(),
            }
        )
        self.env.flush_all()
        if letter:
            versions.release(self.env, self.id, letter)
        else:
            worse = (self.verdict or {}).get("worse", ())
            letters = [one for one in self.version_ids.mapped("letter") if one not in worse]
            versions.release_evenly(self.env, self.id, "".join(letters))
        self.env["directmail.delivery"].invalidate_model(["is_rest", "not_before", "version"])
        self.account_id._trigger_sending()

    def _count_versions(self):
        """Return the figures of each version: see `engine.versions.count_versions`."""
        self.ensure_one()
        self.env.flush_all()
        counted = versions.count_versions(self.env, self.id)
        nobody = dict.fromkeys((*FIGURES, *BASES, "revenue", "squares", "cubes"), 0)
        return {letter: counted.get(letter, nobody) for letter in self.version_ids.mapped("letter")}

    def _store_figures(self):
        """Store the figures of the versions for lists and reports; return them.

        Called when results or conversions were read, at the decision, and before the details go.
        """
        if not self.version_ids:
            return {}
        counted = self._count_versions()
        # sudo(): the crons call this; the fields are guarded.
        for version in self.sudo().version_ids:
            row = counted[version.letter]
            figures = {f"{name}_count": row[name] for name in FIGURES}
            figures |= {name: row[name] for name in BASES}
            if self.in_tens:
                # It would tell who is a duplicate of a person whom the owner may not see.
                figures["assigned_count"] = 0
            version.write({**figures, "revenue": row["revenue"]})
        return counted
