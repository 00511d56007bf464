from odoo import fields

from .common import DirectmailCommon

CRON = "email_marketing_dm.ir_cron_directmail_review"


class ReviewCommon(DirectmailCommon):
    def setUp(self):
        super().setUp()
        # The emulator of a class keeps its templates and faults from test to test.
        self.emulator.clear_faults()
        self.account._call(
            lambda client: [
                client.delete_template(row.template_id) for row in list(client.list_templates())
            ]
        )

    def _submitted(self, **vals):
        template = self._make_template(approved=False, **vals)
        template.action_submit()
        return template

    def _run_review_cron(self):
        self.env.flush_all()
        with self.enter_registry_test_mode():
            self.env.ref(CRON).method_direct_trigger()
        self.env.invalidate_all()

    def _change_remote(self, template, text="<p>Other</p>"):
        """What somebody does in DirectMail's console."""
        self.account._call(
            lambda client: client.modify_template(
                template.remote_ref, template.remote_name, "Hijacked", "Azure", text
            )
        )
        self.emulator.approve(template.remote_ref)

    def _remote_names(self):
        return self.account._call(lambda client: [row.name for row in client.list_templates()])

    def _delete_remote(self, template):
        self.account._call(lambda client: client.delete_template(template.remote_ref))

    def _pending_task(self, template, **vals):
        people = self._make_people("a@example.com")
        task = self._make_task(self._make_audience(people), template, **vals)
        task.action_send()
        return task

    def _checks(self):
        """Return when DirectMail will be asked again, in minutes from now."""
        now = fields.Datetime.now()
        triggers = self.env["ir.cron.trigger"].search(
            [("cron_id", "=", self.env.ref(CRON).id), ("call_at", ">", now)]
        )
        return sorted(round((t.call_at - now).total_seconds() / 60) for t in triggers)
