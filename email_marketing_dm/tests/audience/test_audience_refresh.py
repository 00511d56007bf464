from datetime import datetime, timedelta
from unittest.mock import patch

from odoo import fields
from odoo.exceptions import AccessError
from odoo.tests import tagged
from odoo.tools import mute_logger

from ...exceptions import BusyError
from ..common import DirectmailCommon

CRON = "email_marketing_dm.ir_cron_directmail_audience"
LOGGER = "odoo.addons.email_marketing_dm.models.mixins.directmail_scheduled"


@tagged("post_install", "-at_install")
class TestAudienceRefresh(DirectmailCommon):
    """Refreshes of audiences: changes, order, schedule and failures."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.ann, cls.bob, cls.cat, cls.dan = cls.people = cls._make_people(
            "ann@example.com", "bob@example.com", "no address", False
        )

    def _make_of(self, *sources, **vals):
        """Make an audience of the people of others."""
        lines = [
            {"kind": "audience", "source_id": source.id, "operator": "or"} for source in sources
        ]
        return self._make_audience(None, lines=lines, **vals)

    def _lock_all_but(self, busy):
        """Let a lock on some audiences be somebody else's. Two real ones: tests/server."""
        return patch.object(
            type(busy), "try_lock_for_update", lambda records, **_options: records - busy
        )

    def _run_clock(self, *due):
        """Run the cron, with these audiences due."""
        self.env["directmail.audience"].union(*due).sudo().next_refresh_at = "2020-01-01"
        self.env.flush_all()
        self.env.invalidate_all()
        with self.enter_registry_test_mode():
            self.env.ref(CRON).method_direct_trigger()
        self.env.invalidate_all()

    def _break(self, audience):
        self.env.cr.execute(
            "UPDATE directmail_audience_line SET domain = %s WHERE audience_id = %s",
            ["[('nothing', '=', 1)]", audience.id],
        )
        self.env.invalidate_all()

    # === HISTORY === #

    def test_who_entered_and_left(self):
        audience = self._make_audience(self.ann + self.bob)
        audience.action_refresh()
        self.assertEqual((audience.entered_count, audience.left_count), (2, 0))
        kept = audience.member_ids.filtered(lambda m: m.partner_id == self.bob)
        audience.line_ids.domain = f"[('id', 'in', {(self.bob + self.cat).ids})]"
        audience.action_refresh()
        self.assertEqual((audience.entered_count, audience.left_count), (1, 1))
        self.assertEqual(audience.member_ids.partner_id, self.bob + self.cat)
        self.assertIn(kept, audience.member_ids, "who stays keeps the row")
        audience.invalidate_recordset(["size_ids"])
        self.assertEqual(audience.size_ids.mapped("people_count"), [2, 2])
        self.assertEqual(audience.size_ids.mapped("usable_count"), [1, 2])

    def test_figures_are_guarded(self):
        audience = self._make_audience(self.ann)
        for name in ("people_count", "usable_count", "entered_count", "left_count"):
            with self.subTest(name), self.assertRaises(AccessError):
                audience.write({name: 9})
        with self.assertRaises(AccessError):
            audience.write({"next_refresh_at": "2020-01-01"})
        with self.assertRaises(AccessError):
            self.env["directmail.audience.size"].with_user(self.user).create(
                {"audience_id": audience.id, "refreshed_at": "2020-01-01"}
            )

    # === KEEPING FRESH === #

    def test_next_refresh(self):
        self.user.tz = "Asia/Singapore"
        audience = self._make_audience(self.ann)
        self.assertFalse(audience.next_refresh_at)
        monday = datetime(2026, 11, 23, 12, 0)  # 20:00 in Singapore
        for vals, expected in (
            ({"refresh_every": "daily", "refresh_hour": 3}, datetime(2026, 11, 23, 19, 0)),
            ({"refresh_every": "daily", "refresh_hour": 20}, datetime(2026, 11, 24, 12, 0)),
            ({"refresh_every": "weekly", "refresh_weekday": "0"}, datetime(2026, 11, 30, 12, 0)),
            ({"refresh_weekday": "1"}, datetime(2026, 11, 24, 12, 0)),
            ({"refresh_every": "monthly", "refresh_day": 31}, datetime(2026, 11, 30, 12, 0)),
            ({"refresh_day": 1, "refresh_hour": 3}, datetime(2026, 11, 30, 19, 0)),
            ({"active": False}, False),
        ):
            with self.subTest(vals):
                audience.write(vals)
                self.assertEqual(audience._get_next_refresh(monday), expected)
        self.assertFalse(audience.next_refresh_at)

    def test_cron_refreshes_what_is_due(self):
        due = self._make_audience(self.ann, refresh_every="daily")
        later = self._make_audience(self.ann, refresh_every="daily")
        broken = self._make_audience(self.bob, refresh_every="weekly")
        broken.action_refresh()
        broken.sudo().refreshed_at = "2019-12-25"
        self._break(broken)
        self._run_clock(due, broken)
        self.assertEqual(due.people_count, 1)
        self.assertGreater(due.next_refresh_at, fields.Datetime.now())
        self.assertFalse(later.refreshed_at)
        self.assertIn("nothing", broken.refresh_error)
        self.assertEqual(broken.member_ids.partner_id, self.bob)
        self.assertGreater(broken.next_refresh_at, fields.Datetime.now())

    def test_whatever_is_wrong_with_one_the_others_are_refreshed(self):
        first, odd, last = (
            self._make_audience(self.ann, name=name, refresh_every="daily") for name in "abc"
        )
        choose = type(odd)._choose_people

        def choose_or_not(audience):
            if audience == odd:
                raise KeyError("odd")
            return choose(audience)

        with (
            patch.object(type(odd), "_choose_people", choose_or_not),
            self.assertLogs(LOGGER, "ERROR"),
        ):
            self._run_clock(first, odd, last)
        self.assertEqual((first.people_count, odd.people_count, last.people_count), (1, 0, 1))
        self.assertIn("unexpected error", odd.refresh_error)
        for audience in (first, odd, last):
            self.assertGreater(audience.next_refresh_at, fields.Datetime.now())

    def test_next_date_is_kept_before_the_work(self):
        """What makes the server die while it refreshes must not do so every minute."""
        audience = self._make_audience(self.ann, refresh_every="daily")
        with (
            patch.object(type(audience), "_choose_people", side_effect=SystemExit),
            self.assertRaises(SystemExit),
        ):
            self._run_clock(audience)
        self.env.invalidate_all()
        self.assertGreater(audience.next_refresh_at, fields.Datetime.now())

    def test_conflict_is_tried_again(self):
        audience = self._make_audience(self.ann, refresh_every="daily")
        choose, conflicts = type(audience)._choose_people, ["40001"]

        def choose_at_last(audience):
            if conflicts:
                audience.env.cr.execute(f"DO $$BEGIN RAISE SQLSTATE '{conflicts.pop()}'; END$$")
            return choose(audience)

        with (
            patch.object(type(audience), "_choose_people", choose_at_last),
            patch("odoo.service.model.random.uniform", return_value=0),
            mute_logger("odoo.service.model", "odoo.sql_db"),
        ):
            self._run_clock(audience)
        self.assertFalse(conflicts)
        self.assertEqual((audience.people_count, audience.refresh_error), (1, False))

    def test_what_the_database_refuses(self):
        audience = self._make_audience(self.ann)
        audience.action_refresh()
        self.env.cr.execute(
            "ALTER TABLE directmail_audience_member ADD CHECK (partner_id <> %s)", [self.bob.id]
        )
        audience.line_ids.domain = f"[('id', 'in', {(self.ann + self.bob).ids})]"
        with mute_logger(LOGGER, "odoo.sql_db"):
            audience.action_refresh()
        self.assertIn("reported an error", audience.refresh_error)
        self.assertEqual(audience.member_ids.partner_id, self.ann)

    # === ONE AT A TIME === #

    def test_one_refresh_at_a_time(self):
        audience = self._make_audience(self.ann)
        with self._lock_all_but(audience), self.assertRaisesRegex(BusyError, "at the moment"):
            audience.action_refresh()

    def test_busy_source_is_no_failure(self):
        """It passes by itself, so nobody is told for good that the refresh failed."""
        source = self._make_audience(self.ann)
        audience = self._make_of(source, refresh_every="daily")
        with self._lock_all_but(source), self.assertRaisesRegex(BusyError, "at the moment"):
            audience.action_refresh()
        self.assertFalse(audience.refresh_error)
        with self._lock_all_but(source):
            self._run_clock(audience)
        self.assertFalse(audience.refresh_error or audience.refreshed_at)
        self.assertLess(audience.next_refresh_at, fields.Datetime.now() + timedelta(minutes=2))
        self._run_clock(audience)
        self.assertEqual(audience.people_count, 1)

    def test_busy_audience_stays_due(self):
        audience = self._make_audience(self.ann, refresh_every="daily")
        with self._lock_all_but(audience):
            self._run_clock(audience)
        self.assertFalse(audience.refreshed_at)
        self.assertEqual(str(audience.next_refresh_at), "2020-01-01 00:00:00")
        triggers = self.env["ir.cron.trigger"].search([("cron_id", "=", self.env.ref(CRON).id)])
        self.assertLess(min(triggers.mapped("call_at")), datetime.now() + timedelta(minutes=2))

    def test_task_waits_for_a_busy_audience(self):
        audience = self._make_audience(self.ann)
        audience.action_refresh()
        task = self._make_task(audience)
        task.action_send()
        with (
            self._lock_all_but(audience),
            mute_logger("odoo.addons.email_marketing_dm.models.task.directmail_task_run"),
        ):
            self._run_cron()
        self.assertEqual(task.state, "pending")
        self.assertIn("at the moment", task.state_message)
        self.assertFalse(task.delivery_ids)
        self._run_cron()
        self.assertEqual((task.state, task.sent_count), ("done", 1))

    # === SOURCES FIRST === #

    def test_each_source_is_refreshed_once(self):
        """With a second refresh, a source of two audiences would lose its count of new people."""
        shared = self._make_audience(self.ann + self.bob)
        left, right = self._make_of(shared), self._make_of(shared)
        whole = self._make_of(left, right, shared)
        whole.action_refresh()
        for audience in (shared, left, right, whole):
            audience.invalidate_recordset(["size_ids"])
            with self.subTest(audience.id):
                self.assertEqual((audience.people_count, audience.entered_count), (2, 2))
                self.assertEqual(len(audience.size_ids), 1)

    def test_a_task_refreshes_what_its_audiences_share_once(self):
        shared = self._make_audience(self.ann)
        task = self._make_task(self._make_of(shared) + self._make_of(shared))
        task.sudo()._refresh_audiences()
        self.assertEqual(shared.entered_count, 1)
        self.assertEqual(task.audience_ids.mapped("entered_count"), [1, 1])

    def test_clock_refreshes_sources_first_and_once(self):
        source = self._make_audience(self.ann, name="z", refresh_every="daily")
        audience = self._make_of(source, name="a", refresh_every="daily")
        self._run_clock(source, audience)
        self.assertEqual((source.entered_count, audience.entered_count), (1, 1))
        self.assertEqual(len(source.size_ids), 1)

    def test_source_that_fails_says_so_itself(self):
        source, good = self._make_audience(self.ann), self._make_audience(self.bob)
        audience = self._make_of(good, source)
        audience.action_refresh()
        self.assertEqual(audience.member_ids.partner_id, self.ann + self.bob)
        self._break(source)
        audience.action_refresh()
        self.assertIn("nothing", source.refresh_error)
        self.assertIn("can't be refreshed", audience.refresh_error)
        self.assertEqual(audience.member_ids.partner_id, self.ann + self.bob)
