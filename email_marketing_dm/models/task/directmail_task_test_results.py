from datetime import timedelta

from odoo import api, fields, models
from odoo.tools import format_list, formatLang

from ...content.languages import join_sentences
from ...engine import versions
from ...statistics.power import find_smallest_difference
from ...statistics.rates import get_interval
from .directmail_task_test import COUNTED_BY, TEST_STOPPED
from .directmail_task_version import BASES, FIGURES

#: {criterion: column of deliveries with the moment that the curve shows}
MOMENTS = {
    "clicks": "clicked_at",
    "opens": "opened_at",
    "conversions": "converted_at",
    "revenue": "converted_at",
}
#: {criterion: rate to reckon with before an account has results of its own}
USUAL_RATES = {"clicks": 0.02, "opens": 0.2, "conversions": 0.005, "revenue": 0.005}
#: Days of earlier email tasks that tell the account's usual rate, and mails that it takes.
USUAL_DAYS = 180
USUAL_MAILS = 1000
#: Hours that the curve shows at most.
CURVE_HOURS = 168
#: A test is too small if only a version with more than this times the usual rate would be noticed.
NOTICEABLE = 2


class DirectmailTask(models.Model):
    """What the page of a task says about its A/B test: before it, during it, and after it."""

    _inherit = "directmail.task"

    @api.readonly
    def get_test_results(self):
        """Return the data of the A/B test on the task's page.

        Rates are of the criterion, among the people of a version who were mailed; for revenue, the
        amount per mail, without an interval. Opens and clicks of machines don't count.

        :return: dict with `state` ("draft", "running": the test group is being mailed, "waiting":
            for the decision, "asked": for a user, "decided", "stopped"), `criterion`, `verdict_at`
            (UTC, ISO format, or None), `winner`, `winner_by`, `sentence`, `advice`, `currency_id`;
            `versions`: [{letter, id, name, subject, sender_name, preview, changed, template_id,
            template_state, assigned, mailed, delivered, opened, clicked, converted, revenue,
            unknown: names of figures that are not known yet, rate, low, high, is_winner, is_chosen:
            also without being better}], empty without a test, `assigned` None where figures are
            rounded, `rate` None where it is not known yet;
            `rest`: {people, waiting, sent}; `curve`: [{hour, letter: rate so far}] by hours since
            the start; `power`: as `_get_power`
        :rtype: dict
        """
        self.ensure_one()
        self.check_access("read")
        # sudo(): reading was checked above. Figures count people whom the user may not see, too.
        task = self.sudo()
        counted = task._get_counted_test() if task.planned_at else task._make_empty_test()
        state = task._get_test_state()
        # A figure of one version tells that those of the others are known, too.
        unknown = [
            name
            for name, is_known in self._get_known_figures().items()
            if not is_known and not any(row[name] for row in counted["versions"].values())
        ]
        # With the reader's rights: figures of audiences may be rounded or hidden.
        power = self._get_power()
        return {
            "state": state,
            "criterion": task.test_criterion,
            "verdict_at": task.verdict_at and task.verdict_at.isoformat() + "Z" or None,
            "winner": task.winner or None,
            "winner_by": task.winner_by or None,
            "sentence": task._say_test(state),
            "advice": power["sentence"] if state == "draft" else task._say_advice(state),
            "currency_id": task.currency_id.id,
            "versions": [
                self._describe_version(version, counted["versions"][version.letter], unknown)
                for version in task.version_ids
            ],
            "rest": self._tell_rest(counted["rest"]),
            "curve": counted["curve"],
            "power": power,
        }

    def _describe_version(self, version, row, unknown):
        """Return an entry of `versions` of `get_test_results`, with the reader's roundings.

        :param version: as superuser
        :param dict row: figures as of `engine.versions.count_versions`
        :param list unknown: names of figures that are not known yet
        """
        template, figure = version._get_template(), COUNTED_BY[self.test_criterion]
        base = self._get_version_base(row)
        rate = low = high = None
        # The result of the comparison names the rates, whatever was known then.
        if base and (figure not in unknown or self.compared_at):
            rate = row[figure] / base
            if figure != "revenue":
                low, high = get_interval(row[figure], base)
        return {
            "letter": version.letter,
            "id": version.id,
            "name": template.name or "",
            "subject": version.subject or "",
            "sender_name": version.sender_name or "",
            "preview": version.preview_text or "",
            "changed": fields.Datetime.to_string(template.write_date) or "",
            "template_id": template.id,
            "template_state": template.state or "draft",
            **{name: row[name] for name in FIGURES},
            # The number of people who got no mail may be known rounded only.
            "assigned": None if self.told_in_tens else row["assigned"],
            # A 0 before the first results would look like a result.
            "unknown": unknown,
            "revenue": row["revenue"],
            "rate": rate,
            "low": low,
            "high": high,
            "is_winner": version.is_winner,
            "is_chosen": version._is_chosen(),
        }

    def _tell_rest(self, rest):
        """Return the figures of the rest, rounded where the reader may not know them exactly."""
        if not self.told_in_tens:
            return rest
        waiting = self._tell_state("waiting", rest["waiting"])
        return {"people": waiting + rest["sent"], "waiting": waiting, "sent": rest["sent"]}

    # === COUNTING === #

    def _get_version_base(self, row):
        """Return the number of people that the rate of a version is a share of.

        For opens and clicks, without the people of whom they are not recorded.

        :param dict row: figures as of `engine.versions.count_versions`
        """
        name = {"opens": "open_base", "clicks": "click_base"}.get(self.test_criterion)
        # Figures that were stored before 19.0.1.9.0 have no bases.
        if name not in row:
            return row["mailed"]
        # Who clicked before a refusal counts, but is not in the base any more.
        return max(row[name], row[COUNTED_BY[self.test_criterion]])

    def _get_counted_test(self):
        """Return the figures of a planned test, as of before the details were removed."""
        if self.details_removed_at:
            return self.details_totals.get("test") or self._make_empty_test()
        return self._count_test()

    def _make_empty_test(self):
        nobody = dict.fromkeys((*FIGURES, *BASES, "revenue"), 0)
        return {
            "versions": dict.fromkeys(self.version_ids.mapped("letter"), nobody),
            "rest": {"people": 0, "waiting": 0, "sent": 0},
            "curve": [],
        }

    def _count_test(self):
        """Count the test group by version and by hour, and the rest; as JSON.

        :return: {"versions": {letter: figures}, "rest", "curve"}
        :rtype: dict
        """
        if not self.version_ids:
            return self._make_empty_test()
        counted = self._count_versions()
        return {
            "versions": counted,
            "rest": versions.count_rest(self.env, self.id),
            "curve": self._make_curve(counted),
        }

    def _make_curve(self, counted):
        """Return [{"hour": hours since the start, letter: rate until then}].

        :param dict counted: as of `_count_versions`
        """
        found = versions.count_hours(self.env, self.id, MOMENTS[self.test_criterion], CURVE_HOURS)
        if not found:
            return []
        totals, curve = dict.fromkeys(counted, 0), []
        for hour in range(max(hour for hour, _letter in found) + 1):
            point = {"hour": hour + 1}
            for letter, row in counted.items():
                totals[letter] += found.get((hour, letter), 0)
                point[letter] = (
                    totals[letter] / base if (base := self._get_version_base(row)) else 0
                )
            curve.append(point)
        return curve

    def _get_test_state(self):
        """Return the state of the test: see `get_test_results`.

        It does not depend on whether anybody waits, which `_may_end` keeps from some readers.
        """
        if not self.planned_at:
            return "draft"
        if self.winner_by:
            return "decided"
        if self.compared_at or self.details_removed_at:
            is_open = self._asks_if_undecided() and self.state not in ("done", "cancelled")
            return "asked" if is_open else "decided"
        if self.state in TEST_STOPPED:
            return "stopped"
        return "waiting" if self.verdict_at else "running"

    # === SENTENCES === #

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

    # === BEFORE SENDING === #

    def _get_power(self, mailable=None):
        """Return what the test can see, by default with the audiences as they were last refreshed.

        Also of a task that is not saved yet; nothing of one that has started.

        :param int mailable: number of people who would get the mail, as of an estimate
        :return: {"sentence", "enough": whether a usual difference would be noticed}
        :rtype: dict
        """
        self.ensure_one()
        number = len(self.version_ids)
        if number < 2 or self.planned_at:
            return {"sentence": "", "enough": True}
        is_estimated = mailable is not None
        if not is_estimated:
            mailable = int(self._count_mailable() * self._get_share_outside_of_control())
        people = min(self.test_people or int(mailable * self.test_share / 100), mailable)
        if not people and not is_estimated:
            return {
                "sentence": self.env._(
                    "Press Estimate to see what the A/B test can notice with this audience."
                ),
                "enough": False,
            }
        rate, each = self._get_usual_rate(), people // number
        better = find_smallest_difference(rate, each, number) if each else None
        values = {
            "people": formatLang(self.env, each, digits=0),
            "usual": self._say_percent(rate),
            "better": self._say_percent(better or 0),
            "criterion": self._say_rate_name(),
        }
        if better is None or better > NOTICEABLE * rate:
            if number > 2:
                advice = self.env._("Test fewer versions, or with a larger test group.")
            elif people < mailable:
                advice = self.env._("Enlarge the test group, up to everybody.")
            else:
                advice = self.env._("Only a larger audience would show smaller ones.")
            if better is None:
                sentence = self.env._(
                    "With %(people)s people per version no difference would be noticed.", **values
                )
            else:
                sentence = self.env._(
                    "With %(people)s people per version only a large difference would be noticed:"
                    " %(usual)s to %(better)s (%(criterion)s).",
                    **values,
                )
            sentence = join_sentences(self.env.lang, (sentence, advice))
            return {"sentence": sentence, "enough": False}
        sentence = self.env._(
            "With %(people)s people per version a difference of %(usual)s to %(better)s"
            " (%(criterion)s) would be noticed 8 times in 10; smaller ones will look like no"
            " difference.",
            **values,
        )
        return {"sentence": sentence, "enough": True}

    def _say_rate_name(self):
        """Return what the rate of `_get_usual_rate` counts: revenue is reckoned by conversions."""
        labels = dict(self._fields["test_criterion"]._description_selection(self.env))
        is_revenue = self.test_criterion == "revenue"
        return labels["conversions" if is_revenue else self.test_criterion]

    def _count_mailable(self):
        """Return how many people can be mailed at most, by the last refresh."""
        name = "people_count" if self.address_form == "encrypted" else "usable_count"
        return sum(self.audience_ids.mapped(name))

    def _get_usual_rate(self):
        """Return the rate of the criterion in the account's email tasks of the last USUAL_DAYS.

        :return: from 0 to 1; a usual one where too few mails are known
        """
        name = COUNTED_BY[
            "conversions" if self.test_criterion == "revenue" else self.test_criterion
        ]
        since = fields.Datetime.now() - timedelta(days=USUAL_DAYS)
        account = self.account_id._origin
        # sudo(): email tasks of other users count too; only a rate over all of them is told.
        counters = self.env["directmail.task.counter"].sudo()
        domain = [("task_id.account_id", "=", account.id), ("task_id.finished_at", ">=", since)]
        without = {"opened": "unmeasured_open", "clicked": "unmeasured_click"}.get(name, "")
        if name == "converted":
            domain.append(("task_id.conversion_table_id", "!=", False))
        rows = counters._read_group(
            [*domain, ("name", "in", ("delivered", name, without))], ["name"], ["value:sum"]
        )
        counts = dict(rows)
        base = counts.get("delivered", 0) - counts.get(without, 0)
        if base < USUAL_MAILS or not counts.get(name):
            return USUAL_RATES[self.test_criterion]
        return min(counts[name] / base, 0.9)
