import base64
import json

from odoo.exceptions import AccessError, UserError
from odoo.tests import tagged
from odoo.tools import SQL

from ..common import DirectmailCommon, start_task
from ..common_upload import UploadMixin


@tagged("post_install", "-at_install")
class TestErasure(DirectmailCommon):
    """A contact's data can be handed over and forgotten; figures and opt-outs stay right."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.people = cls._make_people("anna@customer.example", "ben@customer.example")
        cls.template = cls._make_template()

    def _send(self):
        task = self._make_task(self._make_audience(self.people), self.template)
        task.action_send()
        self._run_cron()
        self._import_results(task)
        return task

    def _open(self, partners, user=None):
        return (
            self.env["directmail.erasure"]
            .with_user(user or self.admin)
            .with_context(active_model="res.partner", active_ids=partners.ids)
            .create({})
        )

    def test_the_export_tells_what_was_sent_and_what_happened(self):
        task = self._send()
        anna = self.people[0]
        delivery = task.delivery_ids.filtered(lambda d: d.partner_id == anna)
        delivery.sudo()._unsubscribe("page")
        wizard = self._open(anna)
        wizard.action_export()
        found = json.loads(base64.b64decode(wizard.file))
        [mail] = found["mails"]
        self.assertEqual((mail["email_task"], mail["outcome"]), (task.name, "delivered"))
        self.assertEqual(len(found["opt_outs"]), 1)
        self.assertEqual(found["audiences"], task.audience_ids.mapped("name"))
        self.assertNotIn("ben@customer.example", json.dumps(found))

    def test_after_erasing_nothing_names_the_contact_and_the_figures_stay(self):
        task = self._send()
        anna, ben = self.people
        delivery = task.delivery_ids.filtered(lambda d: d.partner_id == anna)
        delivery.sudo()._unsubscribe("page")
        counts = [task.people_count, task.sent_count, task.delivered_count]
        wizard = self._open(anna)
        self.assertEqual((wizard.mail_count, wizard.optout_count), (1, 1))
        wizard.action_erase()
        self.env.invalidate_all()
        self.assertEqual((wizard.mail_count, wizard.list_count), (0, 0))
        self.assertFalse(delivery.partner_id or delivery.email or delivery.sudo().address_key)
        self.assertEqual([task.people_count, task.sent_count, task.delivered_count], counts)
        self.assertSumRule(task)
        self.assertEqual(task.audience_ids.sudo().member_ids.partner_id, ben)

    def test_no_table_has_the_address_after_erasing(self):
        """Only answers and opt-outs keep the key, without which the person is mailed again."""
        task, anna = self._send(), self.people[0]
        delivery = task.delivery_ids.filtered(lambda d: d.partner_id == anna).sudo()
        links, company = self.env["directmail.preference.link"], delivery.company_id
        delivery._unsubscribe("page", ip="198.51.100.7")
        delivery._answer_measuring("no", ip="198.51.100.7")
        delivery._limit_emails("month")
        links._request(company, delivery.email, "en_US", "127.0.0.1")
        links.search([("address_key", "=", delivery.address_key)])._write_letter()
        form = self.env["directmail.signup.form"].create(
            {"name": "Website", "company_id": company.id}
        )
        self.env["directmail.signup"]._sign_up(
            form, delivery.email, "Anna", form.purpose_ids, ip="198.51.100.7"
        )
        key, email = delivery.address_key, delivery.email
        self.assertGreater(
            self._find_tables(email),
            {
                "directmail_preference",
                "directmail_preference_link",
                "directmail_signup",
                "mail_mail",
            },
        )
        self._open(anna).action_erase()
        self.assertEqual(self._find_tables(email), set())
        self.assertEqual(self._find_tables("198.51.100.7"), set())
        self.assertEqual(self._find_tables(key), {"directmail_optout", "directmail_consent"})

    def _find_tables(self, text):
        """Return the names of tables of this app, and of Odoo's outgoing emails, with a text."""
        self.env.flush_all()
        self.env.cr.execute(
            """SELECT relname FROM pg_class WHERE relkind = 'r' AND (
                      relname LIKE 'directmail%%' OR relname IN ('mail_mail', 'mail_message'))"""
        )
        found = set()
        for (name,) in self.env.cr.fetchall():
            [(count,)] = self.env.execute_query(
                SQL(
                    "SELECT count(*) FROM %s AS t WHERE strpos(t::text, %s) > 0",
                    SQL.identifier(name),
                    text,
                )
            )
            if count:
                found.add(name)
        return found

    def test_an_erased_contact_who_had_unsubscribed_is_not_mailed_again(self):
        first = self._send()
        anna = self.people[0]
        first.delivery_ids.filtered(lambda d: d.partner_id == anna).sudo()._unsubscribe("page")
        self._open(anna).action_erase()
        second = self._send()
        delivery = second.delivery_ids.filtered(lambda d: d.partner_id == anna)
        self.assertEqual((delivery.state, delivery.reason), ("suppressed", "opted_out"))

    def test_nobody_is_erased_while_a_mail_to_them_is_waiting(self):
        task = self._make_task(self._make_audience(self.people), self.template)
        task.action_send()
        start_task(task.sudo())
        with self.assertRaisesRegex(UserError, "waiting in these email tasks: Spring mailing"):
            self._open(self.people[0]).action_erase()
        task.action_cancel()
        self._run_cron()
        self._open(self.people[0]).action_erase()

    def test_only_administrators_may_do_it(self):
        with self.assertRaises(AccessError):
            self._open(self.people, self.user)

    def test_merging_contacts_keeps_history_and_sums(self):
        task = self._send()
        anna, ben = self.people
        counts = [task.people_count, task.sent_count, task.delivered_count]
        merge = self.env["base.partner.merge.automatic.wizard"].create({})
        merge._merge((anna | ben).ids, ben)
        self.env.invalidate_all()
        self.assertEqual(len(task.delivery_ids.filtered(lambda d: d.partner_id == ben)), 2)
        self.assertEqual([task.people_count, task.sent_count, task.delivered_count], counts)
        self.assertSumRule(task)

    def test_another_companys_lists_are_its_own_affair(self):
        elsewhere = self.env["res.company"].create({"name": "Elsewhere"})
        anna = self.people[0]
        theirs = self.env["directmail.audience"].create(
            {"name": "Theirs", "company_id": elsewhere.id, "user_id": self.env.uid}
        )
        member = self.env["directmail.audience.member"].create(
            {"audience_id": theirs.id, "partner_id": anna.id}
        )
        ours = self._make_audience(anna)
        ours.action_refresh()
        wizard = self._open(anna)
        self.assertEqual(wizard.list_count, 1)
        self.assertEqual(wizard.company_names, self.env.company.name)
        self.assertTrue(wizard.has_other_companies, "the form says that others have their own")
        wizard.action_export()
        self.assertNotIn("Theirs", base64.b64decode(wizard.file).decode())
        wizard.action_erase()
        self.assertTrue(member.exists())
        self.assertFalse(ours.member_ids)


