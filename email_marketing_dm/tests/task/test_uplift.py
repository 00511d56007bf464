from datetime import timedelta

from odoo import fields
from odoo.exceptions import AccessError, UserError
from odoo.tests import freeze_time, new_test_user, tagged

from ..common import DirectmailCommon
from .test_control import ControlMixin


class UpliftMixin(ControlMixin):
    """Won leads as conversions, read with the rights of a seller."""

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

    def _send_as_seller(self, **vals):
        task = self._make_task(self.audience, self.template).sudo()
        task.write(
            {
                "user_id": self.seller.id,
                "conversion_table_id": self.table.id,
                "control_share": 40,
                **vals,
            }
        )
        task.action_send()
        self._run_cron()
        return task

    def _win(self, person, amount, at):
        lead = self.env["crm.lead"].create(
            {"name": "Deal", "partner_id": person.id, "type": "opportunity"}
        )
        lead.write({"stage_id": self.won.id, "expected_revenue": amount})
        lead.date_closed = at
        return lead

    def _count(self, task, days=12):
        with freeze_time(fields.Datetime.now() + timedelta(days=days)):
            task.action_count_conversions()
        self.env.invalidate_all()

    def _get_groups(self, amounts, mailed, control):
        """Return what the groups must be, by a plain count.

        :param dict amounts: {contact: amount}
        """
        return {
            name: [
                len(people),
                sum(one in amounts for one in people),
                *(sum(amounts.get(one, 0) ** power for one in people) for power in (1, 2, 3)),
            ]
            for name, people in (("mail", mailed), ("control", control))
        }


