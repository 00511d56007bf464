from odoo import fields
from odoo.exceptions import AccessError, UserError
from odoo.tests import tagged

from ..common import DirectmailCommon, start_task


@tagged("post_install", "-at_install")
class TestTaskEstimate(DirectmailCommon):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.env["directmail.usage"].search([]).unlink()
        cls.people = cls._make_people(
            "a@x.com", "b@x.com", "c@x.com", "A@x.com", "black@x.com", "nonsense", False
        )
        cls.env["mail.blacklist"].sudo()._add("black@x.com")
        cls.excluded = cls._make_audience(cls.people[1])
        cls.task = cls._make_task(
            cls._make_audience(cls.people),
            exclude_audience_ids=[fields.Command.set(cls.excluded.ids)],
        )

    def _open(self, button="open_send", task=None):
        task = task or self.task
        action = getattr(task, f"action_{button}")()
        return self.env[action["res_model"]].with_env(task.env).browse(action["res_id"])

    def test_people_minus_each_reason_is_what_the_plan_finds(self):
        estimate = self._open()
        self.assertEqual((estimate.people_count, estimate.mail_count), (7, 2))
        self.assertEqual(sum(estimate.line_ids.mapped("people")), 5)
        self.assertEqual(len(estimate.line_ids), 5)
        estimate.action_send()
        self._run_cron()
        self.assertEqual((self.task.people_count, self.task.sent_count), (7, 2))
        labels = dict(self.env["directmail.delivery"]._fields["reason"].selection)
        planned = self.task.delivery_ids.filtered("reason").grouped("reason")
        self.assertEqual(
            {line.name: line.people for line in estimate.line_ids},
            {labels[reason]: len(rows) for reason, rows in planned.items()},
        )

    def test_says_how_many_people_get_the_mail(self):
        estimate = self._open()
        self.assertEqual(estimate.headline, "2 people will get this mail.")
        self.assertEqual(estimate.send_label, "Send to 2 people")
        one = self._open(task=self._make_task(self._make_audience(self._make_people("one@y.com"))))
        self.assertEqual(one.headline, "1 person will get this mail.")
        self.assertEqual(one.send_label, "Send to 1 person")

    def test_changes_nothing(self):
        audience = self.task.audience_ids
        audience.action_refresh()
        self._make_people("new@x.com")
        audience.line_ids.domain = "[('email', 'ilike', '@x.com')]"
        before = audience.read(["people_count", "refreshed_at"])
        members = audience.sudo().member_ids.ids
        estimate = self._open("open_estimate")
        self.assertGreater(estimate.people_count, 5, "the filter as it is now")
        self.env.invalidate_all()
        self.assertEqual(audience.read(["people_count", "refreshed_at"]), before)
        self.assertEqual(audience.sudo().member_ids.ids, members)
        self.assertEqual((self.task.state, self.task.people_count), ("draft", 0))
        with self.assertRaisesRegex(UserError, "only an estimate"):
            estimate.action_send()

    def test_people_chosen_a_moment_ago_are_not_chosen_again(self):
        """Only if no line has changed since; somebody waits for the page meanwhile."""
        audience = self.task.audience_ids
        audience.line_ids.sudo().domain = "[('email', 'ilike', '@x.com')]"
        (audience + self.excluded).action_refresh()
        self._make_people("new@x.com")
        self.assertEqual(self._open().people_count, 5)
        audience.line_ids.sudo().domain = "[('email', 'like', '@x.com')]"
        self.assertEqual(self._open().people_count, 6, "the line has changed")
        audience.action_refresh()
        self._make_people("newer@x.com")
        self.assertEqual(self._open().people_count, 6)
        self.env.cr.execute("UPDATE directmail_audience SET refreshed_at = '2021-01-01'")
        self.env.invalidate_all()
        self.assertEqual(self._open().people_count, 7)

    def test_sending_leaves_choosing_to_the_start(self):
        audience = self.task.audience_ids
        (audience + self.excluded).action_refresh()
        self.task.action_send()
        self.assertEqual(len(audience.size_ids), 1)
        self._make_people("new@x.com")
        audience.line_ids.domain = "[('email', '=', 'new@x.com')]"
        self._run_cron()
        audience.invalidate_recordset(["size_ids"])
        self.assertEqual(len(audience.size_ids), 2)
        self.assertEqual((self.task.state, self.task.sent_count), ("done", 1))

    def test_sending_looks_again_where_nobody_was(self):
        audience = self.task.audience_ids
        audience.line_ids.domain = "[('id', '=', 0)]"
        (audience + self.excluded).action_refresh()
        with self.assertRaisesRegex(UserError, "nobody in it"):
            self.task.action_send()
        audience.line_ids.domain = "[('email', '=', 'a@x.com')]"
        self.task.action_send()
        self.assertEqual(self.task.state, "pending")

    def test_sending_refuses_a_line_that_can_not_be_used(self):
        audience = self.task.audience_ids
        (audience + self.excluded).action_refresh()
        self.env.cr.execute(
            "UPDATE directmail_audience_line SET domain = %s WHERE id = %s",
            ["[('nothing', '=', 1)]", audience.line_ids.id],
        )
        self.env.invalidate_all()
        with self.assertRaisesRegex(UserError, "can't be refreshed.*nothing"):
            self.task.action_send()
        self.assertEqual(self.task.state, "draft")

    def test_quota_days_and_cost(self):
        self.account.sudo().write(
            {"daily_quota": 2, "quota_reserve": 1, "price_per_thousand": 500, "rate_limit": 1}
        )
        estimate = self._open()
        self.assertEqual((estimate.quota_left, estimate.today_count, estimate.days), (1, 1, 2))
        self.assertIn("Mails sent today: 1.", estimate.plan)
        self.assertIn("automatically", estimate.plan)
        self.assertEqual(estimate.duration, "2 days")
        self.assertIn("1.00", estimate.cost)
        self.account.sudo().write({"daily_quota": 1000, "quota_reserve": 0})
        estimate = self._open()
        self.assertEqual((estimate.today_count, estimate.days), (2, 1))
        self.assertEqual(estimate.plan, "Today's quota is enough.")
        self.account.sudo().quota_reserve = 1000
        self.assertIn("Ask an administrator", self._open().plan)

    def test_other_tasks_come_first(self):
        ahead = self._make_task(self._make_audience(self._make_people("p@x.com", "q@x.com")))
        ahead.action_send()
        start_task(ahead.sudo())
        self.account.sudo().daily_quota = 3
        estimate = self._open()
        self.assertEqual((estimate.queue_count, estimate.today_count, estimate.days), (2, 1, 2))
        self.task.priority = "1"
        self.assertEqual(self._open().queue_count, 0)

    def test_those_ahead_take_their_time(self):
        self.account.sudo().rate_limit = 1
        self.assertEqual(self._open().duration, "Less than a minute")
        self.patch(type(self.task), "_count_ahead", lambda task: 178)
        self.assertEqual(self._open().duration, "About 3 minutes", "178 others and 2 mails")

    def test_of_the_rest(self):
        task = self._make_task(self._make_audience(self._make_people("p@x.com", "q@x.com")))
        task.action_send()
        start_task(task.sudo())
        task.action_pause()
        estimate = self._open("open_estimate", task)
        self.assertEqual((estimate.people_count, estimate.mail_count), (2, 2))

    def test_missing_pieces(self):
        self.task.audience_ids = False
        for button in ("open_send", "open_estimate"):
            [missing] = getattr(self.task, f"action_{button}")()["params"]["missing"]
            self.assertEqual(missing["field"], "audience_ids")
            self.assertIn("Choose the audience", missing["text"])
        with self.assertRaisesRegex(UserError, "Choose the audience"):
            self.task.action_send()

    def test_rights(self):
        theirs = self.task.with_user(self.other)
        with self.assertRaises(AccessError):
            theirs.action_open_estimate()
        estimate = self._open()
        with self.assertRaises(AccessError):
            estimate.with_user(self.other).read(["mail_count"])
        with self.assertRaises(AccessError):
            estimate.write({"mail_count": 1})

    def test_audience_that_can_not_be_refreshed(self):
        self.env["res.users"].browse(self.task.audience_ids.user_id.id).active = False
        with self.assertRaisesRegex(UserError, "can't be refreshed"):
            self.task.with_user(self.admin).action_open_estimate()
