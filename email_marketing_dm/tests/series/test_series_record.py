from datetime import timedelta

from odoo import fields
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import freeze_time, tagged

from ..common import make_user
from ..common_series import SeriesRecordCommon
from ..common_values import ValuesCommon, read_texts

LEAD = "object.directmail_record.crm__lead"


@tagged("post_install", "-at_install")
class TestSeriesRecord(SeriesRecordCommon, ValuesCommon):
    """Values of the record in mails of a series, and conversions after them."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.won = cls._make_won_leads()

    def _approve(self, template):
        template.action_submit()
        self.emulator.approve(template.remote_ref)
        template.action_check_review()
        return template

    def _get_sent(self, series):
        """Return {address: texts of the placeholders} of the mails of a series."""
        return {
            mail["to"]: read_texts(self.emulator.mail(mail["env_id"])["html"])
            for task in series.step_ids.task_ids
            for mail in self.emulator.ledger(task.tag_name)
        }

    # === VALUES OF THE RECORD === #

    def test_mails_show_the_record_in_the_language_of_the_person(self):
        self.env["res.lang"]._activate_lang("de_DE")
        self.people[1].lang = "de_DE"
        template = self._approve(
            self._draft(
                f"{LEAD}.name", f"{LEAD}.expected_revenue", f"{LEAD}.date_deadline", "object.name"
            )
        )
        series = self._start_by_leads(template)
        leads = self.env["crm.lead"].create(
            [
                {
                    "name": f"Cart <{person.id}>",
                    "partner_id": person.id,
                    "expected_revenue": 1234.5,
                    "date_deadline": "2026-02-03",
                }
                for person in self.people
            ]
        )
        self._enter(series, leads)
        self._go_on()
        self.assertEqual(len(series.entry_ids), 2)
        sent = self._get_sent(series)
        name, amount, day, contact = sent["p0@customer.example"]
        self.assertEqual((name, contact), (f"Cart &lt;{self.people[0].id}&gt;", "Person 0"))
        self.assertIn("1,234.50", amount)
        self.assertEqual(day, "02/03/2026")
        _name, amount, day, _contact = sent["p1@customer.example"]
        self.assertIn("1.234,50", amount)
        self.assertEqual(day, "03.02.2026")
        # A contact and a lead have a name: these are two variables.
        names = {variable["name"] for variable in template.variables}
        self.assertLessEqual({"Name", "RecordName", "RecordExpectedRevenue"}, names)

    def test_mails_on_a_date_show_the_record_with_this_date(self):
        moment = fields.Datetime.now().replace(second=0) - timedelta(minutes=10)
        series = self._start_by_leads(
            self._approve(self._draft(f"{LEAD}.name")),
            start_kind="date",
            start_date_path="date_deadline",
            start_hour=moment.hour + moment.minute / 60,
            start_yearly=False,
        )
        self.env["crm.lead"].create(
            [
                {"name": f"Cart {days}", "partner_id": person.id, "date_deadline": day}
                for days, person in enumerate(self.people)
                for day in [moment.date() - timedelta(days=days)]
            ]
        )
        since = {"started_until": moment - timedelta(hours=1), "next_start_at": moment}
        series.sudo().write(since)
        self._go_on()
        self.assertEqual(self._get_sent(series), {"p0@customer.example": ["Cart 0"]})

    def test_records_that_are_gone_or_hidden_show_the_default(self):
        template = self._approve(self._draft(f"{LEAD}.name", f"{LEAD}.company_id.name"))
        series = self._start_by_leads(template, start_exit=False)
        leads = self.env["crm.lead"].create(
            [
                {"name": f"Cart {number}", "partner_id": person.id}
                for number, person in enumerate(self.people)
            ]
        )
        self._enter(series, leads)
        leads[0].unlink()
        self._hide(leads[1], self.user)
        self._go_on()
        self.assertEqual(set(map(tuple, self._get_sent(series).values())), {("-", "-")})
        self.assertEqual(len(self._get_sent(series)), 2)

    def _make_carts(self, **types):
        vals = {"name": "Cart", "user_id": False}
        return self.env["crm.lead"].create(
            [{**vals, "email_from": f"{name}@lead.example", "type": types[name]} for name in types]
        )

    def test_merged_leads_stay_in_the_series(self):
        """Once: of two that are inside, in the place of the lead that remains."""
        series = self._start_by_leads(self._approve(self._draft(f"{LEAD}.name")))
        eve = self._make_carts(eve="lead")
        self._enter(series, eve)
        [entry] = series.entry_ids.sudo()
        self.assertEqual(entry.res_id, eve.id)
        fay = self._make_carts(fay="opportunity")
        self.assertEqual((eve + fay).merge_opportunity(), fay)
        self.assertEqual((entry.res_id, entry.occasion), (fay.id, f"crm.lead,{fay.id}"))
        two = self._make_carts(gil="opportunity", hal="lead")
        self._enter(series, fay + two)
        self.assertEqual(len(series.entry_ids), 3)
        self.assertEqual(two.merge_opportunity(), two[0])
        entries = self.env["directmail.series.entry"].sudo()
        entries = entries.search([("series_id", "=", series.id)])
        places = {place.res_id: place for place in entries}
        self.assertEqual(places.keys(), {*(fay + two).ids})
        self.assertEqual(places[two[0].id].state, "inside")
        self._go_on()
        mailed = set(self._get_sent(series))
        self.assertEqual(mailed, {"fay@lead.example", "gil@lead.example"})
        self.assertEqual(places[two[1].id].state, "called_off")

    def test_a_record_that_became_another_contacts_shows_the_default(self):
        series = self._start_by_leads(self._approve(self._draft(f"{LEAD}.name")))
        lead = self.env["crm.lead"].create({"name": "Cart", "partner_id": self.people[0].id})
        self._enter(series, lead)
        lead.write({"name": "Cart of somebody else", "partner_id": self.people[1].id})
        self._go_on()
        self.assertEqual(self._get_sent(series), {"p0@customer.example": ["-"]})

    def test_templates_of_records_fit_series_of_these_records_only(self):
        template = self._approve(self._draft(f"{LEAD}.name"))
        task = self._make_task(self.audience, template)
        with self.assertRaisesRegex(UserError, "only be used in a series that starts by"):
            task.action_send()
        series = self._make({"template_id": template.id})
        with self.assertRaisesRegex(UserError, "only be used in a series that starts by"):
            series.action_start()
        other = self._make({"template_id": template.id})
        contacts = self.env["directmail.data.table"].search([("preset", "=", "contacts")])
        other.write({"start_kind": "record", "start_table_id": contacts.id, "audience_id": False})
        with self.assertRaisesRegex(UserError, "starts by other records"):
            other.action_start()
        running = self._start()
        with self.assertRaisesRegex(ValidationError, "only be used in a series"):
            running.step_ids[0].next_template_id = template
        # The words of the draft count before its first review.
        draft = self._draft(f"{LEAD}.name")
        with self.assertRaisesRegex(UserError, "only be used in a series"):
            self._make_task(self.audience, draft).action_send()

    def test_a_new_text_is_not_taken_if_it_names_other_records(self):
        series = self._start()
        step = series.step_ids[0]
        text = self._draft("object.name")
        step.next_template_id = text
        text.body_html = self._draft(f"{LEAD}.name").body_html
        self._approve(text)
        self.env.invalidate_all()
        self.assertEqual(step.template_id, self.first)
        self.assertIn("only be used in a series", step.next_text)
        self.assertIn("only be used in a series", series.message_ids[0].body)

    def test_fields_that_the_owner_of_the_series_may_not_read_are_refused(self):
        template = self._approve(self._draft(f"{LEAD}.name"))
        series = self._make({"template_id": template.id})
        series.write(
            {"start_kind": "record", "start_table_id": self.leads.id, "audience_id": False}
        )
        self.assertFalse(series.step_ids._find_problem())
        self.user.group_ids -= self.seller_group
        self.assertIn("may not read the field", series.step_ids._find_problem())
        for path in (".name", ".no_such_field", ""):
            draft = self._draft(LEAD + path)
            found = draft.check_content({"body_html": draft.body_html})
            self.assertIn("unreadable", [finding["code"] for finding in found])

    def test_the_preview_shows_the_newest_record_of_the_contact(self):
        template = self._draft(f"{LEAD}.name")
        leads = self.env["crm.lead"].create(
            [
                {"name": "Old", "partner_id": self.ann.id},
                {"name": "Ann", "partner_id": self.ann.id},
                {"name": "Newest", "partner_id": self.people[0].id},
            ]
        )
        self.assertEqual(self._preview(template, self.ann), ["Ann"])
        self.assertEqual(self._preview(template, self.bob), ["Newest"])
        # Somebody without a right to leads sees none, and is not offered their fields.
        blind = make_user(self.env, "blind", "email_marketing_dm.group_user")
        self.assertEqual(self._preview(template, self.ann, blind), ["-"])
        tables = self.env["directmail.data.table"]
        offered = {
            user: [place["model"] for place in tables.with_user(user).get_record_placeholders()]
            for user in (self.user, blind)
        }
        self.assertIn("crm.lead", offered[self.user])
        self.assertNotIn("crm.lead", offered[blind])
        self.assertNotIn("res.partner", offered[self.user])
        leads[1].unlink()
        self.assertEqual(self._preview(template, self.ann), ["Old"])

    def _make_cart_series(self):
        series = (
            self.env["directmail.series"]
            .with_user(self.user)
            .with_context(ready_made="cart")
            .create({"account_id": self.account.id, "sender_id": self.sender.id})
        )
        return series, series.action_use_ready_made()

    def test_the_ready_made_cart_says_why_it_has_no_data_table(self):
        series, action = self._make_cart_series()
        self.assertIn("there is no data table of quotations", action["params"]["message"])
        self.assertEqual((len(series.step_ids), series.start_table_id.ids), (3, []))
        self.env["directmail.data.table"].create(
            {
                "name": "Carts",
                "model_id": self.env["ir.model"]._get_id("sale.order"),
                "partner_path": "partner_id",
                "date_field": "date_order",
            }
        )
        self.assertEqual(self._make_cart_series()[1], True)
        # Who may not read orders can't use the table while it is not open to marketing users.
        self.user.group_ids -= self.seller_group
        series, action = self._make_cart_series()
        self.assertIn("you may not read sales orders", action["params"]["message"])
        self.assertIn("Ask an administrator", action["params"]["message"])
        self.assertEqual((len(series.step_ids), series.start_table_id.ids), (3, []))
        with self.assertRaisesRegex(UserError, "data table .* ask an administrator"):
            series.action_start()

    def test_the_ready_made_cart_shows_number_and_total_of_the_cart(self):
        company = self.account.company_id.sudo()
        company.write({"website": "https://azure.example", "street": "1 Road"})
        self.env["directmail.data.table"].create(
            {
                "name": "Carts",
                "model_id": self.env["ir.model"]._get_id("sale.order"),
                "partner_path": "partner_id",
                "date_field": "date_order",
            }
        )
        series, _action = self._make_cart_series()
        for template in series.step_ids.template_id:
            found = template._find(template._compile_content(template.body_html))
            self.assertFalse([each for each in found if each["level"] == "error"], found)
            self._approve(template)
        series.start_unchanged = 0
        series.action_start()
        self._run_cron()
        line = {"name": "Boots", "price_unit": 1234.5, "product_uom_qty": 1, "tax_ids": False}
        line["product_id"] = self.env["product.product"].create({"name": "Boots"}).id
        order = self.env["sale.order"].create(
            {"partner_id": self.people[0].id, "order_line": [fields.Command.create(line)]}
        )
        self._enter(series, order)
        self._go_on()
        [mail] = self.emulator.ledger(series.step_ids[0].task_ids.tag_name)
        html = self.emulator.mail(mail["env_id"])["html"]
        self.assertIn(f"Your cart: number {order.name}, total ", html)
        self.assertRegex(html, r"total [^<]{0,8}1,234\.50")
        self.assertEqual(series._get_cart_address(), "https://azure.example")
        # Who may not read orders gets the texts without them.
        self.user.group_ids -= self.seller_group
        self.assertFalse(series._find_cart_values())

    # === CONVERSIONS === #

    def _win(self, person, amount, at):
        lead = self.env["crm.lead"].create(
            {"name": "Deal", "partner_id": person.id, "type": "opportunity"}
        )
        lead.write({"stage_id": self.env.ref("crm.stage_lead4").id, "expected_revenue": amount})
        lead.date_closed = at

    def _start_to_count(self, **vals):
        vals = {"conversion_table_id": self.won.id, "conversion_from": "delivery", **vals}
        series = self._start(
            {"template_id": self.first.id},
            {"kind": "wait"},
            {"template_id": self.second.id},
            **vals,
        )
        self._go_on()
        for task in series.step_ids.task_ids:
            self._import_results(task)
        return series

    def _count_later(self, series):
        with freeze_time(fields.Datetime.now() + timedelta(days=2)):
            series.action_count_conversions()

    def _find_opened(self, action):
        return self.env[action["res_model"]].search(action["domain"]).partner_id

    def test_conversions_and_revenue_are_counted_per_step_and_in_all(self):
        series = self._start_to_count()
        first, _wait, second = series.step_ids
        now = fields.Datetime.now()
        self._win(self.people[0], 100, now + timedelta(hours=1))
        self._win(self.people[0], 20, now + timedelta(hours=2))
        self._count_later(series)
        self.assertEqual((series.converted_count, series.revenue), (1, 120))
        self.assertEqual((first.converted_count, first.revenue), (1, 120))
        self.assertEqual((second.converted_count, second.revenue), (0, 0))
        self.assertTrue(series.conversion_at)
        self.assertEqual(series.mail_step_ids, first | second)
        self.assertEqual(self._find_opened(series.action_view_converted()), self.people[0])
        self.assertEqual(self._find_opened(first.action_view_converted()), self.people[0])
        self.assertFalse(self._find_opened(second.action_view_converted()))
        # Figures of a step that is removed still count.
        first.unlink()
        self.env.invalidate_all()
        self.assertEqual((series.converted_count, series.revenue), (1, 120))
        with self.assertRaisesRegex(UserError, "Welcome"):
            self.won.unlink()

    def test_changed_settings_apply_to_all_email_tasks(self):
        series = self._start_to_count(conversion_table_id=False)
        self._win(self.people[0], 100, fields.Datetime.now() + timedelta(hours=1))
        self._count_later(series)
        self.assertEqual(series.converted_count, 0)
        task = series.step_ids[0].task_ids
        with self.assertRaisesRegex(UserError, "Choose in the series what counts"):
            task.conversion_table_id = self.won
        with self.assertRaisesRegex(UserError, "Only its owner"):
            series.with_user(self.admin).conversion_table_id = self.won
        series.conversion_table_id = self.won
        self.assertEqual(series.step_ids.task_ids.conversion_table_id, self.won)
        self._count_later(series)
        self.assertEqual((series.converted_count, series.revenue), (1, 100))
        series.conversion_from = "click"
        self._count_later(series)
        self.assertEqual((series.converted_count, series.revenue), (0, 0))
        series.conversion_table_id = False
        self.assertFalse(task.conversion_table_id)

    def test_a_new_owner_counts_the_conversions_of_all_mails(self):
        series = self._start_to_count()
        tasks = series.step_ids.task_ids
        # As after the end of the month.
        tasks.sudo().write({"state": "done", "finished_at": fields.Datetime.now()})
        self.other.sudo().group_ids += self.seller_group
        series.action_pause()
        series.with_user(self.admin).user_id = self.other
        self.assertEqual(tasks.sudo().user_id, self.other)
        self._win(self.people[0], 100, fields.Datetime.now() + timedelta(hours=1))
        # Not with the rights of an owner who has not agreed.
        self._count_later(series.with_user(self.other))
        self.assertEqual(series.sudo().converted_count, 0)
        series = series.with_user(self.other)
        with self.assertRaisesRegex(UserError, "not agreed"):
            series.conversion_days = 14
        series.action_take_over()
        # Somebody who has left is needed for nothing.
        self.user.sudo().active = False
        series.conversion_days = 14
        self.assertEqual(set(tasks.sudo().mapped("conversion_days")), {14})
        self._count_later(series)
        self.assertEqual((series.converted_count, series.revenue), (1, 100))

    def test_mails_go_out_while_conversions_can_not_be_counted(self):
        self.user.group_ids -= self.seller_group
        with self.assertRaises(AccessError):
            self._make(conversion_table_id=self.won.id)
        self.user.group_ids += self.seller_group
        series = self._make(conversion_table_id=self.won.id)
        self.user.group_ids -= self.seller_group
        series.action_start()
        self._run_cron()
        self._go_on()
        self.assertEqual(self._get_mailed(self.first), self.people)
        self.assertIn("Leads won", series.conversion_problem)
        # The month may be over until the right is back.
        series.step_ids[0].task_ids.sudo().state = "done"
        self.user.group_ids += self.seller_group
        self.env.invalidate_all()
        with self.enter_registry_test_mode():
            self.env.ref("email_marketing_dm.ir_cron_directmail_conversion").method_direct_trigger()
        self.env.invalidate_all()
        self.assertFalse(series.conversion_problem)
        self.assertEqual(series.step_ids.task_ids.conversion_table_id, self.won)
        self.assertTrue(series.conversion_at)
