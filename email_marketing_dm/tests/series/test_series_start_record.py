from datetime import timedelta

from odoo import fields
from odoo.tests import tagged
from odoo.tools import SQL

from ..common_series import CRON, SeriesStartCommon


@tagged("post_install", "-at_install")
class TestSeriesStartRecord(SeriesStartCommon):
    """Starts of series by records that match a filter."""

    def _start_by_leads(self, *steps, **vals):
        vals = {"start_domain": "[('name', '=', 'Cart')]", **vals}
        return self._start_by("record", *steps, start_table_id=self.leads.id, **vals)

    def _look_back(self, series, **ago):
        """Let a series look at records that were changed since some time ago."""
        since = fields.Datetime.now() - timedelta(**ago)
        series.sudo().write({"started_until": since, "next_start_at": since})
        self._advance()

    def _change(self, leads, **ago):
        """Let leads have been changed last some time ago."""
        self.env.flush_all()
        self.env.cr.execute(
            "UPDATE crm_lead SET write_date = %s WHERE id = ANY(%s)",
            [fields.Datetime.now() - timedelta(**ago), leads.ids],
        )
        leads.invalidate_recordset()

    def _get_mails(self, series, state):
        return self.env["directmail.delivery"].search(
            [("series_entry_id", "in", series.entry_ids.ids), ("state", "=", state)]
        )

    def test_more_series_with_nothing_to_do_cost_no_more_statements(self):
        counts = []
        for _time in range(2):
            self._start_by_leads()
            self._start_on(fields.Datetime.now() - timedelta(hours=1))
            self._start_by("hand")
            self._advance()
            self.env["directmail.series"]._cron_advance()  # what is cached is read
            before = self.env.cr.sql_log_count
            self.env["directmail.series"]._cron_advance()
            counts.append(self.env.cr.sql_log_count - before)
        self.assertEqual(counts[0], counts[1])
        self.assertLess(counts[0], 20)

    def test_a_series_starts_for_each_record_that_matches(self):
        series = self._start_by_leads()
        carts = self._make_lead(False, self.people[0], name="Cart")
        carts += self._make_lead(False, self.people[0], name="Cart")
        other = self._make_lead(False, self.people[1], name="Other")
        for _time in range(2):
            self._look_back(series, hours=1)
        self.assertEqual(series.entry_ids.partner_id, self.people[0])
        self.assertEqual(sorted(series.entry_ids.mapped("run")), [1, 2])
        mails = self.env["directmail.delivery"].search([("series_entry_id", "!=", False)])
        self.assertEqual(mails.mapped("state"), ["waiting"] * 2)  # one for each cart
        self.assertEqual(
            sorted(series.sudo().entry_ids.mapped("occasion")),
            sorted(f"crm.lead,{c.id}" for c in carts),
        )
        # A record that matches later starts it later; one that starts it does so once.
        other.name = "Cart"
        self._look_back(series, hours=1)
        self.assertEqual(series.entry_ids.partner_id, self.people)
        self.assertEqual(series.entered_count, 3)

    def test_a_series_starts_for_each_record_of_an_address_without_a_contact(self):
        series = self._start_by_leads()
        for number in range(2):
            self._make_lead(False, email_from="lead@customer.example", name="Cart")
            self._look_back(series, hours=1)
            self._run_cron()
            self.assertEqual(len(self._get_mails(series, "sent")), number + 1)
        # Two more at once.
        for _number in range(2):
            self._make_lead(False, email_from="lead@customer.example", name="Cart")
        self._make_lead(False, email_from="other@customer.example", name="Cart")
        self._look_back(series, hours=1)
        self._run_cron()
        mails = self._get_mails(series, "sent")
        self.assertEqual(sorted(mails.series_entry_id.mapped("run")), [1, 1, 2, 3, 4])
        self.assertEqual(len(mails), 5)
        self.assertFalse(self._get_mails(series, "suppressed"))

    def test_who_is_in_an_audience_by_a_record_with_the_same_address(self):
        lead = self._make_lead(False, email_from="P1@customer.example", name="Guest")
        line = {"table_id": self.leads.id, "domain": f"[('id', 'in', {lead.ids})]"}
        guests = self._make_audience(None, lines=[line])
        guests.action_refresh()
        self.assertFalse(guests.member_ids.partner_id)
        check = {"kind": "check", "check_kind": "in", "check_audience_id": guests.id}
        series = self._start_by("hand", check, {"template_id": self.first.id})
        self._open_dialog(self.people, series).action_put()
        self._go_on()
        self._go_on()
        self.assertEqual(self._get_mailed(self.first), self.people[1])

    def test_a_record_of_the_same_second_as_the_last_look_is_not_missed(self):
        series = self._start_by_leads()
        cart = self._make_lead(False, self.people[0], name="Cart")
        since = fields.Datetime.now() - timedelta(hours=1)
        self._change(cart, hours=1, milliseconds=-300)
        series.sudo().write({"started_until": since, "next_start_at": since})
        self._advance()
        self.assertEqual(series.entry_ids.partner_id, self.people[0])

    def test_records_that_were_left_alone_for_some_hours(self):
        series = self._start_by_leads(start_unchanged=4)
        cart = self._make_lead(False, self.people[0], name="Cart")
        paid = self._make_lead(False, self.people[1], name="Cart")
        self._change(cart | paid, hours=3)
        self._look_back(series, hours=9)
        self.assertFalse(series.entry_ids)
        # It looks again when the first of them has been left alone for four hours.
        wait = series.next_start_at - fields.Datetime.now()
        self.assertAlmostEqual(wait / timedelta(hours=1), 1, places=1)
        self._change(cart | paid, hours=4, minutes=1)
        paid.name = "Paid"
        self._look_back(series, hours=9)
        self.assertEqual(series.entry_ids.partner_id, self.people[0])
        moment = cart.write_date + timedelta(hours=4)
        self.assertEqual(series.entry_ids.entered_at, moment.replace(second=0, microsecond=0))

    def test_a_record_that_no_longer_matches_calls_the_series_off(self):
        steps = [{"template_id": self.first.id}, {"kind": "wait"}, {"template_id": self.second.id}]
        series = self._start_by_leads(*steps)
        paid, left = (self._make_lead(False, person, name="Cart") for person in self.people)
        self._look_back(series, hours=1)
        self._run_cron()
        self._advance(minutes=20)
        self.assertEqual(self._get_mailed(self.first), self.people)
        paid.name = "Paid"
        # People who finish after "End, let people finish" are called off, too.
        series.action_close()
        self._go_on(days=1)
        self.assertEqual(self._get_mailed(self.second), self.people[1])
        entry = self._get_entry(series, self.people[0])
        self.assertEqual((entry.state, entry.reason), ("called_off", "series_record"))
        self.assertEqual(self._get_entry(series, self.people[1]).state, "finished")

    def test_a_record_that_no_longer_matches_stops_mails_that_are_planned(self):
        series = self._start_by_leads()
        paid, left = (self._make_lead(False, person, name="Cart") for person in self.people)
        self._look_back(series, hours=1)
        mails = self.env["directmail.delivery"].search([("series_entry_id", "!=", False)])
        self.assertEqual(mails.mapped("state"), ["waiting"] * 2)
        paid.name = "Paid"
        self._look_back(series, hours=1)
        self._run_cron()
        self.assertEqual(self._get_mailed(self.first), self.people[1])
        mail = mails.filtered(lambda mail: mail.partner_id == self.people[0])
        self.assertEqual((mail.state, mail.reason), ("suppressed", "series_record"))

    def test_both_mails_of_two_carts_go_to_a_changed_address(self):
        series = self._start_by_leads()
        for _cart in range(2):
            self._make_lead(False, self.people[0], name="Cart")
        self._look_back(series, hours=1)
        self.people[0].email = "new@customer.example"
        self._run_cron()
        mails = series.entry_ids.mail_ids
        self.assertEqual(mails.mapped("state"), ["sent"] * 2)
        self.assertEqual(mails.mapped("email"), ["new@customer.example"] * 2)

    def test_a_record_that_changed_during_a_pause_stops_mails_that_wait(self):
        series = self._start_by_leads()
        paid, left = (self._make_lead(False, person, name="Cart") for person in self.people)
        self._look_back(series, hours=1)
        series.action_pause()
        paid.name = "Paid"
        series.action_resume()
        # The account's cron runs before that of series.
        self._run_cron()
        self.assertEqual(self._get_mailed(self.first), self.people[1])

    def test_a_record_that_no_longer_matches_may_go_on(self):
        series = self._start_by_leads(start_exit=False)
        cart = self._make_lead(False, self.people[0], name="Cart")
        self._look_back(series, hours=1)
        cart.unlink()
        self._go_on()
        self.assertEqual(self._get_mailed(self.first), self.people[0])

    def test_a_record_of_the_second_of_the_look_is_not_left_for_hours(self):
        series = self._start_by_leads()
        cart = self._make_lead(False, self.people[0], name="Cart")
        # Later than the present in full seconds, but counted by `Look.changes`.
        self._change(cart, seconds=-2)
        self._look_back(series, hours=1)
        self.assertEqual(series.entered_count, 1)
        self._look_back(series, hours=1)
        self.assertEqual(series.entered_count, 1)

    def test_runs_of_the_cron_do_not_multiply(self):
        self._start_by_leads()
        triggers = self.env["ir.cron.trigger"].search([("cron_id", "=", self.env.ref(CRON).id)])
        triggers.unlink()
        for _run in range(3):
            self._advance()
        soon = fields.Datetime.now() + timedelta(minutes=2)
        ahead = [("cron_id", "=", self.env.ref(CRON).id), ("call_at", "<=", soon)]
        self.assertEqual(len(self.env["ir.cron.trigger"].search(ahead)), 1)

    def test_each_person_once_and_only_new_records(self):
        series = self._start_by_leads(start_per="person", start_event="new")
        self._make_lead(False, self.people[0], name="Cart")
        self._make_lead(False, self.people[0], name="Cart")
        old = self._make_lead(False, self.people[1], name="Cart")
        self.env.flush_all()
        self.env.cr.execute(
            "UPDATE crm_lead SET create_date = create_date - interval '1 day' WHERE id = %s",
            [old.id],
        )
        for _time in range(2):
            self._look_back(series, hours=1)
        self.assertEqual(series.entry_ids.partner_id, self.people[0])
        self.assertEqual(series.entered_count, 1)

    def test_people_whom_the_owner_may_not_read_do_not_enter(self):
        series = self._start_by_leads()
        company = self.env["res.company"].create({"name": "Elsewhere"})
        hidden = self._make_people("hidden@customer.example")
        self._make_lead(False, hidden, name="Cart")
        lead = self._make_lead(False, self.people[0], name="Cart")
        self.env.flush_all()
        for table, record in (("res_partner", hidden), ("crm_lead", lead)):
            self.env.cr.execute(
                SQL(
                    "UPDATE %s SET company_id = %s WHERE id = %s",
                    SQL.identifier(table),
                    company.id,
                    record.id,
                )
            )
        self.env.invalidate_all()
        self._look_back(series, hours=1)
        self.assertFalse(series.entry_ids)

    def test_changes_during_a_pause_and_records_that_are_too_late(self):
        series = self._start_by_leads()
        series.action_pause()
        cart = self._make_lead(False, self.people[0], name="Cart")
        self._change(cart, days=2)
        self._look_back(series, days=3)
        self.assertFalse(series.entry_ids)
        series.action_resume()
        self._look_back(series, days=3)
        self._go_on()
        self.assertEqual(series.entry_ids.reason, "too_late")
        series.action_pause()
        other = self._make_lead(False, self.people[1], name="Cart")
        self._change(other, days=2)
        series.sudo().started_until = fields.Datetime.now() - timedelta(days=3)
        series.action_resume_late()
        self._go_on()
        self.assertEqual(self._get_mailed(self.first), self.people[1])
