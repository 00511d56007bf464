import json
import threading
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from odoo import fields
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import Form, new_test_user, tagged
from odoo.tools import mute_logger

from ...directmail.errors import DirectMailError
from ...directmail.permissions import get_actions
from ...directmail.server_credentials import get_server_credential
from ..common import ACCESS_KEY_ID, DirectmailCommon

SECOND = {"access_key_id": "LTAISECONDKEY", "secret": "second-secret"}
STS = {"access_key_id": "STS.one", "secret": "sts-secret", "token": "sts-token/+="}


class CredentialsCase(DirectmailCommon):
    def setUp(self):
        super().setUp()
        self.addCleanup(
            self.emulator.configure_account,
            ACCESS_KEY_ID,
            temporary_keys=[],
            permissions=["dm:*"],
            allow_ips=[],
        )
        self.emulator.change_settings({"throttle": {"operations": {"DescAccountSummary": "0"}}})
        self.set_keys(SECOND, STS)

    def set_keys(self, *keys):
        self.emulator.configure_account(ACCESS_KEY_ID, temporary_keys=list(keys))

    def callers(self, action):
        """AccessKey ids of an operation's calls that were answered, oldest first."""
        rows = self.emulator.get("/api/calls", limit=500)["newest"]
        return [row["account"] for row in rows if (row["action"], row["answer"]) == (action, "ok")]

    def replace(self, key, user=None, **vals):
        dialog = (
            self.env["directmail.key.replace"]
            .with_user(user or self.admin)
            .create(
                {
                    "account_id": self.account.id,
                    "access_key_id": key["access_key_id"],
                    "access_key_secret": key["secret"],
                    "security_token": key.get("token"),
                    **vals,
                }
            )
        )
        return dialog.action_replace()

    def assertOldKey(self):
        self.assertEqual(self.account.access_key_id, ACCESS_KEY_ID)
        self.assertEqual((self.account.credentials, self.account.state), ("key", "active"))
        self.account.action_test_connection()