@tagged("post_install", "-at_install")
class TestUplift(UpliftMixin, DirectmailCommon):
    """What the people who were mailed did, against those of the control group."""

    def test_the_figures_are_those_of_a_plain_count(self):
        task = self._send_as_seller()
        control = self._get_control(task)
        mailed = set(self.people) - control
        amounts = {}
        for number, person in enumerate(self.people):
            at = task.planned_at + timedelta(hours=number)
            if number % 3 == 0:
                self._win(person, 10 * number + 1, at)
                self._win(person, 5, at + timedelta(days=2))
                amounts[person] = 10 * number + 6
            elif number % 3 == 1:
                self._win(person, 1000, task.planned_at - timedelta(minutes=1))  # too early
            else:
                self._win(person, 1000, task.planned_at + timedelta(days=7))  # too late
        self._count(task)
        self.assertEqual(task.uplift_groups, self._get_groups(amounts, mailed, control))
        found = task.env["directmail.uplift"]._compare([task._get_uplift_pair()])
        self.assertEqual((found.mailed, found.control), (len(mailed), len(control)))
        self.assertAlmostEqual(found.rate, len(mailed & amounts.keys()) / len(mailed))
        self.assertAlmostEqual(found.base, len(control & amounts.keys()) / len(control))
        self.assertAlmostEqual(
            task.uplift_conversions, len(mailed) * (found.rate - found.base), delta=0.05
        )
        self.assertEqual(task.conversion_error, False)

    def test_people_who_are_suppressed_later_stay_in_their_group(self):
        task = self._make_task(self.audience, self.template).sudo()
        task.write(
            {
                "user_id": self.seller.id,
                "conversion_table_id": self.table.id,
                "control_share": 40,
            }
        )
        task.action_send()
        task._prepare()
        task._launch()
        person = self._deliveries(task, ("state", "=", "waiting"))[0].partner_id
        self.env["mail.blacklist"].sudo()._add(person.email)
        self._run_cron()
        self._win(person, 70, task.planned_at + timedelta(hours=1))
        self._count(task)
        mailed = set(self.people) - self._get_control(task)
        self.assertIn(person, mailed)
        self.assertEqual(task.uplift_groups["mail"], [len(mailed), 1, 70, 70**2, 70**3])

    def test_it_says_what_was_found_and_what_to_do(self):
        task = self._send_as_seller()
        control = self._get_control(task)
        for person in set(self.people) - control:
            self._win(person, 10, task.planned_at + timedelta(hours=1))
        task.action_count_conversions()
        self.assertIn("not final", task.uplift_advice)
        self._count(task)
        with freeze_time(fields.Datetime.now() + timedelta(days=12)):
            task.invalidate_recordset()
            self.assertIn("With the mail 100.0% converted, without it 0.0", task.uplift_text)
            self.assertIn("additional conversions", task.uplift_advice)
            self.assertIn("Control group", task.uplift_table)

    def test_too_few_people_are_told_how_many_are_needed(self):
        task = self._send_as_seller()
        control = self._get_control(task)
        mailed = list(set(self.people) - control)
        for person in [*mailed[:5], *list(control)[:1]]:
            self._win(person, 10, task.planned_at + timedelta(hours=1))
        self._count(task)
        with freeze_time(fields.Datetime.now() + timedelta(days=12)):
            task.invalidate_recordset()
            self.assertIn("The difference may be luck", task.uplift_text)
            self.assertIn("Not enough people to tell: at least about", task.uplift_advice)

    def test_without_a_control_group_nothing_is_counted_or_said(self):
        task = self._send_as_seller(control_share=0)
        self._count(task)
        self.assertFalse(task.uplift_groups)
        self.assertFalse(task.uplift_text)

    def test_erased_people_are_left_out(self):
        task = self._send_as_seller()
        for person in self.people:
            self._win(person, 10, task.planned_at + timedelta(hours=1))
        self._count(task)
        before = task.uplift_groups
        people = self.env["directmail.delivery"].search(
            [("task_id", "=", task.id), ("assignment", "=", "mail")]
        )
        wizard = self.env["directmail.erasure"].with_user(self.admin)
        erased = people[:3].partner_id
        wizard.create({"partner_ids": [fields.Command.set(erased.ids)]}).action_erase()
        self._count(task)
        self.assertEqual(task.uplift_groups["control"], before["control"])
        self.assertEqual(task.uplift_groups["mail"][:2], [before["mail"][0] - 3] * 2)

    def test_groups_that_never_can_be_compared_say_so(self):
        task = self._send_as_seller()
        self._count(task)
        task.uplift_groups = {"mail": task.uplift_groups["mail"]}
        self.assertIn("fewer than two people", task.uplift_text)
        self.assertNotIn("yet", task.uplift_text)

    def test_without_a_conversion_it_leads_to_the_field(self):
        task = self._send_as_seller(conversion_table_id=False)
        self._count(task)
        self.assertIn("choose what counts as a conversion", task.uplift_text)
        self.assertTrue(task.may_choose_conversion)
        [missing] = task.action_choose_conversion()["params"]["missing"]
        self.assertEqual(missing["field"], "conversion_table_id")

    def test_a_table_that_the_owner_may_not_read(self):
        task = self._make_task(self.audience, self.template, control_share=40)
        with self.assertRaises(AccessError):
            task.conversion_table_id = self.table
        task = self._send_as_seller()
        self.seller.group_ids -= self.env.ref("sales_team.group_sale_salesman_all_leads")
        self._count(task)
        self.assertTrue(task.conversion_error)
        self.assertEqual(task.uplift_text, task.conversion_error)

    def test_a_rounded_task_tells_no_figures_to_its_owner(self):
        task = self._send_as_seller()
        self._win(self.people[0], 10, task.planned_at + timedelta(hours=1))
        self._count(task)
        task.in_tens = True
        self.env.flush_all()
        owner = task.with_user(self.seller)
        self.assertIn("only an administrator can see its uplift", owner.uplift_text)
        self.assertEqual(owner._get_uplift_pair(), {})
        self.assertEqual((owner.uplift_conversions, owner.uplift_table), (0, False))
        with self.assertRaises(AccessError):
            owner.read(["uplift_groups"])
        self.assertTrue(task.with_user(self.admin)._get_uplift_pair())

    def test_a_campaign_adds_its_tasks(self):
        campaign = self.env["utm.campaign"].create({"title": "Spring"})
        first, second = (self._send_as_seller(campaign_id=campaign.id) for _ in range(2))
        for person in self.people[:10]:
            self._win(person, 10, first.planned_at + timedelta(hours=1))
        for task in first + second:
            self._count(task)
        told = campaign.with_user(self.seller)
        self.assertTrue(told.directmail_uplift_text)
        found = self.env["directmail.uplift"]._compare(
            [first._get_uplift_pair(), second._get_uplift_pair()]
        )
        self.assertEqual(found.mailed + found.control, 80)
        self.assertFalse(campaign.with_user(self.other).directmail_uplift_text)
        other_table = self.table.copy({"name": "Other leads"})
        second.conversion_table_id = other_table
        self._count(second)
        self.assertIn("different conversions", told.directmail_uplift_text)

    def test_the_hourly_cron_counts_it(self):
        task = self._send_as_seller()
        self._win(self.people[0], 10, task.planned_at)
        with (
            self.enter_registry_test_mode(),
            freeze_time(fields.Datetime.now() + timedelta(hours=2)),
        ):
            self.env.ref("email_marketing_dm.ir_cron_directmail_conversion").method_direct_trigger()
        self.env.invalidate_all()
        self.assertEqual(sum(group[1] for group in task.uplift_groups.values()), 1)


