from datetime import timedelta

from odoo import fields
from odoo.exceptions import AccessError
from odoo.tests import freeze_time, new_test_user, tagged

from ..common import DirectmailCommon


@tagged("post_install", "-at_install")
class TestConversion(DirectmailCommon):
    """What people did after the mail counts for the email task that they last reacted to."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.won = cls.env.ref("crm.stage_lead4")
        cls.seller = new_test_user(
            cls.env,
            "dm_seller",
            "email_marketing_dm.group_user,sales_team.group_sale_salesman_all_leads",
        )
        cls.table = cls._make_won_leads()
        cls.people = cls._make_people(*(f"conversion-{i}@customer.example" for i in range(4)))
        cls.template = cls._make_template()
        cls.now = fields.Datetime.now()

    def _send(self, **vals):
        audience = self._make_audience(self.people)
        task = self._make_task(audience, self.template).sudo()
        task.write({"user_id": self.seller.id, "conversion_table_id": self.table.id, **vals})
        task.action_send()
        self._run_cron()
        self._import_results(task)
        return task

    def _count_later(self, tasks):
        """Count when everything that a test is about has happened."""
        with freeze_time(self.now + timedelta(days=12)):
            tasks.action_count_conversions()

    def _delivery(self, task, person):
        return self.env["directmail.delivery"].search(
            [("task_id", "=", task.id), ("partner_id", "=", person.id)]
        )

    def _win(self, person, amount, at, **vals):
        lead = self.env["crm.lead"].create(
            {"name": "Deal", "partner_id": person.id, "type": "opportunity", **vals}
        )
        lead.write({"stage_id": self.won.id, "expected_revenue": amount})
        lead.date_closed = at
        return lead

    def test_an_order_after_a_click_counts_with_its_amount(self):
        task = self._send()
        clicked = self.now + timedelta(hours=1)
        first, second, third, _fourth = self.people
        for person in (first, second):
            self._delivery(task, person).clicked_at = clicked
        self._win(first, 100, clicked + timedelta(days=1))
        self._win(first, 50, clicked + timedelta(days=6))
        self._win(second, 70, clicked - timedelta(minutes=1))  # before the click
        self._win(third, 90, clicked + timedelta(days=1))  # no click at all
        self._win(first, 30, clicked + timedelta(days=8))  # too late
        self._count_later(task)
        self.assertEqual((task.converted_count, task.revenue), (1, 150))
        self.assertEqual(task.revenue_per_mail, 150 / task.delivered_count)
        delivery = self._delivery(task, first)
        self.assertEqual(delivery.conversion_count, 2)
        self.assertEqual(delivery.converted_at, clicked + timedelta(days=1))
        self.assertFalse(self._delivery(task, second).converted_at)

    def test_what_is_to_come_counts_when_it_has_come(self):
        task = self._send()
        self._delivery(task, self.people[0]).clicked_at = self.now
        self._win(self.people[0], 100, self.now + timedelta(days=2))
        task.action_count_conversions()
        self.assertEqual((task.converted_count, task.revenue), (0, 0))
        self._count_later(task)
        self.assertEqual((task.converted_count, task.revenue), (1, 100))

    def test_counting_again_changes_nothing_and_a_cancelled_order_is_taken_back(self):
        task = self._send()
        self._delivery(task, self.people[0]).clicked_at = self.now
        lead = self._win(self.people[0], 100, self.now + timedelta(days=1))
        for _again in range(2):
            self._count_later(task)
            self.assertEqual((task.converted_count, task.revenue), (1, 100))
        lead.unlink()
        self._count_later(task)
        self.assertEqual((task.converted_count, task.revenue), (0, 0))
        self.assertFalse(self._delivery(task, self.people[0]).converted_at)

    def test_an_order_counts_for_the_last_email_task_only(self):
        earlier, later = self._send(), self._send()
        person = self.people[0]
        self._delivery(earlier, person).clicked_at = self.now
        self._delivery(later, person).clicked_at = self.now + timedelta(days=2)
        self._win(person, 10, self.now + timedelta(days=1))
        self._win(person, 200, self.now + timedelta(days=3))
        self._count_later(earlier | later)
        self.assertEqual((earlier.revenue, later.revenue), (10, 200))

    def test_openings_and_deliveries_count_where_the_task_says_so(self):
        opening = self._send(conversion_from="open")
        arrival = self._send(conversion_from="delivery")
        person = self.people[0]
        self._win(person, 10, fields.Datetime.now() + timedelta(hours=1))
        self._count_later(opening | arrival)
        self.assertEqual((opening.revenue, arrival.revenue), (0, 10))
        self._delivery(opening, person).opened_at = fields.Datetime.now() + timedelta(minutes=30)
        self._count_later(opening | arrival)
        self.assertEqual((opening.revenue, arrival.revenue), (10, 0))

    def test_a_day_without_a_time_counts_from_the_day_of_the_click(self):
        self.table.date_field = "date_deadline"
        task = self._send()
        self._delivery(task, self.people[0]).clicked_at = self.now
        # From 16:00 UTC on, the day in the account's time zone is not that of UTC.
        account = self.account.with_context(tz=self.account.tz)
        today = fields.Datetime.context_timestamp(account, self.now).date()
        self._win(self.people[0], 5, self.now, date_deadline=today)
        self._win(self.people[0], 7, self.now, date_deadline=today - timedelta(days=1))
        self._count_later(task)
        self.assertEqual(task.revenue, 5)

    def test_a_day_without_a_time_is_one_of_the_accounts_calendar(self):
        """In New York the day ends after that of UTC, in Shanghai it begins before."""
        self.table.date_field = "date_deadline"
        midnight = self.now.replace(hour=0, minute=0, second=0)
        for tz, clicked, day in (
            ("America/New_York", midnight + timedelta(hours=3), midnight.date() - timedelta(1)),
            ("Asia/Shanghai", midnight + timedelta(hours=16, minutes=30), midnight.date()),
        ):
            with self.subTest(tz):
                self.account.tz = tz
                first = day if tz == "America/New_York" else day + timedelta(days=1)
                task = self._send()
                self._delivery(task, self.people[0]).clicked_at = clicked
                leads = [
                    self._win(self.people[0], 5, clicked, date_deadline=first),
                    self._win(self.people[0], 7, clicked, date_deadline=first - timedelta(days=1)),
                ]
                self._count_later(task)
                self.assertEqual(task.revenue, 5)
                for lead in leads:
                    lead.unlink()
                task.conversion_table_id = False

    def test_a_lead_without_a_contact_can_convert(self):
        lead = self.env["crm.lead"].create(
            {"name": "Cold lead", "email_from": "cold@lead.example", "type": "lead"}
        )
        task = self._send()
        delivery = self._delivery(task, self.people[0])
        delivery.write({"partner_id": False, "res_model": "crm.lead", "res_id": lead.id})
        delivery.clicked_at = self.now
        lead.write({"stage_id": self.won.id, "expected_revenue": 12})
        lead.date_closed = self.now + timedelta(hours=1)
        self._count_later(task)
        self.assertEqual((task.converted_count, task.revenue), (1, 12))

    def test_a_table_that_the_owner_may_not_read_is_refused(self):
        task = self._make_task(self._make_audience(self.people), self.template)
        with self.assertRaises(AccessError):
            task.conversion_table_id = self.table

    def test_lost_rights_keep_the_figures_and_say_why(self):
        task = self._send()
        self._delivery(task, self.people[0]).clicked_at = self.now
        self._win(self.people[0], 100, self.now + timedelta(days=1))
        self._count_later(task)
        self.seller.group_ids -= self.env.ref("sales_team.group_sale_salesman_all_leads")
        self._win(self.people[0], 900, self.now + timedelta(days=2))
        self._count_later(task)
        self.assertEqual(task.revenue, 100)
        self.assertIn("may not read", task.conversion_error)

    def test_the_figures_can_not_be_written_by_their_owner(self):
        task = self._send()
        with self.assertRaises(AccessError):
            task.with_user(self.seller).revenue = 1000000

    def test_the_cron_counts_tasks_whose_time_is_not_over(self):
        task = self._send()
        self._delivery(task, self.people[0]).clicked_at = self.now
        self._win(self.people[0], 100, self.now + timedelta(days=1))
        cron = self.env.ref("email_marketing_dm.ir_cron_directmail_conversion")
        self.env.flush_all()
        with freeze_time(self.now + timedelta(days=2)), self.enter_registry_test_mode():
            cron.method_direct_trigger()
        self.env.invalidate_all()
        self.assertEqual(task.revenue, 100)
        task.finished_at = self.now - timedelta(days=60)
        self.assertFalse(task._is_conversion_open())

    def test_another_rule_counts_anew_and_none_counts_nothing(self):
        task = self._send()
        self._delivery(task, self.people[0]).clicked_at = self.now
        self._win(self.people[0], 100, self.now + timedelta(days=10))
        self._count_later(task)
        self.assertEqual(task.revenue, 0)
        with freeze_time(self.now + timedelta(days=12)):
            task.with_user(self.seller).conversion_days = 30
        self.assertEqual((task.converted_count, task.revenue), (1, 100))
        task.with_user(self.seller).conversion_table_id = False
        self.assertEqual((task.converted_count, task.revenue), (0, 0))

    def test_a_lead_without_a_contact_counts_for_the_last_email_task_only(self):
        lead = self.env["crm.lead"].create(
            {"name": "Cold lead", "email_from": "cold@lead.example", "type": "lead"}
        )
        earlier, later = self._send(), self._send()
        for days, task in ((0, earlier), (1, later)):
            delivery = self._delivery(task, self.people[0])
            delivery.write({"partner_id": False, "res_model": "crm.lead", "res_id": lead.id})
            delivery.clicked_at = self.now + timedelta(days=days)
        lead.write({"stage_id": self.won.id, "expected_revenue": 12})
        lead.date_closed = self.now + timedelta(days=2)
        self._count_later(earlier | later)
        self.assertEqual((earlier.revenue, later.revenue), (0, 12))

    def _mail_lead(self, task, lead, at):
        delivery = self._delivery(task, self.people[0])
        delivery.write(
            {"partner_id": False, "res_model": "crm.lead", "res_id": lead.id, "clicked_at": at}
        )
        return delivery

    def test_a_lead_that_has_become_a_contact_counts(self):
        """Its own success, and what the contact does otherwise."""
        lead = self.env["crm.lead"].create(
            {"name": "Cold lead", "email_from": "cold@lead.example", "type": "lead"}
        )
        task = self._send()
        delivery = self._mail_lead(task, lead, self.now)
        partner = self.env["res.partner"].create({"name": "Warm", "email": "cold@lead.example"})
        lead.write({"partner_id": partner.id, "stage_id": self.won.id, "expected_revenue": 12})
        lead.date_closed = self.now + timedelta(hours=1)
        self._count_later(task)
        self.assertEqual((task.converted_count, task.revenue), (1, 12))
        self._win(partner, 30, self.now + timedelta(hours=2))
        self._count_later(task)
        self.assertEqual((task.converted_count, task.revenue), (1, 42))
        self.assertEqual(delivery.conversion_count, 2)

    def test_a_lead_and_its_contact_are_one_person_to_two_tasks(self):
        lead = self.env["crm.lead"].create(
            {"name": "Cold lead", "email_from": "cold@lead.example", "type": "lead"}
        )
        person = self.people[1]
        as_lead, as_contact = self._send(), self._send()
        self._mail_lead(as_lead, lead, self.now)
        self._delivery(as_contact, person).clicked_at = self.now + timedelta(days=2)
        lead.partner_id = person
        self._win(person, 10, self.now + timedelta(days=1))
        self._win(person, 200, self.now + timedelta(days=3))
        self._count_later(as_lead | as_contact)
        self.assertEqual((as_lead.revenue, as_contact.revenue), (10, 200))
        self._delivery(as_contact, person).clicked_at = self.now - timedelta(days=1)
        self._count_later(as_lead | as_contact)
        self.assertEqual((as_lead.revenue, as_contact.revenue), (210, 0))

    def test_two_contacts_that_were_merged_count_one_success_once(self):
        task = self._send()
        first, second = self.people[:2]
        self._delivery(task, first).clicked_at = self.now
        other = self._delivery(task, second)
        other.write({"clicked_at": self.now + timedelta(hours=1), "partner_id": first.id})
        self._win(first, 80, self.now + timedelta(days=1))
        self._count_later(task)
        self.assertEqual((task.converted_count, task.revenue), (1, 80))

    def test_conversions_of_people_who_were_erased_stay(self):
        task = self._send()
        first, second = self.people[:2]
        for person in (first, second):
            self._delivery(task, person).clicked_at = self.now
            self._win(person, 100, self.now + timedelta(days=1))
        self._count_later(task)
        wizard = self.env["directmail.erasure"].with_user(self.admin)
        wizard.create({"partner_ids": [fields.Command.set(first.ids)]}).action_erase()
        self._count_later(task)
        self.assertEqual((task.converted_count, task.revenue), (2, 200))
        # By another rule, nobody can know what the erased person did.
        with freeze_time(self.now + timedelta(days=12)):
            task.conversion_days = 5
        self.assertEqual((task.converted_count, task.revenue), (1, 100))

    def test_revenue_stays_when_the_people_are_forgotten(self):
        self.account.retention_days = 31
        task = self._send(conversion_days=20)
        self._delivery(task, self.people[0]).clicked_at = self.now
        self._win(self.people[0], 100, self.now + timedelta(days=1))
        self._count_later(task)
        task.finished_at = self.now - timedelta(days=32)
        task._remove_details()
        self._count_later(task)
        self.assertEqual((task.converted_count, task.revenue), (1, 100))
