from datetime import timedelta

from odoo.tests import tagged

from ..common import DirectmailCommon


@tagged("post_install", "-at_install")
class TestTaskTag(DirectmailCommon):
    """DirectMail keeps a limited number of tags, and every email task needs one."""

    def setUp(self):
        super().setUp()
        # DirectMail keeps what a test before has left there.
        client = self.account._get_client()
        for tag in client.list_tags():
            client.delete_tag(tag.tag_id)
        self.audience = self._make_audience(self._make_people("ann@example.com"))
        self.template = self._make_template()

    def _send(self):
        task = self._make_task(self.audience, self.template)
        task.action_send()
        self._run_cron()
        return task

    def _limit_tags(self, room):
        self.emulator.change_settings({"limits": {"tags": len(self._get_tags()) + room}})
        self.addCleanup(self.emulator.change_settings, {"limits": {"tags": 100}})

    def _get_tags(self):
        return {tag.name for tag in self.account._get_client().list_tags()}

    def test_the_oldest_task_whose_results_are_in_gives_its_tag_back(self):
        self._limit_tags(2)
        old, recent = self._send(), self._send()
        self.assertEqual((old | recent).mapped("state"), ["done", "done"])
        old.sudo().finished_at -= timedelta(days=4)
        task = self._send()
        self.assertEqual((task.state, task.sent_count), ("done", 1))
        tags = self._get_tags()
        self.assertFalse(old.tag_name in tags)
        self.assertTrue({recent.tag_name, task.tag_name} <= tags)

    def test_a_deleted_tasks_tag_is_free(self):
        name = f"{self.env['directmail.task']._get_tag_prefix()}987654321"
        self.account._get_client().create_tag(name)
        self._limit_tags(0)
        self.assertEqual(self._send().state, "done")
        self.assertFalse(name in self._get_tags())

    def test_nobody_elses_tag_is_touched(self):
        client = self.account._get_client()
        client.create_tag("odoo_99999999_1")
        client.create_tag("spring_sale")
        self._limit_tags(1)
        self._send()
        task = self._send()
        self.assertEqual(task.state, "failed")
        self.assertIn("no room for this email task's tag", task.state_message)
        self.assertTrue({"odoo_99999999_1", "spring_sale"} <= self._get_tags())