@tagged("post_install", "-at_install")
class TestQuarter(UpliftMixin, DirectmailCommon):
    """What all email tasks bring about, by quarter, against the global control group."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.admin.group_ids += cls.env.ref("sales_team.group_sale_salesman_all_leads")
        cls.controls = cls.env["directmail.control"].with_user(cls.admin)
        cls.control = cls.controls.create({"share": 40, "conversion_table_id": cls.table.id})

    def test_the_figures_of_a_quarter_are_those_of_a_plain_count(self):
        first = self._send()
        second = self._send()
        held = set(self._deliveries(first, ("assignment", "=", "global")).partner_id)
        mailed = set(self.people) - held
        amounts = {}
        for number, person in enumerate(self.people[:20], 1):
            self._win(person, number, first.planned_at + timedelta(seconds=number))
            amounts[person] = number
        self._win(self.people[30], 1000, first.planned_at - timedelta(seconds=1))
        with freeze_time(fields.Datetime.now() + timedelta(minutes=5)):
            self.control.action_count()
        self.assertFalse(self.control.conversion_error)
        [quarter] = self.control.quarter_ids
        groups = quarter.sudo().groups
        self.assertEqual(groups, {"1": self._get_groups(amounts, mailed, held)})
        self.assertEqual((first.control_shuffle, second.control_shuffle), (1, 1))
        self.assertIn("With the mail", quarter.uplift_text)
        self.assertRegex(quarter.display_name, r"^Quarter [1-4] of \d{4}$")

    def test_people_who_left_the_group_are_left_out(self):
        first = self._send()
        before = set(self._deliveries(first, ("assignment", "=", "global")).partner_id)
        self.control.share = 10
        second = self._send()
        after = set(self._deliveries(second, ("assignment", "=", "global")).partner_id)
        self.assertLess(after, before)
        self.control.action_count()
        groups = self.control.quarter_ids.sudo().groups["1"]
        self.assertEqual(groups["mail"][0], 40 - len(before))
        self.assertEqual(groups.get("control", [0])[0], len(after))

    def test_a_draw_ends_when_an_email_task_holds_back_others(self):
        first = self._send()
        held = self._deliveries(first, ("assignment", "=", "global")).partner_id
        for change in ("notification", "draw"):
            if change == "draw":
                self.control.sudo().shuffled_at -= timedelta(days=31)
                self.control.action_shuffle()
            later = self._send(is_notification=change == "notification")
            self.assertEqual(later.control_shuffle, {"notification": 0, "draw": 2}[change])
            # The tests may run at any day of a quarter.
            later.sudo().planned_at = first.planned_at + timedelta(minutes=10)
            self._win(held[0], 5, first.planned_at + timedelta(minutes=5))
            self._win(held[1], 7, first.planned_at + timedelta(minutes=20))
            with freeze_time(fields.Datetime.now() + timedelta(minutes=30)):
                self.control.action_count()
            groups = self.control.quarter_ids.sudo().groups["1"]
            self.assertEqual(groups["control"][1], {"notification": 2, "draw": 1}[change])

    def test_notifications_and_tasks_before_it_do_not_count(self):
        self.control.share = 0
        self._send()
        self._send(is_notification=True)
        self.control.action_count()
        self.assertFalse(self.control.quarter_ids)

    def test_a_table_that_the_owner_may_not_read(self):
        self.admin.group_ids -= self.env.ref("sales_team.group_sale_salesman_all_leads")
        self.control.sudo()._count_quarters()
        self.assertTrue(self.control.conversion_error)
        with self.assertRaises(AccessError), self.env.cr.savepoint():
            self.control.conversion_table_id = self.table.copy({"name": "Others"})

    def test_a_table_that_is_used_cannot_be_deleted(self):
        with self.assertRaisesRegex(UserError, "Global control group of"):
            self.table.unlink()

    def test_another_administrator_who_changes_the_table_asks_the_owner(self):
        boss = new_test_user(
            self.env,
            "dm_boss",
            "email_marketing_dm.group_admin,sales_team.group_sale_salesman_all_leads",
        )
        self.table.with_user(boss).domain = "[]"
        self.assertTrue(self.control.owner_pending)
        self.control.sudo()._count_quarters()
        self.assertIn("has not agreed yet", self.control.conversion_error)
        self.control.action_take_over()
        self.control.sudo()._count_quarters()
        self.assertFalse(self.control.conversion_error)

    def test_the_daily_cron_counts_it(self):
        self._send()
        with self.enter_registry_test_mode():
            self.env.ref("email_marketing_dm.ir_cron_directmail_control").method_direct_trigger()
        self.env.invalidate_all()
        self.assertEqual(len(self.control.quarter_ids), 1)
