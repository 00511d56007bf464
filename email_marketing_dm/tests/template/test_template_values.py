from datetime import datetime

from odoo.exceptions import AccessError, UserError
from odoo.fields import Command
from odoo.tests import tagged

from ...engine.content import Person
from ..common import BODY
from ..common_values import ValuesCommon, read_texts


@tagged("post_install", "-at_install")
class TestTemplateValues(ValuesCommon):
    """What placeholders say: whose rights decide, and how a value is written."""

    # === RIGHTS === #

    def test_record_that_the_owner_may_not_read(self):
        self._hide(self.secret, self.user)
        template = self._draft("object.parent_id.name", "object.parent_id", "object.name")
        self.assertFalse(self.secret.with_user(self.user).has_access("read"))
        self.assertEqual(self._preview(template, self.ann), ["-", "-", "Person 0"])
        self.assertEqual(self._preview(template, self.bob), ["Open Ltd", "Open Ltd", "Person 1"])
        self.assertEqual(
            self._sent(template, self.ann + self.bob),
            {
                "ann@example.com": ["-", "-", "Person 0"],
                "bob@example.com": ["Open Ltd", "Open Ltd", "Person 1"],
            },
        )

    def test_path_of_several_steps_that_nobody_has(self):
        eve = self._make_people("eve@example.com")
        template = self._draft("object.parent_id.country_id.name", "object.name")
        self.assertEqual(self._preview(template, eve)[0], "-")
        self.assertEqual(self._sent(template, eve)["eve@example.com"][0], "-")

    def test_preview_shows_its_reader_no_more_than_he_may_read(self):
        """Whoever wrote the template may read it, who looks at it may not."""
        self._hide(self.secret, self.other)
        template = self._draft("object.parent_id.name")
        self.assertEqual(self._preview(template, self.ann), ["Secret Ltd"])
        self.assertEqual(self._preview(template, self.ann, self.other), ["-"])

    def test_email_task_of_somebody_with_fewer_rights(self):
        """Nor does sending somebody else's template get at more than its sender may read."""
        self._hide(self.secret, self.other)
        template = self._draft("object.parent_id.name")
        self.assertEqual(
            self._sent(template, self.ann + self.bob, user=self.other),
            {"ann@example.com": ["-"], "bob@example.com": ["Open Ltd"]},
        )

    def test_another_company(self):
        elsewhere = self.env["res.company"].create({"name": "Elsewhere"})
        # in SQL: the ORM would take those who work there along
        self.env.cr.execute(
            "UPDATE res_partner SET company_id = %s WHERE id = %s", [elsewhere.id, self.secret.id]
        )
        self.env.invalidate_all()
        template = self._draft("object.parent_id.name")
        self.assertEqual(self._preview(template, self.ann), ["-"])
        # not even to somebody who works in both: the template belongs to one
        self.user.company_ids += elsewhere
        self.assertEqual(self._preview(template, self.ann), ["-"])
        self.assertEqual(self._sent(template, self.ann), {"ann@example.com": ["-"]})
        self.ann.write({"parent_id": False, "company_id": elsewhere.id})
        with self.assertRaises(AccessError):
            self._preview(template, self.ann)

    def test_owner_who_has_left_the_company(self):
        template = self._draft("object.parent_id.name", "object.name")
        elsewhere = self.env["res.company"].create({"name": "Elsewhere"})
        self.user.write({"company_ids": [Command.set(elsewhere.ids)], "company_id": elsewhere.id})
        person = Person(1, self.bob.id, None, None)
        template.sudo().variables = (
            template.sudo()._compile_content(template.sudo().body_html).variables
        )
        values = template.sudo()._get_values([person])[1]
        self.assertEqual((values["ParentName"], values["NameB"]), ("-", "Person 1"))

    def test_contact_that_only_the_audience_knows(self):
        """A public audience opens no contact to its users, and still mails go out with names."""
        self._hide(self.ann, self.user)
        template = self._draft("object.name", "object.parent_id.name")
        with self.assertRaises(AccessError):
            self._preview(template, self.ann)
        task_people = self._make_audience(self.ann, user=self.other, visibility="public")
        template.action_submit()
        self.emulator.approve(template.remote_ref)
        template.action_check_review()
        task = self._make_task(task_people, template)
        task.action_send()
        self._run_cron()
        [mail] = self.emulator.ledger(task.tag_name)
        html = self.emulator.mail(mail["env_id"])["html"]
        self.assertEqual(read_texts(html), ["Person 0", "Secret Ltd"])

    def test_one_read_for_many_people(self):
        """A window of people costs as many queries as a single one."""
        companies = self.env["res.partner"].create(
            [{"name": f"Company {i}", "is_company": True} for i in range(60)]
        )
        people = self._make_people(*(f"p{i}@example.com" for i in range(60)))
        for person, company in zip(people, companies, strict=True):
            person.parent_id = company
        template = self._draft(
            "object.parent_id.name", "object.parent_id.country_id", "object.city"
        )
        template.sudo().variables = template._compile_content(template.body_html).variables
        rows = [Person(person.id, person.id, None, None) for person in people]
        counts = []
        for batch in (rows[:1], rows[:2], rows):
            self.env.flush_all()
            self.env.invalidate_all()
            before = self.env.cr.sql_log_count
            values = template.sudo()._get_values(batch, reader=self.other)
            counts.append(self.env.cr.sql_log_count - before)
        self.assertEqual(values[rows[59].id]["ParentName"], "Company 59")
        self.assertLessEqual(counts[2], counts[1])

    def test_what_is_no_placeholder(self):
        for expression, reason in (
            ("object.child_ids.name", r"several values: Contact › Name \(child_ids.name\)"),
            (
                "object.parent_id.image_128",
                r"as text: Related Company › Image 128 \(parent_id.image_128\)",
            ),
            ("object.name.x", "can't be filled in: name.x"),
        ):
            with self.subTest(expression), self.assertRaisesRegex(UserError, reason):
                self._draft(expression).action_submit()

    # === HOW A VALUE IS WRITTEN === #

    def test_moments_in_the_accounts_zone(self):
        """Whoever runs the cron, and in the recipient's own language."""
        self.env["res.lang"]._activate_lang("fr_FR")
        self.user.tz = "America/New_York"
        self.bob.lang = "fr_FR"
        self.env.cr.execute(
            "UPDATE res_partner SET create_date = '2026-03-04 20:05:06' WHERE id IN %s",
            [tuple((self.ann + self.bob).ids)],
        )
        self.env.invalidate_all()
        self.assertEqual(self.ann.create_date, datetime(2026, 3, 4, 20, 5, 6))
        template = self._draft(
            "object.create_date",
            "format_datetime(object.create_date, tz=object.tz) or '-'",
            "format_date(object.create_date) or '-'",
        )
        english = ["03/05/2026 4:05 AM"] * 2 + ["03/05/2026"]
        french = ["05/03/2026 04:05"] * 2 + ["05/03/2026"]
        sent = self._sent(template, self.ann + self.bob)
        self.assertEqual([text.replace("\u202f", " ") for text in sent["ann@example.com"]], english)
        self.assertEqual(sent["bob@example.com"], french)
        self.assertEqual(self._preview(template.copy(), self.bob), french)

    def test_a_value_of_several_lines(self):
        """The body keeps the lines and a subject joins them, in both content modes."""
        self.ann.street = "1 <b> St\r\n{Name}\nUlm"
        lines = ["1 &lt;b&gt; St<br/>&#123;Name&#125;<br/>Ulm"]
        for mode in ("template", "body"):
            self.account.content_mode = mode
            template = self._draft("object.street")
            template.subject = "To {{ object.street }}"
            self.assertEqual(self._preview(template, self.ann), lines)
            self.assertEqual(self._sent(template, self.ann), {"ann@example.com": lines})
            subject = self.emulator.ledger(to="ann@example.com")[-1]["subject"]
            self.assertEqual(subject, "To 1 <b> St {Name} Ulm")

    def test_a_default_has_no_lines(self):
        """A line break in the HTML of a default is only white space."""
        template = self._draft()
        body = BODY + '<p>«<t t-out="object.street">two\n words</t>»</p>'
        html = template.preview_content({"body_html": body}, self.bob.id)["html"]
        self.assertRegex(html, r"«two\s+words»")

    def test_how_values_are_written(self):
        self.env["res.lang"]._activate_lang("de_DE")
        self.bob.lang = "de_DE"
        for person in self.ann + self.bob:
            person.write(
                {
                    "comment": "<p>Tom &amp; <b>Kim</b> &lt;3</p>",
                    "color": 0,
                    "partner_latitude": 1234.5,
                    "category_id": [
                        Command.create({"name": "VIP"}),
                        Command.create({"name": "B2B"}),
                    ],
                }
            )
        self.bob.color = 1234
        template = self._draft(
            "object.comment", "object.color", "object.partner_latitude", "object.is_company",
            "object.type", "object.category_id",
        )  # fmt: skip
        sent = self._sent(template, self.ann + self.bob)
        self.assertEqual(
            sent["ann@example.com"],
            ["Tom &amp; *Kim* &lt;3", "0", "1,234.5000000", "No", "Contact", "B2B, VIP"],
        )
        self.assertEqual(sent["bob@example.com"][1:3], ["1.234", "1.234,5000000"])

    def test_rfm_type(self):
        """From purchases over the model to what arrives, each in the recipient's language."""
        self.env["res.lang"]._activate_lang("zh_CN")
        self.env["ir.module.module"].search(
            [("name", "=", "email_marketing_dm")]
        )._update_translations("zh_CN")
        nobody = self._make_people("nobody@example.com")
        leads = self.env["crm.lead"].create(
            [
                {"name": "Purchase", "partner_id": person.id, "expected_revenue": amount}
                for person, amount in ((self.ann, 5000), (self.bob, 5000), (self.bob, 5000))
            ]
        )
        leads.date_closed = self.env.cr.now()
        table = self.env["directmail.data.table"].create(
            {
                "name": "Purchases",
                "model_id": self.env["ir.model"]._get_id("crm.lead"),
                "partner_path": "partner_id",
                "date_field": "date_closed",
                "amount_field": "expected_revenue",
                "domain": f"[('id', 'in', {leads.ids})]",
            }
        )
        self.admin.group_ids += self.env.ref("sales_team.group_sale_salesman_all_leads")
        self.env["directmail.rfm.model"].search([]).unlink()
        rfm = (
            self.env["directmail.rfm.model"]
            .with_user(self.admin)
            .create({"name": "Customers", "data_table_id": table.id})
        )
        rfm.action_compute()
        types = {score.partner_id: score.customer_type for score in rfm.customer_ids}
        self.assertEqual(set(types), {self.ann, self.bob})
        self.bob.lang = "zh_CN"
        field = self.env["res.partner"]._fields["directmail_rfm_type"]
        names = {
            person: dict(field._description_selection(self.env(context={"lang": person.lang})))
            for person in self.ann + self.bob
        }
        template = self._draft("object.directmail_rfm_type")
        expected = [names[self.ann][types[self.ann]], names[self.bob][types[self.bob]]]
        self.assertEqual(self._preview(template, self.bob), expected[1:])
        sent = self._sent(template, self.ann + self.bob + nobody)
        self.assertEqual(
            [sent[f"{name}@example.com"] for name in ("ann", "bob", "nobody")],
            [expected[:1], expected[1:], ["-"]],
        )
        self.assertTrue(expected[0].isascii() and not expected[1].isascii(), expected)
