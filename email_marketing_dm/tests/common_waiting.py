from .common import start_task


class WaitingMixin:
    """Plans a task, lets something happen to its people, and goes on with it."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.template = cls._make_template()

    def _plan(self, audience=None, **vals):
        """Plan a task and pause it before its first mail."""
        task = self._make_task(audience or self._make_audience(self.people), self.template, **vals)
        task.action_send()
        self.assertTrue(start_task(task.sudo()), task.state_message)
        task.action_pause()
        self.env.flush_all()
        return task

    def _finish(self, task):
        self.env.flush_all()
        task.action_resume()
        self._run_cron()
        if task.in_tens and not task.sent_count:
            self._run_cron(at=task.sudo()._get_latest_end())
        self.assertEqual(task.state, "done")
        self.assertSumRule(task.sudo())

    def _get_mailed(self, task):
        return sorted(self._get_everybody(task, "sent").mapped("email"))

    def _get_reasons(self, task):
        return sorted(self._get_everybody(task, "suppressed").mapped("reason"))

    def _get_everybody(self, task, state):
        """Return the people of a task in a state, also those whom its owner may not see."""
        deliveries = self.env["directmail.delivery"]
        return deliveries.search([("task_id", "=", task.id), ("state", "=", state)])
