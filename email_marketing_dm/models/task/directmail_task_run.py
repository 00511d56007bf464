import logging
from datetime import timedelta
from functools import wraps

from odoo import fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL, formatLang

from ...content.placeholders import OWN_VARIABLES
from ...directmail.answers import verdict_of_code
from ...directmail.behaviors import find_suspect
from ...directmail.errors import DirectMailError
from ...engine import plan
from ...engine.clock import describe_moment
from ...engine.context import TaskContent
from ...engine.fatigue import TaskRules
from ...engine.people import Lenders
from ...engine.plan import TaskPlan
from ...engine.rekey import MARKED
from ...exceptions import BusyError, MasterKeyProblem
from ..people_context import PEOPLE_CONTEXT

_logger = logging.getLogger(__name__)
# Values of `DirectMailError.kind` that are temporary: the task stays pending and is retried.
PASSING = ("unreachable", "throttled", "server")
# A task is not sent without asking if its time is past by more than this: `_is_too_late`.
TOO_LATE = timedelta(hours=24)
TOO_LATE_APPROVED = timedelta(days=5)


class PauseTask(UserError):
    """Raised to pause the task until its owner decides; ``reason`` is a value of PAUSE_REASONS."""

    def __init__(self, reason, message):
        super().__init__(message)
        self.reason = reason


class NobodyToMail(UserError):
    """Raised if a task would mail nobody; a recurring task then waits for its next run."""


def _step(method):
    """Make a method a step of a task's start: it returns False if the task can't go on.

    The step runs in a savepoint, and only if the task is pending. A UserError in it pauses or fails
    the task, or has the cron try again in a minute if the error is temporary.
    """

    @wraps(method)
    def attempt(self):
        self.ensure_one()
        # The owner may have withdrawn or cancelled the task before a retried transaction.
        if self.state != "pending":
            return False
        try:
            with self.env.cr.savepoint():
                self._check_key()
                self._check_taken_over()
                return method(self)
        except PauseTask as error:
            self._pause(error.reason, error.args[0])
        except NobodyToMail as error:
            if self.recurring_id:
                self._give_up_run(error.args[0], stops=False)
            else:
                self._fail(error.args[0])
        except UserError as error:
            if self._is_passing(error):
                _logger.warning("Email task %s is tried again: %s", self.id, error)
                self.state_message = error.args[0]
                self.account_id._trigger_sending(fields.Datetime.now() + timedelta(minutes=1))
            else:
                self._fail(error.args[0])
        return False

    return attempt


