from datetime import timedelta

from odoo import api, fields, models
from odoo.fields import Domain
from odoo.tools import formatLang

from ...engine.plan import tell_in_tens
from ...engine.tens import FEW, TEN, in_tens, mark_lists
from ..delivery.directmail_delivery import HANDED_OVER
from ..mixins.directmail_seen import is_administrator

#: {state: name of the figure for `in_tens`}, of the states whose numbers are rounded: they may
#: depend on people whom the reader may not see. Waiting, sending and cancelled share one name, and
#: so one shift: the same people would otherwise get a second figure when they change state.
UNTOLD = {
    "suppressed": "suppressed",
    "waiting": "left",
    "sending": "left",
    "cancelled": "left",
}

#: How long a task with `in_tens` that has mailed nobody stays open: a day, by which a real wait for
#: quota or do-not-disturb hours would be over as well. See `_may_end`.
KEPT_OPEN = timedelta(days=1)


class DirectmailTask(models.Model):
    """Rounding of a task's figures for readers who may not see everybody: see `engine.tens`."""

    _inherit = "directmail.task"
    _guarded_fields = frozenset(("tens_mark",))

    tens_mark = fields.Integer(readonly=True, copy=False, groups=fields.NO_ACCESS)
    told_in_tens = fields.Boolean("Rounded for you", compute="_compute_told_in_tens")
    people_text = fields.Char("Number of people", compute="_compute_texts_in_tens")
    suppressed_text = fields.Char("Number of suppressed people", compute="_compute_texts_in_tens")

    @api.depends("in_tens")
    @api.depends_context("uid")
    def _compute_told_in_tens(self):
        """Tell whether figures of the task are rounded to tens for the current user."""
        exact = self.env.su or is_administrator(self.env)
        for task in self:
            task.told_in_tens = task.in_tens and not exact

    @api.depends("people_count", "suppressed_count", "in_tens")
    @api.depends_context("uid", "lang")
    def _compute_texts_in_tens(self):
        for task in self:
            task.suppressed_text = task._say_count("suppressed")
            if not task.told_in_tens:
                task.people_text = formatLang(self.env, task.people_count, digits=0)
            else:
                task.people_text = task._say_about(task.people_count) or self.env._("few")

    def _tell_state(self, state, count):
        """Return the number of people in a state, rounded if the state is in UNTOLD.

        :param str state: state of deliveries, or another counter's name
        :param int count: the exact number
        :rtype: int
        """
        if state not in UNTOLD:
            return count
        # sudo(): `tens_mark` is readable by nobody; only the rounded number is returned.
        return in_tens(count, self.sudo().tens_mark, UNTOLD[state])

    def _say_count(self, state):
        """Return the number of people in a state as text, rounded where `in_tens`.

        Exact for administrators. As superuser it is rounded too: messages in the chatter are read
        by all readers of the task.

        :param str state: a key of UNTOLD
        :rtype: str
        """
        self.ensure_one()
        count = self[f"{state}_count"]
        if not self.in_tens or (not self.env.su and is_administrator(self.env)):
            return formatLang(self.env, count, digits=0)
        told = self._tell_state(state, count) if self.env.su else count
        return self._say_about(told) or self.env._("fewer than %s", FEW)

    def _say_about(self, count):
        """Return "about" and a number rounded down to tens; 0 if it is below ten."""
        tens = count // TEN * TEN
        return tens and self.env._("about %s", formatLang(self.env, tens, digits=0))

    def _mark_lists(self):
        """Store in `tens_mark` what determines the rounding: the members of the audiences."""
        self.ensure_one()
        self.tens_mark = self._compute_mark()

    def _compute_mark(self):
        """Return what determines the rounding to tens now: see `engine.tens.mark_lists`."""
        return mark_lists(
            self.env,
            self.env["directmail.keyring"]._get_master_key(),
            self.company_id.id,
            self.audience_ids.ids,
            self.exclude_audience_ids.ids,
            self._get_family().filtered("planned_at").ids if self.origin_id else (),
        )

    def _may_end(self):
        """Return whether a task of which nobody waits any more may end visibly.

        A task with `in_tens` that ends before it could mail anybody (no quota, quiet times) would
        reveal that nobody was waiting. With an audience of one guessed address, that tells that the
        address is in another user's excluded audience. So such a task stays open until a mail was
        handed over and there is quota, or until `_get_latest_end`.

        :rtype: bool
        """
        self.ensure_one()
        if self._is_month_open():
            return False
        if not self.in_tens or self._get_latest_end() <= fields.Datetime.now():
            return True
        # sudo(): exact numbers, whatever the user's rights; only whether to end is told.
        handed_over = any(self.sudo()[f"{state}_count"] for state in HANDED_OVER)
        return handed_over and bool(self.account_id.sudo()._get_capacity().quota)

    def _get_latest_end(self):
        """Return when a task of which nobody waits any more ends at the latest (naive UTC)."""
        return self._get_month_end() if self._is_month_open() else self.planned_at + KEPT_OPEN

    def _estimates_in_tens(self):
        """Return whether an estimate for the current user is rounded to tens."""
        self.ensure_one()
        return self.told_in_tens if self.planned_at else self._mixes_in_others()

    def _mixes_in_others(self):
        """Return whether the task uses people whom the user may not see, or encrypted addresses.

        Opt-outs and limits know an encrypted person by the address, so in a company that has such
        people even a list of guesses would find them.

        :rtype: bool
        """
        self.ensure_one()
        if self.env["directmail.aes.key"]._is_in_use(self.sudo().company_id):
            return True
        # A follow-up leaves out people of other tasks of its family, which may be a colleague's.
        family = self._get_family() - self
        if any(task.in_tens or task.user_id != self.env.user for task in family):
            return True
        audiences = self._get_all_audiences()
        members = self.env["directmail.audience.member"]
        here = Domain("audience_id", "in", audiences.ids)
        # Encrypted with the key of another company.
        if self.address_form == "encrypted" or members.sudo().search_count(
            here & Domain("partner_id", "=", False) & Domain("email_encrypted", "!=", False),
            limit=1,
        ):
            return True
        # A refresh leaves out people whom the audience's owner may not see, so own audiences have
        # none. sudo(): whether there is one is told, and nothing about the person.
        lent = audiences.filtered(lambda audience: audience.user_id != self.env.user)
        if not lent:
            return False
        hidden = Domain("audience_id", "in", lent.ids) & ~members._get_seen_domain()
        return bool(members.sudo().search_count(hidden, limit=1))

    def _count_in_tens(self, counts):
        """Return numbers of people per reason, rounded where `told_in_tens`.

        :param counts: {reason or `engine.plan.Fate`: number of people}, or an iterable of pairs
        :return: the same; rounded numbers without those that become 0
        :rtype: dict
        """
        self.ensure_one()
        # sudo(): `tens_mark` is readable by nobody; it only changes how numbers are rounded.
        counts = dict(counts)
        return tell_in_tens(counts, self.sudo().tens_mark) if self.told_in_tens else counts
