from odoo import fields

from .common import DirectmailMixin, start_task


class VersionsMixin(DirectmailMixin):
    """An email task with an approved mail, and how to add versions to it."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.people = cls._make_people(*(f"person{i}@example.com" for i in range(60)))
        cls.audience = cls._make_audience(cls.people)
        cls.template = cls._make_template()

    def _make_test(self, *subjects, **vals):
        """Make a task with versions of the same mail with these subjects."""
        task = self._make_task(self.audience, self.template, **{"test_share": 50, **vals})
        for subject in subjects:
            self._add(task, subject=subject)
        return task

    def _add(self, task, **vals):
        """Add a version as the dialog of *Add a version* does."""
        action = task.action_add_version()
        versions = self.env[action["res_model"]].with_user(self.user)
        return versions.browse(versions.with_context(**action["context"]).create(vals).id)

    def _approve(self, task):
        """Submit and approve the templates of all versions."""
        for template in task.version_ids.template_id:
            if template.state == "draft":
                template.action_submit()
            if template.state == "in_review":
                self.emulator.approve(template.remote_ref)
                template.action_check_review()

    def _start(self, task):
        self._approve(task)
        task.action_send()
        self.assertTrue(start_task(task.sudo()), task.state_message)

    def _send(self, *subjects, **vals):
        """Send the test group of a test."""
        task = self._make_test(*subjects, **vals)
        self._approve(task)
        task.action_send()
        self._run_cron()
        return task

    def _get_deliveries(self, task):
        return self.env["directmail.delivery"].search([("task_id", "=", task.id)])

    def _make_out(self, task):
        """Let the decision of a test whose mails are out be due."""
        self.env.flush_all()
        self.env.cr.execute(
            """UPDATE directmail_delivery SET claimed_at = claimed_at - interval '60 days'
                WHERE task_id = %s""",
            [task.id],
        )
        self.env.cr.execute(
            """UPDATE directmail_task SET verdict_at = verdict_at - interval '60 days'
                WHERE id = %s""",
            [task.id],
        )
        self.env.invalidate_all()

    def _react(self, task, **numbers):
        """Let so many people of each version click."""
        for letter, number in numbers.items():
            mailed = self._get_deliveries(task).filtered(
                lambda d, letter=letter: d.version == letter and not d.is_rest
            )
            mailed[:number].sudo().clicked_at = fields.Datetime.now()
        self.env.flush_all()

    def _get_subjects(self, task):
        """Return {address: subject of the mail that the emulator accepted}."""
        return {mail["to"]: mail["subject"] for mail in self.emulator.ledger(task.tag_name)}