@tagged("post_install", "-at_install")
class TestReplaceKey(CredentialsCase):
    """A key is replaced without a pause, and only by one that works for the same account."""

    def test_a_task_goes_on_with_the_new_key(self):
        people = self._make_people(*(f"person{i}@example.com" for i in range(6)))
        task = self._make_task(self._make_audience(people))
        task.action_send()
        action = self.replace(SECOND)
        self.assertEqual(action["params"]["type"], "success")
        self.assertEqual(self.account.state, "active")
        self._run_cron()
        self.assertEqual((task.state, task.sent_count), ("done", 6))
        self.assertEqual(set(self.callers("SingleSendMail")[-6:]), {SECOND["access_key_id"]})

    def test_secrets_stay_nowhere_else(self):
        self.replace(SECOND)
        self.env.flush_all()
        self.assertFalse(self.env["directmail.key.replace"].sudo().search([]))
        self.assertFalse(self.account.read(["access_key_secret"])[0]["access_key_secret"])
        self.assertNotIn("second-secret", self.account.sudo().access_key_secret_sealed)
        for message in self.account.message_ids:
            self.assertNotIn("second-secret", message.body)

    def test_the_dialog_keeps_the_secret_sealed(self):
        with Form(
            self.env["directmail.key.replace"]
            .with_user(self.admin)
            .with_context(default_account_id=self.account.id)
        ) as form:
            form.access_key_id = SECOND["access_key_id"]
            form.access_key_secret = SECOND["secret"]
        dialog = form.record
        self.assertFalse(dialog.read(["access_key_secret"])[0]["access_key_secret"])
        self.env.flush_all()
        self.env.cr.execute("SELECT * FROM directmail_key_replace WHERE id = %s", [dialog.id])
        self.assertNotIn("second-secret", str(self.env.cr.fetchone()))
        with self.assertRaises(AccessError):
            dialog.read(["access_key_secret_sealed"])
        dialog.action_replace()
        self.assertEqual(self.account.access_key_id, SECOND["access_key_id"])

    def test_a_key_that_fails_changes_nothing(self):
        for key, words in (
            ({**SECOND, "secret": "wrong"}, "does not accept this AccessKey"),
            ({**SECOND, "access_key_id": "LTAINOBODY"}, "does not accept this AccessKey"),
            ({**STS, "token": "another"}, "does not accept this AccessKey"),
            ({**STS, "token": False}, "does not accept this AccessKey"),
            ({**SECOND, "secret": False}, "Enter the secret"),
        ):
            with self.subTest(words=words, key=key):
                with self.assertRaisesRegex(UserError, words):
                    self.replace(key)
                self.assertOldKey()
        with self.assertRaisesRegex(UserError, "The old AccessKey stays in use"):
            self.replace({**SECOND, "secret": "wrong"})

    def test_a_key_of_another_account_is_refused(self):
        self.emulator.create_account(
            "LTAIOTHER",
            "other-secret",
            daily_quota=10,
            senders=[{"address": "news@other.example", "type": "batch"}],
            domains=[{"name": "other.example"}],
        )
        self.emulator.create_account("LTAIEMPTY", "empty-secret")
        for key in (
            {"access_key_id": "LTAIOTHER", "secret": "other-secret"},
            {"access_key_id": "LTAIEMPTY", "secret": "empty-secret"},
        ):
            with self.subTest(key), self.assertRaisesRegex(UserError, "another DirectMail account"):
                self.replace(key)
        self.assertOldKey()

    def test_another_account_is_recognised_after_the_old_key_was_disabled(self):
        self.emulator.create_account("LTAISTRANGE", "strange-secret")
        self.account.sudo().access_key_id = "LTAIGONE"
        with self.assertRaisesRegex(UserError, "another DirectMail account"):
            self.replace({"access_key_id": "LTAISTRANGE", "secret": "strange-secret"})
        self.replace(SECOND)
        self.assertEqual(self.account.access_key_id, SECOND["access_key_id"])

    def test_a_key_that_may_do_less_is_refused_and_the_actions_are_named(self):
        granted = [f"dm:{name}" for name in get_actions() if name != "ListBlockSending"]
        self.set_keys({**SECOND, "permissions": granted})
        with self.assertRaisesRegex(UserError, "dm:ListBlockSending"):
            self.replace(SECOND)
        self.assertOldKey()
        # What the old key may not do either is no reason to refuse the new one.
        self.emulator.configure_account(ACCESS_KEY_ID, permissions=granted)
        self.replace(SECOND)
        self.assertEqual(self.account.access_key_id, SECOND["access_key_id"])

    def test_a_key_that_may_not_send_is_refused_in_any_case(self):
        granted = [f"dm:{name}" for name in get_actions() if name != "SingleSendMail"]
        self.emulator.configure_account(ACCESS_KEY_ID, permissions=granted)
        with self.assertRaisesRegex(UserError, "dm:SingleSendMail"):
            self.replace(SECOND)

    def test_a_run_with_the_old_key_does_not_stop_the_account(self):
        """The old key is disabled while a run that began with it is under way."""
        third = {"access_key_id": "LTAITHIRDKEY", "secret": "third-secret"}
        self.replace(SECOND)
        task = self._make_task(self._make_audience(self._make_people("a@example.com", "b@x.org")))
        task.action_send()
        account = self.account.sudo()
        for step in (task.sudo()._prepare, task.sudo()._launch):
            step()
        self.set_keys(SECOND, third)
        with self.enter_registry_test_mode():
            dispatcher = account._make_dispatcher()
            self.replace(third)
            self.set_keys(third)
            self.env.flush_all()
            dispatcher.run(5)
            dispatcher.close()
        self.env.invalidate_all()
        self.assertEqual((self.account.state, task.state), ("active", "sending"))
        self.assertIn(("SingleSendMail", "InvalidAccessKeyId.NotFound"), self.emulator.calls())
        self._run_cron()
        self.assertEqual((task.state, task.sent_count), ("done", 2))
        self.assertEqual(set(self.callers("SingleSendMail")[-2:]), {third["access_key_id"]})

    def test_the_key_in_use_stops_the_account_as_before(self):
        self.replace(SECOND)
        task = self._make_task(self._make_audience(self._make_people("a@example.com")))
        task.action_send()
        for step in (task.sudo()._prepare, task.sudo()._launch):
            step()
        self.set_keys()
        self._run_cron()
        self.assertEqual((self.account.state, task.state), ("stopped", "paused"))
        self.assertEqual(task.waiting_count, 1)

    def test_only_administrators_of_the_company_replace_keys(self):
        with self.assertRaises(AccessError):
            self.replace(SECOND, user=self.user)
        company = self.env["res.company"].create({"name": "Elsewhere"})
        stranger = new_test_user(
            self.env,
            "dm_stranger",
            "email_marketing_dm.group_admin",
            company_id=company.id,
            company_ids=[fields.Command.set(company.ids)],
        )
        with self.assertRaises(AccessError):
            self.replace(SECOND, user=stranger)
        self.assertOldKey()

    def test_editing_the_key_still_needs_activation(self):
        self.account.access_key_id = SECOND["access_key_id"]
        self.assertEqual(self.account.state, "draft")


