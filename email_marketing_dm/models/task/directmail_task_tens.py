from datetime import timedelta

from odoo import api, fields, models
from odoo.fields import Domain
from odoo.tools import formatLang

from ...engine.plan import tell_in_tens
from ...engine.tens import FEW, TEN, in_tens, mark_lists
from ..delivery.directmail_delivery import HANDED_OVER
from ..mixins.directmail_seen import is_administrator

#: {state: the figure it is part of}, of the states that may be somebody else's doing. Who waits may
#: be cancelled, which must not be a second figure of the same people.
UNTOLD = {
    "suppressed": "suppressed",
    "waiting": "left",
    "sending": "left",
    "cancelled": "left",
}

#: how long a task in tens that has mailed nobody looks as if somebody waited: until there is quota
#: again, and do-not-disturb hours are over
KEPT_OPEN = timedelta(days=1)


class DirectmailTask(models.Model):
    """Figures of a task whose reader may not see everybody: see `engine.tens`."""

    _inherit = "directmail.task"
    _guarded_fields = frozenset(("tens_mark",))

    tens_mark = fields.Integer(readonly=True, copy=False, groups=fields.NO_ACCESS)
    told_in_tens = fields.Boolean(compute="_compute_told_in_tens")
    people_text = fields.Char("Number of people", compute="_compute_texts_in_tens")
    suppressed_text = fields.Char("Number suppressed", compute="_compute_texts_in_tens")

    @api.depends("in_tens")
    @api.depends_context("uid")
    def _compute_told_in_tens(self):
        for task in self:
            task.told_in_tens = task._is_told_in_tens()

    @api.depends("people_count", "suppressed_count", "in_tens")
    @api.depends_context("uid", "lang")
    def _compute_texts_in_tens(self):
        for task in self:
            task.suppressed_text = task._say_count("suppressed")
            if not task._is_told_in_tens():
                task.people_text = formatLang(self.env, task.people_count, digits=0)
            else:
                task.people_text = task._say_about(task.people_count) or self.env._("few")

    def _is_told_in_tens(self):
        """Tell whether the current user gets figures of this task in tens."""
        self.ensure_one()
        return self.in_tens and not self.env.su and not is_administrator(self.env)

    def _tell_state(self, state, count):
        """Return how many people are in a state, as somebody is told who may not see them all.

        :param str state: of deliveries
        :param int count: how many there are
        :rtype: int
        """
        if state not in UNTOLD:
            return count
        return in_tens(count, self.sudo().tens_mark, UNTOLD[state])

    def _say_count(self, state):
        """Return in words how many people are in a state.

        As superuser, for messages that everybody reads who reads the task: in tens.

        :param str state: one of `UNTOLD`
        :rtype: str
        """
        self.ensure_one()
        count = self[f"{state}_count"]
        if not self.in_tens or (not self.env.su and is_administrator(self.env)):
            return formatLang(self.env, count, digits=0)
        told = self._tell_state(state, count) if self.env.su else count
        return self._say_about(told) or self.env._("fewer than %s", FEW)

    def _say_about(self, count):
        """Return in words that a figure is rounded; an empty string for a small one."""
        tens = count // TEN * TEN
        return tens and self.env._("about %s", formatLang(self.env, tens, digits=0))

    def _mark_lists(self):
        """Remember what the task's figures are rounded by: the lists it asks about."""
        self.ensure_one()
        self.tens_mark = mark_lists(
            self.env, self.company_id, self.audience_ids, self.exclude_audience_ids
        )

    def _may_end(self):
        """Tell whether it may be seen that nobody of the task is waiting any more.

        Where nobody could have been mailed yet, for lack of quota or in quiet times, that would
        tell of a single guess that it is in somebody else's list.

        :rtype: bool
        """
        self.ensure_one()
        if not self.in_tens or self._get_latest_end() <= fields.Datetime.now():
            return True
        handed_over = any(self.sudo()[f"{state}_count"] for state in HANDED_OVER)
        return handed_over and bool(self.account_id.sudo()._get_room().quota)

    def _get_latest_end(self):
        """Return when a task of which nobody is waiting ends at the latest (naive UTC)."""
        return self.planned_at + KEPT_OPEN

    def _estimates_in_tens(self):
        """Tell whether an estimate for the current user is made in tens.

        Opt-outs and limits know an encrypted person by the address, so in a company that has such
        people even a list of guesses would find them.
        """
        self.ensure_one()
        if self.planned_at:
            return self._is_told_in_tens()
        encrypted = self.env["directmail.aes.key"]._is_in_use(self.sudo().company_id)
        return encrypted or self._mixes_in_others()

    def _mixes_in_others(self):
        """Tell whether the task depends on people whom the user may not see, or on encrypted ones.

        :rtype: bool
        """
        self.ensure_one()
        audiences = self._get_all_audiences()
        members = self.env["directmail.audience.member"]
        here = Domain("audience_id", "in", audiences.ids)
        if self.address_form == "encrypted" or members.sudo().search_count(
            here & Domain("partner_id", "=", False) & Domain("email_encrypted", "!=", False),
            limit=1,
        ):
            return True
        if self._excludes_encrypted():
            return True
        # An audience has nobody whom its owner may not see.
        lent = audiences.filtered(lambda audience: audience.user_id != self.env.user)
        if not lent:
            return False
        hidden = Domain("audience_id", "in", lent.ids) & ~members._get_seen_domain()
        return bool(members.sudo().search_count(hidden, limit=1))

    def _excludes_encrypted(self):
        """Tell whether contacts under *Except* have an encrypted address.

        They are left out at that one too, also by a task that mails to addresses in clear.
        """
        excluded = self.sudo().exclude_audience_ids
        if not excluded or not self.env["directmail.aes.key"]._is_in_use(self.sudo().company_id):
            return False
        members = self.env["directmail.audience.member"].sudo().with_context(active_test=False)
        found = Domain("audience_id", "in", excluded.ids)
        found &= Domain("partner_id.email_encrypted_key", "!=", False)
        return bool(members.search_count(found, limit=1))

    def _count_in_tens(self, counts):
        """Return figures about why people got no mail as they may be told.

        :param counts: {reason: number of people}, or as pairs
        :return: the same, in tens and without small ones, where the reader may not see everybody
        :rtype: dict
        """
        self.ensure_one()
        counts = dict(counts)
        return tell_in_tens(counts, self.sudo().tens_mark) if self._is_told_in_tens() else counts
