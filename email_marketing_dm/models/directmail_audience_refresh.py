import logging
from datetime import timedelta

from psycopg2 import DataError

from odoo import api, fields, models
from odoo.exceptions import UserError

from ..directmail.daily import local_day, next_daily
from ..engine.audience import count_usable, replace_members

_logger = logging.getLogger(__name__)

CRON = "email_marketing_dm.ir_cron_directmail_audience"
SCHEDULE = {"active", "refresh_every", "refresh_hour", "refresh_weekday", "refresh_day", "user_id"}
WEEKDAYS = [
    ("0", "Monday"),
    ("1", "Tuesday"),
    ("2", "Wednesday"),
    ("3", "Thursday"),
    ("4", "Friday"),
    ("5", "Saturday"),
    ("6", "Sunday"),
]


class DirectmailAudience(models.Model):
    """Choosing the people anew: on a button's press, before a task, or by the clock."""

    _inherit = "directmail.audience"

    refresh_every = fields.Selection(
        [
            ("manual", "When I press Refresh"),
            ("daily", "Every day"),
            ("weekly", "Every week"),
            ("monthly", "Every month"),
        ],
        "Refresh",
        required=True,
        default="manual",
        help="An email task refreshes its audiences before it starts in any case.",
    )
    refresh_hour = fields.Float("At", default=3.0, help="In the owner's time zone.")
    refresh_weekday = fields.Selection(WEEKDAYS, "On", default="0")
    refresh_day = fields.Integer(
        "Day of the month", default=1, help="1 to 31. A shorter month takes its last day."
    )
    next_refresh_at = fields.Datetime(
        "Next refresh", compute="_compute_next_refresh_at", store=True, index="btree_not_null"
    )

    _hour_of_day = models.Constraint(
        "CHECK(refresh_hour >= 0 AND refresh_hour < 24)", "The hour is between 0:00 and 23:59."
    )
    _day_of_month = models.Constraint(
        "CHECK(refresh_day BETWEEN 1 AND 31)", "The day of the month is between 1 and 31."
    )

    @api.depends(
        "active", "refresh_every", "refresh_hour", "refresh_weekday", "refresh_day", "user_id.tz"
    )
    def _compute_next_refresh_at(self):
        now = fields.Datetime.now()
        for audience in self:
            audience.next_refresh_at = audience._get_next_refresh(now)

    @api.model_create_multi
    def create(self, vals_list):
        audiences = super().create(vals_list)
        audiences._wake_cron()
        return audiences

    def write(self, vals):
        result = super().write(vals)
        if SCHEDULE & vals.keys():
            self._wake_cron()
        return result

    def _wake_cron(self):
        moments = set(filter(None, self.mapped("next_refresh_at")))
        if moments:
            self.env.ref(CRON).sudo()._trigger(sorted(moments))

    def _get_next_refresh(self, after):
        """Return the first moment after ``after`` (UTC) at which a refresh is due, or False."""
        self.ensure_one()
        if not self.active or self.refresh_every == "manual":
            return False
        tz = self.sudo().user_id.tz or "UTC"
        moment = next_daily(after, self.refresh_hour, tz)
        while not self._is_refresh_day(local_day(moment, tz)):
            moment = next_daily(moment, self.refresh_hour, tz)
        return moment

    def _is_refresh_day(self, day):
        if self.refresh_every == "weekly":
            return day.weekday() == int(self.refresh_weekday or 0)
        if self.refresh_every == "monthly":
            last = (day + timedelta(days=1)).day == 1
            return day.day == self.refresh_day or (last and day.day < self.refresh_day)
        return True

    @api.model
    def _cron_refresh(self):
        """Refresh the audiences that are due, each in a transaction of its own."""
        due = self.search([("next_refresh_at", "<=", fields.Datetime.now())])
        self.env["ir.cron"]._commit_progress(remaining=len(due))
        for audience in due:
            # Also when it fails: it is tried again next time, not over and over.
            audience.next_refresh_at = audience._get_next_refresh(fields.Datetime.now())
            audience._wake_cron()
            try:
                with self.env.cr.savepoint():
                    audience._refresh()
            except UserError as error:
                _logger.info("Audience %s is not refreshed: %s", audience.id, error)
            if not self.env["ir.cron"]._commit_progress(1):
                break

    def action_refresh(self):
        """Choose the people anew; on failure say why and keep those of the last refresh."""
        for audience in self:
            audience.check_access("write")
            audience._refresh()
        return True

    def _refresh(self):
        """Choose the people anew in one statement.

        A failure is written on the audience, whose members stay as they were.

        :return: whether the refresh succeeded
        :rtype: bool
        :raise UserError: if it is being refreshed at this moment
        """
        self.ensure_one()
        audience = self.sudo()
        if not audience.try_lock_for_update(allow_referencing=True):
            raise UserError(
                self.env._(
                    "The audience %s is being refreshed or changed by somebody at this moment. Try"
                    " again in a minute.",
                    audience.name,
                )
            )
        try:
            with self.env.cr.savepoint():
                counts = audience._replace_members()
        except (UserError, DataError, ValueError) as error:
            audience.refresh_error = error.args[0] if error.args else str(error)
            return False
        now = self.env.cr.now()
        self.env["directmail.audience.size"].sudo().create(
            {"audience_id": self.id, "refreshed_at": now, **counts}
        )
        audience.write({**counts, "refreshed_at": now, "refresh_error": False})
        audience._on_refreshed()
        return True

    def _replace_members(self):
        """Make the members those whom the lines find now.

        :return: {field: how many}
        :rtype: dict
        """
        self._refresh_sources()
        people = self._select_people()
        self.env.flush_all()
        total, entered, left = replace_members(self.env, self.id, people)
        self.env["directmail.audience.member"].invalidate_model()
        self.invalidate_recordset(["member_ids"])
        return {
            "people_count": total,
            "usable_count": count_usable(self.env, self.id),
            "entered_count": entered,
            "left_count": left,
        }

    def _refresh_sources(self):
        """Refresh the audiences that this one is made of, where they have the same owner.

        Somebody else's public audience is taken as it is: only its owner refreshes it.

        :raise UserError: if one of them fails, or the audience is made of itself
        """
        sources = self._get_sources()
        if sources and sources._refers_to(self):
            raise UserError(
                self.env._(
                    "The audience is made of itself, by way of %s. Take that line out.",
                    ", ".join(sources.mapped("name")),
                )
            )
        for source in sources.filtered(lambda source: source.user_id == self.user_id):
            if not source._refresh():
                raise UserError(
                    self.env._(
                        "The audience %(other)s, which this one is made of, can't be refreshed:"
                        " %(reason)s",
                        other=source.name,
                        reason=source.refresh_error,
                    )
                )