@tagged("post_install", "-at_install")
class TestTemporaryKey(CredentialsCase):
    def test_a_campaign_with_a_temporary_key(self):
        self.replace(STS, token_expires_at=fields.Datetime.now() + timedelta(hours=2))
        self.assertEqual((self.account.credentials, self.account.state), ("sts", "active"))
        task = self._make_task(self._make_audience(self._make_people("a@example.com")))
        task.action_send()
        self._run_cron()
        self.assertEqual((task.state, task.sent_count), ("done", 1))
        self.assertEqual(self.callers("SingleSendMail")[-1], STS["access_key_id"])
        self.assertFalse(self.account.credentials_warning)
        self.assertFalse(self.account.read(["security_token"])[0]["security_token"])
        with self.assertRaises(AccessError):
            self.account.read(["security_token_sealed"])
        self.assertNotIn(STS["token"], self.account.sudo().security_token_sealed)

    def test_on_the_form(self):
        account = self._make_account(
            name="STS",
            credentials="sts",
            access_key_id=STS["access_key_id"],
            access_key_secret=STS["secret"],
        )
        self.assertFalse(account.has_secret)
        with self.assertRaisesRegex(UserError, "security token"):
            account.action_test_connection()
        account.security_token = STS["token"]
        self.assertTrue(account.has_secret)
        account.action_activate()
        self.assertEqual(account.state, "active")

    def test_its_end_is_announced_once(self):
        self.replace(STS, token_expires_at=fields.Datetime.now() + timedelta(minutes=20))
        self.assertIn("expires on", self.account.credentials_warning)
        self._run_cron()
        self._run_cron()
        messages = self.account.message_ids.filtered(lambda m: "expires on" in m.body)
        self.assertEqual(len(messages), 1)
        self.account.token_expires_at = fields.Datetime.now() - timedelta(minutes=1)
        self.assertIn("expired on", self.account.credentials_warning)
        # A new one is announced again, and a lasting key not at all.
        self.replace(STS, token_expires_at=fields.Datetime.now() + timedelta(minutes=10))
        self._run_cron()
        messages = self.account.message_ids.filtered(lambda m: "expires on" in m.body)
        self.assertEqual(len(messages), 2)
        self.replace(SECOND)
        self.assertFalse(self.account.credentials_warning)

    def test_a_temporary_key_that_has_ended(self):
        self.set_keys({**STS, "expires": 1.0})
        with self.assertRaisesRegex(UserError, "InvalidSecurityToken.Expired"):
            self.replace(STS)
        self.assertOldKey()


