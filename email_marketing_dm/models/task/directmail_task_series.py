from datetime import timedelta

from odoo import fields, models
from odoo.exceptions import UserError

from ...clock.daily import day_start
from ...engine import plan


class DirectmailTask(models.Model):
    """Tasks that send a step of a series, each for a calendar month of the account.

    Such a task has a tag of its own and is *sending* until its month is over. The cron of
    `directmail.series` adds the deliveries of people who are due; claims treat them like any other.
    """

    _inherit = "directmail.task"
    _guarded_fields = frozenset(("series_month", "series_replaced", "series_step_id"))

    series_step_id = fields.Many2one(
        "directmail.series.step",
        "Step of a series",
        readonly=True,
        copy=False,
        index="btree_not_null",
        ondelete="restrict",
        check_company=True,
        help="The step of a series whose mails this email task sends.",
    )
    series_id = fields.Many2one(related="series_step_id.series_id")
    series_month = fields.Date("Month", readonly=True, copy=False)
    # Whether the step has got a new text since, whose mails another task of the month sends.
    series_replaced = fields.Boolean(readonly=True, copy=False)

    _series_unique = models.UniqueIndex(
        "(series_step_id, series_month)"
        " WHERE series_step_id IS NOT NULL AND series_replaced IS NOT TRUE"
    )

    def _get_first_of_month(self):
        """Return the first task of the same step and month, whose tag later ones use, or the task.

        Each new text of a step has a task, but DirectMail has room for 100 tags only.
        """
        self.ensure_one()
        if not self.series_step_id:
            return self
        # sudo(): which task is the first one does not depend on who asks.
        tasks = self.sudo().with_context(active_test=False)
        return tasks.search(
            [
                ("series_step_id", "=", self.series_step_id.id),
                ("series_month", "=", self.series_month),
            ],
            order="id",
            limit=1,
        )

    def _get_sharing_tag(self):
        """Return the tasks that use the tag of this one at DirectMail, itself included."""
        if not self.series_step_id or not self.tag_name:
            return self
        # sudo(): results of all of them are read together, whatever the rights of the user.
        tasks = self.sudo().with_context(active_test=False)
        return tasks.search(
            [("series_step_id", "=", self.series_step_id.id), ("tag_name", "=", self.tag_name)]
        )

    def _open_month(self):
        """Make the task ready for deliveries, instead of a plan.

        :raise UserError: if figures would have to be rounded to tens
        """
        self.env.flush_all()
        if problem := self.series_id._find_rounding_problem(self):
            raise UserError(problem)
        self._check_refreshed()
        self._freeze()
        self.series_id._restrict(self)
        if self.series_id.only_admins:
            self._tell_in_tens()

    def _tell_in_tens(self):
        """Round the figures for all readers but administrators, as those of other email tasks."""
        self.in_tens = True
        self._mark_lists()

    def _plan_entries(self, entry_ids):
        """Insert the deliveries of people who are due at the task's step.

        :param entry_ids: ids of `directmail.series.entry` records of the step
        :return: {state: number of people}
        :rtype: dict
        """
        self.ensure_one()
        tasks = self.with_context(active_test=False)
        earlier = tasks.search([("series_step_id", "=", self.series_step_id.id)])
        of_all = self._get_task_plan()
        return plan.insert_deliveries(
            self.env,
            plan.TaskPlan(
                **{
                    **vars(of_all),
                    "entry_ids": entry_ids,
                    "earlier_ids": tuple(earlier.ids),
                    # People who have left the audience since they entered count, too.
                    "rules": of_all.rules._replace(has_records=True)
                    if self.series_id._has_others_than_contacts(entry_ids)
                    else of_all.rules,
                }
            ),
        )

    def _is_month_open(self):
        """Return whether the task sends a step of a series and may get further deliveries."""
        self.ensure_one()
        if not self.series_step_id or self.series_id.state in ("draft", "ended"):
            return False
        if self.series_replaced or not self.series_step_id.active:
            return False
        return self.series_month == self.series_id._get_month()

    def _get_month_end(self):
        """Return when the month of the task is over (naive UTC)."""
        following = (self.series_month + timedelta(days=31)).replace(day=1)
        return day_start(following, self.account_id.tz)

    def _drop(self):
        """Cancel stopped tasks of steps that were removed, with the mails that wait there."""
        for task in self:
            task._cancel_waiting()
            task.write(
                {
                    "state": "cancelled",
                    "pause_reason": False,
                    "state_message": False,
                    "finished_at": fields.Datetime.now(),
                }
            )
            task._close_activities()

    def _check_no_step(self):
        """Refuse what would end a task without its series.

        :raise UserError: with what to do instead
        """
        for task in self:
            if task.series_step_id and task.series_id.state not in ("draft", "ended"):
                raise UserError(
                    self.env._(
                        "%(task)s sends a step of the series %(series)s. Pause or end the series"
                        " instead.",
                        task=task.name,
                        series=task.series_id.name,
                    )
                )

    def _wake_series(self):
        """Let the cron of series run, because tasks of steps can send now."""
        if self.series_step_id:
            self.env["directmail.series"]._wake()
