from datetime import date, datetime, timedelta

from odoo import fields
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import tagged
from odoo.tools import SQL, mute_logger

from ...clock.occasions import Day, get_birthdays
from ...engine.series_starts import select_dated
from ..common import make_user
from ..common_series import CRON, SeriesStartCommon


@tagged("post_install", "-at_install")
class TestSeriesStart(SeriesStartCommon):
    """Starts of series by hand, by server actions and on dates."""

    def _make_action(self, series, user=None, model="res.partner"):
        """Make a server action that puts contacts into a series."""
        return (
            self.env["ir.actions.server"]
            .with_user(user or self.env.ref("base.user_admin"))
            .create(
                {
                    "name": "Put",
                    "model_id": self.env["ir.model"]._get_id(model),
                    "state": "directmail_series",
                    "directmail_series_id": series.id,
                }
            )
        )

    def _run(self, action, records, user=None):
        action.with_user(user or self.user).with_context(
            active_model=records._name, active_ids=records.ids
        ).run()

    # === BY HAND === #

    def test_contacts_are_put_into_a_series_by_hand_once(self):
        series = self._start_by("hand")
        dialog = self._open_dialog(self.people, series)
        self.assertEqual(dialog.contact_count, 2)
        self.assertIn("2", dialog.action_put()["params"]["message"])
        self._open_dialog(self.people[0], series).action_put()
        self._go_on()
        self.assertEqual(self._get_mailed(self.first), self.people)
        self._open_dialog(self.people, series).action_put()
        self._go_on()
        self.assertEqual(series.entered_count, 2)
        self.assertEqual(series.entry_ids.mapped("state"), ["finished"] * 2)

    def test_series_that_start_in_another_way_take_people_by_hand(self):
        series = self._start(entry="new")
        person = self._make_people("new@customer.example")
        self._open_dialog(person, series).action_put()
        self._advance()
        # The audience narrows only series that start otherwise.
        self.assertEqual(series.entry_ids.partner_id, person)

    def test_only_people_of_the_audience_enter(self):
        series = self._start_by("hand", audience_id=self.audience.id)
        person = self._make_people("new@customer.example")
        self._open_dialog(person | self.people[0], series).action_put()
        self._advance()
        self.assertEqual(series.entry_ids.partner_id, self.people[0])

    def test_series_that_let_nobody_enter(self):
        series = self._make(start_kind="hand", audience_id=False)
        with self.assertRaisesRegex(UserError, "has not been started"):
            self._open_dialog(self.people, series).action_put()
        series.action_start()
        self._run_cron()
        series.action_pause()
        self._open_dialog(self.people[0], series).action_put()
        self._advance()
        self.assertFalse(series.entry_ids)
        series.action_resume()
        self._advance()
        self.assertEqual(series.entry_ids.partner_id, self.people[0])
        series.action_pause()
        series.action_close()
        with self.assertRaisesRegex(UserError, "lets nobody enter"):
            self._open_dialog(self.people, series).action_put()
        series.action_resume()
        with self.assertRaisesRegex(UserError, "lets nobody enter"):
            self._open_dialog(self.people, series).action_put()
        # An automation rule that began before people were let finish ends after it.
        requests = self.env["directmail.series.request"].sudo()
        requests._add(series, self.people[1])
        self._advance()
        self.assertEqual(series.entry_ids.partner_id, self.people)
        self.assertFalse(requests.search([("series_id", "=", series.id)]))
        requests._add(series, self.people)
        series.action_stop()
        self.assertFalse(requests.search([("series_id", "=", series.id)]))
        with self.assertRaisesRegex(UserError, "Choose a series"):
            self._open_dialog(self.people, series.browse()).action_put()

    def test_whom_the_owner_or_the_user_can_not_read_does_not_enter(self):
        series = self._start_by("hand")
        company = self.env["res.company"].create({"name": "Elsewhere"})
        hidden = self._make_people("hidden@customer.example", company_id=company.id)
        gone = self._make_people("gone@customer.example", active=False)
        self.assertEqual(self._open_dialog(hidden, series).contact_count, 0)
        with self.assertRaisesRegex(UserError, "No contacts are marked"):
            self._open_dialog(hidden, series).action_put()
        series.sudo()._put(hidden | gone | self.people)
        self._advance()
        self.assertEqual(series.entry_ids.partner_id, self.people)
        with self.assertRaises(AccessError):
            self._open_dialog(self.people, series, self.other)

    def test_who_is_erased_does_not_enter(self):
        series = self._start_by("hand")
        self._open_dialog(self.people, series).action_put()
        wizard = (
            self.env["directmail.erasure"]
            .with_user(self.admin)
            .with_context(active_model="res.partner", active_ids=self.people[0].ids)
            .create({})
        )
        wizard.action_erase()
        self._advance()
        self.assertEqual(series.entry_ids.partner_id, self.people[1])

    def test_the_cron_is_triggered_once_in_a_transaction(self):
        series = self._start_by("hand")
        trigger = self.env["ir.cron.trigger"].search([("cron_id", "=", self.env.ref(CRON).id)])
        trigger.unlink()
        for person in self.people:
            self._open_dialog(person, series).action_put()
        self.env.cr.precommit.run()
        self.assertEqual(trigger.search_count([("cron_id", "=", self.env.ref(CRON).id)]), 1)

    def test_who_may_enter_again_is_put_in_again(self):
        series = self._start_by("hand", reentry="always")
        for _time in range(2):
            self._open_dialog(self.people[0], series).action_put()
            self._advance()
        self.assertEqual(series.entered_count, 1)  # still inside
        self._run_cron()
        self._advance(minutes=20)
        self._open_dialog(self.people[0], series).action_put()
        self._go_on()
        self.assertEqual(sorted(series.entry_ids.mapped("run")), [1, 2])
        mails = self.env["directmail.delivery"].search([("series_entry_id", "!=", False)])
        self.assertEqual(mails.mapped("state"), ["sent"] * 2)

    def test_who_was_put_in_before_the_end_still_enters(self):
        series = self._start_by("hand")
        series.action_pause()
        self._open_dialog(self.people[0], series).action_put()
        series.action_close()
        series.action_resume()
        self._go_on()
        self.assertEqual(self._get_mailed(self.first), self.people[0])

    # === SERVER ACTIONS === #

    def test_server_actions_put_contacts_into_a_series(self):
        series = self._start_by("hand")
        admin = self.env.ref("base.user_admin")
        admin.group_ids += self.env.ref("email_marketing_dm.group_admin")
        self._run(self._make_action(series), self.people[0], admin)
        lead = self.env["crm.lead"].create({"name": "Lead", "partner_id": self.people[1].id})
        nobody = self.env["crm.lead"].create({"name": "Nobody"})
        action = self._make_action(series, model="crm.lead")
        self.assertEqual(action._generate_action_name(), "Put into series Welcome")
        self._run(action, lead | nobody)
        self._advance()
        self.assertEqual(series.entry_ids.partner_id, self.people)
        series.action_close()
        # An order, say, is not undone because the series has ended.
        self._run(action, lead)
        self.assertFalse(self.env["directmail.series.request"].search([]))

    def test_server_actions_that_can_not_be(self):
        series = self._start_by("hand")
        system = make_user(self.env, "system", "base.group_system,email_marketing_dm.group_user")
        with self.assertRaisesRegex(ValidationError, "Only the owner of a series"):
            self._make_action(series.sudo(), system)
        admin = self.env.ref("base.user_admin")
        admin.group_ids += self.env.ref("email_marketing_dm.group_admin")
        with self.assertRaisesRegex(ValidationError, "could start itself again"):
            self._make_action(series, model="directmail.series.entry")
        without = self._make_action(series, model="res.country")
        self.assertIn("have no contact", without.warning)

    # === ON A DATE === #

    def _look(self, series, since):
        """Let a series look for starts since a moment, and advance it."""
        now = fields.Datetime.now()
        series.sudo().write({"started_until": since, "next_start_at": now})
        self._advance()

    def test_a_series_starts_some_days_before_a_date(self):
        moment = fields.Datetime.now().replace(second=0) - timedelta(minutes=10)
        week = timedelta(days=7)
        series = self._start_on(
            moment, start_side="before", start_days=7, start_domain="[('name', '=', 'Lead')]"
        )
        self.assertGreater(series.next_start_at, fields.Datetime.now())
        lead = self._make_lead(moment.date() + week, self.people[0])
        self._make_lead(moment.date() + week, self.people[1], name="Not this one")
        self._make_lead(moment.date(), self.people[1])
        self._make_lead(moment.date() + week, email_from="lead@customer.example")
        for _time in range(2):  # as after a clock that was put back
            self._look(series, moment - timedelta(hours=1))
        self.assertEqual(series.entered_count, 2)
        entry = self._get_entry(series, self.people[0])
        self.assertEqual(entry.entered_at, moment)
        self._run_cron()
        mails = self.env["directmail.delivery"].search([("series_entry_id", "!=", False)])
        self.assertEqual(
            sorted(mails.mapped("email")), ["lead@customer.example", "p0@customer.example"]
        )
        self.assertEqual(mails.mapped("state"), ["sent"] * 2)
        # Another date is another occasion; one that has passed is none.
        lead.date_deadline = moment.date() + week + timedelta(days=1)
        self._look(series, moment - timedelta(hours=1))
        self.assertEqual(series.entered_count, 2)

    def test_nobody_is_mailed_long_after_their_day(self):
        moment = fields.Datetime.now().replace(second=0) - timedelta(hours=3)
        step = {"template_id": self.first.id, "late_hours": 2}
        series = self._start_by(
            "date", step, start_table_id=self.leads.id, start_date_path="date_deadline",
            start_yearly=False, start_hour=moment.hour + moment.minute / 60,
        )  # fmt: skip
        self._make_lead(moment.date(), self.people[0])
        self._make_lead(moment.date() - timedelta(days=40), self.people[1])
        self._look(series, moment - timedelta(days=50))
        self._go_on()
        self.assertEqual(series.entry_ids.partner_id, self.people[0])
        self.assertEqual(series.entry_ids.reason, "too_late")
        self.assertFalse(self._get_mailed(self.first))

    def test_birthdays_come_every_year(self):
        moment = fields.Datetime.now().replace(second=0) - timedelta(minutes=10)
        contacts = self.env["directmail.data.table"].search([("preset", "=", "contacts")])
        series = self._start_on(
            moment, start_table_id=contacts.id, start_date_path="create_date",
            start_yearly=True, start_domain="[('ref', '=', 'series')]",
        )  # fmt: skip
        self._look(series, moment - timedelta(hours=1))
        # The date itself is no anniversary.
        self.assertFalse(series.entry_ids)
        self.env.cr.execute(
            "UPDATE res_partner SET create_date = create_date - interval '3 years' WHERE id = %s",
            [self.people[0].id],
        )
        self._look(series, moment - timedelta(hours=1))
        if (moment.month, moment.day) != (2, 29):
            self.assertEqual(series.entry_ids.partner_id, self.people[0])
        # Next year it starts again for the same person.
        self.env.cr.execute(
            "UPDATE directmail_series_entry SET occasion = replace(occasion, %s, %s)",
            [str(moment.year), str(moment.year - 1)],
        )
        self._look(series, moment - timedelta(hours=1))
        self.assertEqual(sorted(series.entry_ids.mapped("run")), [1, 2])

    def test_dates_in_sql_are_those_of_the_calendar(self):
        born = [date(1999, 12, 31), date(2000, 2, 28), date(2000, 2, 29), date(2000, 3, 1),
                date(2027, 2, 28), date(2028, 2, 29)]  # fmt: skip
        rows = SQL(" UNION ALL ").join(
            SQL(
                "SELECT 1 AS partner_id, NULL AS res_model, NULL AS res_id, NULL AS email,"
                " %s AS record, %s::timestamp AS date", number, day,
            )
            for number, day in enumerate(born)
        )  # fmt: skip
        for base in [date(2026, 12, 31), date(2027, 2, 28), date(2028, 2, 28), date(2028, 2, 29),
                     date(2028, 3, 1)]:  # fmt: skip
            for yearly in (False, True):
                query = select_dated(
                    rows, "m", SQL("date::date"), Day(base, datetime(2026, 1, 1)), yearly
                )
                found = {int(row[4].split(",")[1]) for row in self.env.execute_query(query)}
                expected = {
                    number
                    for number, day in enumerate(born)
                    if (yearly and day.year < base.year
                        and day.month * 100 + day.day in get_birthdays(base))
                    or (not yearly and day == base)
                }  # fmt: skip
                self.assertEqual(found, expected, (base, yearly))

    def test_what_is_wrong_with_a_date_is_told(self):
        series = self._make(start_kind="date", audience_id=False)
        with self.assertRaisesRegex(UserError, "Choose the data table"):
            series.action_start()
        series.start_table_id = self.leads
        with self.assertRaisesRegex(UserError, "Choose the date"):
            series.action_start()
        for vals, message in (
            ({"start_date_path": "name"}, "Choose a date field"),
            ({"start_date_path": "no_such"}, "no_such"),
            ({"start_date_path": "date_deadline", "start_domain": "[('no_such', '=', 1)]"},
             "The filter of the records"),
            ({"start_side": "before", "start_days": 0}, "number of days"),
            ({"start_hour": 24}, "Enter a time"),
        ):  # fmt: skip
            with (
                self.subTest(vals),
                self.assertRaisesRegex(UserError, message),
                self.env.cr.savepoint(),
            ):
                series.write(vals)
        table = self.leads.sudo().copy()
        series.write({"start_table_id": table.id, "start_date_path": "date_deadline"})
        with self.assertRaisesRegex(UserError, "Welcome"):
            table.unlink()

    @mute_logger("odoo.addons.email_marketing_dm.models.series.directmail_series_run")
    def test_a_series_is_paused_if_its_owner_may_not_read_the_records_any_more(self):
        moment = fields.Datetime.now().replace(second=0) - timedelta(minutes=10)
        with self.assertRaises(AccessError):
            self._make(
                start_kind="date", start_table_id=self.leads.id, start_date_path="date_deadline"
            ).with_user(self.admin).user_id = self.other
        series = self._start_on(moment)
        self._make_lead(moment.date(), self.people[0])
        self.user.sudo().group_ids -= self.env.ref("sales_team.group_sale_salesman_all_leads")
        self._look(series, moment - timedelta(hours=1))
        self.assertEqual(series.state, "paused")
        self.assertIn("may not read", series.state_message)
        self.assertFalse(series.entry_ids)

    @mute_logger("odoo.addons.email_marketing_dm.models.series.directmail_series_run")
    def test_of_an_open_table_only_ticked_dates_are_read(self):
        self.user.sudo().group_ids -= self.env.ref("sales_team.group_sale_salesman_all_leads")
        self.admin.sudo().group_ids += self.env.ref("sales_team.group_sale_manager")
        date, contact = (
            self.env["ir.model.fields"]._get("crm.lead", name).id
            for name in ("date_deadline", "partner_id")
        )
        leads = self.leads.with_user(self.admin)
        leads.write({"open_to_marketers": True, "field_ids": [fields.Command.set([date, contact])]})
        moment = fields.Datetime.now().replace(second=0) - timedelta(minutes=10)
        # Behind the relation the date would be read with the administrator's rights.
        with (
            self.assertRaisesRegex(UserError, "not open to marketing users"),
            self.env.cr.savepoint(),
        ):
            self._start_on(moment, start_date_path="partner_id.create_date")
        series = self._start_on(moment)
        leads.field_ids = [fields.Command.set([contact])]
        self._make_lead(moment.date(), self.people[0])
        self._look(series, moment - timedelta(hours=1))
        self.assertEqual(series.state, "paused")
        self.assertIn("not open to marketing users", series.state_message)
        self.assertFalse(series.entry_ids)
