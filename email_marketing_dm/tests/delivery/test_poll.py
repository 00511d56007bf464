from datetime import timedelta

from odoo import fields
from odoo.exceptions import AccessError, UserError
from odoo.tests import tagged
from odoo.tools import SQL, mute_logger

from ...directmail import client
from ...models.task import directmail_task_results
from ...privacy.keys import MasterKey
from ..common import DirectmailCommon

DETAILS = "SenderStatisticsDetailByParam"


@tagged("post_install", "-at_install")
class TestPoll(DirectmailCommon):
    """DirectMail's records are read page by page; reading continues where it stopped."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.task_template = cls._make_template()

    def setUp(self):
        super().setUp()
        self.patch(client, "DETAIL_PAGE", 2)
        self.patch(client, "BLOCKED_PAGE", 2)
        self.addCleanup(self.emulator.clear_faults)

    def _send(self, *emails):
        task = self._make_task(self._make_audience(self._make_people(*emails)))
        task.action_send()
        self._run_cron()
        self.emulator.flush_outcomes()
        return task.sudo()

    def _get_poll(self, task=None, kind="details"):
        account = self.account.sudo()
        return self.env["directmail.poll"].sudo()._get(account, kind, task)

    def _count_calls(self, action):
        calls = self.emulator.get("/api/calls")
        return sum(row["calls"] for row in calls["counts"] if row["action"] == action)

    def test_every_page_within_the_budget(self):
        task = self._send(*[f"p{number}@example.com" for number in range(5)])
        poll, begin = self._get_poll(task), task._get_first_open()
        before = self._count_calls(DETAILS)
        self.assertEqual(poll._read(1, begin), 0)
        self.assertEqual(self._count_calls(DETAILS) - before, 1)
        self.assertTrue(poll.position and poll.end)
        self.assertFalse(poll.covered_until)
        self.assertIn("fetched so far: 2", task.poll_message)
        self.assertEqual(poll._read(10, begin), 8, "the second and the third page")
        self.env.invalidate_all()
        self.assertFalse(poll.position or poll.end or task.poll_message)
        self.assertEqual(task.polled_until, poll.covered_until)
        task._apply_results(poll)
        self.assertEqual(task.delivered_count, 5)
        self.assertSumRule(task)

    def test_reading_again_changes_nothing(self):
        task = self._send("a@example.com", "bounce1@example.com", "fail1@example.com")
        self._import_results(task)
        events = self.env["directmail.event"].sudo()
        before = events.search_count([("task_id", "=", task.id)])
        self._get_poll(task)._read(10, task.planned_at)
        self._import_results(task)
        self.assertEqual(events.search_count([("task_id", "=", task.id)]), before)
        self.assertEqual((task.delivered_count, task.invalid_count, task.failed_count), (1, 1, 1))

    def test_goes_on_after_trouble(self):
        task = self._send(*[f"p{number}@example.com" for number in range(5)])
        self.emulator.set_fault("unavailable", action=DETAILS, after=1, times=1)
        poll = self._get_poll(task)
        try:  # as the cron does; assertRaises would roll back what is kept
            poll._read(10, task._get_first_open())
        except UserError as error:
            self.assertEqual(poll.error, error.args[0])
        self.assertTrue(poll.position and poll.error)
        self.assertEqual(task.poll_message, poll.error)
        self.assertEqual(poll._read(10), 8)
        self.assertFalse(poll.error)
        task._apply_results(poll)
        self.assertEqual(task.delivered_count, 5)

    def test_only_what_is_open_is_read_again(self):
        task = self._send("a@example.com", "silent1@example.com")
        self._import_results(task)
        self.assertEqual((task.delivered_count, task._is_settled()), (1, False))
        [silent] = task.delivery_ids.filtered(lambda delivery: not delivery.outcome)
        self.env.flush_all()
        self.env.cr.execute(
            "UPDATE directmail_delivery SET claimed_at = '2026-11-20 10:00' WHERE id = %s",
            [silent.id],
        )
        self.assertEqual(str(task._get_first_open()), "2026-11-20 09:59:00")

    # === THE BUTTON === #

    def test_the_button_does_a_little_and_leaves_the_rest(self):
        """The cron completes what the button began, even after FOLLOW_DAYS."""
        task = self._send(*[f"p{number}@example.com" for number in range(5)])
        task.write({"state": "paused", "finished_at": False})
        task.paused_at = fields.Datetime.now() - timedelta(days=4)
        self.patch(directmail_task_results, "ACTION_CALLS", 1)
        press = task.with_user(self.user).action_import_results
        before, start = self._count_calls(DETAILS), fields.Datetime.now()
        self.assertIn("in the background", press()["params"]["message"])
        self.assertEqual(self._count_calls(DETAILS) - before, 1)
        self.assertEqual((task.delivered_count, task.results_at), (2, False))
        self.assertTrue(self._is_triggered(directmail_task_results.CRON, start))
        self._run_import()
        self.assertEqual(task.delivered_count, 5)
        self.assertTrue(task.results_at)
        self.assertNotIn(task, self._get_unsettled_tasks())
        self.patch(directmail_task_results, "ACTION_CALLS", 5)
        self.assertIn("No new results", press()["params"]["message"])

    def test_the_button_says_what_it_found(self):
        task = self._send("a@example.com", "b@example.com", "bounce1@example.com")
        said = task.action_import_results()["params"]
        self.assertIn("delivered 2, not delivered 1, opened 0, clicked 0", said["message"])
        self.assertEqual(said["type"], "success")
        again = task.action_import_results()["params"]
        self.assertIn("No new results", again["message"])

    def test_a_settled_task_is_not_read_from_its_beginning_again(self):
        """Pressing Check results again and again would never find the end of a large task."""
        task = self._send("a@example.com")
        self._import_results(task)
        self.assertTrue(task._is_settled())
        self._get_poll(task).covered_until = "2030-01-01 10:00:00"
        self.assertEqual(str(task._get_first_open()), "2030-01-01 09:59:00")

    def test_a_mail_proved_absent_is_looked_for_again(self):
        task = self._send("a@example.com", "silent1@example.com")
        self._import_results(task)
        [silent] = task.delivery_ids.filtered(lambda delivery: not delivery.outcome)
        self.env.flush_all()
        self.env.cr.execute(
            """UPDATE directmail_delivery SET state = 'not_sent', claimed_at = '2026-11-20 10:00'
                WHERE id = %s""",
            [silent.id],
        )
        self.assertEqual(str(task._get_first_open()), "2026-11-20 09:59:00")

    # === FIRST LOOKS === #

    def test_every_end_is_followed_by_two_looks(self):
        task = self._send("a@example.com", "silent1@example.com")
        cron = self.env.ref(directmail_task_results.CRON)
        triggers = self.env["ir.cron.trigger"].sudo()
        for state in ("paused", "failed", "cancelled", "done"):
            task.state = "sending"
            triggers.search([("cron_id", "=", cron.id)]).unlink()
            now = fields.Datetime.now()
            task.state = state
            times = triggers.search([("cron_id", "=", cron.id)]).mapped("call_at")
            minutes = sorted(round((time - now).total_seconds() / 60) for time in times)
            self.assertEqual(minutes, [1, 5], state)
        draft = task.copy()
        triggers.search([("cron_id", "=", cron.id)]).unlink()
        draft.state = "cancelled"
        self.assertFalse(triggers.search([("cron_id", "=", cron.id)]), "no mail went out")

    def test_a_failed_task_is_read_for_three_days(self):
        task = self._send("a@example.com")
        task.write({"state": "failed", "finished_at": False})
        self.assertIn(task, self._get_unsettled_tasks())
        self._poll()
        self.assertEqual(task.delivered_count, 1)
        silent = self._send("silent1@example.com")
        silent.write({"state": "failed", "finished_at": False})
        silent.paused_at = fields.Datetime.now() - timedelta(days=4)
        self.assertNotIn(silent, self._get_unsettled_tasks())

    def test_a_task_that_has_just_stopped_is_read_first(self):
        """Even if the account's calls are only enough for one task, and others wait longer.

        The account's lists were read after it.
        """
        tasks = self._send("a@example.com"), self._send("b@example.com")
        now = fields.Datetime.now()
        for task, minutes in zip(tasks, (3, 2), strict=True):
            task.write({"state": "sending", "finished_at": False})
            self._get_poll(task).read_at = now - timedelta(minutes=minutes)
        for kind in ("unsubscribed", "complained", "invalid"):
            self._get_poll(kind=kind).read_at = now - timedelta(minutes=1)
        self.account.sudo().poll_calls = 1
        stopped = tasks[1]
        stopped.state = "paused"
        self._poll()
        self.assertEqual([task.delivered_count for task in tasks], [0, 1])

    def test_the_first_look_covers_the_last_mails(self):
        """A period that was begun while mails went out ends before the last of them."""
        task = self._send("a@example.com", "b@example.com", "c@example.com")
        poll = self._get_poll(task)
        poll.write(
            {
                "begin": fields.Datetime.now() - timedelta(hours=2),
                "end": fields.Datetime.now() - timedelta(hours=1),
            }
        )
        self._poll()
        self.assertEqual(task.delivered_count, 3)

    def test_the_button_applies_no_more_than_a_little(self):
        task = self._send(*[f"p{number}@example.com" for number in range(5)])
        self.patch(directmail_task_results, "ACTION_FACTS", 2)
        start = fields.Datetime.now()
        self.assertIn("in the background", task.action_import_results()["params"]["message"])
        self.assertEqual((task.delivered_count, task.results_at), (2, False))
        self.assertTrue(self._is_triggered(directmail_task_results.CRON_EVENTS, start))
        self.env["directmail.event"]._apply_all(task.company_id)
        self.env.invalidate_all()
        self.assertEqual(task.delivered_count, 5)

    def _is_triggered(self, cron, since):
        domain = [("cron_id", "=", self.env.ref(cron).id), ("call_at", ">=", since)]
        return self.env["ir.cron.trigger"].sudo().search_count(domain)

    def _read(self, account):
        self.env["directmail.poll"].sudo()._read_account(account.sudo())

    def _get_unsettled_tasks(self):
        return self.env["directmail.poll"].sudo()._get_unsettled_tasks(self.account.sudo())

    def _poll(self):
        self.env.flush_all()
        self._read(self.account)
        self.env["directmail.event"]._apply_all(self.account.company_id)
        self.env.invalidate_all()

    def test_a_task_that_stays_paused_is_not_asked_about_for_ever(self):
        task = self._send("a@example.com", "silent1@example.com")
        task.write({"state": "paused", "finished_at": False})
        self.assertTrue(task.paused_at)
        unsettled = self._get_unsettled_tasks
        self.assertIn(task, unsettled())
        self.assertFalse(task.poll_message)
        task.results_at = fields.Datetime.now()
        task.paused_at = fields.Datetime.now() - timedelta(hours=7)
        self.assertNotIn(task, unsettled(), "once an hour is enough")
        task.results_at -= timedelta(hours=2)
        self.assertIn(task, unsettled())
        task.paused_at = fields.Datetime.now() - timedelta(days=4)
        self.assertNotIn(task, unsettled())
        self.assertIn("no longer fetched", task.poll_message)
        task.with_user(self.user).action_import_results()
        self.assertEqual(task.delivered_count, 1)
        task.state = "sending"
        self.assertFalse(task.paused_at or task.poll_message)
        self.assertIn(task, unsettled())

    def _react(self, task, address, reaction, **details):
        [row] = self.emulator.ledger(tag=task.tag_name, to=address)
        self.emulator.post(f"/api/inbox/{row['env_id']}/{reaction}", details)

    def test_who_unsubscribed_complained_or_does_not_exist(self):
        names = ("left1", "left2", "left3", "angry", "bounce1", "stays")
        task = self._send(*[f"{name}@example.com" for name in names])
        for number in (1, 2, 3):
            self._react(task, f"left{number}@example.com", "unsubscribe", via="directmail")
        self._react(task, "angry@example.com", "complain")
        for _round in range(2):
            self._poll()
        optouts = self.env["directmail.optout"].sudo().search([("task_id", "=", task.id)])
        self.assertEqual(
            {optout.email.partition("@")[0]: optout.origin for optout in optouts},
            {
                "left1": "directmail",
                "left2": "directmail",
                "left3": "directmail",
                "angry": "complaint",
                "bounce1": "bounce",
            },
        )
        self.assertEqual((task.unsubscribed_count, task.complained_count), (3, 1))
        self.assertSumRule(task)

    def test_a_record_that_is_forbidden_hides_no_other(self):
        task = self._send("a@example.com")
        self.emulator.set_fault("error", action="ListBlockSending", status=403, code="Forbidden")
        with mute_logger("odoo.addons.email_marketing_dm.models.delivery.directmail_poll"):
            self._poll()
        self.assertEqual(task.delivered_count, 1)
        self.assertIn("Forbidden", self._get_poll(kind="unsubscribed").error)

    # === ACCOUNTS IN TURN === #

    def _run_import(self):
        self.env.flush_all()
        with self.enter_registry_test_mode():
            self.env.ref("email_marketing_dm.ir_cron_directmail_results").method_direct_trigger()
        self.env.invalidate_all()

    def _make_second_account(self, name="Second"):
        """Make an active account of another company, which has never been asked."""
        company = self.env["res.company"].create({"name": name})
        self.admin.company_ids += company
        account = self._make_account(name=name, company_id=company.id).sudo()
        account.state = "active"
        account.database_identity = self.account.sudo().database_identity
        self._get_poll(kind="invalid").read_at = fields.Datetime.now()
        return account

    def test_the_account_that_waited_longest_comes_first(self):
        second = self._make_second_account()
        both, polls = self.account.sudo() + second, self.env["directmail.poll"].sudo()
        self.assertEqual(polls._order_accounts(both), second + self.account.sudo())
        self._read(second)
        self._get_poll(kind="invalid").read_at = second.poll_ids[0].read_at - timedelta(hours=1)
        self.assertEqual(polls._order_accounts(both), both)

    def test_one_accounts_trouble_holds_up_no_other(self):
        """A wrong key, and something that nobody foresaw."""
        task = self._send("a@example.com")
        second = self._make_second_account()
        second.access_key_secret = "wrong"
        third = self._make_second_account("Third")
        polls = type(self.env["directmail.poll"])
        original, asked = polls._read_account, []

        def read_account(poll, account):
            asked.append(account.id)
            if account == third:
                raise ValueError("broken")
            return original(poll, account)

        self.patch(polls, "_read_account", read_account)
        with (
            mute_logger("odoo.addons.email_marketing_dm.models.delivery.directmail_poll"),
        ):
            self._run_import()
        self.assertEqual(asked, [second.id, third.id, self.account.id])
        self.assertTrue(any(second.poll_ids.mapped("error")))
        self.assertEqual(task.delivered_count, 1)

    def test_an_account_in_trouble_is_not_asked_again_and_again(self):
        self._send("a@example.com")
        self.emulator.set_fault("unavailable")
        with mute_logger("odoo.addons.email_marketing_dm.models.delivery.directmail_poll"):
            self._read(self.account)
        self.assertEqual(len(self.account.sudo().poll_ids.filtered("error")), 1)

    def test_a_copied_database_asks_nothing(self):
        account = self.account.sudo()
        account.database_identity = "another"
        before = self._count_calls("ListBlockSending")
        self._read(account)
        self.assertEqual(account.state, "disarmed")
        self.assertEqual(self._count_calls("ListBlockSending"), before)

    def test_who_may_see_it(self):
        self._get_poll(kind="invalid")
        polls = self.env["directmail.poll"]
        self.assertTrue(polls.with_user(self.admin).search([("kind", "=", "invalid")]))
        with self.assertRaises(AccessError):
            polls.with_user(self.user).search([])

    # === PERIODS AND PAGES === #

    def _behave(self, **rules):
        self.emulator.configure_account("LTAIEMULATOR", settings={"rules": rules})
        self.addCleanup(
            self.emulator.configure_account,
            "LTAIEMULATOR",
            settings={"rules": {"record_order": "newest", "cursors": "address", "window_days": 29}},
        )

    def _read_as_cron(self, poll, calls=10):
        """Read as the cron does; return what went wrong, if anything did."""
        try:
            poll.with_context(cron_id=False)._read(calls)
        except UserError as error:
            return error.args[0]
        return None

    def test_no_order_of_pages_is_assumed(self):
        found = []
        for order in ("newest", "oldest"):
            for cursors in ("address", "number"):
                self._behave(record_order=order, cursors=cursors)
                names = ("a", "b", "bounce1", "c", "fail1", "spam1", "d")
                task = self._send(*[f"{name}@{order}-{cursors}.example" for name in names])
                self._get_poll(task)._read(10, task._get_first_open())
                task._apply_results(self._get_poll(task))
                found.append(
                    {
                        row.email.partition("@")[0]: (row.state, row.outcome, row.code)
                        for row in task.delivery_ids
                    }
                )
        self.assertEqual(len(found[0]), 7)
        self.assertTrue(all(one == found[0] for one in found))

    def test_a_cursor_with_an_address_is_not_kept_in_clear(self):
        task = self._send(*[f"secret{number}@example.com" for number in range(5)])
        poll = self._get_poll(task)
        poll._read(1, task._get_first_open())
        self.env.flush_all()
        [(position,)] = self.env.execute_query(
            SQL("SELECT position FROM directmail_poll WHERE id = %s", poll.id)
        )
        self.assertTrue(position)
        self.assertNotIn("secret", position)
        self.assertEqual(poll._read(10), 8, "and it goes on there")
        task._apply_results(poll)
        self.assertEqual(task.delivered_count, 5)

    def test_a_cursor_of_another_master_key_begins_the_period_anew(self):
        task = self._send(*[f"p{number}@example.com" for number in range(5)])
        poll = self._get_poll(task)
        poll._read(1, task._get_first_open())
        other = MasterKey(b"another key of 32 bytes, at least")
        poll.position = other.encrypt("p3@example.com#3@dm")
        self.assertEqual(poll._read(10, task._get_first_open()), 7)
        task._apply_results(poll)
        self.assertEqual(task.delivered_count, 5)

    def test_a_period_ends_in_the_past_and_is_not_too_long(self):
        for kind in ("unsubscribed", "complained", "invalid"):
            poll = self._get_poll(kind=kind)
            poll._read(10)
            self.assertLessEqual(poll.covered_until, fields.Datetime.now())
            self.assertEqual(poll.covered_until - poll.begin, timedelta(days=29))
            self.assertFalse(poll.error)

    def test_a_refused_period_is_explained_and_asked_for_less_and_less(self):
        task = self._send("a@example.com")
        others = self._get_poll(kind="invalid")
        self.emulator.set_fault("error", action=DETAILS, status=400, code="InvalidDate.Malformed")
        poll = self._get_poll(task)
        before, hours = self._count_calls(DETAILS), []
        for _run in range(6):
            self.assertIn("InvalidDate.Malformed", self._read_as_cron(poll))
            self.assertIn("shorter period", poll.error)
            task.invalidate_recordset()
            self.assertEqual(task.poll_message, poll.error)
            hours.append(round((poll.retry_at - fields.Datetime.now()).total_seconds() / 3600))
            poll.with_context(cron_id=1)._read(10)
            self.assertEqual(self._count_calls(DETAILS) - before, len(hours), "not asked again yet")
        self.assertEqual(hours, [2, 4, 8, 16, 24, 24])
        self.assertIsNone(self._read_as_cron(others), "the other records go on")
        self.emulator.clear_faults()
        self.assertIsNone(self._read_as_cron(poll))
        self.assertFalse(poll.error or poll.retry_at or poll.refusals)
        task._apply_results(poll)
        self.assertEqual(task.delivered_count, 1)

    def test_an_account_that_shows_fewer_days_is_read_all_the_same(self):
        self._behave(window_days=10)
        poll = self._get_poll(kind="invalid")
        errors = [self._read_as_cron(poll) for _run in range(3)]
        self.assertTrue(errors[0] and errors[1])
        self.assertIsNone(errors[2], "a quarter of 29 days")
        self.assertTrue(poll.covered_until)

    def test_a_period_that_was_begun_long_ago_begins_anew(self):
        task = self._send(*[f"p{number}@example.com" for number in range(5)])
        poll = self._get_poll(task)
        poll._read(1, task._get_first_open())
        past = fields.Datetime.now() - timedelta(days=31)
        poll.write({"begin": past, "end": past + timedelta(days=29)})
        self.assertEqual(poll._read(10, task._get_first_open()), 7)
        self.assertFalse(poll.error)
