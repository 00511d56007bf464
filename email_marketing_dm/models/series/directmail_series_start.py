from odoo import fields, models
from odoo.exceptions import UserError

from ...engine import series_starts as engine
from ...engine.series_lock import touch
from .directmail_series_run import CRON


class DirectmailSeries(models.Model):
    """How a series starts for a person, other than by entering an audience.

    With these kinds, `audience_id` is optional and narrows: only its members enter.
    """

    _inherit = "directmail.series"

    start_kind = fields.Selection(
        [
            ("audience", "When they enter an audience"),
            ("hand", "By hand or by an automation rule"),
        ],
        "Starts for a person",
        required=True,
        default="audience",
        help="By hand: mark contacts in a list and choose Put into series in the Actions menu. Into"
        " every running series, contacts can also be put by hand.",
    )

    # === CHECKS === #

    def _find_audience_problem(self):
        """Return why the audience can't be used and what to do, or None."""
        if not self.audience_id:
            if self.start_kind != "audience":
                return None
            return self.env._("Choose the audience whose people enter the series.")
        # sudo(): only whether the chosen audience was refreshed is told.
        if not self.audience_id.sudo().refreshed_at:
            return self.env._("The audience has never been refreshed. Open it and press Refresh.")
        return None

    # === BUSINESS === #

    def _put(self, partners):
        """Let contacts enter at the next run of the cron, if they may enter again.

        Contacts whom the owner of the series may not read, or who are archived, don't enter.

        :param partners: `res.partner` records that the acting user may read
        :raise UserError: if the series lets nobody enter, with what to do
        """
        self.ensure_one()
        if problem := self._find_closed():
            raise UserError(problem)
        # sudo(): users may not write requests. The caller has checked who may put people in.
        self.env["directmail.series.request"].sudo()._add(self, partners)
        # Once per transaction: automation rules run for each record of an import.
        precommit = self.env.cr.precommit
        if not precommit.data.get(CRON):
            precommit.data[CRON] = True
            precommit.add(self._wake)

    def _find_closed(self):
        """Return why nobody can be put into the series and what to do, or None."""
        if self.state == "draft":
            return self.env._(
                "The series %s has not been started. Start it, then put people into it.", self.name
            )
        # sudo(): nobody may read the field, which tells whether a paused series is closing.
        is_closing = self.state == "paused" and self.sudo().resume_to == "closing"
        if is_closing or self.state in ("closing", "ended"):
            return self.env._(
                "The series %s lets nobody enter any more. Duplicate it and start the copy.",
                self.name,
            )
        return None

    def _let_others_enter(self, path, at):
        """Let the people enter for whom the series starts otherwise than by an audience.

        :param clock.steps.Path path: of the series
        :param datetime at: now (naive UTC)
        """
        self._let_requested_enter(path, at)
        self._let_dated_enter(path, at)

    def _let_missed_enter(self, at):
        """Let the people enter for whom a paused series would have started during the pause.

        :param datetime at: now (naive UTC)
        """
        if self.resume_to == "closing":
            return
        path = self._make_path()
        self._let_others_enter(path, at)
        if self.start_kind == "record":
            self._let_changed_enter(path, at, self.started_until, self.changes_seen)

    def _prepare_starts(self, at):
        """Return the values with which a series that is started looks for starts.

        :param datetime at: now (naive UTC)
        """
        if self.start_kind == "date":
            return {"started_until": at, "next_start_at": self._get_occasion().next_moment(at)}
        if self.start_kind == "record":
            return {"started_until": at, "next_start_at": at, "changes_seen": False}
        return {}

    def _let_requested_enter(self, path, at):
        if not engine.has_requests(self.env, self.id):
            return
        found = engine.select_requested(self.env, self._get_owner_env(), self.id, at)
        engine.enter(self.env, self._make_starting(found), path)
        engine.delete_requests(self.env, self.id)
        # As other starts do, so that a change of the steps' order, which would not see these
        # people in its snapshot, conflicts with the row of the series and is retried.
        touch(self.env, self.ids)

    def _make_starting(self, found, each=False):
        """Return who enters, as `engine.series_starts.Starting`.

        :param SQL found: see there
        :param bool each: see there
        """
        # With start_kind "audience", who is put in by hand need not be in it.
        audience = self.start_kind != "audience" and self.audience_id
        return engine.Starting(
            self.id,
            self.company_id.id,
            audience.id if audience else None,
            found,
            each,
            self._get_again_after(),
        )
