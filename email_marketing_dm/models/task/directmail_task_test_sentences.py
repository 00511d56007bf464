from odoo import models
from odoo.tools import format_list, formatLang

from ...content.languages import join_sentences


class DirectmailTask(models.Model):
    """The sentences about an A/B test: where it stands, its result, and what to do next."""

    _inherit = "directmail.task"

    def _say_criterion(self):
        return dict(self._fields["test_criterion"]._description_selection(self.env))[
            self.test_criterion
        ]

    def _say_test(self, state):
        """Return the sentence about where the test stands.

        :param str state: as of `_get_test_state`
        """
        if not self.version_ids:
            return ""
        if state == "draft":
            return self._describe_test()
        return join_sentences(self.env.lang, (self._say_stage(state), self._say_changes()))

    def _say_stage(self, state):
        """Return the sentence about where a test that has started stands.

        :param str state: as of `_get_test_state`
        """
        if state == "stopped":
            return self._say_stopped()
        if state == "running":
            return self.env._("The test group is being mailed.")
        if state == "waiting":
            return self.env._("The test group has been mailed. The versions are compared once.")
        if self.winner_by == "hand":
            return self.env._(
                "%(user)s chose version %(letter)s.",
                user=self.winner_user_id.name,
                letter=self.winner,
            )
        return self._say_verdict()

    def _say_stopped(self):
        """Return why the test is not decided."""
        if self.state == "cancelled":
            return self.env._("The email task was cancelled before the A/B test was decided.")
        return self.env._(
            "The email task has failed, so the A/B test is not decided. Correct the mail, then send"
            " the email task again."
        )

    def _say_advice(self, state):
        """Return what the reader of a started test can do, or "".

        :param str state: as of `_get_test_state`
        """
        if not self.version_ids or state == "stopped":
            return ""
        is_changed = bool(self._get_changed_versions())
        if self.state == "paused" and self.winner_by:
            return self.env._("The email task is paused. Press Resume to continue.")
        if self.state == "paused" and self.sent_count and not (self.compared_at or is_changed):
            return self.env._(
                "The email task is paused, so nothing is decided. Press Resume to continue. If you"
                " change a version now, its figures mix two contents, and the A/B test sends no"
                " version to the rest by itself."
            )
        if self.state == "paused":
            return self.env._(
                "The email task is paused, so nothing is decided. Press Resume to continue."
            )
        if state in ("running", "waiting") and is_changed:
            return self.env._(
                "Because a version was changed, the A/B test sends none to the rest by itself. Wait"
                " for the comparison, then choose one."
            )
        if state in ("running", "waiting") and not self._may_have_rest():
            return self.env._("Wait for the comparison: an early lead is often luck.")
        if state in ("running", "waiting"):
            return self.env._(
                "Wait for the decision: an early lead is often luck. You can also choose a version"
                " yourself."
            )
        if state == "asked":
            return self.env._("Choose the version that the rest gets.")
        return self._say_next()

    def _say_verdict(self):
        """Return the result of the comparison as a sentence in the reader's language."""
        verdict = self.verdict
        if not verdict:
            return ""
        if "problem" in verdict:
            return self.env._(
                "The conversions could not be counted at the time of the decision, so the versions"
                " were not compared."
            )
        best, rival = verdict["best"], verdict["rival"]
        values = {
            "criterion": self._say_criterion(),
            "best": best,
            "rival": rival,
            "chance": self._say_chance(verdict["chance"]),
        }
        if verdict["values"][best] is None or verdict["values"][rival] is None:
            return self.env._("Too few people got the mails, so the versions can't be compared.")
        if verdict["low"] is None:
            return self._say_incomparable(verdict)
        if verdict["criterion"] == "revenue":
            values |= self._say_amounts(verdict)
        else:
            values |= self._say_rates(verdict)
        if verdict["winner"]:
            return self._say_winner(verdict["criterion"], values)
        if worse := verdict.get("worse"):
            return self.env._(
                "There is no visible difference between the best versions. %(criterion)s: %(best)s"
                " %(best_value)s, %(rival)s %(rival_value)s. The true difference may be between"
                " %(low)s and %(high)s (95%%). Visibly worse: %(worse)s.",
                **values,
                worse=format_list(self.env, worse),
            )
        return self.env._(
            "There is no visible difference. %(criterion)s: %(best)s %(best_value)s, %(rival)s"
            " %(rival_value)s. The true difference may be between %(low)s and %(high)s (95%%).",
            **values,
        )

    def _say_incomparable(self, verdict):
        """Return why amounts can't be compared: see `statistics.means.get_mean_difference`."""
        rival = verdict["rival"]
        if verdict["values"][rival] < 0:
            return self.env._(
                "Refunds exceed the sales of version %s, so the versions can't be compared by"
                " revenue.",
                rival,
            )
        return self.env._(
            "No mail of the test group brought any revenue, so the versions can't be compared by"
            " it."
        )

    def _say_winner(self, criterion, values):
        """Return the sentence about a winner.

        :param str criterion: a value of `test_criterion`
        :param dict values: of the placeholders
        """
        if criterion == "clicks":
            return self.env._(
                "%(best)s is better: %(best_value)s clicked against %(rival_value)s (difference"
                " %(low)s to %(high)s, 95%%). Luck alone makes such a difference in at most"
                " %(chance)s of tests.",
                **values,
            )
        if criterion == "opens":
            return self.env._(
                "%(best)s is better: %(best_value)s opened the mail against %(rival_value)s"
                " (difference %(low)s to %(high)s, 95%%). Luck alone makes such a difference in at"
                " most %(chance)s of tests.",
                **values,
            )
        if criterion == "conversions":
            return self.env._(
                "%(best)s is better: %(best_value)s converted against %(rival_value)s (difference"
                " %(low)s to %(high)s, 95%%). Luck alone makes such a difference in at most"
                " %(chance)s of tests.",
                **values,
            )
        return self.env._(
            "%(best)s is better: %(best_value)s per mail against %(rival_value)s (difference"
            " %(low)s to %(high)s, 95%%). Luck alone makes such a difference in at most %(chance)s"
            " of tests.",
            **values,
        )

    def _say_decision(self):
        """Return result, changes during the test and what happens with the rest, as sentences."""
        sentences = (self._say_verdict(), self._say_changes(), self._say_next())
        return join_sentences(self.env.lang, sentences)

    def _say_next(self):
        """Return what happens with the rest after the decision, or "" if there is no rest."""
        if self.winner_by == "policy" and not self.winner:
            if (self.verdict or {}).get("worse"):
                return self.env._("The rest is split evenly between the other versions.")
            return self.env._("The rest is split evenly between the versions.")
        if self.winner_by and self.state == "cancelled":
            return self.env._("The email task was cancelled, so waiting mails are not sent.")
        if self.winner_by and self._may_have_rest():
            return self.env._("The rest gets version %s.", self.winner)
        if not self.winner_by and self._asks_if_undecided() and self._may_have_rest():
            return self.env._("Choose the version that the rest gets.")
        return ""

    def _say_rates(self, verdict):
        """Return texts of rates; differences in percentage points."""
        best, rival = (verdict["values"][verdict[name]] for name in ("best", "rival"))
        values = [self._say_percent(rate) for rate in (best, rival)]
        if best != rival and values[0] == values[1]:
            values = [self._say_percent(rate, digits=2) for rate in (best, rival)]
        return {
            "best_value": values[0],
            "rival_value": values[1],
            "low": self._say_points(verdict["low"]),
            "high": self._say_points(verdict["high"]),
        }

    def _say_amounts(self, verdict):
        def say(amount):
            return formatLang(self.env, amount, currency_obj=self.currency_id)

        return {
            "best_value": say(verdict["values"][verdict["best"]]),
            "rival_value": say(verdict["values"][verdict["rival"]]),
            "low": say(verdict["low"]),
            "high": say(verdict["high"]),
        }

    def _say_percent(self, rate, digits=None):
        return self.env["directmail.uplift"]._say_percent(rate, digits)

    def _say_points(self, difference):
        return self.env._("%s points", formatLang(self.env, 100 * difference, digits=2))

    def _say_chance(self, chance):
        """Return a chance as a percentage, rounded up; never 0."""
        digits = 1 if chance >= 0.001 else 2
        return self._say_percent(max(round(chance + 0.5 * 10 ** -(digits + 2), digits + 2), 0.0001))