@tagged("post_install", "-at_install")
class TestErasureOfUploads(UploadMixin, DirectmailCommon):
    """The values of uploaded lists are personal data, too."""

    def test_values_of_lists_are_handed_over_and_erased(self):
        anna, ben = self._make_people("anna@customer.example", "ben@customer.example")
        upload = self._upload(
            "Email;Coupon code;Name\nanna@customer.example;A-1;\nben@customer.example;B-2;\n"
            "cy@customer.example;C-3;Cy\ncy@customer.example;C-4;Cy\n",
            contact_update="keep",
        )
        wizard = self.env["directmail.erasure"].with_user(self.admin).create({})
        wizard.partner_ids = anna
        wizard.action_export()
        [row] = json.loads(base64.b64decode(wizard.file))["uploaded_lists"]
        self.assertEqual(
            (row["list"], row["row"], row["values"]), ("Fair", 1, {"coupon_code": "A-1"})
        )
        self.assertIn("They signed up", row["where_from"])
        # Cy became a contact after the list was matched.
        wizard.partner_ids |= self._make_people("cy@customer.example")
        wizard.action_erase()
        self.env.invalidate_all()
        lines = self._get_lines(upload)
        self.assertEqual(lines.partner_id, ben)
        self.assertEqual(lines.mapped("kept_values"), [{"coupon_code": "B-2"}])
        self.assertFalse(upload.sudo()._has_content(), "the file has them, too")
        self.assertIn("Coupon code", upload.column_ids.mapped("name"))
        self.env.cr.execute(
            """SELECT string_agg(to_jsonb(u)::text || to_jsonb(l)::text || to_jsonb(c)::text, ' ')
                 FROM directmail_upload u JOIN directmail_upload_line l ON l.upload_id = u.id
                 JOIN directmail_upload_column c ON c.upload_id = u.id WHERE u.id = %s""",
            [upload.id],
        )
        [stored] = self.env.cr.fetchone()
        for word in ("anna@", "A-1", "cy@", "C-3", "C-4"):
            self.assertNotIn(word, stored)

    def test_columns_stay_when_a_pasted_text_is_deleted(self):
        upload = self._upload("ann@customer.example\n", start=False)
        upload.write({"source": "paste", "pasted": "Email;Code\nann@customer.example;A-1\n"})
        upload.action_start()
        self._run_matching()
        self.env.cr.execute("UPDATE directmail_upload SET finished_at = '2020-01-01'")
        self.env.invalidate_all()
        self.env["directmail.upload"].sudo()._gc_uploads()
        self.assertFalse(upload.sudo().pasted)
        self.assertEqual(upload.column_ids.mapped("name"), ["Email", "Code"])
        self.assertIn("Code: A-1", self._get_lines(upload).kept_text)
