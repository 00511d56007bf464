from datetime import timedelta

from odoo import api, fields, models
from odoo.tools import formatLang

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
