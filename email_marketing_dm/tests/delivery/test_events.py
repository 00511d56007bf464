import itertools
import json
from datetime import timedelta

from odoo import fields
from odoo.tests import tagged
from odoo.tools import SQL, mute_logger

from ...directmail.push import read_events
from ...models.delivery import directmail_event
from ...models.delivery.directmail_delivery import REACTION_FIELDS
from ..common import DirectmailCommon
from ..common_events import START, EventsMixin


@tagged("post_install", "-at_install")
class TestEvents(EventsMixin, DirectmailCommon):
    def _get_facts(self, delivery):
        names = [*REACTION_FIELDS.values(), "outcome", "open_count", "click_count"]
        names += ["machine_open_count", "machine_click_count", "state"]
        return delivery.read(names)[0]

    # === ONE METHOD FOR ALL === #

    def test_any_order_gives_the_same(self):
        """Every order of the same facts, one by one and at once, ends in the same state."""
        facts = [
            ("failed", 1),
            ("delivered", 5),
            ("open", 10),
            ("click", 20),
            ("open", 7),
            ("unsubscribe", 30),
        ]
        orders = list(itertools.permutations(facts))[::29]
        people = [f"person{number}@example.com" for number in range(len(orders))]
        deliveries = self._send(*people)
        for number, (delivery, order) in enumerate(zip(deliveries, orders, strict=True)):
            for kind, seconds in order:
                self._tell(delivery, kind, seconds)
                if number % 2:
                    self._apply()
        self._apply()
        for delivery in deliveries:
            self.assertEqual(
                {name: value for name, value in self._get_facts(delivery).items() if name != "id"},
                {
                    "state": "sent",
                    "outcome": "delivered",
                    "opened_at": START + timedelta(seconds=7),
                    "clicked_at": START + timedelta(seconds=20),
                    "unsubscribed_at": START + timedelta(seconds=30),
                    "complained_at": False,
                    "open_count": 2,
                    "click_count": 1,
                    "machine_open_count": 0,
                    "machine_click_count": 0,
                },
            )
        self.assertEqual(self.task.opened_count, len(deliveries))

    def test_the_same_fact_twice_counts_once(self):
        [delivery] = self._send("a@example.com")
        self.assertEqual(self._tell(delivery, "open", fingerprint="x"), 1)
        self.assertEqual(self._tell(delivery, "open", fingerprint="x"), 0)
        self._apply()
        self.assertEqual(self._tell(delivery, "open", fingerprint="x"), 0)
        self._apply()
        self.assertEqual((delivery.open_count, self.task.opened_count), (1, 1))

    def test_delivered_wins_within_a_second(self):
        first, second = self._send("a@example.com", "b@example.com")
        for delivery, kinds in ((first, "fd"), (second, "df")):
            for kind in kinds:
                self._tell(delivery, {"f": "failed", "d": "delivered"}[kind], 3)
                self._apply()
        self.assertEqual((first + second).mapped("outcome"), ["delivered"] * 2)

    def test_a_click_is_an_opening(self):
        [delivery] = self._send("a@example.com")
        self._tell(delivery, "click", 4)
        self._apply()
        self.assertEqual(delivery.opened_at, delivery.clicked_at)
        self.assertEqual((self.task.opened_count, self.task.clicked_count), (1, 1))

    def test_machines_are_counted_apart(self):
        [delivery] = self._send("a@example.com")
        self._tell(delivery, "open", 1, machine=True)
        self._tell(delivery, "click", 2, machine=True)
        self._apply()
        self.assertFalse(delivery.opened_at or delivery.clicked_at)
        self.assertEqual((delivery.machine_open_count, delivery.machine_click_count), (1, 1))
        self.assertEqual((self.task.opened_count, self.task.clicked_count), (0, 0))

    def test_following_every_link_is_a_machine(self):
        """Whether the clicks come together or one by one, and to those taken for a person's."""
        together, apart, slow = self._send("a@example.com", "b@example.com", "c@example.com")
        links = self.env["directmail.link"].create(
            [
                {"task_id": self.task.id, "template_id": self.task.template_id.id, "number": number}
                for number in range(3)
            ]
        )
        self._tell(together, "click", -60, link_id=links[0].id)
        for number, link in enumerate(links):
            self._tell(together, "click", number, link_id=link.id)
            self._tell(apart, "click", number, link_id=link.id)
            self._tell(slow, "click", 100 * number, link_id=link.id)
            if number:
                self._apply()
        self.assertEqual((together.click_count, together.machine_click_count), (1, 3))
        self.assertEqual(together.clicked_at, START - timedelta(seconds=60))
        self.assertEqual((apart.click_count, apart.machine_click_count), (0, 3))
        self.assertFalse(apart.clicked_at or apart.opened_at)
        self.assertEqual((slow.click_count, slow.machine_click_count), (3, 0))
        self.assertEqual((self.task.clicked_count, self.task.opened_count), (2, 2))

    def test_the_link_tracker_counts_peoples_clicks(self):
        """Those of machines are not, even where they are recognised only afterwards."""
        person, machine, scanner = self._send("a@example.com", "b@example.com", "c@example.com")
        campaign = self.env["utm.campaign"].create({"name": "Spring"})
        trackers = self.env["link.tracker"].create(
            [
                {"url": f"https://example.com/{n}", "title": "T", "campaign_id": campaign.id}
                for n in range(3)
            ]
        )
        task, template = self.task, self.task.template_id
        links = self.env["directmail.link"].create(
            [
                {"task_id": task.id, "template_id": template.id, "number": n, "tracker_id": t.id}
                for n, t in enumerate(trackers)
            ]
        )
        self._tell(person, "click", 1, link_id=links[0].id)
        self._tell(person, "click", 90, link_id=links[1].id)
        self._tell(machine, "click", 2, link_id=links[0].id, machine=True)
        self._tell(scanner, "click", 3, link_id=links[0].id)
        self._apply()
        self.assertEqual(trackers.mapped("count"), [2, 1, 0])
        self.assertEqual(campaign.click_count, 3)
        for number in (1, 2):
            self._tell(scanner, "click", 3 + number, link_id=links[number].id)
            self._apply()
        self.assertEqual(trackers.mapped("count"), [1, 1, 0])
        trackers[0].link_click_ids.create({"link_id": trackers[0].id})
        self.assertEqual(trackers.mapped("count"), [2, 1, 0], "counted anew, it is the same")

    def test_a_hit_proves_an_unknown_mail(self):
        self.emulator.set_fault("close", action="SingleSendMail", times=1)
        self.addCleanup(self.emulator.clear_faults)
        [delivery] = self._send("a@example.com")
        self.assertEqual(delivery.state, "unknown")
        self._tell(delivery, "open", machine=True)
        self._apply()
        self.assertEqual((delivery.state, self.task.unknown_count), ("sent", 0))

    def test_facts_wait_for_the_answer(self):
        [delivery] = self._send("a@example.com")
        self.env.flush_all()
        self.env.cr.execute(
            "UPDATE directmail_delivery SET state = 'sending' WHERE id = %s", [delivery.id]
        )
        self._tell(delivery, "delivered")
        self.events._apply_all(self.account.company_id)
        self.env.invalidate_all()
        self.assertFalse(delivery.outcome)
        self.env.cr.execute(
            "UPDATE directmail_delivery SET state = 'sent' WHERE id = %s", [delivery.id]
        )
        self._apply()
        self.assertEqual(delivery.outcome, "delivered")

    def test_strangers_change_nothing_and_are_counted(self):
        [delivery] = self._send("a@example.com")
        before = self._get_facts(delivery)
        self._tell(None, "delivered", address_key="0" * 64)
        self._tell(None, "other", message="dm:Something:New")
        self._tell(None, "open", delivery_id=2**30)
        self._apply()
        self.assertEqual(self._get_facts(delivery), before)
        self.assertFalse(self.env["directmail.event.pending"].sudo().search([]))
        account = self.account.sudo()
        self.assertEqual((account.push_stray_count, account.push_received_count), (3, 3))

    def test_results_are_written_where_the_rows_are(self):
        """Thousands come in at once: whatever is indexed must not change with them."""
        deliveries = self._send(*[f"p{number}@example.com" for number in range(5)])
        for delivery in deliveries:
            self._tell(delivery, "delivered", 1)
            self._tell(delivery, "open", 2)
        before = self._count_updates()
        self._apply()
        after = self._count_updates()
        updates, in_place = (new - old for new, old in zip(after, before, strict=True))
        self.assertEqual((updates, in_place), (5, 5))

    def _count_updates(self):
        """Return how many rows were updated, and how many without a new entry in any index."""
        self.env.flush_all()
        [counts] = self.env.execute_query(
            SQL(
                """SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_xact_user_tables
                    WHERE relname = 'directmail_delivery'"""
            )
        )
        return counts

    def test_facts_that_are_removed_wait_no_longer(self):
        first, second = self._send("a@example.com", "b@example.com")
        waiting = self.env["directmail.event.pending"].sudo()
        self._tell(first, "delivered")
        self._tell(second, "delivered")
        self.assertEqual(waiting.search_count([]), 2)
        first.sudo().unlink()
        self.env.invalidate_all()
        self.assertEqual(waiting.search([]).ids, self.events.search([]).ids)

    # === COMPANIES IN TURN === #

    def _run_apply(self, apply):
        """Run the cron with `apply(company)` in place of the work itself."""
        self.env.flush_all()
        self.patch(type(self.events), "_apply_batch", lambda _events, company: apply(company))
        self.patch(directmail_event, "BATCH", 1)
        with self.enter_registry_test_mode():
            self.env.ref("email_marketing_dm.ir_cron_directmail_events").method_direct_trigger()
        self.env.invalidate_all()

    def _tell_two_companies(self):
        """Let one company have three open facts, and another one fact that came after them."""
        [delivery] = self._send("a@example.com")
        company = self.env["res.company"].create({"name": "Another"})
        for seconds in range(3):
            self._tell(delivery, "open", seconds)
        self._tell(None, "other", company_id=company.id)
        return delivery, company

    def test_one_companys_flood_holds_up_no_other(self):
        delivery, company = self._tell_two_companies()
        turns, apply = [], type(self.events)._apply_batch

        def note(turn):
            turns.append(turn.id)
            return apply(self.events, turn, 1)

        self._run_apply(note)
        ours = delivery.company_id.id
        self.assertEqual(turns[:3], [ours, company.id, ours])
        self.assertEqual(delivery.open_count, 3)
        self.assertFalse(self.env["directmail.event.pending"].sudo().search([]))

    def test_one_companys_broken_facts_hold_up_no_other(self):
        delivery, company = self._tell_two_companies()
        apply = type(self.events)._apply_batch

        def fail(turn):
            if turn == delivery.company_id:
                raise ValueError("broken")
            return apply(self.events, turn, 1)

        with mute_logger("odoo.addons.email_marketing_dm.models.delivery.directmail_event"):
            self._run_apply(fail)
        waiting = self.env["directmail.event.pending"].sudo().search([])
        self.assertEqual(waiting.mapped("company_id"), delivery.company_id.ids * 3)

    def test_another_accounts_events_do_not_reach_ours(self):
        [delivery] = self._send("a@example.com")
        other = self._make_account(name="Another")
        self._tell(delivery, "invalid", account_id=other.id)
        self._apply()
        self.assertFalse(delivery.outcome)
        self.assertEqual(other.sudo().push_stray_count, 1)

    def test_future_and_missing_times(self):
        [delivery] = self._send("a@example.com")
        self._tell(delivery, "failed", 3600 * 24 * 365 * 50)
        self._apply()
        self.assertLessEqual(delivery.outcome_at, fields.Datetime.now() + timedelta(seconds=1))

    # === PUSHED EVENTS === #

    def _push(self, **data):
        """Return what is stored of a pushed event."""
        event = {"id": "1", "type": "dm:Deliver:Fail", "time": "2026-11-01T18:00:00+08:00"}
        event["data"] = {"status": "4", "rcpt": "A@example.com", "tag": "none", **data}
        [pushed] = read_events(json.dumps(event))
        [fact] = self.events._make_pushed(self.account.sudo(), [(pushed, None)])
        return fact

    def test_addresses_are_not_stored(self):
        fact = self._push(err_msg="554 RCPT (A@example.com) doesn't exist; <a@EXAMPLE.com>: no")
        self.assertEqual(fact.occurred_at, START)
        self.assertEqual(len(fact.address_key), 64)
        self.assertNotIn("example", fact.message.lower())
        self.assertIn("554 RCPT", fact.message)

    def test_event_without_our_header_is_found_by_tag_and_address(self):
        [delivery] = self._send("a@example.com")
        self.events._receive([self._push(tag=self.task.tag_name)])
        self._apply()
        self.assertEqual(delivery.outcome, "failed")

    # === RIGHTS === #

    def test_rights(self):
        [delivery] = self._send("a@example.com")
        self._tell(delivery, "open", 1)
        self._apply()
        events = self.env["directmail.event"]
        domain = [("delivery_id", "=", delivery.id)]
        self.assertEqual(len(events.with_user(self.user).search(domain)), 1)
        self.assertFalse(events.with_user(self.other).search(domain))
        self.assertEqual(len(events.with_user(self.admin).search(domain)), 1)
        other_company = self.env["res.company"].create({"name": "Elsewhere"})
        self.admin.write(
            {"company_ids": [fields.Command.set(other_company.ids)], "company_id": other_company.id}
        )
        self.assertFalse(events.with_user(self.admin).search(domain))
