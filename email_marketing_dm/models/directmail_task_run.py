import logging
from datetime import timedelta

from markupsafe import Markup

from odoo import fields, models
from odoo.exceptions import UserError
from odoo.tools import format_datetime

from ..directmail.errors import DirectMailError
from ..engine import plan

_logger = logging.getLogger(__name__)

# Trouble that passes by itself: the task stays pending and is tried again.
PASSING = ("unreachable", "throttled", "server")
# Nobody wants last week's mail: after a server that was down, and after a late approval.
TOO_LATE = timedelta(hours=24)
TOO_LATE_APPROVED = timedelta(days=5)


class DirectmailTask(models.Model):
    """Starting and ending a task; between the two only the engine works on it."""

    _inherit = "directmail.task"

    def _start(self):
        """Plan the task and let it go. Called by the cron, when it is due.

        Either everything is in place afterwards or nothing is: a failed task has no deliveries,
        and can be corrected and sent again.
        """
        self.ensure_one()
        try:
            with self.env.cr.savepoint():
                self._check_not_too_late()
                self._check_template()
                self._compare_template()
                if not self.use_as_is:
                    self._refresh_audiences()
                self._ensure_tag()
                self._plan()
        except UserError as error:
            cause = error.__cause__
            if isinstance(cause, DirectMailError) and cause.kind in PASSING:
                _logger.warning("Email task %s is tried again: %s", self.id, error)
                self.state_message = error.args[0]
                self.account_id._trigger_sending(fields.Datetime.now() + timedelta(minutes=1))
                return
            self._fail(error.args[0])

    def _check_not_too_late(self):
        """Refuse to send long after the set time without asking.

        :raise UserError: if the time has passed by more than the limit
        """
        now, planned = fields.Datetime.now(), self.scheduled_at
        if not planned:
            return
        approved = self.template_id.reviewed_at or planned
        if now - max(planned, approved) > TOO_LATE or now - planned > TOO_LATE_APPROVED:
            raise UserError(
                self.env._(
                    "The set time, %s, is long past. Choose a new time, or as soon as approved,"
                    " and send again.",
                    format_datetime(self.env, planned, tz=self.account_id.tz),
                )
            )

    def _compare_template(self):
        """Read the template back: what goes out must be what was approved.

        :raise UserError: if it was changed or deleted in DirectMail's console
        """
        template = self.template_id
        remote = self.account_id._call(lambda client: client.describe_template(template.remote_ref))
        if remote.status != "approved":
            raise UserError(
                self.env._(
                    "DirectMail no longer approves this template. Submit it for review again."
                )
            )
        if remote.text != template.submitted_text or remote.subject != template.submitted_subject:
            raise UserError(
                self.env._(
                    "The template was changed in DirectMail's console. Make a new version here and"
                    " submit it."
                )
            )

    def _ensure_tag(self):
        """Make the tag by which DirectMail tells this task's results from others."""
        uuid = self.env["ir.config_parameter"].sudo().get_param("database.uuid") or ""
        name = f"odoo_{uuid[:8]}_{self.id}"

        def push(client):
            if not client.find_tag(name):
                client.create_tag(name, self.name[:50])

        self.account_id._call(push)
        self.tag_name = name

    def _plan(self):
        """Freeze the audiences into deliveries.

        :raise UserError: if nobody would get a mail
        """
        self.env.flush_all()
        people = plan.insert_deliveries(self)
        self.env.invalidate_all()
        if not people.get("waiting") and not self._get_held_back():
            raise UserError(
                self.env._(
                    "Nobody in the audience can be mailed: no usable address, or unsubscribed."
                )
                if people
                else self.env._(
                    "The audience has nobody in it. Change its filter, then send again."
                )
            )
        self.write(
            {
                "state": "sending",
                "state_message": False,
                "planned_at": fields.Datetime.now(),
            }
        )

    def _fail(self, message):
        self.write({"state": "failed", "state_message": message})
        self._tell_owner(message)

    def _finish(self):
        self.write({"state": "done", "finished_at": fields.Datetime.now()})
        self._tell_owner(
            self.env._(
                "All mails are out: %(sent)s sent, %(suppressed)s suppressed, %(unknown)s unknown.",
                sent=self.sent_count + self.refused_count,
                suppressed=self.suppressed_count,
                unknown=self.unknown_count,
            )
        )
        self._schedule_results()

    def _on_review(self, template):
        """React to DirectMail's decision about the template that pending tasks wait for."""
        for task in self.filtered(lambda task: task.state == "pending").sudo():
            task = task.with_context(lang=task.user_id.lang)
            if template.state == "rejected":
                task._fail(
                    task.env._(
                        "DirectMail rejected the template: %s Correct it, submit it again, then"
                        " send.",
                        template.review_comment or "",
                    )
                )
            elif not task.scheduled_at or task.scheduled_at <= fields.Datetime.now():
                task.account_id._trigger_sending()

    def _on_refused(self, answer):
        """Pause: DirectMail refuses this content or quota, whoever it is for.

        :param answer: a `directmail.answers.Answer`
        """
        for task in self.filtered(lambda task: task.state == "sending"):
            task = task.with_context(lang=task.user_id.lang)
            message = task.env._(
                "DirectMail refuses these mails (%(code)s %(message)s). Nobody lost their place:"
                " settle this, then press Resume.",
                code=answer.code,
                message=answer.message,
            )
            task.write({"state": "paused", "state_message": message})
            task._tell_owner(message)

    def _tell_owner(self, text):
        self.message_post(
            body=Markup("<p>%s</p>") % text,
            partner_ids=self.user_id.partner_id.ids,
            subtype_xmlid="mail.mt_note",
        )
