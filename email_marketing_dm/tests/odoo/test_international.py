import hashlib
import importlib.util

import idna

from odoo import fields
from odoo.tests import tagged
from odoo.tools import SQL, file_path

from ...engine.audience_count import count_reasons
from ...engine.fatigue import select_history
from ...engine.fatigue_rules import read_rules
from ...engine.people import Addressing
from ...engine.person import person_columns
from ...engine.sql import address_key, left_lists, usable_address
from ...models.people_context import PEOPLE_CONTEXT
from ...privacy.address import normalise, spell
from ..common import DirectmailCommon, start_task
from ..common_upload import UploadMixin

TYPED, ASCII = "alice@bücher.example", "alice@xn--bcher-kva.example"
DOMAINS = (
    "bücher.example", "BÜCHER.example", "faß.de", "βόλος.com", "例え.テスト", "例え。テスト",
    "пример.рф", "ПРИМЕР.рф", "مثال.إختبار", "l·l.cat", "한국.kr", "नी.com", "münchen.straße.de",
    "İstanbul.com", "ＡＢＣ.com", "ﬁ.com", "ab\u00adc.com", "xn--bcher-kva.example", "中国.中国",
    "sub.日本語.jp",
)  # fmt: skip
NO_DOMAINS = (
    "☃.net", "b\ufffd.de", "bü cher.de", "bÃ¼cher.de", "a\u200db.com", "bücher", "bücher..de",
    "ü" * 64 + ".de", "a@ü.de", "\u202eü.de", "ü.de€", "-ü-_.de",
)  # fmt: skip


