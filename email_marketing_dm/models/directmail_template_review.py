import logging
from datetime import timedelta

from markupsafe import Markup

from odoo import api, fields, models
from odoo.exceptions import UserError

_logger = logging.getLogger(__name__)

CRON = "email_marketing_dm.ir_cron_directmail_review"


class DirectmailTemplate(models.Model):
    """Following the review: only people at Alibaba Cloud decide, so all that remains is to ask."""

    _inherit = "directmail.template"

    @api.model
    def _cron_review(self):
        """Ask about every template in review, one paged call per account."""
        self.search([("state", "=", "in_review")])._poll_review()

    def _poll_review(self, raise_errors=False):
        """Bring the state of templates in review up to date.

        :param bool raise_errors: whether somebody waits for the answer
        :raise UserError: if DirectMail can't be asked and `raise_errors` is set
        """
        waiting = self.filtered(lambda template: template.state == "in_review").sudo()
        for account, templates in waiting.grouped("account_id").items():
            try:
                rows = account._call(
                    lambda client: {row.template_id: row for row in client.list_templates()}
                )
            except UserError as error:
                if raise_errors:
                    raise
                _logger.warning("Review of %s can't be asked about: %s", account.name, error)
                continue
            for template in templates:
                template = template.with_context(lang=template.user_id.lang)
                template._apply_review(rows.get(template.remote_ref))
        waiting._schedule_review_check()

    def _apply_review(self, row):
        """Take over DirectMail's decision.

        :param row: a `directmail.client.TemplateRow`, or None if DirectMail has it no longer
        """
        self.ensure_one()
        now = fields.Datetime.now()
        self.checked_at = now
        if row is None:
            self.write({"state": "draft", "remote_ref": False, "remote_name": False})
            self._tell_owner(self.env._("DirectMail no longer has this template. Submit it again."))
            return
        if row.status not in ("approved", "rejected"):
            return
        self.write({"state": row.status, "reviewed_at": now, "review_comment": row.comment})
        if row.status == "approved":
            self._tell_owner(self.env._("DirectMail approved this template."))
        else:
            self._tell_owner(
                self.env._(
                    "DirectMail rejected this template: %(comment)s Correct it and submit it"
                    " again.",
                    comment=row.comment or self.env._("no reason given."),
                )
            )
        self.task_ids._on_review(self)

    def _tell_owner(self, text):
        self.message_post(
            body=Markup("<p>%s</p>") % text,
            partner_ids=self.user_id.partner_id.ids,
            subtype_xmlid="mail.mt_note",
        )

    def _schedule_review_check(self):
        """Ask again when an answer is likely to matter.

        Every minute for the first ten, then every five while an email task waits and once at that
        task's time. Otherwise the cron's own hour is soon enough.
        """
        now = fields.Datetime.now()
        cron = self.env.ref(CRON).sudo()
        times = set()
        for template in self.filtered(lambda template: template.state == "in_review").sudo():
            tasks = template.task_ids.filtered(lambda task: task.state == "pending")
            if template.submitted_at and now < template.submitted_at + timedelta(minutes=10):
                times.add(now + timedelta(minutes=1))
            elif tasks:
                times.add(now + timedelta(minutes=5))
            times.update(
                task.scheduled_at for task in tasks if task.scheduled_at and task.scheduled_at > now
            )
        if times:
            cron._trigger(list(times))
