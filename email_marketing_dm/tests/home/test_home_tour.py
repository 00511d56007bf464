from odoo.tests import tagged

from ..common_home import HomeMixin
from ..common_http import PatientHttpCase


@tagged("post_install", "-at_install")
class TestHomeTour(HomeMixin, PatientHttpCase):
    """The buttons of Home, as a marketing user presses them."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls._connect()
        cls.audience = cls._make_audience(cls._make_people("ada@example.com"), name="Home audience")
        cls.audience.action_refresh()

    def test_choose_a_design(self):
        self.start_tour("/odoo", "directmail_home_design", login="dm_user")

    def test_create_the_email_task(self):
        template = self._make_template(approved=False, name="Home template")
        template.action_submit()
        self.start_tour("/odoo", "directmail_home_task", login="dm_user")
        task = self.env["directmail.task"].search([("name", "=", "Home task")])
        self.assertEqual(task.audience_ids, self.audience)
        self.assertEqual(task.template_id, template)
        self.assertEqual(task.account_id, self.account)
