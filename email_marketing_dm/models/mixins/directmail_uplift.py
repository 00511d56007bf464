import re
from math import isfinite
from typing import NamedTuple

from markupsafe import Markup

from odoo import api, models
from odoo.tools import babel_locale_parse, formatLang, get_lang

from ...statistics.power import find_smallest_uplift
from ...statistics.uplift import Group, compare

#: A control group is too small if only more than this times the usual rate would be noticed.
NOTICEABLE = 2
#: Shares that are recommended instead of one that is too small, in percent.
SHARES = (5, 10, 15, 20, 25, 30, 40, 50)
#: People of control groups from which the usual rate is learned.
USUAL_PEOPLE = 1000


class Foresight(NamedTuple):
    """What a control group can show, before anybody is mailed.

    :ivar mailed: number of people who are mailed
    :ivar control: number of people in the control group
    :ivar better: the smallest rate of the mailed people that would be noticed; None if none is
    :ivar enough: whether `NOTICEABLE` times the usual rate would be noticed
    :ivar share: the smallest of `SHARES` with which it would be; None if none is
    """

    mailed: int
    control: int
    better: float | None
    enough: bool
    share: int | None


class DirectmailUplift(models.AbstractModel):
    """Texts about the uplift of mails: see `statistics.uplift`."""

    _name = "directmail.uplift"
    _description = "Uplift"

    @api.model
    def _compare(self, pairs):
        """Compare stored groups.

        :param pairs: dicts {"mail": values of a `Group`, "control": the same}; empty ones and those
            without one of the groups are left out
        :return: a `statistics.uplift.Uplift`, or None without people in both groups
        """
        return compare(
            [
                (Group(*pair["mail"]), Group(*pair["control"]))
                for pair in pairs
                if pair and pair.get("mail") and pair.get("control")
            ]
        )

    @api.model
    def _foresee(self, mailed, control, rate):
        """Return what a control group can show.

        :param int mailed: number of people who are mailed
        :param int control: number of people in the control group
        :param float rate: share of people who convert without a mail
        :rtype: Foresight
        """

        def is_enough(better):
            return better is not None and better <= NOTICEABLE * rate

        def is_large_enough(percent):
            held = (mailed + control) * percent // 100
            return is_enough(find_smallest_uplift(rate, mailed + control - held, held))

        better = find_smallest_uplift(rate, mailed, control)
        larger = (
            percent
            for percent in SHARES
            if percent * (mailed + control) > 100 * control and is_large_enough(percent)
        )
        enough = is_enough(better)
        return Foresight(mailed, control, better, enough, None if enough else next(larger, None))

    @api.model
    def _get_foreseen_numbers(self, found, rate):
        """Return the numbers for a sentence about a `Foresight`, as texts by placeholder.

        :param float rate: share of people who convert without the mail
        """
        return {
            "control": formatLang(self.env, found.control, digits=0),
            "mailed": formatLang(self.env, found.mailed, digits=0),
            "usual": self._say_percent(rate),
            "better": self._say_percent(found.better or 0),
        }

    @api.model
    def _get_usual_rate(self, groups, usual):
        """Return the share of people who convert without a mail.

        :param groups: values of a `Group` of earlier control groups, latest first
        :param float usual: the rate to reckon with if they have too few people
        """
        people = converted = 0
        for group in groups:
            people, converted = people + group[0], converted + group[1]
        # Without any conversion, no rate could be reckoned with.
        return min(converted / people, 0.9) if converted and people >= USUAL_PEOPLE else usual

    @api.model
    def _describe(self, uplift, currency):
        """Return the texts about an uplift.

        :param uplift: of `_compare`
        :param currency: of the amounts
        :return: {"text": what was found, "advice": what to do, "table": HTML with the figures}
        :rtype: dict
        """
        if not uplift:
            return {
                "text": self.env._("Nothing can be compared yet: one of the groups is empty."),
                "advice": "",
                "table": False,
            }
        return {
            "text": self._tell_difference(uplift),
            "advice": self._advise(uplift),
            "table": self._render(uplift, currency),
        }

    def _tell_difference(self, uplift):
        if not uplift.rate and not uplift.base:
            return self.env._("Nobody has converted yet, neither with the mail nor without it.")
        values = {
            "mailed": self._say_percent(uplift.rate),
            "control": self._say_percent(uplift.base),
            **self._say_points(uplift.points.low, uplift.points.high),
        }
        if uplift.points.low > 0:
            return self.env._(
                "With the mail %(mailed)s converted, without it %(control)s: the mail added"
                " %(low)s to %(high)s percentage points (95%% certain).",
                **values,
            )
        if uplift.points.high < 0:
            values |= self._say_points(-uplift.points.high, -uplift.points.low)
            return self.env._(
                "With the mail %(mailed)s converted, without it %(control)s: the mail cost %(low)s"
                " to %(high)s percentage points (95%% certain).",
                **values,
            )
        return self.env._(
            "With the mail %(mailed)s converted, without it %(control)s. The difference may be"
            " luck: the true one is between %(low)s and %(high)s percentage points (95%%"
            " certain).",
            **values,
        )

    def _advise(self, uplift):
        extra = [uplift.mailed * end for end in uplift.points]
        if uplift.points.low > 0:
            return self.env._(
                "That is %(low)s to %(high)s additional conversions. Go on with mails like this.",
                low=formatLang(self.env, extra[0], digits=0),
                high=formatLang(self.env, extra[1], digits=0),
            )
        if uplift.points.high < 0:
            return self.env._(
                "People who got the mail converted less often. Check the offer, and how often these"
                " people are mailed, before you send a mail like this again."
            )
        if uplift.needed:
            return self.env._(
                "Not enough people to tell: at least about %(needed)s would be needed for a"
                " difference of this size, and there are %(people)s. Use a larger audience or a"
                " larger control group next time, or compare several email tasks in a campaign.",
                needed=formatLang(self.env, _round(uplift.needed), digits=0),
                people=formatLang(self.env, uplift.mailed + uplift.control, digits=0),
            )
        return self.env._(
            "The mail made no difference that can be seen. Try another offer, or a larger control"
            " group."
        )

    def _render(self, uplift, currency):
        """Return an HTML table: people, conversions and amount per person, with and without."""
        head = ("", self.env._("With the mail"), self.env._("Control group"))
        rows = [
            (
                self.env._("People"),
                formatLang(self.env, uplift.mailed, digits=0),
                formatLang(self.env, uplift.control, digits=0),
            ),
            (
                self.env._("Converted"),
                self._say_percent(uplift.rate),
                self._say_percent(uplift.base),
            ),
        ]
        if uplift.amount or uplift.base_amount:
            rows.append(
                (
                    self.env._("Revenue per person"),
                    formatLang(self.env, uplift.amount, currency_obj=currency),
                    formatLang(self.env, uplift.base_amount, currency_obj=currency),
                )
            )
        if all(map(isfinite, uplift.amounts)):
            rows.append(
                (
                    self.env._("Difference in revenue per person (95% certain)"),
                    self.env._(
                        "%(low)s to %(high)s",
                        low=formatLang(self.env, uplift.amounts.low, currency_obj=currency),
                        high=formatLang(self.env, uplift.amounts.high, currency_obj=currency),
                    ),
                    "",
                )
            )
        cell = Markup("<td class='text-end text-nowrap'>%s</td>")
        body = Markup("").join(
            Markup("<tr><th scope='row' class='fw-normal'>%s</th>%s</tr>")
            % (label, Markup("").join(cell % value for value in values))
            for label, *values in rows
        )
        titles = Markup("").join(
            Markup("<th scope='col' class='text-end'>%s</th>") % title for title in head[1:]
        )
        return Markup(
            "<table class='table table-sm w-auto mb-2'><thead><tr><td></td>%s</tr></thead>"
            "<tbody>%s</tbody></table>"
        ) % (titles, body)

    def _say_range(self, uplift):
        """Return the difference in percentage points, with its interval, as a short text."""
        digits = _get_digits(min(map(abs, uplift.points)))
        difference, low, high = (
            formatLang(self.env, 100 * value, digits=digits)
            for value in (uplift.rate - uplift.base, *uplift.points)
        )
        return self.env._(
            "%(difference)s (%(low)s to %(high)s)", difference=difference, low=low, high=high
        )

    def _say_percent(self, rate, digits=None):
        """Return a percentage as the user's language writes it: 3.8%, in German 3,8 %.

        :param int digits: after the decimal point, by default as `_get_digits` says
        """
        number = formatLang(
            self.env, 100 * rate, digits=digits or (_get_digits(rate) if rate else 1)
        )
        locale = babel_locale_parse(get_lang(self.env).code)
        return re.sub("[#,.0]+", number, locale.percent_formats[None].pattern)

    def _say_points(self, low, high):
        """Return both ends of an interval in percentage points, with the same digits."""
        digits = _get_digits(min(abs(low), abs(high)))
        return {
            "low": formatLang(self.env, 100 * low, digits=digits),
            "high": formatLang(self.env, 100 * high, digits=digits),
        }


def _get_digits(rate):
    """Return the digits of a percentage: 0.25 %, but 12.5 %."""
    return 1 if abs(rate) >= 0.01 else 2


def _round(number):
    """Return a number with two significant digits, rounded up."""
    unit = 10 ** max(0, len(str(number)) - 2)
    return -(-number // unit) * unit
