import time
from datetime import timedelta
from functools import partial

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.service.model import retrying
from odoo.tools import format_list, formatLang

from ...clock.daily import local_day, next_daily
from ...clock.hourly import count_hours
from ...engine.audience_members import count_usable, replace_members
from ...engine.sql import prepare_for_many
from ...exceptions import BusyError
from ..people_context import PEOPLE_CONTEXT

#: The cron skips an audience that was refreshed after it was due and within this time.
STILL_FRESH = timedelta(hours=1)
#: Live counts and estimates use the members of a refresh within this time (`_is_fresh`).
RECENT = timedelta(minutes=15)
BUSY_RETRY = timedelta(minutes=1)
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
    """Refreshing an audience: by its button, before an email task starts, or by the cron."""

    _inherit = "directmail.audience"

    refresh_every = fields.Selection(
        [
            ("manual", "Manually"),
            ("hourly", "Every hour"),
            ("daily", "Every day"),
            ("weekly", "Every week"),
            ("monthly", "Every month"),
        ],
        "Refresh",
        required=True,
        default="manual",
        help="How often the audience is refreshed automatically. Email tasks also refresh their"
        " audiences before they start. An audience whose refresh takes more than a minute is"
        " refreshed less often than every hour.",
    )
    refresh_hour = fields.Float("Time of day", default=3.0, help="In the owner's time zone.")
    refresh_weekday = fields.Selection(WEEKDAYS, "Weekday", default="0")
    refresh_day = fields.Integer(
        "Day of the month",
        default=1,
        help="1 to 31. In shorter months, the audience is refreshed on the last day.",
    )
    next_refresh_at = fields.Datetime(
        "Next refresh", compute="_compute_next_refresh_at", store=True, index="btree_not_null"
    )
    refresh_seconds = fields.Float("Duration of the last refresh", readonly=True, copy=False)
    refresh_pace = fields.Char(compute="_compute_refresh_pace")
    # Set by `_mark_changed` and reset by a refresh. Not a date: whether a change came before or
    # after a refresh could not be told from the dates of two transactions.
    lines_changed = fields.Boolean("Lines changed", readonly=True, copy=False)
    is_changed = fields.Boolean("Changed since the refresh", compute="_compute_is_changed")
    _hour_of_day = models.Constraint(
        "CHECK(refresh_hour >= 0 AND refresh_hour < 24)", "Enter a time between 0:00 and 23:59."
    )
    _day_of_month = models.Constraint(
        "CHECK(refresh_day BETWEEN 1 AND 31)", "Enter a day of the month between 1 and 31."
    )

    @api.depends(
        "active", "refresh_every", "refresh_hour", "refresh_weekday", "refresh_day", "user_id.tz"
    )
    def _compute_next_refresh_at(self):
        now = fields.Datetime.now()
        for audience in self:
            audience.next_refresh_at = audience._get_next_refresh(now)

    @api.depends("refresh_every", "refresh_seconds")
    @api.depends_context("lang")
    def _compute_refresh_pace(self):
        """Explain why an audience is refreshed less often than every hour; else False."""
        for audience in self:
            hours = audience._get_hours()
            audience.refresh_pace = (
                audience.refresh_every == "hourly"
                and hours > 1
                and self.env._(
                    "The last refresh took %(minutes)s minutes, so the audience is refreshed every"
                    " %(hours)s hours instead of every hour.",
                    minutes=formatLang(self.env, audience._get_seconds_of_refresh() / 60, digits=1),
                    hours=hours,
                )
            )

    @api.depends("refreshed_at", "lines_changed")
    def _compute_is_changed(self):
        for audience in self:
            saved = audience._origin
            audience.is_changed = bool(saved.refreshed_at and not saved._is_current())

    @api.model_create_multi
    def create(self, vals_list):
        audiences = super().create(vals_list)
        audiences._wake_cron()
        return audiences

    def write(self, vals):
        result = super().write(vals)
        if "user_id" in vals:
            self._mark_changed()  # the rights of the new owner select the people
        if SCHEDULE & vals.keys():
            self._wake_cron()
        return result

    def _get_next_refresh(self, after):
        """Return when the first refresh after ``after`` is due (both naive UTC), or False."""
        self.ensure_one()
        if not self.active or self.refresh_every == "manual":
            return False
        if self.refresh_every == "hourly":
            return after + timedelta(hours=self._get_hours())
        # sudo() reads only the time zone of the owner.
        tz = self.sudo().user_id.tz or "UTC"
        moment = next_daily(after, self.refresh_hour, tz)
        while not self._is_refresh_day(local_day(moment, tz)):
            moment = next_daily(moment, self.refresh_hour, tz)
        return moment

    def _get_seconds_of_refresh(self):
        """Return how long the last refresh took, of the sources that are refreshed with it, too."""
        # sudo() reads durations of sources of the same owner.
        return sum(self.sudo()._sources_first().mapped("refresh_seconds"))

    def _get_hours(self):
        """Return after how many hours an hourly audience is refreshed again."""
        self.ensure_one()
        return count_hours(self._get_seconds_of_refresh())

    def _is_refresh_day(self, day):
        if self.refresh_every == "weekly":
            return day.weekday() == int(self.refresh_weekday or 0)
        if self.refresh_every == "monthly":
            last = (day + timedelta(days=1)).day == 1
            return day.day == self.refresh_day or (last and day.day < self.refresh_day)
        return True

    @api.model
    def _cron_refresh(self):
        """Refresh the audiences that are due."""
        self._run_due()

    def _sort_due(self):
        """Override: sources first."""
        return self._sources_first().filtered(lambda audience: audience in self)

    def _run_when_due(self):
        since = retrying(self._put_off, self.env)
        if since:
            retrying(partial(self._refresh_when_due, since), self.env)

    def _put_off(self):
        """Set `next_refresh_at` to the refresh after the one that is due.

        :return: the moment (naive UTC) from which on a refresh is recent enough; False if another
            transaction has locked the audience, which then stays due
        """
        now = fields.Datetime.now()
        if not self.try_lock_for_update(allow_referencing=True):
            # sudo(): the cron, which calls this, may trigger itself.
            self.env.ref(self._cron).sudo()._trigger(now + BUSY_RETRY)
            return False
        since = max(self.next_refresh_at or now, now - STILL_FRESH)
        self.next_refresh_at = self._get_next_refresh(now)
        self._wake_cron()
        return since

    def _refresh_when_due(self, since):
        """Refresh, or try again after `BUSY_RETRY` if the audience or a source is locked.

        :param datetime since: as in `_refresh`
        """
        try:
            self._refresh(since)
        except BusyError:
            self.next_refresh_at = fields.Datetime.now() + BUSY_RETRY
            self._wake_cron()

    def action_refresh(self):
        """Refresh now; on failure, write `refresh_error` and keep the members."""
        self.check_access("write")
        self._refresh()
        return True

    def _refresh(self, since=None):
        """Refresh these audiences and, before them, their sources of the same owner, each once.

        Public audiences of other owners are used as they are: a refresh uses the rights of the
        audience's owner. A failure is written to `refresh_error`, and the members stay.

        :param datetime since: skip audiences that are fresh since this moment (see `_is_fresh`)
        :return: whether none of these audiences has a `refresh_error`
        :rtype: bool
        :raise BusyError: if another transaction has locked one of the audiences
        """
        audiences = self.sudo()._sources_first()
        # sudo(): `action_refresh` has checked the user's right to write, tasks their right to use
        # the audiences. People are selected with the rights of each audience's owner.
        locked = audiences.try_lock_for_update(allow_referencing=True)
        for busy in audiences - locked:
            raise BusyError(
                self.env._(
                    "The audience %s is being refreshed or changed at the moment. Try again in a"
                    " minute.",
                    busy.name,
                )
            )
        for audience in audiences:
            if not audience._is_fresh(since):
                audience._choose_people()
        return not any(self.sudo().mapped("refresh_error"))

    def _is_fresh(self, since):
        """Tell whether a refresh can be saved: the last one is recent, and nothing changed since.

        :param datetime since: a refresh at this moment or later is recent (naive UTC); with None,
            none is
        """
        self.ensure_one()
        return bool(
            since
            and not self.refresh_error
            and self.refreshed_at
            and self.refreshed_at >= since
            and self._is_current()
        )

    def _is_current(self):
        """Tell whether the last refresh used the lines as they are, and its sources' last refresh.

        This alone decides whether an audience has changed since its refresh. Data that the lines
        read, such as new contacts, is not compared: a refresh would take as long.
        """
        # sudo() to read dates and marks of sources that the user may not see, and nothing else.
        audiences = self.sudo()._sources_first()
        return all(
            audience.refreshed_at
            and not audience.lines_changed
            and all(
                source.refreshed_at and source.refreshed_at <= audience.refreshed_at
                for source in audience._get_own_sources()
            )
            for audience in audiences
        )

    def _mark_changed(self):
        """Note that the lines may select other people than the last refresh did.

        The audience is locked by a refresh, so a change during a refresh conflicts with it and is
        retried: no mark is lost.
        """
        # sudo(): callers have checked that the user may change the lines; the mark is guarded.
        self.sudo().write({"lines_changed": True})

    def _sources_first(self):
        """Return these audiences and their sources of the same owner, sources first."""
        ordered, seen = [], set()

        def add(audience):
            if audience not in seen:
                seen.add(audience)
                for source in audience._get_own_sources():
                    add(source)
                ordered.append(audience.id)

        for audience in self:
            add(audience)
        return self.browse(ordered)

    def _get_own_sources(self):
        return self._get_sources().filtered(lambda source: source.user_id == self.user_id)

    def _choose_people(self):
        """Replace the members of one audience and its counts; on failure set `refresh_error`."""
        begin, hours = time.monotonic(), self._get_hours()
        counts = self._try_to(self._replace_members)
        # Stored of failures, too: an audience that fails after minutes costs as much.
        self.refresh_seconds = time.monotonic() - begin
        if self.next_refresh_at and self.refresh_every == "hourly" and self._get_hours() > hours:
            self.next_refresh_at = self._get_next_refresh(fields.Datetime.now())
            self._wake_cron()
        if counts is None:
            return
        now = self.env.cr.now()
        self.env["directmail.audience.size"].create(
            {"audience_id": self.id, "refreshed_at": now, **counts}
        )
        self.write({**counts, "refreshed_at": now, "refresh_error": False, "lines_changed": False})
        self._on_refreshed()

    def _replace_members(self):
        """Replace the members by the people whom the lines select now.

        :return: {name of a count field: number of people}
        :rtype: dict
        """
        self._check_sources()
        people = self._select_people()
        self.env.flush_all()
        prepare_for_many(self.env)
        total, entered, left = replace_members(self.env, self.id, people)
        rules = self._get_addressing(self._has_others_than_contacts())
        usable = count_usable(self.env, PEOPLE_CONTEXT, rules, self.id)
        self.env["directmail.audience.member"].invalidate_model()
        self.invalidate_recordset(["member_ids"])
        return {
            "people_count": total,
            "usable_count": usable,
            "entered_count": entered,
            "left_count": left,
        }

    def _check_sources(self):
        """Check that the audience has lines, and that their sources can be used.

        :raise UserError: if there are no lines, an RFM or AIPL model was never computed, the
            audience is its own source, a source of the same owner has a `refresh_error`, or a
            source was never refreshed. Such a source has no members, so that an "except" line would
            exclude nobody.
        """
        if not self.line_ids:
            raise UserError(self.env._("The audience has no lines. Add at least one line."))
        self._check_models()
        sources = self._get_sources()
        if sources and sources._refers_to(self):
            raise UserError(
                self.env._(
                    "The audience uses itself through %s. Remove that line.",
                    format_list(self.env, sources.mapped("name")),
                )
            )
        for source in self._get_own_sources().filtered("refresh_error"):
            raise UserError(
                self.env._(
                    "The audience %(other)s, which this audience uses, can't be refreshed."
                    " %(reason)s",
                    other=source.name,
                    reason=source.refresh_error,
                )
            )
        # sudo() reads the owner's name: the user has to ask them.
        for source in sources.filtered(lambda source: not source.refreshed_at):
            raise UserError(
                self.env._(
                    "The audience %(other)s, which this audience uses, has never been refreshed."
                    " Ask its owner, %(owner)s, to refresh it.",
                    other=source.name,
                    owner=source.sudo().user_id.name,
                )
            )

    def _check_models(self):
        """Check that the RFM and AIPL models of all lines have been computed.

        :raise UserError: naming the model that was never computed
        """
        # sudo() reads names of models and whether they were computed; `_select_people` checks the
        # owner's rights to their people.
        lines = self.sudo().line_ids._with_inner()
        for model in (*lines.rfm_model_id, *lines.aipl_model_id):
            if not model.computed_at:
                raise UserError(
                    self.env._(
                        "%s has never been computed. Open the model and press Compute now.",
                        model.name,
                    )
                )