class _Metadata(BaseHTTPRequestHandler):
    def do_PUT(self):
        self._answer("metadata-token")

    def do_GET(self):
        self.server.paths.append(self.path)
        role = self.path.rpartition("/")[2]
        if not role:
            return self._answer("DirectMailSender")
        if role != "DirectMailSender":
            return self.send_error(404)
        ends = datetime.now(timezone.utc) + timedelta(hours=6)
        self._answer(
            json.dumps(
                {
                    "Code": "Success",
                    "AccessKeyId": STS["access_key_id"],
                    "AccessKeySecret": STS["secret"],
                    "SecurityToken": STS["token"],
                    "Expiration": ends.strftime("%Y-%m-%dT%H:%M:%SZ"),
                }
            )
        )

    def _answer(self, text):
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *args):
        pass


@tagged("post_install", "-at_install")
class TestServerCredentials(CredentialsCase):
    """The server's own credentials: only where its configuration allows it."""

    def setUp(self):
        super().setUp()
        self.metadata = ThreadingHTTPServer(("127.0.0.1", 0), _Metadata)
        self.metadata.paths = []
        threading.Thread(target=self.metadata.serve_forever, daemon=True).start()
        self.addCleanup(self.metadata.server_close)
        self.addCleanup(self.metadata.shutdown)
        self.addCleanup(get_server_credential.cache_clear)
        self.configure(
            directmail_server_credentials="True",
            directmail_metadata_host="127.0.0.1:%s" % self.metadata.server_port,
        )

    def make(self, **vals):
        return self._make_account(
            **{
                "name": "Role",
                "credentials": "ecs",
                "access_key_id": False,
                "access_key_secret": False,
                **vals,
            }
        )

    def test_a_campaign_with_the_role_of_the_instance(self):
        account = self.make()
        self.assertTrue(account.has_secret)
        account.action_activate()
        task = self._make_task(
            self._make_audience(self._make_people("a@example.com")),
            template=self._make_template(account_id=account.id),
            account_id=account.id,
            sender_id=account.sender_ids.filtered("ready")[0].id,
        )
        task.action_send()
        self._run_cron(account)
        self.assertEqual((task.state, task.sent_count), ("done", 1))
        self.assertEqual(self.callers("SingleSendMail")[-1], STS["access_key_id"])
        role = [path for path in self.metadata.paths if path.endswith("DirectMailSender")]
        self.assertEqual(len(role), 1, "the keys are read once and kept")

    def test_not_where_the_server_does_not_allow_it(self):
        account = self.make()
        for value in ("", "False", "0", "no", "nonsense"):
            self.configure(directmail_server_credentials=value)
            for kind in ("ecs", "chain"):
                with self.subTest(value=value, kind=kind):
                    with self.assertRaisesRegex(ValidationError, "does not let accounts use"):
                        self.make(name="Another", credentials=kind)
                    with self.assertRaisesRegex(ValidationError, "does not let accounts use"):
                        self.account.credentials = kind
            # A database that says so already, restored on such a server.
            with self.assertRaisesRegex(UserError, "does not let accounts use"):
                account.action_test_connection()
        self.assertFalse(self.metadata.paths)

    def test_a_role_that_does_not_exist(self):
        account = self.make(ram_role="Nobody")
        with (
            mute_logger("credentials"),
            self.assertRaisesRegex(UserError, "own credentials for Alibaba Cloud can't be read"),
        ):
            account.action_test_connection()

    def test_a_role_is_a_name_and_no_path(self):
        for role in ("../../user-data", "a/b", "a?b", "a b", "a\n", "." * 3, "x" * 65):
            with self.subTest(role), self.assertRaisesRegex(ValidationError, "not the name of a"):
                self.make(ram_role=role)
        self.assertFalse(self.metadata.paths)

    def test_not_for_servers_that_a_user_names(self):
        account = self.make(endpoint="https://collector.example.com")
        with self.assertRaisesRegex(UserError, "can only be used for DirectMail"):
            account.action_test_connection()
        self.assertFalse(self.metadata.paths)

    def test_another_kind_needs_activation(self):
        self.account.credentials = "ecs"
        self.assertEqual(self.account.state, "draft")

    def test_neutralised(self):
        account = self.make(ram_role="DirectMailSender")
        self.account.security_token = "some-token"
        self.env.flush_all()
        from odoo.modules.neutralize import get_neutralization_queries

        for query in get_neutralization_queries(["email_marketing_dm"]):
            self.env.cr.execute(query)
        self.env.invalidate_all()
        for one in (account, self.account):
            self.assertEqual((one.credentials, one.has_secret), ("key", False))
            self.assertFalse(one.sudo().security_token_sealed)
            self.assertFalse(one.ram_role)


