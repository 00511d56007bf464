from datetime import timedelta

from babel.dates import format_skeleton

from odoo import api, fields, models
from odoo.tools import babel_locale_parse, format_date, formatLang, get_lang

from ...clock.daily import day_start, local_day
from ...clock.warm_up import LONGEST, WarmUp, foresee, get_limits
from ...engine.allowance import is_limited, is_spent, read_allowances

#: Recommended settings: see the help texts of the dialog *Warm-up*.
START, GROWTH, END = 500, 50, 20_000
#: A warm-up is offered to sender addresses without mails for so many days.
REST_DAYS = 30
#: Days that a plan shows at most.
SHOWN = 8


class DirectmailSender(models.Model):
    """Warm-up of a sender address: a daily limit that grows while it is new, or after a long rest.

    `engine.claim` holds to it under the lock of the gate. Days are those of the account.
    """

    _inherit = "directmail.sender"

    warmup_on = fields.Boolean("Warm-up", readonly=True, copy=False)
    warmup_start = fields.Integer("First day", readonly=True, copy=False)
    warmup_growth = fields.Integer("Growth per day (%)", readonly=True, copy=False)
    warmup_end = fields.Integer("No limit from", readonly=True, copy=False)
    warmup_since = fields.Date("Warm-up since", readonly=True, copy=False)
    warmup_ended = fields.Date("Warm-up ended", readonly=True, copy=False)
    warmup_today = fields.Char("Today", compute="_compute_warmup_plan")
    warmup_plan = fields.Char("Next days", compute="_compute_warmup_plan")
    warmup_offer = fields.Char("Warm-up offered", compute="_compute_warmup_offer")

    @api.depends("warmup_on", "warmup_start", "warmup_growth", "warmup_end", "warmup_since")
    @api.depends_context("lang")
    def _compute_warmup_plan(self):
        for sender in self:
            # sudo(): who sees the sender may see its limit, but no email task.
            allowance = sender._origin.sudo()._read_allowance()
            sender.warmup_today = sender.warmup_plan = False
            if not allowance or not is_limited(allowance):
                continue
            sender.warmup_today = self.env._(
                "%(used)s of %(limit)s mails",
                used=formatLang(self.env, allowance.used, digits=0),
                limit=formatLang(self.env, allowance.limit, digits=0),
            )
            sender.warmup_plan = sender._describe_limits(sender._get_warm_up(), allowance)

    @api.depends("warmup_on", "ready")
    @api.depends_context("lang")
    def _compute_warmup_offer(self):
        for sender in self:
            sender.warmup_offer = sender._offer_warm_up()

    # === ACTIONS === #

    def action_warm_up(self):
        """Open the dialog that starts or changes the warm-up."""
        self.ensure_one()
        self.account_id.check_access("write")
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Warm-up of %s", self.email),
            "res_model": "directmail.sender.warm.up",
            "view_mode": "form",
            "target": "new",
            "context": {"default_sender_id": self.id},
        }

    def action_end_warm_up(self):
        """End the warm-up: no limit holds from now on."""
        self.ensure_one()
        self.account_id.check_access("write")
        # sudo(): senders are copies of what DirectMail has; the user may write the account.
        self.sudo()._end_warm_up()
        self.account_id._trigger_sending()
        return True

    # === BUSINESS === #

    def _start_warm_up(self, warm_up):
        """Start a warm-up, or change its settings; the limit of today changes at once.

        Mails that were sent today count toward it.

        :param WarmUp warm_up: the settings
        """
        self.ensure_one()
        today = local_day(fields.Datetime.now(), self.account_id.tz)
        self.write(
            {
                "warmup_on": True,
                "warmup_start": warm_up.start,
                "warmup_growth": warm_up.growth,
                "warmup_end": warm_up.end,
                "warmup_since": today,
                "warmup_ended": False,
            }
        )
        # The next claim counts the mails of today anew, under the lock of the gate.
        usage = self.env["directmail.sender.usage"]
        usage.search([("sender_id", "=", self.id), ("day", ">=", today)]).unlink()

    def _end_warm_up(self):
        for sender in self:
            sender.write(
                {
                    "warmup_on": False,
                    "warmup_ended": local_day(fields.Datetime.now(), sender.account_id.tz),
                }
            )

    @api.model
    def _end_warm_ups(self, account):
        """End the warm-ups of an account that have reached their end."""
        senders = self.search([("account_id", "=", account.id), ("warmup_on", "=", True)])
        for sender in senders:
            if sender._read_allowance().is_over:
                sender._end_warm_up()

    def _get_warm_up(self):
        return WarmUp(self.warmup_start, self.warmup_growth, self.warmup_end)

    def _read_allowance(self):
        """Return its `engine.allowance.Allowance`, or None if it has no warm-up."""
        if not self.warmup_on:
            return None
        self.flush_recordset()
        return read_allowances(self.env, self.ids, self.account_id.tz).get(self.id)

    def _get_spent_until(self):
        """Return when mails can go out again (naive UTC), if the warm-up allows none today.

        :rtype: datetime, or None
        """
        allowance = self._read_allowance() if self else None
        if not allowance or not is_spent(allowance):
            return None
        # A minute later, because the clocks of several servers differ.
        return day_start(allowance.day + timedelta(days=1), self.account_id.tz) + timedelta(
            minutes=1
        )

    def _foresee(self, mails, quotas):
        """Return how many of so many mails are sent on each day: see `clock.warm_up.foresee`.

        :return: [(date, number of mails)], from today on; None if no warm-up limits them
        """
        allowance = self._read_allowance() if self else None
        if not allowance or not is_limited(allowance):
            return None
        numbers = foresee(self._get_warm_up(), allowance.limit, allowance.used, mails, quotas)
        return [(allowance.day + timedelta(days=i), n) for i, n in enumerate(numbers)]

    def _describe_limits(self, warm_up, allowance=None):
        """Return the limits of the next days as a text, from today on.

        :param WarmUp warm_up: the settings
        :param allowance: of today; None before the warm-up begins
        """
        today = allowance.day if allowance else local_day(fields.Datetime.now(), self.account_id.tz)
        texts = []
        limits = get_limits(warm_up, allowance.limit if allowance else warm_up.start)
        for number, limit in enumerate(limits):
            day = self._describe_day(today, today + timedelta(days=number))
            if limit is None:
                texts.append(self.env._("%s: no limit", day))
                break
            if number >= SHOWN:
                texts.append("…")
                break
            texts.append(
                self.env._(
                    "%(day)s: %(mails)s", day=day, mails=formatLang(self.env, limit, digits=0)
                )
            )
        return " · ".join(texts)

    def _describe_foreseen(self, foreseen):
        """Return the mails of each day and the last day, as a text.

        :param foreseen: as of `_foresee`
        """
        today, last = foreseen[0][0], foreseen[-1][0]
        days = [
            self.env._(
                "%(day)s: %(mails)s",
                day=self._describe_day(today, day),
                mails=formatLang(self.env, mails, digits=0),
            )
            for day, mails in foreseen[:SHOWN]
        ]
        if len(foreseen) > SHOWN:
            days.append("…")
        said = {"days": " · ".join(days), "last": format_date(self.env, last, date_format="full")}
        if len(foreseen) >= LONGEST:
            return self.env._(
                "%(days)s. On %(last)s, mails still wait, because the daily limits are too low.",
                **said,
            )
        return self.env._("%(days)s. All mails are sent by %(last)s.", **said)

    def _describe_day(self, today, day):
        if day == today:
            return self.env._("Today")
        if day == today + timedelta(days=1):
            return self.env._("Tomorrow")
        # Month, day and weekday in the order of the reader's language, without the year.
        return format_skeleton("MMMEd", day, locale=babel_locale_parse(get_lang(self.env).code))

    def _offer_warm_up(self):
        """Return why a warm-up is advisable, or False."""
        # sudo(): who sees the sender address may know whether its account is a trial.
        if self.warmup_on or not self.ready or self.account_id.sudo().is_trial:
            return False
        # sudo(): only the time of the last mails is told, not the email task.
        tasks = self.env["directmail.task"].sudo().with_context(active_test=False)
        last = tasks.search(
            [("sender_id", "=", self._origin.id), ("planned_at", "!=", False)],
            order="planned_at desc",
            limit=1,
        )
        since = fields.Datetime.now() - timedelta(days=REST_DAYS)
        if not last:
            return self.env._(
                "%s has sent no email task yet. Mailbox providers distrust new sender addresses"
                " that send many mails at once. A warm-up limits the mails of each day.",
                self.email,
            )
        if last.planned_at < since:
            return self.env._(
                "%(sender)s has sent no email task for more than %(days)s days. Mailbox providers"
                " distrust sender addresses that send many mails after a long rest. A warm-up"
                " limits the mails of each day.",
                sender=self.email,
                days=REST_DAYS,
            )
        return False


class DirectmailSenderUsage(models.Model):
    """Mails of a sender address on a day of its warm-up, and the limit of that day."""

    _name = "directmail.sender.usage"
    _description = "Mails of a Warm-up Day"
    _log_access = False
    _rec_name = "day"

    sender_id = fields.Many2one("directmail.sender", required=True, ondelete="cascade")
    day = fields.Date(required=True)
    # When the day begins (UTC); `engine.allowance.give_back` finds a day by it.
    starts_at = fields.Datetime(required=True)
    used = fields.Integer(required=True, default=0)
    mail_limit = fields.Integer("Limit", required=True)

    _day_unique = models.UniqueIndex("(sender_id, day)")
