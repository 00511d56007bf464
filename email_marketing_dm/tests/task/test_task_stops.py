from contextlib import contextmanager
from datetime import datetime, timedelta
from unittest.mock import patch

from odoo import fields
from odoo.exceptions import AccessError, UserError
from odoo.tests import tagged
from odoo.tools import SQL

from ...directmail.const import BEIJING
from ...engine import claim
from ..common import DirectmailCommon, run_migration, start_task


@tagged("post_install", "-at_install")
class TestTaskStops(DirectmailCommon):
    """Tasks that stop half-way: why, what their owner is told, and how they go on."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.task_template = cls._make_template()

    def _start(self, number=3, **vals):
        people = self._make_people(*[f"p{i}@example.com" for i in range(number)])
        task = self._make_task(self._make_audience(people), **vals)
        task.action_send()
        start_task(task.sudo())
        self.env.flush_all()
        return task

    def _refuse(self, code, **vals):
        vals = {"status": 400, "code": code, "message": "No.", **vals}
        self.emulator.set_fault("error", action="SingleSendMail", **vals)
        self.addCleanup(self.emulator.clear_faults)

    def _set_quota(self, quota, reserve=0):
        self.env["directmail.usage"].search([]).unlink()
        self.account.sudo().write({"daily_quota": quota, "quota_reserve": reserve})

    def test_an_archived_account_sends_nothing(self):
        """Nobody sees it in a list any more, and what becomes of its mails is not read."""
        task = self._start(2)
        account = self.account.with_user(self.admin)
        account.action_archive()
        self.assertEqual(account.state, "draft")
        self._run_cron()
        self.assertEqual((task.state, task.waiting_count), ("sending", 2))
        self.assertIn("not active", task.waiting_for)
        account.action_unarchive()
        self._run_cron()
        self.assertEqual(task.sent_count, 0, "an administrator activates it again")
        account.action_activate()
        self._run_cron()
        self.assertEqual((task.state, task.sent_count), ("done", 2))

    def test_an_account_that_was_archived_before_the_update(self):
        self.account.active = False
        self.env.flush_all()
        self.env.cr.execute("UPDATE directmail_account SET state = 'active'")
        run_migration(self.env.cr, "19.0.1.4.0/post-archived_accounts.py")
        self.env.invalidate_all()
        self.assertEqual(self.account.state, "draft")

    # === CORRECTED HALF-WAY === #

    def test_progress_is_the_same_everywhere_and_100_only_when_all_are_mailed(self):
        self.account.sudo().threads = 1
        task = self._start(6)
        self._refuse("InvalidSendMail.Spam", after=2)
        self._run_cron()
        self.assertEqual((task.progress, task.get_progress()["progress"]), (33, 33))

    def test_corrected_and_sent_to_the_rest(self):
        self.account.sudo().threads = 1
        task = self._start(4)
        self._refuse("InvalidSendMail.Spam", after=2)
        self._run_cron()
        self.assertEqual((task.state, task.pause_reason), ("paused", "refused"))
        self.assertEqual((task.sent_count, task.waiting_count), (2, 2))
        self.assertEqual(task.progress, 50)
        self.assertEqual(task.editable, "content")
        with self.assertRaisesRegex(UserError, "Duplicate it to mail other people"):
            task.audience_ids = False
        with self.assertRaisesRegex(UserError, "Duplicate it to mail other people"):
            task.unlink()

        other = self._make_template(subject="Another subject")
        task.template_id = other
        self.emulator.clear_faults()
        task.action_resume()
        self.assertEqual(task.state, "pending", "what was approved is compared again")
        self._run_cron()
        self.assertEqual((task.state, task.sent_count), ("done", 4))
        self.assertFalse(task.content_changed)
        subjects = [row["subject"] for row in self.emulator.ledger(task.tag_name)]
        self.assertEqual(subjects.count("Another subject"), 2)
        self.assertSumRule(task)

    def test_correction_waits_for_its_review_and_may_be_rejected(self):
        task = self._start(2)
        task.action_pause()
        template = self._make_template(approved=False)
        task.template_id = template
        task.action_resume()
        self.assertEqual(template.state, "in_review", "going on hands it to DirectMail")
        self._run_cron()
        self.assertEqual((task.state, task.waiting_count), ("pending", 2))
        self.assertIn("reviewing", task.waiting_for)
        self.emulator.reject(template.remote_ref, "Too loud.")
        template.action_check_review()
        self.assertEqual((task.state, task.waiting_count), ("failed", 2))
        task.template_id = self._make_template()
        task.action_send()
        self._run_cron()
        self.assertEqual((task.state, task.sent_count, task.people_count), ("done", 2, 2))

    def test_not_corrected_while_calls_are_under_way(self):
        task = self._start()
        delivery = task.delivery_ids[0]
        self.env["directmail.task.counter"]._apply(
            self._sql_set_state(delivery, "sending"), "sender"
        )
        self.env.invalidate_all()
        task.action_pause()
        with self.assertRaisesRegex(UserError, "still being sent"):
            task.reply_to = "desk@example.com"

    def _sql_set_state(self, delivery, state):
        return SQL(
            """UPDATE directmail_delivery d SET state = %s FROM directmail_delivery o
                WHERE d.id = %s AND o.id = d.id
            RETURNING d.task_id, o.state AS old_state, d.state AS new_state,
                      NULL AS old_outcome, NULL AS new_outcome""",
            state,
            delivery.id,
        )

    def test_dead_calls_of_a_paused_task(self):
        """The server died, the task was paused: nothing stays *sending* for ever."""
        task = self._start()
        claim.claim(self.env, self.account.sudo()._make_claim_context(), "dead", 2, -1)
        self.env.invalidate_all()
        task.action_pause()
        self._run_cron()
        self.assertEqual((task.sending_count, task.unknown_count, task.waiting_count), (0, 2, 1))
        self.assertEqual(task.editable, "content")
        self.assertSumRule(task)

    def test_failed_half_way_can_be_cancelled(self):
        task = self._start(2)
        task.sudo()._fail("Something is wrong.")
        task.action_cancel()
        self.assertEqual((task.state, task.cancelled_count), ("cancelled", 2))
        self.assertFalse(task.activity_ids)

    # === WHAT THE OWNER IS TOLD === #

    def test_owner_is_told(self):
        task = self._start()
        self._refuse("InvalidSendMail.Spam")
        with self._capture_bus() as told:
            self._run_cron()
        self.assertEqual([row["type"] for row in told], ["warning"])
        self.assertIn("InvalidSendMail.Spam", told[0]["message"])
        self.assertEqual(task.activity_ids.user_id, self.user)
        posted = task.message_ids.filtered(lambda m: "InvalidSendMail.Spam" in m.body)
        self.assertIn(self.user.partner_id, posted.notified_partner_ids)

        self.emulator.clear_faults()
        task.action_resume()
        self.assertFalse(task.activity_ids, "what was asked for is done")
        with self._capture_bus() as told:
            self._run_cron()
        self.assertEqual([row["type"] for row in told], ["success"])
        self.assertIn("Submitted to DirectMail: 3.", told[0]["message"])

    def _capture_bus(self):
        """Collect what pops up on the owner's screen."""
        bus = self.env.registry["bus.bus"]
        send = bus._sendone

        @contextmanager
        def capture():
            told = []

            def sendone(self, target, kind, message):
                if kind == "simple_notification":
                    told.append(message)
                return send(self, target, kind, message)

            with patch.object(bus, "_sendone", sendone):
                yield told

        return capture()

    def test_quota_refused_by_directmail(self):
        task = self._start()
        self._refuse("InvalidQuota.Exceed")
        self._run_cron()
        self.assertEqual((task.state, task.pause_reason), ("paused", "quota"))
        self.assertIn("quota", task.state_message)
        self.assertEqual(task.waiting_count, 3)

    def test_told_once_a_day_that_quota_is_used_up(self):
        self._set_quota(2)
        task = self._start(5)
        with self._capture_bus() as told:
            self._run_cron()
            self._run_cron()
        self.assertEqual(len(told), 1)
        self.assertIn("3", told[0]["message"])
        self.assertEqual(task.quota_told_on, datetime.now(BEIJING).date())
        self.assertEqual((task.state, task.sent_count, task.waiting_count), ("sending", 2, 3))
        self.assertIn("midnight in Beijing", task.waiting_for)
        # The next day of Beijing: nothing of it is used yet, and the cron is to run then.
        at = self.account.sudo()._get_next_day()
        triggers = self.env["ir.cron.trigger"].search(
            [("cron_id", "=", self.account.sudo().cron_id.id), ("call_at", "=", at)]
        )
        self.assertTrue(triggers)
        self.env["directmail.usage"].search([]).day -= timedelta(days=1)
        self._run_cron()
        self.assertEqual((task.state, task.sent_count), ("sending", 4))

    # === THE QUOTA'S ORDER === #

    def test_reserve_is_left(self):
        self._set_quota(5, reserve=3)
        task = self._start(4)
        self._run_cron()
        self.assertEqual((task.sent_count, task.waiting_count), (2, 2))

    def test_urgent_first_then_the_older(self):
        older = self._start(2)
        younger = self._start(2)
        urgent = self._start(2)
        urgent.priority = "1"
        for task, ago in ((older, 3), (younger, 2), (urgent, 1)):
            task.sudo().planned_at = fields.Datetime.now() - timedelta(hours=ago)
        self._set_quota(3)
        self._run_cron()
        self.assertEqual([t.sent_count for t in (urgent, older, younger)], [2, 1, 0])
        self.assertEqual(younger.sudo()._count_ahead(), 1)

    # === EXCEPT, COPY, RIGHTS === #

    def test_excluded_people_and_their_addresses(self):
        people = self._make_people("a@x.com", "b@x.com", "c@x.com", "B@x.com", False)
        excluded = self._make_audience(people[0] + people[1] + people[4])
        task = self._make_task(
            self._make_audience(people), exclude_audience_ids=[fields.Command.set(excluded.ids)]
        )
        task.action_send()
        self._run_cron()
        self.assertEqual((task.people_count, task.sent_count), (5, 1))
        reasons = task.delivery_ids.filtered("reason").mapped("reason")
        self.assertEqual(reasons, ["excluded"] * 4, "two of them with the same address")
        self.assertSumRule(task)

    def test_excluded_audience_of_somebody_else(self):
        people = self._make_people("a@x.com")
        theirs = self._make_audience(people, user=self.other)
        with self.assertRaises(AccessError):
            self._make_task(
                self._make_audience(people), exclude_audience_ids=[fields.Command.set(theirs.ids)]
            )

    def test_copy_is_a_draft_of_mine(self):
        task = self._start()
        task.action_pause()
        copied = task.with_user(self.admin).copy()
        self.assertEqual(copied.user_id, self.admin)
        self.assertEqual((copied.state, copied.pause_reason), ("draft", False))
        self.assertFalse(copied.planned_at or copied.scheduled_at or copied.tag_name)
        self.assertIn("(copy)", copied.name)

    def test_guarded(self):
        task = self._start()
        for name, value in {
            "pause_reason": "user",
            "content_changed": False,
            "quota_told_on": False,
        }.items():
            with self.subTest(name), self.assertRaises(AccessError):
                task.write({name: value})

    def test_progress_and_calendar(self):
        task = self._start(2)
        progress = task.get_progress()
        self.assertEqual((progress["people"], progress["state"]), (2, "sending"))
        self.assertEqual((progress["to_mail"], progress["progress"]), (2, 0))
        self.assertEqual([count["name"] for count in progress["counts"]], ["waiting"])
        self.assertEqual(task.calendar_at, task.planned_at)
        with self.assertRaises(AccessError):
            task.with_user(self.other).get_progress()

    def test_a_scheduled_task_can_be_deleted(self):
        """Until shortly before it starts. Nobody is mailed then."""
        task = self._make_task(self._make_audience(self._make_people("a@x.com", "b@x.com")))
        at = fields.Datetime.now() + timedelta(days=1)
        task.write({"send_type": "scheduled", "scheduled_at": at})
        task.action_send()
        self.assertEqual(task.state, "pending")
        before = self.emulator.get("/api/ledger/summary")["accepted"]
        task.with_user(self.user).unlink()
        self.assertFalse(task.exists())
        self._run_cron()
        self.assertEqual(self.emulator.get("/api/ledger/summary")["accepted"], before)