@tagged("post_install", "-at_install")
class TestInternational(UploadMixin, DirectmailCommon):
    """An address whose domain is in another script is the same as its ASCII form."""

    def _ask(self, expression, address):
        return self.env.execute_query(SQL("SELECT %s", expression(SQL("%s::text", address))))[0][0]

    def test_sql_and_python_agree(self):
        key = self.env["directmail.keyring"]._get_master_key()
        for domain in (*DOMAINS, *NO_DOMAINS):
            address = f"Al.ice+1@{domain}".replace("A", "a")
            expected = normalise(address)
            with self.subTest(domain):
                self.assertEqual(bool(expected), domain in DOMAINS)
                self.assertEqual(self._ask(usable_address, address.lower()), bool(expected))
                if expected:
                    name = idna.encode(domain, uts46=True).decode()
                    self.assertEqual(expected, f"al.ice+1@{name}")
                    self.assertEqual(
                        self._ask(lambda a: address_key(key, a), address.lower()),
                        key.address_key(expected),
                    )
        for local in ("älice", "用户", "a\u200bb"):
            self.assertIsNone(normalise(f"{local}@bücher.example"))
            self.assertFalse(self._ask(usable_address, f"{local}@bücher.example"))

    def test_spellings(self):
        self.assertEqual(spell(ASCII), {TYPED, ASCII})
        self.assertEqual(spell("a@b.example"), {"a@b.example"})

    def _make_task_of(self, *addresses):
        return self._make_task(self._make_audience(self._make_people(*addresses)))

    def test_contact_is_mailed_at_the_ascii_form(self):
        task = self._make_task_of(TYPED)
        task.audience_ids.action_refresh()
        self.assertEqual(task.audience_ids.usable_count, 1)
        task.action_send()
        start_task(task.sudo())
        self._run_cron()
        self.assertEqual([row["to"] for row in self.emulator.ledger(tag=task.tag_name)], [ASCII])

    def test_nobody_is_mailed_twice_in_two_spellings(self):
        task = self._make_task_of(TYPED, ASCII)
        task.action_send()
        start_task(task.sudo())
        reasons = sorted(task.delivery_ids.mapped(lambda row: row.reason or ""))
        self.assertEqual(reasons, ["", "duplicate"])

    def test_other_letters_before_the_at_stay_unusable(self):
        task = self._make_task_of("älice@bücher.example", TYPED)
        task.action_send()
        start_task(task.sudo())
        self.assertEqual(set(task.delivery_ids.mapped("reason")), {False, "invalid_address"})

    def test_blacklist_in_either_spelling(self):
        for listed, contact in ((TYPED, ASCII), (ASCII, TYPED), (TYPED, TYPED)):
            with self.subTest(listed=listed, contact=contact):
                entry = self.env["mail.blacklist"].create({"email": listed})
                task = self._make_task_of(contact, "other@example.com")
                task.action_send()
                start_task(task.sudo())
                self.assertEqual(set(task.delivery_ids.mapped("reason")), {False, "blacklisted"})
                entry.unlink()

    def test_blacklisting_while_the_task_runs(self):
        task = self._make_task_of(TYPED, "other@example.com")
        task.action_send()
        start_task(task.sudo())
        self.env["mail.blacklist"].create({"email": TYPED})
        self._run_cron()
        self.assertEqual(
            [row["to"] for row in self.emulator.ledger(tag=task.tag_name)], ["other@example.com"]
        )

    def test_complaint_blacklists_both_spellings(self):
        self.env["directmail.optout"]._blacklist([ASCII])
        entries = self.env["mail.blacklist"].search([("email", "in", (TYPED, ASCII))])
        self.assertEqual(set(entries.mapped("email")), {TYPED, ASCII})

    def test_optout_holds_for_the_other_spelling(self):
        first = self._make_task_of(TYPED)
        first.action_send()
        start_task(first.sudo())
        self._run_cron()
        delivery = first.sudo().delivery_ids
        self.env["directmail.optout"].sudo()._record(delivery, "page")
        second = self._make_task_of(ASCII, "other@example.com")
        second.action_send()
        start_task(second.sudo())
        self.assertEqual(set(second.delivery_ids.mapped("reason")), {False, "opted_out"})

    def test_left_mailing_list_in_the_other_spelling(self):
        mailing_list = self.env["mailing.list"].create({"name": "News"})
        for typed, other in ((TYPED, ASCII), (ASCII, TYPED)):
            contact = self.env["mailing.contact"].create(
                {"email": typed, "subscription_ids": [
                    fields.Command.create({"list_id": mailing_list.id, "opt_out": True})]}
            )  # fmt: skip
            self.env.flush_all()
            left = self._ask(lambda a: left_lists(a, mailing_list.ids), normalise(other))
            self.assertTrue(left)
            contact.unlink()

    def test_uploads_find_contacts_in_either_spelling(self):
        [typed] = self._make_people(TYPED)
        upload = self._upload(f"{ASCII}\n{TYPED}\nbob@xn--bcher-kva.example\nbob@bücher.example\n")
        self.assertEqual(
            [status for _value, status in self._get_statuses(upload)],
            ["matched", "duplicate", "bare", "duplicate"],
        )
        self.assertEqual(self._get_lines(upload)[0].partner_id, typed)

    def test_hashes_of_either_spelling(self):
        [typed] = self._make_people(TYPED)
        for address in (TYPED, ASCII):
            digest = hashlib.sha256(address.encode()).hexdigest()
            upload = self._upload(f"{digest}\n", id_kind="sha256")
            self.assertEqual(self._get_lines(upload).partner_id, typed)

    def test_event_finds_the_person(self):
        key = self.env["directmail.keyring"]._get_master_key()
        fact = self.env["directmail.event"]._make_fact(
            self.account, "poll", "delivered", None, address=TYPED
        )
        self.assertEqual(fact.address_key, key.address_key(ASCII))

    def test_history_of_odoos_own_mailings(self):
        mailing = self.env["mailing.mailing"].create(
            {"subject": "News", "mailing_model_id": self.env["ir.model"]._get_id("res.partner")}
        )
        self.env["mailing.trace"].create(
            {
                "mass_mailing_id": mailing.id,
                "model": "res.partner",
                "res_id": self.env.user.partner_id.id,
                "email": TYPED,
                "sent_datetime": fields.Datetime.now(),
            }
        )
        self.env.flush_all()
        rules, now = read_rules(self.env, PEOPLE_CONTEXT, self.env.company.id)
        rows = self.env.execute_query(
            SQL(
                """SELECT h.kind FROM (VALUES (NULL::int, %s::text, NULL::text))
                          AS person (partner_id, email, address_key)
                    CROSS JOIN LATERAL (%s) AS h""",
                ASCII,
                select_history(self.env, rules, SQL("person"), now, SQL("TRUE")),
            )
        )
        self.assertEqual(rows, [("mailing",)])

    def test_lead_and_contact_in_two_spellings_are_mailed_once(self):
        self.user.group_ids += self.env.ref("sales_team.group_sale_salesman_all_leads")
        [contact] = self._make_people(ASCII)
        lead = self.env["crm.lead"].create({"name": "Chairs", "email_from": f"Alice <{TYPED}>"})
        table = self.env["directmail.data.table"].search([("model_name", "=", "crm.lead")], limit=1)
        audience = self._make_audience(
            None,
            lines=[
                {"domain": f"[('id', '=', {contact.id})]"},
                {
                    "operator": "or",
                    "sequence": 20,
                    "table_id": table.id,
                    "domain": f"[('id', '=', {lead.id})]",
                },
            ],
        )
        audience.action_refresh()
        self.assertEqual((audience.people_count, audience.usable_count), (2, 2))
        task = self._make_task(audience)
        task.action_send()
        start_task(task.sudo())
        self.assertEqual(
            sorted((row.email, row.reason or "") for row in task.sudo().delivery_ids),
            [(ASCII, ""), (ASCII, "duplicate")],
        )

    def test_excluded_in_the_other_spelling(self):
        excluded = self._make_audience(self._make_people(TYPED))
        task = self._make_task(
            self._make_audience(self._make_people(ASCII, "other@example.com")),
            exclude_audience_ids=[fields.Command.set(excluded.ids)],
        )
        task.action_send()
        start_task(task.sudo())
        self.assertEqual(set(task.delivery_ids.mapped("reason")), {False, "excluded"})

    def test_count_before_sending_knows_the_blacklist(self):
        people = self._make_people(TYPED, "other@example.com")
        self.env["mail.blacklist"].create({"email": ASCII})
        self.env.flush_all()
        counts = count_reasons(
            self.env,
            PEOPLE_CONTEXT,
            Addressing(self.env.company.id, False, None, False),
            SQL(
                "SELECT %s FROM res_partner WHERE id IN %s",
                person_columns(partner_id=SQL("id")),
                tuple(people.ids),
            ),
            10,
        )
        self.assertEqual(counts, {None: 1, "duplicate": 0, "blacklisted": 1})

    def test_upgrade_gives_blacklisted_addresses_their_new_key(self):
        entry = self.env["mail.blacklist"].create({"email": TYPED})
        self.env.flush_all()
        self.env.cr.execute(
            "UPDATE mail_blacklist SET address_key = 'old' WHERE id = %s", [entry.id]
        )
        path = "migrations/19.0.1.2.0/post-international_addresses.py"
        spec = importlib.util.spec_from_file_location(
            "post_international_addresses", file_path(f"email_marketing_dm/{path}")
        )
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        module.migrate(self.env.cr, "19.0.1.1.0")
        self.env.invalidate_all()
        key = self.env["directmail.keyring"]._get_master_key()
        self.assertEqual(entry.sudo().address_key, key.address_key(ASCII))
