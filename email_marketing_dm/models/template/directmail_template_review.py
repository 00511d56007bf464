import logging
from collections import namedtuple
from datetime import timedelta
from functools import partial

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.service.model import retrying
from odoo.tools import format_list

from ...directmail.errors import DirectMailError, is_not_allowed

_logger = logging.getLogger(__name__)
CRON = "email_marketing_dm.ir_cron_directmail_review"
# `_compare` takes a call for each template, so `_follow` calls it this often, and only for
# templates of tasks that are pending, sending or paused.
COMPARE_EVERY = timedelta(minutes=55)
#: DirectMail's list of templates: rows is {template id at DirectMail: `TemplateRow`}, submissions
#: is {id: `submission`} of our templates when DirectMail was asked.
Listing = namedtuple("Listing", "rows submissions")


class DirectmailTemplate(models.Model):
    """Review of templates, and changes made in DirectMail's console.

    DirectMail's reviewers decide, and nothing reports their decision, so DirectMail is polled.
    """

    _inherit = "directmail.template"

    lapse_reason = fields.Selection(
        [
            ("deleted", "Deleted at DirectMail"),
            ("changed", "Changed at DirectMail"),
            ("freed", "Removed to make room for others"),
        ],
        "Reason for lapsing",
        readonly=True,
        copy=False,
    )
    waiting_task_count = fields.Integer(compute="_compute_waiting_task_count", compute_sudo=True)
    template_warning = fields.Char(related="account_id.template_warning")

    @api.depends("task_ids.state")
    def _compute_waiting_task_count(self):
        templates = [task._get_templates() for task in self._get_tasks("pending")]
        for template in self:
            template.waiting_task_count = sum(template._origin in some for some in templates)

    # === ACTIONS === #

    def action_check_review(self):
        """Poll DirectMail for the accounts of these templates now; compare approved templates.

        :raise AccessError: for a template that the user may not change
        :raise UserError: if DirectMail can't be called
        """
        self.check_access("write")
        for account in self.account_id:
            account._check_can_call()
            self._apply_listing(account, self._ask(account))
        for template in self.filtered(lambda template: template.state == "approved"):
            template._compare()
        return True

    # === BUSINESS === #

    @api.model
    def _cron_review(self):
        """Poll the templates of every active account, by one paged listing each."""
        accounts = self.env["directmail.account"].search([("state", "=", "active")])
        accounts = accounts.filtered(lambda account: self._get_followed(account))
        self.env["ir.cron"]._commit_progress(remaining=len(accounts))
        for account in accounts:
            if account._is_armed():
                try:
                    listing = self._ask(account)
                    # Commit and invalidate: `_apply_listing` must see what users changed during the
                    # call to DirectMail.
                    self.env["ir.cron"]._commit_progress()
                    self.env.invalidate_all()
                    retrying(partial(self._apply_listing, account, listing), self.env)
                    account._free_ended_slots()
                except UserError as error:
                    _logger.warning("Templates of %s can't be asked about: %s", account.name, error)
                    self._get_followed(account)._schedule_review_check()
            self.env["ir.cron"]._commit_progress(1)

    @api.model
    def _get_followed(self, account):
        """Return the account's templates with a `remote_ref`, also archived, as sudo records."""
        return (
            self.sudo()
            .with_context(active_test=False)
            .search([("account_id", "=", account.id), ("remote_ref", "!=", False)])
        )

    @api.model
    def _ask(self, account):
        """Return DirectMail's list of the account's templates.

        :rtype: Listing
        :raise UserError: if DirectMail can't be called
        """
        submissions = {template.id: template.submission for template in self._get_followed(account)}
        rows = account._call(lambda client: list(client.list_templates()))
        return Listing({row.template_id: row for row in rows}, submissions)

    @api.model
    def _apply_listing(self, account, listing):
        """Update the account's templates from a listing.

        :param Listing listing: of `_ask`
        """
        # Write only a change: a write may conflict with the sending loop or a user.
        if account.template_count != len(listing.rows):
            # sudo(): callers have checked write access to a template, or are the cron.
            account.sudo().template_count = len(listing.rows)
        followed = self._get_followed(account)
        for template in followed:
            # A template submitted after `_ask` is skipped: the listing is about its older text.
            if listing.submissions.get(template.id) == template.submission:
                row = listing.rows.get(template.remote_ref)
                template._with_owner_language()._follow(row)
        followed._schedule_review_check()

    def _follow(self, row):
        """Update the template from its row in DirectMail's listing.

        :param row: a `directmail.client.TemplateRow`; None if DirectMail no longer has the template
        """
        self.ensure_one()
        now = fields.Datetime.now()
        due = not self.checked_at or now - self.checked_at > COMPARE_EVERY
        if row and self.state == "in_review" and not self.stored_text:
            self._take_reference()
        if row is None:
            self._lapse("deleted")
        elif self.state == "in_review" and row.status in ("approved", "rejected"):
            self._decide(row)
        elif self.state == "approved" and row.status != "approved":
            self._lapse("changed", self._read_difference())
        elif self.state == "approved" and due and self._get_tasks("pending", "sending", "paused"):
            try:
                self._compare()
            except UserError as error:
                _logger.warning("Template %s can't be read back: %s", self.id, error)
        elif self.state == "in_review":
            self.checked_at = now

    def _decide(self, row):
        """Write the reviewers' decision; notify the owner and the pending tasks.

        :param row: a `directmail.client.TemplateRow` with status "approved" or "rejected"
        """
        now = fields.Datetime.now()
        self.write(
            {
                "state": row.status,
                "reviewed_at": now,
                "checked_at": now,
                "review_comment": row.comment or False,
            }
        )
        waiting = self._get_tasks("pending")
        if row.status == "approved":
            kind = "success"
            message = self.env._("DirectMail approved this template.")
            ask = not waiting and self.env._("Approved: ready to send")
        else:
            kind = "warning"
            message = (
                self.env._(
                    "DirectMail rejected this template. Correct it and submit it again."
                    " DirectMail's comment: %s",
                    row.comment,
                )
                if row.comment
                else self.env._(
                    "DirectMail rejected this template without giving a reason. Correct it and"
                    " submit it again."
                )
            )
            ask = self.env._("Rejected: correct it and submit it again")
        self._tell_owner(message, kind, ask)
        waiting._on_review(self)
        self.env["directmail.series"]._on_review(self)

    def _lapse(self, reason, difference=""):
        """Record that DirectMail no longer has the template as it was approved.

        An approved template becomes "lapsed"; one in review too if mails with it are out, else it
        becomes a draft. It is not submitted again by itself: it may have been deleted for a reason.
        Except for "freed", the owner is notified, and tasks that use it are paused.

        :param str reason: a value of `lapse_reason`
        :param Markup difference: of `_get_difference`, for the message to the owner
        :return: explanation for users
        :rtype: str
        """
        self.ensure_one()
        # sudo(): the fields are guarded; any user's action or a cron may detect the lapse.
        template = self.sudo()
        state = {"approved": "lapsed", "in_review": "lapsed" if self._is_used() else "draft"}
        vals = {
            "state": state.get(template.state, template.state),
            "lapse_reason": reason,
            "checked_at": fields.Datetime.now(),
        }
        if reason != "changed":
            vals["remote_ref"] = False
        template.write(vals)
        message = template._explain_lapse()
        if reason == "freed":
            template._post_note(message)
        else:
            template._tell_owner(message, "warning", more=difference)
            template._get_tasks("pending", "sending", "paused")._on_review(template)
        return message

    def _explain_state(self):
        """Return why an email task can't be sent with this template, and what to do about it."""
        self.ensure_one()
        if self.state == "in_review":
            return self.env._("DirectMail is still reviewing the template.")
        if self.state == "rejected":
            return (
                self.env._(
                    "DirectMail rejected the template. Correct it, submit it again, then send the"
                    " email task. DirectMail's comment: %s",
                    self.review_comment,
                )
                if self.review_comment
                else self.env._(
                    "DirectMail rejected the template without giving a reason. Correct it, submit"
                    " it again, then send the email task."
                )
            )
        if self.lapse_reason:
            return self._explain_lapse()
        return self.env._("Submit the template %s for review first.", self.name)

    def _explain_lapse(self):
        return {
            "deleted": self.env._(
                "This template was deleted in DirectMail's console. If you still need it, submit it"
                " again for another review."
            ),
            "changed": self.env._(
                "This template was changed in DirectMail's console, so DirectMail no longer has the"
                " approved version. Submit it again for another review."
            ),
            "freed": self.env._(
                "DirectMail no longer has this template: no email task needed it, so it was removed"
                " to make room for other templates. To use it, submit it again for another review."
            ),
        }[self.lapse_reason]

    def _get_tasks(self, *states):
        """Return all users' tasks in one of the states that use these templates.

        As sudo records. Templates of versions are used, too.
        """
        return (
            self.env["directmail.task"]
            .sudo()
            .with_context(active_test=False)
            .search([("state", "in", states), *self._get_use_domain()])
        )

    def _get_use_domain(self):
        """Return the domain of the email tasks that use these templates, also in a version."""
        return [
            "|",
            ("template_id", "in", self.ids),
            ("version_ids.template_id", "in", self.ids),
        ]

    # === SCHEDULE OF POLLING === #

    def _schedule_review_check(self):
        """Trigger the next `_cron_review` of templates in review.

        In a minute until ten minutes after the submission, then in five minutes while an email task
        is pending, and at each pending task's `scheduled_at`. Else the cron's hourly run is enough.
        The emulator of a trial decides within moments, so it is asked at once.
        """
        now = fields.Datetime.now()
        soon, fixed = set(), set()
        # sudo(): callers may be users who wrote a template; only the cron is triggered.
        for template in self.filtered(lambda template: template.state == "in_review").sudo():
            tasks = template._get_tasks("pending")
            if template.account_id.is_trial and not template._is_asked_about():
                soon.add(now)
            elif template.submitted_at and now < template.submitted_at + timedelta(minutes=10):
                soon.add(now + timedelta(minutes=1))
            elif tasks:
                soon.add(now + timedelta(minutes=5))
            fixed.update(
                task.scheduled_at for task in tasks if task.scheduled_at and task.scheduled_at > now
            )
        cron = self.env.ref(CRON).sudo()
        planned = (
            self.env["ir.cron.trigger"]
            .sudo()
            .search([("cron_id", "=", cron.id), ("call_at", ">", now)])
            .mapped("call_at")
        )
        # Skip a trigger if an earlier one is planned: that run calls this method again. Otherwise
        # each press of *Check now* would start another series of triggers.
        times = fixed - set(planned)
        if soon and not any(moment <= min(soon) for moment in planned):
            times.add(min(soon))
        if times:
            cron._trigger(list(times))

    def _is_asked_about(self):
        """Return whether DirectMail was asked for the decision since the last submission."""
        self.ensure_one()
        return self.checked_at and self.checked_at >= self.submitted_at

    # === SLOT AT DIRECTMAIL === #
    # Archiving and deleting both free one of DirectMail's 100 template slots.

    @api.ondelete(at_uninstall=False)
    def _unlink_except_needed(self):
        # sudo(): tasks of other users count too; `_name_tasks` applies the user's rights.
        tasks = self.env["directmail.task"].sudo().with_context(active_test=False)
        if tasks := tasks.search(self._get_use_domain()):
            raise UserError(
                self.env._(
                    "A template that email tasks use can't be deleted. These use it: %s. Archive"
                    " the template instead; that removes it from DirectMail, too.",
                    self._name_tasks(tasks),
                )
            )

    def unlink(self):
        self.check_access("unlink")
        self._unlink_except_needed()
        # sudo(): the right to delete was checked above; users may not read the key.
        for account, templates in self.sudo().filtered("remote_ref").grouped("account_id").items():
            if account._is_armed():
                refs = templates.mapped("remote_ref")
                account._call(partial(_delete_all_remote, refs, is_optional=True))
            else:
                _logger.info("Templates %s stay at DirectMail: inactive account", templates.ids)
        return super().unlink()

    def _check_archivable(self):
        """Refuse to archive templates of tasks that are pending, sending or paused.

        :raise UserError: with the names of the tasks that the user may read
        """
        if tasks := self._get_tasks("pending", "sending", "paused"):
            raise UserError(
                self.env._(
                    "A template that unfinished email tasks use can't be archived. These use it:"
                    " %s. Cancel them, or wait until they are done.",
                    self._name_tasks(tasks),
                )
            )

    def _trigger_slot_release(self):
        """Trigger `_cron_review`, which deletes archived templates at DirectMail."""
        if any(self.mapped("remote_ref")):
            # sudo(): `write` has checked the rights; users may not read crons.
            self.env.ref("email_marketing_dm.ir_cron_directmail_review").sudo()._trigger()

    @api.model
    def _name_tasks(self, tasks):
        """Return names and states of `directmail.task` records as one text.

        Email tasks that the user may not read are only counted, as in `directmail.used`.
        """
        states = dict(tasks._fields["state"]._description_selection(self.env))
        seen = tasks.with_env(self.env)._filtered_access("read")
        parts = [f"{task.name} ({states[task.state]})" for task in seen]
        hidden = len(tasks) - len(seen)
        if hidden == 1:
            parts.append(self.env._("1 email task that you can't see"))
        elif hidden:
            parts.append(self.env._("%s email tasks that you can't see", hidden))
        return format_list(self.env, parts)

    def _free_slot(self, client):
        """Delete the template at DirectMail to free its slot; here it lapses with reason "freed".

        In a transaction of its own: if the caller's transaction fails later, the lapse must stay,
        because DirectMail's deletion can't be rolled back. The lapse is flushed before the call, so
        that only the commit can fail after it.

        :param client: a `directmail.client.DirectMailClient`
        :return: whether the slot was freed; False if the template is locked or was changed
        :rtype: bool
        """
        self.ensure_one()
        with self.env.registry.cursor() as cr:
            env = self._with_owner_language().env(cr=cr, su=True)
            template = self.with_env(env).try_lock_for_update()
            remote_ref = self.remote_ref
            if (template.state, template.remote_ref) != (self.state, remote_ref):
                return False
            template._lapse("freed")
            env.flush_all()
            _delete_all_remote([remote_ref], client)
        self.invalidate_recordset()
        return True


def _delete_all_remote(remote_refs, client, is_optional=False):
    """Delete templates at DirectMail; ids that do not exist there are ignored.

    :param list remote_refs: ids at DirectMail
    :param client: a `directmail.client.DirectMailClient`
    :param bool is_optional: log and return if the account may not delete templates
    :raise DirectMailError: if DirectMail refuses a deletion
    """
    for remote_ref in remote_refs:
        try:
            client.delete_template(remote_ref)
        except DirectMailError as error:
            if is_optional and is_not_allowed(error):
                _logger.warning("Templates %s stay at DirectMail: %s", remote_refs, error.code)
                return
            if error.kind != "not_found":
                raise
