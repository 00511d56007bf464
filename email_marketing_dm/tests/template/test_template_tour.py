from odoo.tests import tagged

from ..common import DirectmailMixin
from ..common_http import PatientHttpCase


@tagged("post_install", "-at_install")
class TestTemplateTour(DirectmailMixin, PatientHttpCase):
    """From a design to a mail that is out, with everything that comes between, in a browser."""

    def test_from_design_to_mail(self):
        self.env.company.partner_id.write(
            {"street": "1 Orchard Road", "zip": "238824", "city": "Singapore"}
        )
        self.start_tour("/odoo", "directmail_template_write", login="dm_user")
        template = self.env["directmail.template"].search([("name", "=", "Tour launch")])
        self.assertTrue(template.body_html, "the builder has made it ready for mail programs")
        template.write(
            {
                name: template[name].replace("/unsubscribe_from_list", "https://azure.org/")
                for name in ("body_arch", "body_html")
            }
        )
        self.start_tour("/odoo", "directmail_template_mend", login="dm_user")
        self.assertEqual(template.state, "in_review")
        self.assertIn("/directmail/unsubscribe/{Token}", template.submitted_text)

        self.emulator.reject(template.remote_ref, "Say who you are.")
        self.start_tour("/odoo", "directmail_template_correct", login="dm_user")
        self.emulator.approve(template.remote_ref)
        template.action_check_review()
        self.assertEqual(template.state, "approved")

        people = self._make_people("ada@example.com", "bo@example.com")
        task = self._make_task(self._make_audience(people), template)
        task.action_send()
        self._run_cron()
        self.assertEqual(task.state, "done")
        mails = self.emulator.ledger(task.tag_name)
        self.assertEqual({mail["to"] for mail in mails}, {"ada@example.com", "bo@example.com"})
