from datetime import datetime, timedelta

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL, format_datetime

from ...directmail.const import BEIJING
from ...engine.claim import FREE_AT
from ...engine.clock import describe_moment
from ...engine.versions import HELD


class DirectmailTask(models.Model):
    """Owner of a task: change of owner, and messages to the owner.

    Placeholders are filled in with the owner's rights, so the owner decides about sending.
    """

    _inherit = "directmail.task"

    waiting_for = fields.Char(compute="_compute_waiting_for")

    # === BUSINESS === #

    def _ask_new_owner(self):
        """Stop tasks whose owner has changed, and ask the new owner whether to send them.

        A pending task that was not planned becomes a draft; another pending or sending one is
        paused. Of other tasks, only open activities go to the new owner.
        """
        # sudo(): `write` has checked the rights; the states are guarded.
        for task in self.sudo():
            task = task._with_owner_language()
            if task.state == "pending" and not task.planned_at:
                task.write({"state": "draft", "state_message": False, "pause_reason": False})
                task._tell_owner(
                    task.env._(
                        "You are the new owner of this email task. The mails are sent in your name,"
                        " and the placeholders use your access rights. Check the mail, then press"
                        " Send."
                    ),
                    "warning",
                    # An activity of `_wait_for_owner` asks the new owner already.
                    not task.owner_pending
                    and task.env._("New owner: check the email task, then send it"),
                )
            elif task.state in ("pending", "sending"):
                task._pause(
                    "owner",
                    task.env._(
                        "This email task has a new owner. The remaining mails are sent in the new"
                        " owner's name, and the placeholders use the new owner's access rights."
                        " Check the mail, then press Resume."
                    ),
                )
            else:
                task.activity_reschedule([self._ask_type], new_user_id=task.user_id.id)

    def _agree_by_sending(self):
        """Clear `owner_pending` if the owner presses *Send* or *Resume*: that is an agreement.

        :raise UserError: if another user sends and the owner has not agreed yet
        """
        self.ensure_one()
        if self.owner_pending and self.user_id == self.env.user:
            self._end_waiting()
        self._check_taken_over()

    def _check_lenders(self):
        """Refuse to send if a user whose rights the placeholders need has left the company.

        :raise UserError: with the user's name and what to do
        """
        self.ensure_one()
        if message := self._explain_missing_lenders():
            raise UserError(message)

    def _explain_missing_lenders(self):
        """Return which user has left whose rights the placeholders need, and what to do, or ""."""
        texts = (
            template._explain_missing_lender(self.user_id) for template in self._get_templates()
        )
        return next(filter(None, texts), "")

    def _explain_content_error(self, error):
        """Return why the mails of a sending task can't be made, and what to do.

        :param str error: message of the exception, may be cut off
        """
        return self.env._(
            "The mails can't be created. No recipient was skipped. Fix the problem, then press"
            " Resume. Reason: %s",
            self._explain_missing_lenders() or error,
        )

    # === MESSAGES TO THE OWNER === #

    @api.depends(
        "state", "scheduled_at", "template_id.state", "version_ids.template_id.state",
        "account_id.state", "verdict_at", "next_run_at", "send_type",
    )  # fmt: skip
    @api.depends_context("uid", "tz")
    def _compute_waiting_for(self):
        for task in self:
            task.waiting_for = task._get_waiting_for()

    def _get_waiting_for(self):
        """Return what a pending or sending task waits for, as a sentence; False if for nothing."""
        self.ensure_one()
        if self.state not in ("pending", "sending"):
            return False
        if waiting := self._explain_blocked():
            return waiting
        if self.send_type == "repeat":
            return self.next_run_at and self.env._(
                "Next run: %s", self._describe_run_moment(self.next_run_at)
            )
        if not self.planned_at and self.scheduled_at and self.scheduled_at > fields.Datetime.now():
            zone = str(self.env.tz)
            return self.env._(
                "Sending starts at %(time)s (%(zone)s).",
                time=format_datetime(self.env, self.scheduled_at, tz=zone, dt_format="short"),
                zone=zone,
            )
        return self._explain_limited() or self._explain_people()

    def _explain_blocked(self):
        """Return what keeps the task from sending, or False: key, account, review or trial."""
        # sudo(): readers of the task see the state of the account, no other task.
        account = self.account_id.sudo()
        if self.key_problem:
            return self.env._(
                "The mails wait for a server with the right master key. No recipient is skipped."
            )
        if account.state != "active":
            return self.env._(
                "The DirectMail account is not active. An administrator can activate it."
            )
        if self.state == "pending" and (waiting := self._explain_review()):
            return waiting
        return account.is_trial and account.state_message

    def _explain_limited(self):
        """Return how quota, warm-up or brake of the sender limit the task, or False."""
        # sudo(): readers of the task see times and sums of the account, no other task.
        account = self.account_id.sudo()
        if not account._get_capacity().quota:
            return self.env._(
                "Today's quota is used up. Sending continues after midnight in Beijing, at %s.",
                format_datetime(self.env, account._get_next_day(), dt_format="short"),
            )
        if self.planned_at and (until := self.sender_id.sudo()._get_spent_until()):
            return self.env._(
                "The warm-up of %(sender)s allows no more mails today. Sending continues at"
                " %(time)s.",
                sender=self.sender_id.email,
                time=describe_moment(self.env, until, account.tz),
            )
        if self.planned_at and self.state == "sending" and self.sender_id.sudo().is_braked:
            return self.sender_id._explain_brake()
        return False

    def _explain_people(self):
        """Return what the people of the task wait for, or False."""
        if not self.planned_at:
            return self.env._("The recipients are being selected. Sending starts in a moment.")
        if self.told_in_tens:
            # This text must not depend on whether anybody still waits: see `_may_end`.
            return self.env._("Mails are sent as the quota and quiet times allow.")
        # sudo(): readers of the task see times and sums of its people, no other task.
        if waiting := self.sudo()._explain_waiting_rest():
            return waiting
        held_until = self.sudo()._get_held_until()
        if held_until:
            return self.env._(
                "All remaining mails are held back for now. Sending continues at %s.",
                format_datetime(self.env, held_until, dt_format="short"),
            )
        return False

    def _get_held_until(self):
        """Return when the next held mail may go out (naive UTC).

        :return: None if that is within a minute, mails are being sent, or nobody waits
        """
        self.ensure_one()
        if self.state != "sending" or self.sending_count or not self.waiting_count:
            return None
        [(until,)] = self.env.execute_query(
            SQL(
                """SELECT not_before FROM directmail_delivery
                    WHERE task_id = %s AND state = 'waiting'
                    ORDER BY %s, id LIMIT 1""",
                self.id,
                FREE_AT,
            )
        ) or [(None,)]
        soon = fields.Datetime.now() + timedelta(minutes=1)
        return until if until and soon < until < HELD else None

    def _fail(self, message):
        if self._is_unstarted_run():
            self._give_up_run(message)
            return
        self.write({"state": "failed", "state_message": message, "pause_reason": False})
        self._tell_owner(
            message, "danger", self.env._("Email task failed: fix it and send it again")
        )

    def _pause(self, reason, message):
        """Pause the task and ask its owner to decide.

        :param str reason: a value of PAUSE_REASONS
        :param str message: for `state_message` and the owner
        """
        if reason != "owner" and self._is_unstarted_run():
            self._give_up_run(message, stops=reason != "too_late")
            return
        self.write({"state": "paused", "pause_reason": reason, "state_message": message})
        self._tell_owner(
            message, "warning", self.env._("Email task paused: decide how to continue")
        )

    def _tell_waiting_for_quota(self):
        """Notify the owners, once a day in Beijing, that the quota is used up until tomorrow."""
        today = datetime.now(BEIJING).date()
        for task in self.filtered(lambda task: task.quota_told_on != today):
            task = task._with_owner_language()
            task.quota_told_on = today
            task._tell_owner(
                task.env._(
                    "Today's quota is used up. Mails waiting: %(waiting)s. Sending continues"
                    " automatically after midnight in Beijing, at %(time)s.",
                    waiting=task._say_count("waiting"),
                    time=describe_moment(
                        task.env, task.account_id._get_next_day(), task.user_id.tz
                    ),
                )
            )
