from odoo.tests import TransactionCase, tagged

from ..common import DirectmailCommon
from ..common_home import HomeMixin
from ..common_upload import UploadMixin


@tagged("post_install", "-at_install")
class TestNextStep(HomeMixin, TransactionCase):
    """Each page leads to the next step."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls._connect()

    def _get_help(self, xmlid, user=None):
        """Return the text of an empty list, as the web client loads it."""
        action = self.env.ref(f"email_marketing_dm.{xmlid}").with_user(user or self.user)
        return action._get_action_dict()["help"]

    def _open(self, action):
        """Return the new record that an action opens, with its defaults."""
        model = self.env[action["res_model"]].with_user(self.user)
        model = model.with_context(**action["context"])
        return model.new(model.default_get(list(model._fields)))

    def test_account_is_unused_until_a_task_has_started(self):
        self.assertTrue(self.account.is_unused)
        audience = self._make_audience(self._make_people("ada@example.com"))
        task = self._make_task(audience)
        self.account.invalidate_recordset(["is_unused"])
        self.assertTrue(self.account.is_unused)
        task.action_send()
        self._run_cron()
        task.active = False
        self.account.invalidate_recordset(["is_unused"])
        self.assertFalse(self.account.is_unused)

    def test_audience_leads_to_a_task(self):
        audience = self._make_audience(self._make_people("ada@example.com"))
        task = self._open(audience.action_new_task())
        self.assertEqual(task.audience_ids._origin, audience)
        self.assertEqual(task.account_id._origin, self.account)

    def test_template_leads_to_a_task(self):
        template = self._make_template()
        task = self._open(template.with_user(self.user).action_new_task())
        self.assertEqual(task.template_id._origin, template)
        self.assertEqual(task.account_id._origin, self.account)

    def test_empty_list_of_templates_shows_designs(self):
        shown = self._get_help("directmail_template_action")
        designs = self.env["directmail.design"].search([], limit=4)
        self.assertTrue(designs)
        for design in designs:
            self.assertIn(f"/directmail/thumbnail/design/{design.id}", shown)
            self.assertIn(f"&#39;active_id&#39;: {design.id}", shown)

    def test_a_design_in_the_empty_list_opens_a_new_template(self):
        """Marketers may read designs only; the action behind the link runs all the same."""
        design = self.env["directmail.design"].search([], limit=1)
        action = self.env.ref("email_marketing_dm.directmail_design_action_use")
        found = (
            action.with_user(self.user)
            .with_context(active_model=design._name, active_id=design.id, active_ids=design.ids)
            .run()
        )
        self.assertEqual(found["res_model"], "directmail.template")
        self.assertEqual(found["context"]["default_subject"], design.subject)

    def test_empty_lists_let_one_start(self):
        self.assertIn("directmail_home_action", self._get_help("directmail_task_action"))
        shown = self._get_help("directmail_audience_action")
        self.assertIn('name="email_marketing_dm.directmail_audience_action_new"', shown)
        self.assertIn('name="email_marketing_dm.directmail_upload_action_new"', shown)
        self.assertIn('type="action"', shown)
        self.assertIn("directmail_upload_action_new", self._get_help("directmail_upload_action"))

    def test_buttons_of_the_forms(self):
        for model in ("directmail.audience", "directmail.upload", "directmail.template"):
            with self.subTest(model):
                arch = self.env[model].with_user(self.user).get_view(view_type="form")["arch"]
                self.assertIn('name="action_new_task"', arch)


@tagged("post_install", "-at_install")
class TestNextStepOfUpload(UploadMixin, DirectmailCommon):
    def test_upload_leads_to_a_task_with_its_audience(self):
        upload = self._upload("Email\nada@example.com\nbo@example.com\n")
        action = upload.action_new_task()
        audience = self.env["directmail.audience"].browse(action["context"]["default_audience_ids"])
        self.assertEqual(audience.user_id, self.user)
        self.assertEqual(audience.line_ids.upload_id, upload)
        self.assertEqual(audience.people_count, upload.people_count)
        again = upload.action_new_task()
        self.assertEqual(again["context"]["default_audience_ids"], audience.ids)

    def test_an_audience_with_further_lines_is_not_taken(self):
        upload = self._upload("Email\nada@example.com\nbo@example.com\n")
        lines = [{"kind": "upload", "upload_id": upload.id}, {"domain": "[]"}]
        other = self._make_audience(None, lines=lines)
        action = upload.action_new_task()
        self.assertNotIn(other.id, action["context"]["default_audience_ids"])
