import base64
import csv
import io

from odoo.exceptions import AccessError, UserError
from odoo.fields import Command
from odoo.tests import new_test_user, tagged

from ...engine.content import TOKEN_KIND, get_database_uuid, read_delivery_token
from ...hooks import post_init_hook
from ...models.consent.directmail_optout_file import COLUMNS
from ...privacy.tokens import make_token
from ..common import DirectmailMixin, start_task
from ..common_encrypted import ALICE, KEY, EncryptedMixin
from ..common_http import PatientHttpCase
from ..common_key import KeyMixin


@tagged("post_install", "-at_install")
class TestOptoutFile(KeyMixin, EncryptedMixin, DirectmailMixin, PatientHttpCase):
    """Opt-outs can be kept when the addon is uninstalled: as a file, or on Odoo's blacklist."""

    def setUp(self):
        super().setUp()
        self.optouts = self.env["directmail.optout"].sudo()
        self.optouts.search([]).unlink()
        self.reason = self.env["mailing.subscription.optout"].search([], limit=1)
        self._insert("ann@example.com", origin="page", feedback="=1+1", reason_id=self.reason.id)
        self._insert("'bob@example.com", origin="bounce")
        self._insert("+cat@example.com", origin="page", sender_id=self.sender.id)

    def _insert(self, email, **vals):
        key = self.env["directmail.keyring"]._get_master_key()
        return self.optouts.create(
            {
                "company_id": self.account.company_id.id,
                "email": email,
                "address_key": email and key.address_key(email),
                **vals,
            }
        )

    def _export(self, login="dm_admin"):
        self.env.flush_all()
        self.authenticate(login, login)
        return self.url_open("/directmail/optouts.csv")

    def _import(self, content, **vals):
        wizard = (
            self.env["directmail.optout.import"]
            .with_user(self.admin)
            .create({"file": base64.b64encode(content), **vals})
        )
        wizard.action_import()
        self.env.invalidate_all()
        return wizard.result

    def _get_all(self):
        found = self.optouts.search([])
        names = ("email", "address_key", "origin", "feedback", "occurred_at")
        return {
            (*(row[name] for name in names), row.sender_id, row.reason_id, row.company_id)
            for row in found
        }

    def test_there_and_back(self):
        content, before = self._export().content, self._get_all()
        rows = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"))))
        self.assertEqual(set(rows[0]), set(COLUMNS))
        self.assertEqual(rows[0]["feedback"], "'=1+1", "no spreadsheet calculates")
        self.optouts.search([]).unlink()
        self.assertIn("Rows read: 3. New opt-outs: 3.", self._import(content))
        self.assertEqual(self._get_all(), before)
        self.assertIn("Rows read: 3. New opt-outs: 0.", self._import(content))
        self.assertEqual(self._get_all(), before)
        [answer] = self.env["directmail.consent"].search([("purpose", "=", "mailing")])
        self.assertEqual((answer.email, answer.answer), ("ann@example.com", "withdrawn"))
        self.assertEqual((answer.origin, answer.user_id), ("page", self.admin))
        optout = self.optouts.search([("email", "=", "ann@example.com")])
        self.assertEqual(answer.recorded_at, optout.occurred_at)

    def test_only_what_the_file_brought_is_entered_by_who_imports_it(self):
        content = self._export().content
        self.optouts.search([]).unlink()
        # Recorded when they left; they reported our mail as spam since, which dates the opt-out.
        self._insert("dan@example.com", origin="complaint")
        self.env.flush_all()
        self.env.cr.execute(
            "UPDATE directmail_optout SET write_date = write_date - interval '1 day'"
        )
        self.env.invalidate_all()
        self._import(content)
        answers = self.env["directmail.consent"].search([("purpose", "=", "mailing")])
        self.assertEqual(answers.mapped("email"), ["ann@example.com"])

    def test_a_file_with_nul(self):
        company = self.account.company_id.name
        text = f"email,company,origin,feedback\nzoe@example.com,{company},page,too\0 much\n"
        self.assertIn("Rows read: 1. New opt-outs: 1.", self._import(text.encode()))
        found = self.optouts.search([("email", "=", "zoe@example.com")])
        self.assertEqual(found.feedback, "too much")

    def test_under_another_key_plain_addresses_are_recognized(self):
        content = self._export().content
        self.optouts.search([]).unlink()
        with self._on_server_with() as key:
            self._rekey()
            self._import(content)
            people = ("ann@example.com", "'bob@example.com", "+cat@example.com")
            self.assertEqual(
                set(self.optouts.search([]).mapped("address_key")),
                set(map(key.address_key, people)),
            )

    def test_encrypted_people(self):
        self._enter_key()
        key = self.env["directmail.keyring"]._get_master_key().address_key("alice@example.com")
        self._insert(False, address_key=key, email_encrypted=ALICE, origin="page")
        self._insert(False, address_key="0" * 64, origin="page")
        content = self._export().content
        self.assertNotIn(b"alice@", content)
        self.optouts.search([]).unlink()
        self._import(content)
        self.assertLessEqual({key, "0" * 64}, set(self.optouts.search([]).mapped("address_key")))
        self.optouts.search([]).unlink()
        with self._on_server_with() as other:
            self._rekey(key=KEY)
            self.assertIn("another master key: 1.", self._import(content, keep_unmatched=False))
            self.assertEqual(len(self.optouts.search([])), 4)
            found = self.optouts.search([]).mapped("address_key")
            self.assertIn(other.address_key("alice@example.com"), found)
            self.assertIn("another master key: 1. Until you delete them", self._import(content))
            self.assertEqual(len(self.optouts.search([("unmatched", "=", True)])), 1)

    def test_a_wish_is_stronger_than_a_bounce(self):
        content = self._export().content.replace(b"bounce", b"page")
        self._import(content)
        self.assertEqual(set(self.optouts.search([]).mapped("origin")), {"page"})

    def test_what_can_not_be_taken_over_is_counted(self):
        head = ",".join(COLUMNS)
        company = self.account.company_id.name
        lines = [
            f"zoe@example.com,,,,{company},nobody@example.com,page,,,2026-01-01 10:00:00",
            f"yan@example.com,,,,{company},,page,,,no date",
            f"not an address,,,,{company},,page,,,",
            f",,,,{company},,page,,,",
            f"xia@example.com,,,,{company},,nonsense,,,",
            "wim@example.com,,,,Another company,,page,,,",
        ]
        said = self._import("\n".join([head, *lines]).encode())
        self.assertIn("Rows read: 6. New opt-outs: 2.", said)
        self.assertIn("you have no company with the name in the file: 1.", said)
        self.assertIn("they have no valid address or origin: 3.", said)
        self.assertIn("here: 1. They apply to the whole company.", said)
        zoe = self.optouts.search([("email", "=", "zoe@example.com")])
        self.assertEqual((str(zoe.occurred_at), zoe.sender_id.id), ("2026-01-01 10:00:00", False))

    def test_other_files(self):
        for content in (b"name,email\nAnn,ann@example.com", b"\xff\xfe\x00", b""):
            with self.assertRaises(UserError):
                self._import(content)

    def test_administrators_of_the_own_companies_only(self):
        other = self.env["res.company"].create({"name": "Another company"})
        self._insert("zoe@example.com", company_id=other.id, origin="page")
        self.assertNotIn("zoe@example.com", self._export().text)
        self.assertEqual(self._export("dm_user").status_code, 404)
        with self.assertRaises(AccessError):
            self.env["directmail.optout.import"].with_user(self.user).create({})
        with self.assertRaises(AccessError):
            self.optouts.search([]).with_user(self.user).action_blacklist()

    def test_to_odoos_blacklist(self):
        found = self.optouts.search([("email", "in", ("ann@example.com", "'bob@example.com"))])
        listed = self.env["mail.blacklist"].with_context(active_test=False)
        listed.create({"email": "'bob@example.com"}).active = False
        for _attempt in range(2):
            said = found.with_user(self.admin).action_blacklist()["params"]["message"]
            self.assertIn("blacklist: 2.", said)
            self.assertEqual(
                listed.search([("email", "in", found.mapped("email"))]).mapped("active"),
                [True, True],
            )

    def _open_uninstall(self, name):
        module = self.env["ir.module.module"].search([("name", "=", name)])
        return self.env["base.module.uninstall"].create({"module_ids": [Command.set(module.ids)]})

    def test_the_uninstall_dialog(self):
        self._insert(False, address_key="0" * 64, origin="page")
        for name in ("email_marketing_dm", "mass_mailing"):
            dialog = self._open_uninstall(name)
            self.assertTrue(dialog.directmail_is_lost, name)
            self.assertEqual(dialog.directmail_optout_count, 4)
            self.assertEqual(dialog.directmail_plain_count, 3)
        self.assertFalse(self._open_uninstall("sale_management").directmail_is_lost)
        self.assertFalse(self._open_uninstall("sale_management").directmail_optout_count)

    def test_uninstalling_keeps_addresses_on_the_blacklist_if_wished(self):
        uninstalled = []
        self.patch(
            self.registry["ir.module.module"],
            "button_immediate_uninstall",
            lambda modules: uninstalled.append(modules),
        )
        listed = self.env["mail.blacklist"]
        self._open_uninstall("email_marketing_dm").action_uninstall()
        self.assertFalse(listed.search([("email", "like", "@example.com")]))
        dialog = self._open_uninstall("email_marketing_dm")
        dialog.directmail_blacklist = True
        user = new_test_user(self.env, "somebody", "base.group_user")
        with self.assertRaises(AccessError):
            dialog.with_user(user).action_uninstall()
        dialog.action_uninstall()
        self.assertEqual(
            set(listed.search([]).mapped("email"))
            & {"ann@example.com", "'bob@example.com", "+cat@example.com"},
            {"ann@example.com", "'bob@example.com", "+cat@example.com"},
        )
        self.assertEqual(len(uninstalled), 2)

    def test_links_of_an_earlier_installation_are_nobodys(self):
        """Uninstalled and installed again, numbers begin at 1, and the master key is the same."""
        task = self._make_task(self._make_audience(self._make_people("zoe@example.com")))
        task.action_send()
        start_task(task.sudo())
        key = self.env["directmail.keyring"]._get_master_key()
        number = task.delivery_ids.id
        token = make_token(key, get_database_uuid(self.env), TOKEN_KIND, number)
        self.assertEqual(read_delivery_token(self.env, key, token), number)
        prefix = task._get_tag_prefix()
        post_init_hook(self.env)
        self.assertIsNone(read_delivery_token(self.env, key, token))
        self.assertNotEqual(task._get_tag_prefix(), prefix, "results of old mails are not theirs")
