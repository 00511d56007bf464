from odoo import models
from odoo.exceptions import UserError

from .directmail_task_tell import ACTIVITY


class DirectmailTask(models.Model):
    """An email task goes out under its owner's name and with their rights, so they decide."""

    _inherit = "directmail.task"

    # === BUSINESS === #

    def _ask_new_owner(self):
        """Stop what is on its way, and ask the new owner to send it or not."""
        for task in self.sudo():
            task = task.with_context(lang=task.user_id.lang)
            if task.state == "pending" and not task.planned_at:
                task.write({"state": "draft", "state_message": False, "pause_reason": False})
                task._tell_owner(
                    task.env._(
                        "You are the new owner of this email task. It goes out under your name, and"
                        " its placeholders use your rights. Check the mail, then press Send."
                    ),
                    "warning",
                    # Whoever was appointed is asked to take over already.
                    not task.owner_pending
                    and task.env._("New owner: check the email task, then send it"),
                )
            elif task.state in ("pending", "sending"):
                task._pause(
                    "owner",
                    task.env._(
                        "This email task has a new owner. The remaining mails go out under their"
                        " name, and the placeholders use their rights. Check the mail, then press"
                        " Resume."
                    ),
                )
            else:
                task.activity_reschedule([ACTIVITY], new_user_id=task.user_id.id)

    def _agree_by_sending(self):
        """Take the owner's *Send* or *Resume* as agreement to lend the task their rights.

        :raise UserError: if it is somebody else who sends, and the owner has not agreed
        """
        self.ensure_one()
        if self.owner_pending and self.user_id == self.env.user:
            self._end_waiting()
        self._check_taken_over()

    def _check_lenders(self):
        """Refuse to fill placeholders with the rights of somebody who has left.

        :raise UserError: saying who it is, and what to do
        """
        self.ensure_one()
        message = self.template_id._explain_missing_lender(self.user_id)
        if message:
            raise UserError(message)

    def _explain_content_error(self, error):
        """Say why the mails of a task that is being sent can't be made, and what to do.

        :param str error: what was raised, perhaps cut off
        """
        return self.env._(
            "The mails can't be made: %(reason)s No recipient was skipped. Fix the problem, then"
            " press Resume.",
            reason=self.template_id._explain_missing_lender(self.user_id) or error,
        )
