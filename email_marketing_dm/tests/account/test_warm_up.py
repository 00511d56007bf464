from datetime import timedelta

from odoo import fields
from odoo.exceptions import AccessError, ValidationError
from odoo.tests import tagged

from ...clock.daily import day_start, local_day
from ...directmail.answers import Answer, Verdict
from ...engine import claim
from ...engine.allowance import AHEAD_MAX
from ..common import DirectmailCommon, start_task


@tagged("post_install", "-at_install")
class TestWarmUp(DirectmailCommon):
    """Sender addresses with a daily limit that grows, or that wait for results."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.people = cls._make_people(*[f"warm-{i}@example.com" for i in range(6)])
        cls.audience = cls._make_audience(cls.people)
        cls.template = cls._make_template()
        cls.sender_sudo = cls.sender.sudo()

    def _warm_up(self, start=2, growth=50, end=100):
        action = self.sender.with_user(self.admin).action_warm_up()
        dialogs = self.env[action["res_model"]].with_user(self.admin)
        dialog = dialogs.with_context(**action["context"]).create(
            {"start": start, "growth": growth, "end": end}
        )
        dialog.action_start()
        self.env.invalidate_all()

    def _plan(self, **vals):
        task = self._make_task(self.audience, self.template, **vals)
        task.action_send()
        start_task(task.sudo())
        self.env.flush_all()
        return task.sudo()

    def _claim(self, limit=100):
        rows = claim.claim(
            self.env, self.account.sudo()._make_claim_context(), "warm-up", limit, 600
        )
        self.env.invalidate_all()
        return rows

    def _pass_a_day(self):
        self.env.flush_all()
        self.env.cr.execute(
            """DELETE FROM directmail_sender_usage
                WHERE day < (SELECT max(day) FROM directmail_sender_usage);
               UPDATE directmail_sender_usage
                  SET day = day - 1, starts_at = starts_at - interval '1 day';
               UPDATE directmail_sender SET warmup_since = warmup_since - 1"""
        )
        self.env.invalidate_all()

    def _get_usage(self):
        self.env.flush_all()
        return self.env["directmail.sender.usage"].search_read([], ["used", "mail_limit"])[-1]

    def test_email_tasks_share_the_limit_and_go_on_the_next_day(self):
        self._warm_up()
        first = self._make_task(self.audience, self.template)
        second = self._make_task(self.audience, self.template)
        (first + second).action_send()
        self._run_cron()
        self.assertEqual((first.sent_count, second.sent_count), (2, 0))
        self.assertEqual((first + second).mapped("state"), ["sending"] * 2)
        self.assertIn("warm-up", second.waiting_for)
        # Its cron wakes up when the account's next day begins, and not before.
        zone = self.account.tz
        tomorrow = local_day(fields.Datetime.now(), zone) + timedelta(days=1)
        triggers = self.env["ir.cron.trigger"].search(
            [("cron_id", "=", self.account.sudo().cron_id.id)]
        )
        wakes = day_start(tomorrow, zone) + timedelta(minutes=1)
        self.assertIn(wakes, triggers.mapped("call_at"))
        self.assertNotIn("No limit", self.sender.warmup_plan)
        self.assertEqual(self.sender.warmup_today, "2 of 2 mails")
        self._pass_a_day()
        self._run_cron()
        self.assertEqual((first.sent_count, second.sent_count), (5, 0))
        self._pass_a_day()
        self._run_cron()
        self.assertEqual((first.sent_count, second.sent_count), (6, 3))
        self.assertEqual(first.state, "done")
        self.assertSumRule(second)

    def test_one_can_be_ended_without_a_cron(self):
        account = self.account.sudo().copy({"name": "New", "connection": "test"})
        sender = self.sender_sudo.copy({"account_id": account.id, "email": "new@example.com"})
        sender.warmup_on = True
        account.cron_id = False
        sender.with_user(self.admin).action_end_warm_up()
        self.assertFalse(sender.warmup_on)

    def test_other_sender_addresses_are_not_limited(self):
        self._warm_up()
        other = self.sender_sudo.copy({"email": "calm@mail.example.com"})
        self._plan()
        self._plan(sender_id=other.id)
        self.assertEqual(len(self._claim()), 2 + 6)

    def test_mails_that_directmail_refuses_leave_room_for_others(self):
        self._warm_up()
        self._plan()
        rows = self._claim()
        self.assertEqual((len(rows), self._claim()), (2, []))
        answers = [Answer(Verdict.PERSON_REFUSED, "x"), Answer(Verdict.RETRY_LATER, "y")]
        ids = [row.id for row in rows]
        claim.write_answers(
            self.env, self.account.id, "warm-up", list(zip(ids, answers, strict=True))
        )
        self.assertEqual(self._get_usage()["used"], 0)
        self.assertEqual(len(self._claim()), 2)
        self.assertEqual(self._get_usage()["used"], 2)

    def test_mails_of_the_day_count_when_a_warm_up_begins(self):
        self._plan()
        self.assertEqual(len(self._claim(limit=3)), 3)
        self._warm_up(start=4)
        self.assertEqual(len(self._claim()), 1)
        self._warm_up(start=2)
        self.assertEqual(self._claim(), [])
        self.sender.with_user(self.admin).action_end_warm_up()
        self.assertEqual(len(self._claim()), 2)

    def test_it_ends_by_itself(self):
        self._warm_up(start=2, growth=50, end=3)
        task = self._make_task(self.audience, self.template)
        task.action_send()
        self._run_cron()
        self.assertEqual((task.sent_count, self.sender.warmup_on), (2, True))
        self._pass_a_day()
        self._run_cron()
        self.assertEqual((task.state, task.sent_count), ("done", 6))
        self.assertFalse(self.sender.warmup_on)
        self.assertTrue(self.sender.warmup_ended)

    def test_people_who_clicked_lately_are_mailed_first(self):
        task = self._make_task(self.audience, self.template)
        task.action_send()
        self._run_cron()
        now = fields.Datetime.now()
        by_person = {d.partner_id: d for d in task.sudo().delivery_ids}
        by_person[self.people[4]].clicked_at = now
        by_person[self.people[3]].opened_at = now - timedelta(minutes=1)
        self._warm_up(start=10, end=1000)
        self._plan()
        self._pass_a_day()
        self._warm_up(start=8, end=1000)
        rows = self._claim()
        self.assertEqual([row.partner_id for row in rows][:2], self.people[4:2:-1].ids)

    def test_nobody_waits_for_the_limit_after_the_latest_time(self):
        self._warm_up()
        later = fields.Datetime.now() + timedelta(hours=2)
        task = self._make_task(self.audience, self.template, not_after=later)
        task.action_send()
        self._run_cron()
        self.assertEqual(task.sent_count, 2)
        triggers = self.env["ir.cron.trigger"].search([])
        self.assertIn(later + timedelta(seconds=1), triggers.mapped("call_at"))
        task.sudo().write({"not_after": fields.Datetime.now() - timedelta(hours=1)})
        self._run_cron()
        self.assertEqual((task.state, task.suppressed_count), ("done", 4))
        self.assertEqual(
            set(task.sudo().delivery_ids.filtered("reason").mapped("reason")), {"too_late"}
        )

    def test_the_estimate_tells_the_mails_of_each_day(self):
        task = self._make_task(self.audience, self.template)
        estimates = self.env["directmail.task.estimate"]
        estimate = estimates._make(task, True).sudo()
        self.assertFalse(estimate.warm_up)
        self.assertFalse(estimate.warm_up_offer)
        estimate.mail_count = 501
        self.assertIn(self.sender.email, estimate.warm_up_offer)
        self.assertIn(self.sender.email, self.sender.warmup_offer)
        old = self._make_task(self.audience, self.template).sudo()
        old.planned_at = fields.Datetime.now() - timedelta(days=31)
        self.env.invalidate_all()
        self.assertIn("for more than 30 days", self.sender.warmup_offer)
        old.planned_at = fields.Datetime.now() - timedelta(days=29)
        self.env.invalidate_all()
        self.assertFalse(self.sender.warmup_offer)
        self._warm_up()
        estimate = estimates._make(task, True).sudo()
        self.assertIn("Today: 2 · Tomorrow: 3 · ", estimate.warm_up)
        self.assertIn("All mails are sent by", estimate.warm_up)
        self.assertEqual(estimate.duration, "3 days")
        self.assertFalse(self.sender.warmup_offer)

    def test_only_administrators_start_it_and_only_with_sensible_settings(self):
        with self.assertRaises(AccessError):
            self.sender.with_user(self.user).action_warm_up()
        with self.assertRaises(AccessError):
            self.sender.with_user(self.user).action_end_warm_up()
        for values in ({"start": 0}, {"start": 100}, {"growth": 0}, {"growth": 201}):
            with self.assertRaises(ValidationError):
                self._warm_up(**values)

    def test_a_sender_near_a_limit_waits_for_results(self):
        task = self._plan()
        self.env.cr.execute(
            """INSERT INTO directmail_delivery (task_id, account_id, company_id, email, address_key,
                      state, claimed_at, sent_at)
               SELECT %s, %s, %s, n || '@ahead.example', 'ahead' || n, 'sent',
                      now() AT TIME ZONE 'UTC', now() AT TIME ZONE 'UTC'
                 FROM generate_series(1, %s) AS n""",
            [task.id, self.account.id, self.account.company_id.id, AHEAD_MAX - 1],
        )
        counters = self.env["directmail.task.counter"]
        of_task = {"task_id": task.id, "writer": "events"}
        counters.create({**of_task, "name": "delivered", "value": 200})
        counters.create({**of_task, "name": "complained", "value": 1})
        company = self.account.company_id.sudo()
        self.env["directmail.sender"]._guard(company)
        self.assertFalse(self.sender_sudo.is_braked, "no results are pushed")
        self.env["directmail.event.count"]._add(self.account, "push")
        self.env["directmail.sender"]._guard(company)
        self.assertTrue(self.sender_sudo.is_braked)
        self.assertIn("near a limit", task.waiting_for)
        company.directmail_guard = False
        self.env["directmail.sender"]._guard(company)
        self.assertFalse(self.sender_sudo.is_braked, "the guard is off")
        company.directmail_guard = True
        self.env["directmail.sender"]._guard(company)
        self.env.flush_all()
        self.assertEqual(len(self._claim()), 1)
        self.assertEqual(self._claim(), [])
        self.env.cr.execute(
            """UPDATE directmail_delivery SET outcome = 'delivered'
                WHERE task_id = %s AND address_key IN ('ahead1', 'ahead2')""",
            [task.id],
        )
        self.assertEqual(len(self._claim()), 2)
        # Results that never come hold up nothing.
        self.env.cr.execute(
            """UPDATE directmail_delivery SET sent_at = sent_at - interval '2 minutes'
                WHERE task_id = %s AND state = 'sent'""",
            [task.id],
        )
        self.assertEqual(len(self._claim()), 3)
