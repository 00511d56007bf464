from odoo import fields
from odoo.exceptions import AccessError, ValidationError
from odoo.fields import Command
from odoo.tests import Form, new_test_user, tagged
from odoo.tools import SQL, mute_logger

from ...clock.spans import SPANS
from ...engine import claim
from ...engine.plan import Fate
from ..common_fatigue import DAYS, HOURS, MINUTES, FatigueCommon

SENT = ("sent", False, False)


@tagged("post_install", "-at_install")
class TestFatigueLimits(FatigueCommon):
    def _trace(self, **vals):
        """Let Odoo's own Email or SMS Marketing have sent something an hour ago."""
        row = {
            "trace_type": "mail",
            "model": "res.partner",
            "res_id": 1,
            "trace_status": "sent",
            "sent_datetime": fields.Datetime.now() - HOURS(1),
            **vals,
        }
        self.env.cr.execute(
            SQL(
                "INSERT INTO mailing_trace (%s) VALUES %s",
                SQL(", ").join(map(SQL.identifier, row)),
                tuple(row.values()),
            )
        )

    def test_documented_example(self):
        """Ten a month, three mails a week: in week four only one goes out."""
        self._set_limits(email_month=10)
        ann = self._make_people("ann@example.com")
        self._add_past(ann, *(DAYS(day) for week in (7, 14, 21) for day in range(week, week + 3)))
        fates = [self._get_fates(self._start(ann, name=f"Mail {n}"))[ann] for n in range(3)]
        self.assertEqual(fates, [SENT] + [("suppressed", "fatigue", "email_month")] * 2)

    def test_each_window(self):
        ann, bob = self._make_people("ann@example.com", "bob@example.com")
        for span, inside, outside in (
            ("minute", MINUTES(0.5), MINUTES(1.5)),
            ("hour", MINUTES(59), MINUTES(61)),
            ("day", HOURS(23), HOURS(25)),
            ("week", DAYS(6.9), DAYS(7.1)),
            ("month", DAYS(29.9), DAYS(30.1)),
        ):
            with self.subTest(span=span), self.env.cr.savepoint() as savepoint:
                self._set_limits(**{f"email_{span}": 2})
                self._add_past(ann, inside, inside)
                self._add_past(bob, inside, outside)
                fates = self._get_fates(self._start(ann + bob))
                self.assertEqual(fates[ann], ("suppressed", "fatigue", f"email_{span}"))
                self.assertEqual(fates[bob], SENT)
                savepoint.rollback()
                self.env.invalidate_all()

    def test_off_by_default(self):
        ann = self._make_people("ann@example.com")
        self._add_past(ann, *[MINUTES(0.1)] * 5)
        self.assertEqual(self._get_fates(self._start(ann))[ann], SENT)

    def test_several_windows_at_once(self):
        self._set_limits(email_day=1, email_month=3)
        ann, bob, carl = self._make_people("a@example.com", "b@example.com", "c@example.com")
        self._add_past(ann, HOURS(2))
        self._add_past(bob, DAYS(3), DAYS(4), DAYS(5))
        self._add_past(carl, DAYS(3), DAYS(4))
        fates = self._get_fates(self._start(ann + bob + carl))
        self.assertEqual(fates[ann][2], "email_day")
        self.assertEqual(fates[bob][2], "email_month")
        self.assertEqual(fates[carl], SENT)

    def test_states_that_count(self):
        self._set_limits(email_week=1)
        people = self.env["res.partner"]
        for state in ("sending", "unknown", "sent", "refused", "not_sent", "cancelled"):
            person = self._make_people(f"{state}@example.com")
            self._add_past(person, DAYS(1), state=state)
            people += person
        fates = self._get_fates(self._start(people))
        stopped = people.filtered(lambda person: fates[person][1] == "fatigue")
        self.assertEqual(
            set(stopped.mapped("email")),
            {"sending@example.com", "unknown@example.com", "sent@example.com"},
        )

    def test_other_company_does_not_count(self):
        self._set_limits(email_week=1)
        other = self.env["res.company"].create({"name": "Other"})
        ann = self._make_people("ann@example.com")
        self._add_past(ann, DAYS(1), company=other)
        self.assertEqual(self._get_fates(self._start(ann))[ann], SENT)

    def test_other_account_of_the_company_counts(self):
        self._set_limits(email_week=1)
        account = self._make_account(name="Second")
        ann = self._make_people("ann@example.com")
        self._add_past(ann, DAYS(1), account_id=account.id)
        self.assertEqual(self._get_fates(self._start(ann))[ann][1], "fatigue")

    def test_clock_moved_backwards(self):
        """What was sent "in the future" still counts, so nobody gets more than the limit."""
        self._set_limits(email_minute=1, email_day=1)
        ann = self._make_people("ann@example.com")
        self._add_past(ann, HOURS(-5))
        self.assertEqual(self._get_fates(self._start(ann))[ann][1], "fatigue")

    def test_identity_by_address(self):
        self._set_limits(email_week=1)
        ann, twin = self._make_people("ann@example.com", "ANN@example.com ")
        self._add_past(ann, DAYS(1))
        self.assertEqual(self._get_fates(self._start(twin))[twin][1], "fatigue")
        ann.email = "new@example.com"
        self.assertEqual(self._get_fates(self._start(ann))[ann], SENT)

    def test_identity_by_contact(self):
        self.fatigue.identity = "contact"
        self._set_limits(email_week=1)
        ann, twin = self._make_people("ann@example.com", "ann@example.com")
        self._add_past(ann, DAYS(1))
        self.assertEqual(self._get_fates(self._start(twin))[twin], SENT)
        ann.email = "new@example.com"
        self.assertEqual(self._get_fates(self._start(ann))[ann][1], "fatigue")

    def test_merged_contacts_are_one_person(self):
        """Two contacts of one task, merged while it runs, together get what one may get."""
        self.fatigue.identity = "contact"
        self._set_limits(email_week=1)
        ann, bob = self._make_people("ann@example.com", "bob@example.com")
        task = self._start(ann + bob, run=False)
        self.env.cr.execute(
            SQL(
                "UPDATE directmail_delivery SET partner_id = %s WHERE task_id = %s",
                ann.id,
                task.id,
            )
        )
        self._run_cron()
        self.assertEqual((task.sent_count, task.suppressed_count, task.state), (1, 1, "done"))

    def test_global_counts_odoos_own_mailings(self):
        people = ann, bob, carl, dora = self._make_people(
            "ann@example.com", "bob@example.com", "carl@example.com", "dora@example.com"
        )
        self._set_limits(email_week=1, global_day=2)
        self._trace(email="ann@example.com", trace_status="open")
        self._trace(email="ann@example.com", trace_status="bounce")
        self._trace(email="bob@example.com")
        self._trace(email="bob@example.com", sent_datetime=None, trace_status="error")
        self._trace(email="carl@example.com", is_test_trace=True)
        self._trace(email="carl@example.com", is_test_trace=True)
        self._trace(email="dora@example.com", sent_datetime=fields.Datetime.now() - HOURS(25))
        self._trace(email="dora@example.com")
        fates = self._get_fates(self._start(people))
        self.assertEqual(fates[ann], ("suppressed", "fatigue", "global_day"))
        self.assertEqual([fates[person] for person in (bob, carl, dora)], [SENT] * 3)

    def test_global_counts_sms_by_contact(self):
        ann, bob, carl = self._make_people("a@example.com", "b@example.com", "c@example.com")
        lead = self.env["crm.lead"].create({"name": "Lead", "partner_id": bob.id})
        self._set_limits(global_day=1)
        self._trace(trace_type="sms", res_id=ann.id, trace_status="pending")
        self._trace(trace_type="sms", model="crm.lead", res_id=lead.id)
        self._trace(trace_type="sms", res_id=carl.id, sent_datetime=None, trace_status="error")
        fates = self._get_fates(self._start(ann + bob + carl))
        self.assertEqual(fates[ann][2], "global_day")
        self.assertEqual(fates[bob][2], "global_day")
        self.assertEqual(fates[carl], SENT)

    def test_decided_again_at_claim(self):
        self._set_limits(email_day=1)
        ann, bob = self._make_people("ann@example.com", "bob@example.com")
        task = self._start(ann + bob, run=False)
        self.assertEqual(task.waiting_count, 2)
        self._add_past(ann, HOURS(1))
        self._run_cron()
        self.assertEqual((task.sent_count, task.suppressed_count, task.state), (1, 1, "done"))
        self.assertEqual(self._get_fates(task)[ann], ("suppressed", "fatigue", "email_day"))

    def test_paused_and_resumed_is_no_way_around(self):
        self._set_limits(email_day=1)
        ann = self._make_people("ann@example.com")
        task = self._start(ann, run=False)
        task.action_pause()
        self._add_past(ann, HOURS(1))
        task.action_resume()
        self._run_cron()
        self.assertEqual(self._get_fates(task)[ann][1], "fatigue")

    def test_many_held_back_in_a_row_stop_nobody_behind_them(self):
        """Few are looked at in one transaction; the others have their turn in the next."""
        self._set_limits(email_day=1)
        people = self._make_people(*[f"p{n}@example.com" for n in range(30)])
        task = self._start(people, run=False)
        for person in people[:25]:
            self._add_past(person, HOURS(1))
        self.patch(claim, "PICK_MAX", 4)
        self.patch(claim, "LOOK_MAX", 10)
        self.account.sudo().threads = 2
        for _run in range(4):
            self._run_cron()
        self.assertEqual((task.state, task.sent_count, task.suppressed_count), ("done", 5, 25))

    def test_estimate_is_what_happens(self):
        self._set_limits(email_day=1)
        people = self._make_people("a@example.com", "b@example.com", "c@example.com", False)
        self._add_past(people[1], HOURS(1))
        task = self._make_task(self._make_audience(people), self.template)
        task._refresh_audiences()
        expected = {
            Fate(None, None, None): 2,
            Fate("fatigue", "email_day", None): 1,
            Fate("no_address", None, None): 1,
        }
        self.assertEqual(task.sudo()._count_fates(), expected)
        self.assertEqual(task.sudo()._count_fates(), expected, "an estimate changes nothing")
        task.action_send()
        self._run_cron()
        self.assertEqual((task.sent_count, task.suppressed_count), (2, 2))
        self.assertEqual(task.held_back_count, 1)
        self.assertIn("Emails in 24 hours", task.held_back)
        action = task.action_view_held_back()
        found = self.env["directmail.delivery"].with_user(self.user).search(action["domain"])
        self.assertEqual(found.partner_id, people[1])
        self.assertIn("Emails in 24 hours", found.explanation)

    def test_estimate_for_a_set_time(self):
        """What was sent 20 hours ago no longer counts at a time five hours from now."""
        self._set_limits(email_day=1)
        ann = self._make_people("ann@example.com")
        self._add_past(ann, HOURS(20))
        task = self._make_task(self._make_audience(ann), self.template)
        task._refresh_audiences()
        self.assertEqual(task.sudo()._count_fates(), {Fate("fatigue", "email_day", None): 1})
        task.write({"send_type": "scheduled", "scheduled_at": fields.Datetime.now() + HOURS(5)})
        self.assertEqual(task.sudo()._count_fates(), {Fate(None, None, None): 1})

    # === EXCEPTIONS === #

    def test_notification_is_exempt_and_counts(self):
        self._set_limits(email_day=1)
        ann = self._make_people("ann@example.com")
        self._add_past(ann, HOURS(1))
        task = self._start(ann, is_notification=True)
        self.assertEqual(self._get_fates(task)[ann], SENT)
        bob = self._make_people("bob@example.com")
        self._start(bob, is_notification=True)
        self.assertEqual(self._get_fates(self._start(bob))[bob][1], "fatigue")

    def test_notification_that_does_not_count(self):
        self._set_limits(email_day=1)
        ann = self._make_people("ann@example.com")
        self._start(ann, is_notification=True, notification_counts=False)
        self.assertEqual(self._get_fates(self._start(ann))[ann], SENT)

    def test_notification_respects_unsubscribing(self):
        ann = self._make_people("ann@example.com")
        self.env["mail.blacklist"].sudo()._add("ann@example.com")
        task = self._make_task(self._make_audience(ann), self.template, is_notification=True)
        task._refresh_audiences()
        self.assertEqual(task.sudo()._count_fates(), {Fate("blacklisted", None, None): 1})

    def test_only_an_administrator_may_ignore_fatigue(self):
        self._set_limits(email_day=1)
        ann = self._make_people("ann@example.com")
        self._add_past(ann, HOURS(1))
        with self.assertRaisesRegex(AccessError, "administrator"):
            self._make_task(self._make_audience(ann), self.template, ignore_fatigue=True)
        task = self._make_task(self._make_audience(ann), self.template)
        with self.assertRaisesRegex(AccessError, "administrator"):
            task.ignore_fatigue = True
        self.cr.flush()
        before = task.message_ids
        task.with_user(self.admin).ignore_fatigue = True
        self.cr.flush()
        tracked = (task.message_ids - before).sudo().tracking_value_ids
        self.assertEqual(tracked.field_id.name, "ignore_fatigue")
        task.action_send()
        self._run_cron()
        self.assertEqual(self._get_fates(task)[ann], SENT)
        self.assertFalse(task.copy().ignore_fatigue)

    def test_exempt_people(self):
        self._set_limits(email_day=1)
        people = ann, bob = self._make_people("ann@example.com", "bob@example.com")
        self._add_past(ann, HOURS(1))
        self._add_past(bob, HOURS(1))
        audience = self._make_audience(ann, visibility="public")
        audience.action_refresh()
        self.fatigue.exempt_audience_ids = audience
        self.assertEqual(self.fatigue.exempt_count, 1)
        fates = self._get_fates(self._start(people))
        self.assertEqual((fates[ann], fates[bob][1]), (SENT, "fatigue"))

    def test_more_than_a_hundred_exempt_are_refused(self):
        people = self._make_people(*[f"p{n}@example.com" for n in range(101)])
        audience = self._make_audience(people, visibility="public")
        audience.action_refresh()
        with self.assertRaisesRegex(ValidationError, "101"):
            self.fatigue.exempt_audience_ids = audience

    def test_exemption_is_suspended_when_it_grows(self):
        self._set_limits(email_day=1)
        people = self._make_people(*[f"p{n}@example.com" for n in range(101)])
        audience = self._make_audience(people[:100], visibility="public")
        audience.action_refresh()
        self.fatigue.exempt_audience_ids = audience
        self._add_past(people[0], HOURS(1))
        self.assertFalse(self.fatigue.exempt_suspended)
        audience.line_ids.domain = f"[('id', 'in', {people.ids})]"
        audience.action_refresh()
        self.assertTrue(self.fatigue.exempt_suspended)
        activity = self.fatigue.activity_ids.filtered(lambda act: act.user_id == self.admin)
        self.assertIn("101", activity.note)
        self.assertEqual(self._get_fates(self._start(people[0]))[people[0]][1], "fatigue")
        audience.line_ids.domain = f"[('id', 'in', {people[:3].ids})]"
        audience.action_refresh()
        self.assertFalse(self.fatigue.exempt_suspended)
        self.assertFalse(self.fatigue.activity_ids)

    # === THE CONTACT === #

    def test_mails_of_a_contact(self):
        self._set_limits(email_day=2, global_week=3)
        ann = self._make_people("ann@example.com")
        self._add_past(ann, HOURS(1), HOURS(2), DAYS(8))
        self._add_past(ann, HOURS(1), state="refused")
        self._trace(email="ann@example.com")
        action = ann.with_user(self.other).action_view_directmail_fatigue()
        status = self.env[action["res_model"]].with_user(self.other).browse(action["res_id"])
        self.assertEqual(status.line_ids.mapped("span"), [*SPANS])
        self.assertEqual(
            [(line.span, line.email_count, line.global_count) for line in status.line_ids[:5]],
            [("minute", 0, 0), ("hour", 0, 0), ("day", 2, 3), ("week", 2, 3), ("month", 3, 4)],
        )
        day = status.line_ids[2]
        self.assertEqual((day.email_limit, day.global_limit), (2, 0))
        kinds = status.history_ids.mapped("kind")
        self.assertEqual(sorted(kinds), ["email", "email", "email", "mailing"])
        self.assertFalse(any(status.history_ids.mapped("name")), "others' tasks stay nameless")
        action = ann.with_user(self.user).action_view_directmail_fatigue()
        mine = self.env[action["res_model"]].with_user(self.user).browse(action["res_id"])
        self.assertEqual(len(mine.history_ids.filtered("name")), 3)
        with self.assertRaises(AccessError):
            mine.with_user(self.other).read(["partner_id"])
        with self.assertRaises(AccessError):
            ann.with_user(
                new_test_user(self.env, "dm_nobody", "base.group_user")
            ).action_view_directmail_fatigue()

    # === SETTINGS === #

    def test_decimals_are_rounded(self):
        self._set_limits(email_day=2.5, email_week=2.4)
        self.env.invalidate_all()
        limits = {rule.span: rule.email_limit for rule in self.fatigue.rule_ids}
        self.assertEqual((limits["day"], limits["week"]), (3, 2))

    @mute_logger("odoo.sql_db")
    def test_negative_limit(self):
        with self.assertRaises(Exception) as caught:
            self._set_limits(email_day=-1)
        self.assertIn("directmail_fatigue_rule", str(caught.exception))

    def test_changes_are_recorded(self):
        rule = self.fatigue.rule_ids.filtered(lambda rule: rule.span == "day")
        rule.email_limit = 3
        self.assertIn("24 hours", self.fatigue.message_ids[0].body)
        self.assertIn("no limit → 3", self.fatigue.message_ids[0].body)

    def test_page_of_the_company(self):
        other = self.env["res.company"].create({"name": "Other"})
        self.admin.company_ids += other
        Fatigue = self.env["directmail.fatigue"].with_user(self.admin)
        action = Fatigue.with_company(other).action_open()
        self.assertEqual(Fatigue.browse(action["res_id"]).company_id, other)
        self.assertEqual(Fatigue.with_company(other).action_open()["res_id"], action["res_id"])
        self.assertEqual(Fatigue.action_open()["res_id"], self.fatigue.id)

    def test_form(self):
        with Form(self.fatigue) as form:
            with form.rule_ids.edit(2) as rule:
                rule.email_limit = 3
            with form.hours_ids.new() as hours:
                hours.begin = 21.5
            with form.period_ids.new() as period:
                period.name = "Spring Festival"
                period.first_day = "2027-02-05"
                period.last_day = "2027-02-12"
        self.assertEqual(self.fatigue.rule_ids[2].email_limit, 3)

    def test_rights(self):
        fatigue = self.fatigue.with_user(self.user)
        self.assertEqual(fatigue.rule_ids.mapped("span"), [*SPANS])
        for record, vals in (
            (fatigue, {"identity": "contact"}),
            (fatigue.rule_ids[0], {"email_limit": 1}),
        ):
            with self.assertRaises(AccessError):
                record.write(vals)
        with self.assertRaises(AccessError):
            fatigue.action_open()
        with self.assertRaises(AccessError):
            self.fatigue.exempt_suspended = True
        company = self.env["res.company"].create({"name": "Other"})
        stranger = new_test_user(
            self.env,
            "dm_stranger",
            "email_marketing_dm.group_admin",
            company_id=company.id,
            company_ids=[Command.set(company.ids)],
        )
        for record in (fatigue, fatigue.rule_ids[0]):
            with self.assertRaises(AccessError):
                record.with_user(stranger).read(["display_name"])
