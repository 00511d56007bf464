from contextlib import contextmanager, suppress
from datetime import timedelta, timezone
from itertools import chain, repeat
from unittest.mock import patch

import psycopg2

from odoo import fields
from odoo.tests import tagged
from odoo.tools import mute_logger

from ...directmail.answers import Answer, Verdict
from ...engine import claim
from ...engine.content import TOKEN_KIND, MailBuilder, get_database_uuid
from ...privacy.tokens import make_token
from ..common import DirectmailCommon, start_task

CLAIM = claim.claim

ACCEPTED = Answer(Verdict.ACCEPTED, env_id="1")


@tagged("post_install", "-at_install")
class TestEngine(DirectmailCommon):
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
        return task.sudo()

    def _set_fault(self, kind, **vals):
        self.emulator.set_fault(kind, action="SingleSendMail", **vals)
        self.addCleanup(self.emulator.clear_faults)

    def _claim(self, token, limit=100, lease=600):
        return claim.claim(self.env, self.account.sudo()._make_claim_context(), token, limit, lease)

    def _answer(self, rows, answer, token):
        answers = [(row.id, answer) for row in rows]
        claim.write_answers(self.env, self.account.id, token, answers)
        self.env.invalidate_all()

    def _pass_a_day(self, task):
        """So long DirectMail has had to show what became of the mails."""
        self.env.flush_all()
        self.env.cr.execute(
            """UPDATE directmail_delivery SET claimed_at = claimed_at - interval '25 hours'
                WHERE task_id = %s AND claimed_at IS NOT NULL""",
            [task.id],
        )
        self.env.cr.execute(
            """UPDATE directmail_task SET planned_at = planned_at - interval '25 hours'
                WHERE id = %s""",
            [task.id],
        )
        self.env.invalidate_all()

    def _count_calls(self):
        calls = self.emulator.calls().items()
        return sum(number for (action, _answer), number in calls if action == "SingleSendMail")

    def _get_used(self):
        self.env.invalidate_all()
        return sum(self.env["directmail.usage"].search([]).mapped("used"))

    # === ANSWERS THAT NEVER CAME === #

    def test_broken_connection_is_unknown_and_never_sent_again(self):
        self._set_fault("close", times=1)
        task = self._start()
        self._run_cron()
        self.assertEqual((task.state, task.sent_count, task.unknown_count), ("done", 2, 1))
        self._run_cron()
        self.assertEqual(self.emulator.summary(task.tag_name)["accepted"], 3)
        self.assertEqual(self.emulator.summary(task.tag_name)["duplicates"], 0)
        self.assertSumRule(task)

    def test_directmails_records_prove_that_it_was_sent(self):
        self._set_fault("close", times=1)
        task = self._start()
        self._run_cron()
        self._import_results(task)
        self.assertEqual((task.sent_count, task.unknown_count, task.delivered_count), (3, 0, 3))
        self.assertSumRule(task)

    def test_directmails_records_prove_that_it_was_not_sent(self):
        self.env["ir.config_parameter"].set_param(
            "email_marketing_dm.unknown_wait_seconds", "0.001"
        )
        self._set_fault("close", times=1, accept="no")
        task = self._start(4)
        self._run_cron()
        self.assertEqual(task.unknown_count, 1)
        task.delivery_ids.claimed_at = fields.Datetime.now() - timedelta(minutes=1)
        self.env.flush_all()
        self._import_results(task)
        self.assertEqual((task.sent_count, task.not_sent_count, task.unknown_count), (3, 1, 0))
        self.assertEqual(self.emulator.summary(task.tag_name)["accepted"], 3)
        self.assertSumRule(task)

    def test_not_sent_is_sent_once_more_where_asked_for(self):
        self._set_fault("close", times=1, accept="no")
        task = self._start(4, not_sent_policy="again")
        self._run_cron()
        self.assertEqual((task.state, task.unknown_count), ("done", 1))
        # The second attempt is lost, too: a mail is sent again only once.
        lost = task.delivery_ids.filtered(lambda d: d.state == "unknown")
        self._set_fault("close", times=1, accept="no")
        self._pass_a_day(task)
        self._import_results(task)
        self.assertEqual((task.state, task.waiting_count), ("sending", 1))
        self.assertSumRule(task)
        self._run_cron()
        self.assertEqual((task.state, task.unknown_count, lost.resent), ("done", 1, True))
        self._pass_a_day(task)
        self._import_results(task)
        self.assertEqual((task.state, task.not_sent_count), ("done", 1))
        self.assertEqual(self.emulator.summary(task.tag_name)["accepted"], 3)
        self.assertSumRule(task)

    def test_second_try_has_the_same_message_id(self):
        self._set_fault("close", times=1, accept="no")
        task = self._start(4)
        self._run_cron()
        self._pass_a_day(task)
        self._import_results(task)
        self.assertEqual((task.state, task.not_sent_count), ("done", 1), "left by default")
        task.not_sent_policy = "again"
        self._pass_a_day(task)
        self._import_results(task)
        self._run_cron()
        self.assertEqual((task.state, task.sent_count), ("done", 4))
        second = task.delivery_ids.filtered("resent")
        mails = self.emulator.ledger(task.tag_name)
        [mail] = [row for row in mails if row["to"] == second.email]
        token = make_token(
            self.env["directmail.keyring"]._get_master_key(),
            get_database_uuid(self.env),
            TOKEN_KIND,
            second.id,
        )
        self.assertTrue(mail["message_id"].startswith(f"<{token}@"))
        self.assertSumRule(task)

    def test_evidence_before_the_second_try_is_heeded(self):
        self._set_fault("close", times=1, accept="no")
        task = self._start(4, not_sent_policy="again")
        self._run_cron()
        self._pass_a_day(task)
        self._import_results(task)
        waiting = task.delivery_ids.filtered("resent")
        self.assertEqual((task.state, waiting.state), ("sending", "waiting"))
        events = self.env["directmail.event"]
        moment = fields.Datetime.now().replace(tzinfo=timezone.utc)
        events._receive(
            [
                events._make_fact(
                    task.account_id, "own", "open", moment, delivery_id=waiting.id, fingerprint="x"
                )
            ]
        )
        events._apply_all(task.company_id)
        self._run_cron()
        self.assertEqual((task.state, waiting.state, task.sent_count), ("done", "sent", 4))
        self.assertTrue(waiting.sent_at)
        self.assertEqual(self.emulator.summary(task.tag_name)["accepted"], 3)
        self.assertSumRule(task)

    def test_held_mails_are_not_claimed(self):
        task = self._start(3)
        held = task.delivery_ids[0]
        held.not_before = fields.Datetime.now() + timedelta(hours=2)
        self.env.flush_all()
        self._run_cron()
        self.assertEqual((task.state, task.sent_count, held.state), ("sending", 2, "waiting"))
        self.assertIn("held back", task.waiting_for)

    def test_absence_proves_nothing_without_a_control(self):
        self.env["ir.config_parameter"].set_param(
            "email_marketing_dm.unknown_wait_seconds", "0.001"
        )
        self._set_fault("close", times=4)
        task = self._start(4)
        self._run_cron()
        self.assertEqual(task.unknown_count, 4)
        task._resolve_unknown(task.planned_at, fields.Datetime.now())
        self.env.invalidate_all()
        self.assertEqual((task.unknown_count, task.not_sent_count), (4, 0))

    def test_absence_proves_nothing_of_what_went_out_after_the_records_were_read(self):
        """Reading takes hours where mails are many; what was sent meanwhile is not in it."""
        self._set_fault("error", times=1)
        task = self._start(4, not_sent_policy="again")
        self._run_cron()
        self.assertEqual((task.sent_count, task.unknown_count), (3, 1))
        self._pass_a_day(task)
        self._import_results_only(task)
        unknown = task.delivery_ids.filtered(lambda d: d.state == "unknown")
        read_until = unknown.claimed_at + timedelta(hours=1)
        task._resolve_unknown(task.planned_at - timedelta(days=2), read_until)
        self.env.invalidate_all()
        self.assertEqual((task.unknown_count, task.not_sent_count), (1, 0))
        task._resolve_unknown(unknown.claimed_at + timedelta(minutes=1), fields.Datetime.now())
        self.env.invalidate_all()
        self.assertEqual((task.unknown_count, task.not_sent_count), (1, 0))
        task._resolve_unknown(task.planned_at - timedelta(days=2), fields.Datetime.now())
        self.env.invalidate_all()
        self.assertEqual((task.unknown_count, task.waiting_count), (0, 1))

    def _import_results_only(self, task):
        """Have what was read in the books, without any conclusion about what was not."""
        self.emulator.flush_outcomes()
        poll = self.env["directmail.poll"]._get(task.account_id, "details", task)
        poll._read(100, begin=task.planned_at - timedelta(minutes=1))
        self.env["directmail.event"]._apply_all(task.company_id)
        self.env.invalidate_all()

    @mute_logger("odoo.addons.email_marketing_dm.engine.dispatcher")
    def test_a_database_that_dies_while_mails_are_made_pauses_nothing(self):
        """psycopg2 then raises a plain `DatabaseError`, without a class of its own."""
        build, broken = MailBuilder.build, []

        def die_once(*args):
            if not broken:
                broken.append(1)
                raise psycopg2.DatabaseError("server closed the connection unexpectedly")
            return build(*args)

        task = self._start(3)
        with patch.object(MailBuilder, "build", die_once):
            self._run_cron()
        self.assertTrue(broken)
        self.assertEqual((task.state, task.sent_count, task.unknown_count), ("done", 3, 0))

    def test_dead_process(self):
        """What a killed server had under way becomes unknown when its lease runs out."""
        task = self._start()
        rows = self._claim("dead", limit=2, lease=-1)
        self.assertEqual(len(rows), 2)
        self._run_cron()
        self.assertEqual((task.state, task.sent_count, task.unknown_count), ("done", 1, 2))
        self.assertSumRule(task)

    def test_lease_protects_what_is_under_way(self):
        task = self._start()
        self._claim("slow", limit=2)
        self._run_cron()
        self.assertEqual((task.state, task.sent_count, task.sending_count), ("sending", 1, 2))

    def test_late_answer_is_believed(self):
        task = self._start()
        rows = self._claim("slow", lease=-1)
        claim.expire_leases(self.env, self.account.id)
        self.env.invalidate_all()
        self.assertEqual(task.unknown_count, 3)
        self._answer(rows, ACCEPTED, "slow")
        self.assertEqual((task.unknown_count, task.sent_count), (0, 3))
        self.assertSumRule(task)

    # === CLAIMS === #

    def test_never_more_than_threads_under_way(self):
        account = self.account.sudo()
        account.threads = 2
        self._start(5)
        self.assertEqual(account._get_capacity().places, 2)
        self._claim("one", limit=2)
        self.assertEqual(account._get_capacity().places, 0)

    def test_the_database_is_not_asked_for_every_mail(self):
        """At the account's rate, a dozen mails share one exchange."""
        self.account.sudo().rate_limit = 100
        self._set_fault("slow", delay=0.2)
        task = self._start(150)
        claims = []

        def claim_noted(*arguments):
            claims.append(arguments)
            return CLAIM(*arguments)

        with patch.object(claim, "claim", claim_noted):
            self._run_cron()
        self.assertEqual(task.sent_count, 150)
        self.assertLess(len(claims), 50)

    @contextmanager
    def _pace(self, *taken):
        """Yield a run of the account whose limiter gives so many mails one after the other."""
        with self.enter_registry_test_mode():
            dispatcher = self.account.sudo()._make_dispatcher()
            with patch.object(dispatcher.rate, "take", side_effect=chain(taken, repeat(0))):
                yield dispatcher
            dispatcher.close()
        self.env.invalidate_all()

    def test_claimed_mails_wait_when_their_task_pauses(self):
        """The first answer pauses the task; mails that were claimed with it are not sent."""
        self.account.sudo().rate_limit = 100
        self._set_fault("error", status=400, code="InvalidBody")
        task = self._start(30)
        before, calls = self._get_used(), self._count_calls()
        with self._pace(1) as dispatcher:
            dispatcher.run(30)
        self.assertEqual(self._count_calls() - calls, 1)
        self.assertEqual((task.state, task.waiting_count, task.unknown_count), ("paused", 30, 0))
        self.assertEqual(self._get_used(), before, "mails that were not sent cost no quota")
        self.assertSumRule(task)
        self.emulator.clear_faults()
        task.action_resume()
        self._run_cron()
        self.assertEqual((task.state, task.sent_count), ("done", 30))

    def test_an_error_loses_no_answer(self):
        """An error ends the run: answers are kept, and mails whose calls had not begun wait."""
        self.account.sudo().rate_limit = 100
        task = self._start(30)
        with self._pace(1) as dispatcher:
            collect, failed = dispatcher._collect, []

            def fail_after_an_answer(timeout):
                if dispatcher.answered:
                    failed.append(timeout)
                    raise ValueError
                return collect(timeout)

            # Not `assertRaises`: Odoo's would roll back what the run has claimed.
            with patch.object(dispatcher, "_collect", fail_after_an_answer), suppress(ValueError):
                dispatcher.run(30)
        self.assertTrue(failed)
        self.assertEqual((task.sent_count, task.waiting_count), (1, 29))
        self.assertSumRule(task)

    def test_answers_written_twice_count_once(self):
        task = self._start()
        before = self._get_used()
        rows = self._claim("run")
        self.assertEqual(self._get_used() - before, 3)
        for _attempt in range(2):
            self._answer(rows[:1], Answer(Verdict.PERSON_REFUSED, "InvalidToAddress"), "run")
            self._answer(rows[1:], ACCEPTED, "run")
        self.assertEqual((task.sent_count, task.refused_count), (2, 1))
        self.assertEqual(self._get_used() - before, 2, "a refused mail costs no quota")
        self.assertSumRule(task)

    def test_claim_of_a_lost_commit_is_found(self):
        self._start()
        rows = self._claim("run")
        found = claim.orphans(self.env, "run", {rows[0].id})
        self.assertEqual({row.id for row in found}, {row.id for row in rows[1:]})
        self.assertFalse(claim.orphans(self.env, "another run", {}))

    def test_nobody_is_claimed_twice(self):
        self._start()
        first = self._claim("one", limit=2)
        second = self._claim("two")
        self.assertEqual(len({row.id for row in first + second}), 3)

    # === ANSWERS === #

    def test_refused_person_harms_nobody_else(self):
        self._set_fault("error", status=400, code="InvalidToAddress", to="p1@example.com")
        task = self._start()
        self._run_cron()
        self.assertEqual((task.state, task.sent_count, task.refused_count), ("done", 2, 1))
        refused = task.delivery_ids.filtered(lambda d: d.state == "refused")
        self.assertEqual((refused.email, refused.code), ("p1@example.com", "InvalidToAddress"))

    def test_throttling_loses_nobody(self):
        self._set_fault("throttle", times=2)
        task = self._start(6)
        self._run_cron()
        self._run_cron()
        self.assertEqual((task.state, task.sent_count), ("done", 6))
        self.assertEqual(self.emulator.summary(task.tag_name)["duplicates"], 0)

    def test_out_of_service_is_tried_later(self):
        self._set_fault("unavailable", times=1)
        task = self._start(2)
        self._run_cron()
        self.assertEqual((task.state, task.sent_count, task.waiting_count), ("sending", 1, 1))
        late = task.delivery_ids.filtered(lambda d: d.state == "waiting")
        # By the transaction's clock, which wrote it: a slow machine's own may be far ahead.
        self.assertGreater(late.not_before, self.env.cr.now())
        late.sudo().not_before = fields.Datetime.now() - timedelta(hours=1)
        self._run_cron()
        self.assertEqual((task.state, task.sent_count), ("done", 2))

    def test_unheard_of_code_pauses(self):
        self._set_fault("error", status=400, code="Something.New", message="What is this?")
        task = self._start()
        with self.assertLogs("odoo.addons.email_marketing_dm.engine.dispatcher", "WARNING") as log:
            self._run_cron()
        self.assertIn("Something.New What is this?", log.output[0])
        self.assertEqual((task.state, task.waiting_count), ("paused", 3))
        self.assertIn("Something.New", task.state_message)
        # As after an answer that came while the pause was decided.
        task.delivery_ids[0].not_before = fields.Datetime.now() + timedelta(minutes=1)
        self.emulator.clear_faults()
        task.action_resume()
        self._run_cron()
        self.assertEqual((task.state, task.sent_count), ("done", 3))

    def test_answer_without_envelope_is_no_success(self):
        self._set_fault("no_env_id", times=1)
        task = self._start()
        self._run_cron()
        self.assertEqual((task.sent_count, task.unknown_count), (2, 1))

    @mute_logger("odoo.addons.email_marketing_dm.engine.dispatcher")
    def test_mail_that_can_not_be_made_pauses(self):
        template = self._make_template()
        task = self._start(2, template=template)
        template.sudo().variables = [{"name": "Gone", "path": "no_such_field", "where": "body"}]
        self._run_cron()
        self.assertEqual((task.state, task.waiting_count), ("paused", 2))

    def test_limit_holds_whatever_the_plan(self):
        """A nested loop, as PostgreSQL may well choose, must not take more than asked for."""
        self._start(30)
        self.env.cr.execute("ANALYZE directmail_delivery")
        for setting in ("enable_hashjoin", "enable_mergejoin"):
            self.env.cr.execute(f"SET LOCAL {setting} = off")
        self.assertEqual(len(self._claim("run", limit=2)), 2)

    def test_silence_stops_before_everybody_is_unknown(self):
        account = self.account.sudo()
        account.threads = 4
        self._set_fault("close")
        task = self._start(60)
        self._run_cron()
        self.assertEqual((task.state, account.state), ("paused", "stopped"))
        self.assertLessEqual(task.unknown_count, 20 + 4)
        self.assertEqual(task.unknown_count + task.waiting_count, 60)
        self.assertIn("did not answer", task.state_message)

    # === SEVERAL TASKS OF ONE ACCOUNT === #

    def test_a_mail_that_cannot_be_made_pauses_its_own_task_only(self):
        sound, broken = self._start(2), self._start(2, template_id=self._make_template().id)
        broken.template_id.sudo().variables = [
            {"name": "Name", "path": "no_such_field", "fallback": "", "where": "body", "format": ""}
        ]
        with mute_logger("odoo.addons.email_marketing_dm.engine.dispatcher"):
            self._run_cron()
        self.assertEqual((sound.state, sound.sent_count), ("done", 2))
        self.assertEqual((broken.state, broken.waiting_count), ("paused", 2))
        self.assertSumRule(broken)

    def test_a_task_that_breaks_at_its_start_does_not_stop_the_others(self):
        people = self._make_people("first@example.com")
        broken = self._make_task(self._make_audience(people), priority="1")
        broken.action_send()
        sound = self._start(2)
        task_class = self.env.registry["directmail.task"]
        with (
            patch.object(task_class, "_make_links", side_effect=ZeroDivisionError),
            mute_logger("odoo.addons.email_marketing_dm.models.account.directmail_account_send"),
        ):
            self._run_cron()
        self.assertEqual((broken.state, broken.people_count), ("failed", 0))
        self.assertIn("unexpected", broken.state_message)
        self.assertEqual((sound.state, sound.sent_count), ("done", 2))

    def test_cancelled_while_mails_go_out_the_rest_is_cancelled_by_the_sender(self):
        task = self._start(3)
        self._claim("this run", limit=1)
        task.action_cancel()
        self.assertEqual(self._claim("this run"), [])
        self._run_cron()
        self.assertEqual(
            (task.state, task.cancelled_count, task.sending_count), ("cancelled", 2, 1)
        )
        self.assertSumRule(task)

    def test_a_second_try_and_the_end_of_its_task_cannot_pass_each_other(self):
        """Both write the task, so that one of two transactions at once is tried again."""
        task = self._start(1, not_sent_policy="again")
        self._set_fault("error", times=1)
        self._run_cron()
        self._pass_a_day(task)
        self.env.flush_all()
        self.env.cr.execute(
            "UPDATE directmail_delivery SET state = 'not_sent' WHERE task_id = %s", [task.id]
        )
        self.env.invalidate_all()
        task.state = "sending"
        self.env.flush_all()
        self.env.cr.execute("SELECT ctid::text FROM directmail_task WHERE id = %s", [task.id])
        before = self.env.cr.fetchone()
        task._send_again()
        self.env.cr.execute("SELECT ctid::text FROM directmail_task WHERE id = %s", [task.id])
        self.assertNotEqual(self.env.cr.fetchone(), before)
        self.assertEqual(task.waiting_count, 1)