@tagged("post_install", "-at_install")
class TestPermissions(CredentialsCase):
    def policy(self, **vals):
        action = self.account.action_ram_policy()
        dialog = (
            self.env[action["res_model"]]
            .with_user(self.admin)
            .with_context(**action["context"])
            .create(vals)
        )
        [statement] = json.loads(dialog.policy)["Statement"]
        return statement["Action"]

    def test_the_connection_test_names_each_action_that_is_missing(self):
        denied = ("QueryInvalidAddress", "CreateTag")
        granted = [f"dm:{name}" for name in get_actions() if name not in denied]
        self.emulator.configure_account(ACCESS_KEY_ID, permissions=granted)
        params = self.account.action_test_connection()["params"]
        self.assertEqual((params["type"], params["sticky"]), ("warning", True))
        self.assertIn("dm:CreateTag and dm:QueryInvalidAddress", params["message"])
        self.assertNotIn("dm:SingleSendMail", params["message"])
        self.assertFalse(self.emulator.ledger(), "nothing was carried out")

    def test_the_policy_of_the_dialog_is_enough(self):
        self.emulator.configure_account(ACCESS_KEY_ID, permissions=self.policy())
        params = self.account.action_test_connection()["params"]
        self.assertEqual(params["type"], "success", params["message"])

    def test_the_policy_follows_the_features(self):
        self.assertNotIn("dm:UpdateUser", self.policy())
        self.assertIn("dm:UpdateUser", self.policy(events=True))
        self.assertNotIn("dm:CreateTemplate", self.policy(templates=False))
        self.env["directmail.event.count"].sudo()._add(self.account, "push")
        self.env.invalidate_all()
        self.assertIn("dm:UpdateUser", self.policy())
        self.account.content_mode = "body"
        self.account.sudo()._observe("actions", template_operations="denied")
        self.assertNotIn("dm:CreateTemplate", self.policy())

    def test_any_other_call_names_its_action_too(self):
        self.emulator.configure_account(ACCESS_KEY_ID, permissions=["dm:Desc*"])
        with self.assertRaisesRegex(UserError, "dm:QueryMailAddressByParam"):
            self.account.action_synchronise()
        with self.assertRaisesRegex(UserError, "dm:UpdateUser"):
            self.account.action_enable_push()

    def test_an_address_that_is_not_allowed_is_no_missing_action(self):
        self.emulator.configure_account(ACCESS_KEY_ID, allow_ips=["192.0.2.1"])
        with self.assertRaisesRegex(UserError, "calls from this server's IP address"):
            self.account.action_test_connection()
        with self.assertRaisesRegex(DirectMailError, "InvalidIP.NotFound"):
            self.account._get_client().check_action("CreateTag")

    def test_only_administrators(self):
        with self.assertRaises(AccessError):
            self.account.with_user(self.user).action_ram_policy()