class DirectmailTask(models.Model):
    """Start and end of a task. In between, the sending loop of `engine` works on its deliveries."""

    _inherit = "directmail.task"

    @_step
    def _prepare(self):
        """Check a task that is due, compare its template, and create its tag at DirectMail.

        The cron commits before it calls `_launch`: planning may take a minute, and a user who
        withdraws or cancels the task then must not wait for the lock on its row.

        :return: whether to call `_launch`
        :rtype: bool
        """
        if not self.planned_at:
            self._check_not_too_late()
        # `action_send` checked the address, but it may have changed since.
        # sudo(): the sending cron calls this, not a user.
        message = self.account_id.sudo()._explain_public_url()
        if message:
            raise PauseTask("account", message)
        if message := self.sender_id._find_guard_stop():
            raise PauseTask("guard", message)
        self._check_template()
        if any(template._compare() for template in self._get_templates()):
            return False  # `_compare` let the template lapse, which paused this task
        self._ensure_tag()
        return True

    @_step
    def _launch(self):
        """Plan a prepared task and set it to "sending".

        All or nothing: if a task fails here the first time, it has no deliveries. A task that was
        planned before continues with the deliveries that still wait.

        :return: whether the task is sending
        :rtype: bool
        """
        if not self.planned_at and self.series_step_id:
            self._open_month()
        elif not self.planned_at:
            if not self.use_as_is:
                self._refresh_audiences()
            self._check_refreshed()
            self._check_exclusions()
            self._plan()
            self._take_snapshots()
        else:
            self._retake_content()
        self._make_links()
        self.write({"state": "sending", "state_message": False, "content_changed": False})
        self._wake_series()
        return True

    def _is_passing(self, error):
        """Return whether an error is temporary, so that the task is retried.

        :param UserError error: raised from a `DirectMailError` if a call failed
        :rtype: bool
        """
        cause = error.__cause__
        return isinstance(error, (BusyError, MasterKeyProblem)) or (
            isinstance(cause, DirectMailError) and cause.kind in PASSING
        )

    def _is_too_late(self):
        """Return whether `scheduled_at` is past by more than TOO_LATE.

        If the template was approved after `scheduled_at`, TOO_LATE counts from the approval, but
        the task is too late TOO_LATE_APPROVED after `scheduled_at` in any case.
        """
        self.ensure_one()
        now, planned = fields.Datetime.now(), self.scheduled_at
        if not planned:
            return False
        approved = max(self._get_templates().mapped(lambda t: t.reviewed_at or planned))
        return now - max(planned, approved) > TOO_LATE or now - planned > TOO_LATE_APPROVED

    def _check_not_too_late(self):
        """Pause a task that is too late, so that its owner decides.

        :raise PauseTask: if `_is_too_late`
        """
        if self._is_too_late():
            raise PauseTask(
                "too_late",
                self.env._(
                    "The scheduled time %s has passed. Press Send now, enter a new time and press"
                    " Send at the new time, or press Cancel.",
                    describe_moment(self.env, self.scheduled_at, self.account_id.tz),
                ),
            )

    def _check_exclusions(self):
        """Refuse excluded audiences with an address key of a lost master key.

        Such a member can't be matched with an address, so the person would get the mail.

        :raise UserError: with the name of such an audience
        """
        lost = self.env.execute_query(
            SQL(
                """SELECT audience_id FROM directmail_audience_member
                    WHERE audience_id = ANY(%s) AND address_key LIKE %s LIMIT 1""",
                self.exclude_audience_ids.ids,
                MARKED,
            )
        )
        if lost:
            raise UserError(
                self.env._(
                    "Encrypted addresses of the excluded audience %s can't be recognized since the"
                    " master key was replaced. Ask an administrator to enter the AES key, refresh"
                    " the audience, then send again.",
                    # sudo() reads the name of an audience that the task's owner chose.
                    self.env["directmail.audience"].browse(lost[0]).sudo().name,
                )
            )

    def _plan(self):
        """Insert a delivery for each person in the audiences; set `planned_at`.

        :raise UserError: if nobody would get a mail
        """
        self.env.flush_all()
        # Judged with the owner's rights, not with those of the user who pressed *Send*.
        self.in_tens = self.with_env(self._get_owner_env())._mixes_in_others()
        if self.in_tens:
            self._mark_lists()
        if self.origin_id or self._mails_new_people():
            self._keep_content(self._take_content(self.template_id))
            self.env.flush_all()
        people = plan.insert_deliveries(self.env, self._get_task_plan())
        self.env.invalidate_all()
        # Where figures are rounded to tens, this error would reveal that each person of a short
        # list is in another user's audience. So the task goes on, and ends by `_may_end`.
        is_told = not self.in_tens or not people
        if is_told and not people.get("waiting") and not self._get_held_back():
            raise NobodyToMail(self._explain_nobody(people))
        self._check_test_group()
        self._freeze()

    def _take_snapshots(self):
        """Keep who is in the audiences that keep a snapshot at each email task."""
        # sudo(): a colleague's public audience may be mailed, and says itself what is kept of it.
        for audience in self.sudo().audience_ids.filtered("keeps_snapshots"):
            audience._take_snapshot(self)

    def _freeze(self):
        """Store what the plan was made with; set `planned_at`."""
        self.mailing_list_ids = self._get_mailing_lists()
        # sudo(): lists of colleagues count, too, if the task may use an audience made of them.
        task = self.sudo()
        task.upload_ids = task.audience_ids._get_uploads()
        self.control_shuffle = self._get_control_shuffle()
        self.planned_at = fields.Datetime.now()

    def _explain_nobody(self, people):
        """Return why nobody would get a mail, and what to do.

        :param dict people: {state: number} of the planned deliveries
        """
        if not people:
            return self.env._("The audience has nobody in it. Change its lines, then send again.")
        if self._has_control_people():
            return self.env._(
                "Everybody in the audience who can be mailed is in a control group. Choose a larger"
                " audience, or a smaller share for the control group, then send again."
            )
        if self._mails_new_people():
            return self.env._(
                "Nobody new: all people in the audience were mailed by an earlier run, have no"
                " usable address or have unsubscribed."
            )
        if self.origin_id:
            return self.env._(
                "Nobody in the audience can be mailed: they already got this mail, have no usable"
                " address or have unsubscribed. Change the mail or the audience, then send again."
            )
        return self.env._(
            "Nobody in the audience can be mailed: they have no usable address or have"
            " unsubscribed. Change the audience, then send again."
        )

    def _finish(self):
        self.write({"state": "done", "finished_at": fields.Datetime.now()})
        message = self.env._(
            "The email task is done. Submitted to DirectMail: %(sent)s. Suppressed:"
            " %(suppressed)s. Unknown: %(unknown)s.",
            sent=formatLang(self.env, self.sent_count + self.refused_count, digits=0),
            suppressed=self._say_count("suppressed"),
            unknown=formatLang(self.env, self.unknown_count, digits=0),
        )
        if self.recurring_id or self.series_step_id:
            # Nobody waits for the end of a run: a notification every hour would be too many.
            self._post_note(message)
        else:
            self._tell_owner(message, "success")

    def _on_review(self, template):
        """React to the review of the template these tasks send, or to its lapse.

        Approved: trigger sending of tasks that are due. Rejected: the tasks fail. Else: pause them.

        :param template: a `directmail.template` that has just changed its state
        """
        now = fields.Datetime.now()
        # sudo(): DirectMail or an administrator decided; tasks of all owners follow.
        # Recurring tasks first: a run that is given up finds its recurring task stopped already.
        for task in self.sudo().sorted(lambda task: task.send_type != "repeat"):
            task = task._with_owner_language()
            if template.state == "approved":
                if task.planned_at or (task.scheduled_at or now) <= now:
                    task.account_id._trigger_sending()
                continue
            if template.state == "rejected" and task.version_ids and not task.planned_at:
                task._ask_about_rejected(template)
                continue
            message = template.with_env(task.env)._explain_state()
            if template.state == "rejected":
                task._fail(message)
            else:
                task._pause("template", message)

    def _explain_suspect(self, name):
        """Return which unverified behavior of DirectMail may explain a refusal, and what to do.

        :param str name: name of a behavior in `directmail.behaviors`
        """
        names = self.env["directmail.behavior"]._fields["name"]
        question = dict(names._description_selection(self.env))[name]
        if name == "template_senders":
            modes = self.env["directmail.account"]._fields["content_mode"]
            return self.env._(
                "The reason may be something that has not been tested for this account yet:"
                " %(question)s Ask an administrator to run First contact on the account, or to"
                " change the account's content to “%(content)s”.",
                question=question,
                content=dict(modes._description_selection(self.env))["body"],
            )
        return self.env._(
            "The reason may be something that has not been tested for this account yet:"
            " %(question)s Ask an administrator to run First contact on the account.",
            question=question,
        )

    def _on_refused(self, answer):
        """Pause sending tasks whose content or quota DirectMail refused, or whose mails failed.

        :param answer: a `directmail.answers.Answer`; its code is "ContentError" if Odoo could not
            make the mails
        """
        quota = verdict_of_code(answer.code)[1] == "quota"
        for task in self.filtered(lambda task: task.state == "sending"):
            task = task._with_owner_language()
            if answer.code == "ContentError":
                task._pause("content", task._explain_content_error(answer.message))
                continue
            said = {"code": answer.code, "message": answer.message}
            if quota:
                message = task.env._(
                    "DirectMail reports that the quota is used up (%(code)s %(message)s). No"
                    " recipient was skipped. Press Resume when quota is available again, usually"
                    " after midnight in Beijing.",
                    **said,
                )
            else:
                message = task.env._(
                    "DirectMail refuses these mails (%(code)s %(message)s). No recipient was"
                    " skipped. Fix the problem, then press Resume.",
                    **said,
                )
            suspect = find_suspect(answer.code, task.account_id.content_mode)
            if suspect:
                message += " " + task._explain_suspect(suspect)
            task._pause("quota" if quota else "refused", message)

    # === ENGINE === #
    # What a task hands to the engine, which calls no model itself.

    def _get_task_plan(self):
        """Return what a plan or an estimate needs, as `engine.plan.TaskPlan`."""
        self.ensure_one()
        # sudo() to read the owners only. The right to use the audiences was checked when they were
        # chosen for the task.
        owners = self.audience_ids.sudo().user_id
        return TaskPlan(
            task_id=self.id,
            account_id=self.account_id.id,
            audience_ids=self.audience_ids.ids,
            lenders=Lenders(self.user_id.id, owners.ids),
            uncounted=self.account_id.is_trial
            or (self.is_notification and not self.notification_counts),
            rules=self._get_task_rules(),
            context=PEOPLE_CONTEXT,
            got_from=self._get_got_from(),
            test_group=self._get_test_group(),
            # sudo(): users may not read the settings of the sender address's warm-up.
            engaged_first=self.sender_id.sudo().warmup_on,
        )

    def _get_task_rules(self):
        """Return what decides whether its people may be mailed, as `engine.fatigue.TaskRules`."""
        self.ensure_one()
        audiences = self.audience_ids | self.exclude_audience_ids
        return TaskRules(
            company_id=self.company_id.id,
            sender_id=self.sender_id.id or None,
            is_free=self._is_free_of_fatigue(),
            not_after=self.not_after or None,
            zone=self.account_id.tz,
            lists=self._get_mailing_lists().ids,
            is_encrypted=self.address_form == "encrypted",
            aes_reference=self.env["directmail.aes.key"]._get_reference(self.company_id),
            has_records=audiences._has_others_than_contacts(),
            except_ids=self.exclude_audience_ids.ids,
            # sudo(): nobody may read the field; it only finds the tickets of the task.
            content_id=self.sudo().family_content_id or None,
            control=self._get_control_groups(),
            mailing=self._get_purpose_rules(),
            wishes=self._has_wishes(),
            # sudo(): the owner of the series, whose task it is, chose the audiences.
            exits=self.sudo().series_id._get_exits(),
            hours=self.sudo().series_id._get_hours(),
        )

    def _get_mail_content(self, letter):
        """Return what all mails of the task have in common, as `engine.context.TaskContent`.

        :param str letter: of a version of the task, or None
        """
        self.ensure_one()
        template = self._get_version_template(letter)
        return TaskContent(
            sender=self.sender_id.email,
            address_type=0 if self.address_type == "random" else 1,
            sender_name=template.sender_name,
            reply=self._get_reply(),
            tag=self.tag_name,
            template_ref=template.remote_ref,
            subject=template.submitted_subject,
            text=template.submitted_text,
            plain_names=frozenset(
                variable["name"]
                for variable in template.variables or ()
                if variable["where"] == "subject"
            ),
            own_names=frozenset(
                name for name in OWN_VARIABLES if "{%s}" % name in (template.submitted_text or "")
            ),
        )

    def _get_mail_values(self, letter, people):
        """Return {person.id: {variable: text}}: see `directmail.template._get_values`.

        :param str letter: of the people's version of the task, or None
        :raise UserError: if a user has left whose rights the placeholders are read with
        """
        self.ensure_one()
        self._check_lenders()
        return self._get_values(letter, people)

    def _get_values(self, letter, people):
        """Return the values of a planned task's mails: see `directmail.template._get_values`.

        :param str letter: of the people's version of the task, or None
        """
        # sudo(): see `_plan`, which has stored the lists.
        uploads = self.sudo().upload_ids
        template = self._get_version_template(letter)
        # sudo(): only the ids; the template reads the records with the rights of their readers.
        records = self.sudo().series_id._get_records_of_mails([person.id for person in people])
        return template._get_values(people, self.user_id, uploads, records)
