from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.fields import Domain

from ...engine import series_exits as engine
from .directmail_series_run import BATCH

EXIT_FIELDS = ("audience_id", "exit_audience_ids", "exit_left")


class DirectmailSeries(models.Model):
    """What calls off a series for a person before its end.

    Decided after each refresh of an audience that counts, by the plan of each mail, and again by
    the claim just before it is sent, all by `engine.series_exits.get_exit_reason`.
    """

    _inherit = "directmail.series"
    _guarded_fields = frozenset(("exit_checked_id", "exit_pending", "exit_refreshes"))

    exit_left = fields.Boolean(
        "Call off for people who leave the audience",
        help="The series ends for people who are no longer in its audience. This is checked after"
        " each refresh of the audience, and again just before each mail is sent.",
    )
    # Archived audiences still count (`active_test`); a used audience can't be deleted.
    exit_audience_ids = fields.Many2many(
        "directmail.audience",
        "directmail_series_exit_rel",
        string="Call off for people in",
        context={"active_test": False},
        ondelete="restrict",
        check_company=True,
        help="The series ends for people who are in one of these audiences, for example because"
        " they have bought. This is checked after each refresh of these audiences, and again just"
        " before each mail is sent.",
    )
    # `engine.series_exits.sum_refreshes` when people were looked at last, whether some are still to
    # be looked at for it, and the last who was.
    exit_refreshes = fields.Integer(readonly=True, copy=False)
    exit_pending = fields.Boolean(readonly=True, copy=False)
    exit_checked_id = fields.Integer(readonly=True, copy=False)

    def _check_copyable(self, default):
        """Refuse a copy that would go on for more people than the original.

        :param dict default: the values that the copy is given
        :raise UserError: if a colleague has made an audience private that calls off the series
        """
        if "exit_audience_ids" in default:
            return
        audiences = self._get_exit_audiences()
        if len(audiences.with_env(self.env)._filtered_access("read")) < len(audiences):
            raise UserError(
                self.env._(
                    "%s can't be duplicated because a colleague has made an audience private that"
                    " calls it off. Ask the colleague to make the audience public, or create a new"
                    " series.",
                    self.name,
                )
            )

    def _check_deciders(self):
        """Refuse to go on with people whom the owner may not use, or can't mail, any more.

        Who is called off, or meets a condition, would tell who is in an audience.

        :raise UserError: with what to do
        """
        if problems := self._find_decider_problems():
            raise UserError(problems[0])

    def _check_exact(self):
        """Refuse audiences that have got others than the owner may see, unless they may be told.

        :raise UserError: as `_find_rounding_problem` tells it
        """
        task = self._make_unsaved_task()
        if problem := self._find_rounding_problem(task):
            raise UserError(problem)
        self._restrict(task)

    def _find_exit_problem(self):
        """Return why the series would be called off for everybody and what to do, or None."""
        # sudo(): only whether both are the same audience is told.
        if not self.sudo().audience_id & self._get_exit_audiences():
            return None
        return self.env._(
            "The audience whose people enter also calls off the series, so nobody would get a mail."
            " Remove it from “Call off for people in”."
        )

    def _find_decider_problems(self):
        """Return what is wrong with the audiences that decide about people, and with keys.

        They must be refreshed, and the owner of the series must be allowed to use them.
        `_find_audience_problem` tells whether the one whose people enter was refreshed.
        """
        missing = []
        # sudo(): only name and refresh of chosen audiences are told.
        entering = self.sudo().audience_id
        for audience in self._get_all_audiences():
            owned = audience.with_user(self.user_id).with_context(
                allowed_company_ids=self.company_id.ids
            )
            if not owned._filtered_access("read"):
                missing.append(
                    self.env._(
                        "The owner of the series may not use an audience that a colleague has made"
                        " private. Remove it or choose another one."
                    )
                )
            elif audience != entering and not audience.refreshed_at:
                missing.append(
                    self.env._(
                        "The audience %s has never been refreshed. Open it and press Refresh.",
                        audience.name,
                    )
                )
        missing += filter(None, [self._find_reader_problem(), self._find_key_problem()])
        return missing

    def _get_exits(self):
        """Return what calls off the series: see `engine.series_exits.select_exits`."""
        if not self._origin:
            return None
        self._origin.flush_recordset(EXIT_FIELDS)
        return engine.read_exits(self.env, self._origin.id)

    def _get_exit_audiences(self):
        """Return the audiences that call off the series as sudo records, also unreadable ones."""
        exits = self._get_exits()
        # sudo(): callers say what is told of them.
        return self.env["directmail.audience"].sudo().browse(exits["audiences"] if exits else [])

    def _get_all_audiences(self):
        """Return the audiences that decide about people of the series, as sudo records."""
        # sudo(): callers say what is told of them.
        series = self.sudo()
        return (
            series.audience_id
            | series.step_ids.filtered(lambda step: step.kind == "check").check_audience_id
            | self._get_exit_audiences()
        )

    @api.model
    def _get_following_domain(self, audience):
        """Return the domain of series that go on after a refresh of an audience."""
        return Domain("audience_id", "=", audience.id) | Domain(
            "exit_audience_ids", "in", audience.ids
        )

    @api.model
    def _get_using_domain(self, audiences):
        """Return the domain of series that use one of some audiences."""
        return (
            Domain("audience_id", "in", audiences.ids)
            | Domain("exit_audience_ids", "in", audiences.ids)
            | Domain("step_ids.check_audience_id", "in", audiences.ids)
        )

    def _find_unseen(self, entry_ids):
        """Return which people have become contacts whom the owner may not see.

        For example because they were given to another company. Archived contacts are not among
        them: their mails tell that they are no longer contacts. A series for administrators only
        may have people of a colleague's audience whom only the colleague sees.

        :param entry_ids: ids of `directmail.series.entry`
        :rtype: set
        :raise UserError: the owner of the audience has lost the rights with which it is read
        """
        if not entry_ids:
            return set()
        unseen = engine.find_unseen(self.env, self._get_owner_env(), entry_ids)
        if unseen and self.only_admins and self.audience_id:
            # sudo() reads the owner of the audience, whose rights then count.
            lender_env = self.sudo().audience_id._get_owner_env()
            unseen = engine.find_unseen(self.env, lender_env, unseen)
        return unseen

    def _call_off_exits(self, at):
        """Call off the series for a batch of people, if an audience was refreshed that counts.

        :param datetime at: now (naive UTC)
        :return: whether further people are to be looked at
        """
        engine.start_exits(self.env, self.id)
        self.invalidate_recordset()
        if not self.exit_pending:
            return False
        if not self.exit_checked_id:
            self._check_exact()
        last = None
        if exits := self._get_exits():
            last = engine.call_off_exits(self.env, self.id, exits, self.exit_checked_id, BATCH, at)
        self.write({"exit_pending": bool(last), "exit_checked_id": last or 0})
        self.env.flush_all()
        self.env.invalidate_all()
        return bool(last)
