from odoo.exceptions import UserError, ValidationError
from odoo.tests import Form, tagged

from ..common import DirectmailCommon


@tagged("post_install", "-at_install")
class TestAccountConnection(DirectmailCommon):
    """Mail is real unless somebody chose a test endpoint."""

    def _make(self, **vals):
        return self.env["directmail.account"].create(
            {"name": "New", "public_url": "https://www.example.com", "tz": "UTC", **vals}
        )

    def test_without_an_endpoint_mail_is_real(self):
        account = self._make(region="us-east-1")
        self.assertFalse(account.test_mode)
        self.assertEqual(account._get_endpoint(), ("dm.us-east-1.aliyuncs.com", "https"))

    def test_vpc_endpoint_of_the_region(self):
        account = self._make(region="cn-hangzhou", connection="vpc")
        self.assertFalse(account.test_mode)
        self.assertEqual(account._get_endpoint(), ("dm-vpc.cn-hangzhou.aliyuncs.com", "https"))
        account.region = "eu-central-1"
        self.assertEqual(account.endpoint_host, "dm-vpc.eu-central-1.aliyuncs.com")

    def test_a_host_of_directmail_is_never_a_test(self):
        for text, connection, region in (
            ("dm.aliyuncs.com", "public", "cn-hangzhou"),
            ("https://dm.us-east-1.aliyuncs.com/", "public", "us-east-1"),
            ("DM-VPC.eu-central-1.aliyuncs.com.", "vpc", "eu-central-1"),
        ):
            with self.subTest(text):
                account = self._make(endpoint=text)
                self.assertFalse(account.test_mode)
                self.assertEqual((account.connection, account.region), (connection, region))
                self.assertFalse(account.endpoint)
                with self.assertRaisesRegex(ValidationError, "of DirectMail itself"):
                    self._make(connection="test", endpoint=text)

    def test_a_region_that_is_not_offered_keeps_its_host(self):
        account = self._make(endpoint="dm.ap-southeast-2.aliyuncs.com")
        self.assertFalse(account.test_mode)
        self.assertEqual(account._get_endpoint(), ("dm.ap-southeast-2.aliyuncs.com", "https"))

    def test_another_host_is_a_test_and_nothing_else(self):
        account = self._make(endpoint="gateway.example.com")
        self.assertTrue(account.test_mode)
        with self.assertRaisesRegex(ValidationError, "is not an endpoint of DirectMail"):
            self._make(connection="public", endpoint="gateway.example.com")
        with self.assertRaisesRegex(ValidationError, "Enter the test endpoint"):
            self._make(connection="test")
        with self.assertRaisesRegex(ValidationError, "is not an endpoint"):
            self._make(connection="test", endpoint="ftp://127.0.0.1")

    def test_an_endpoint_inside_the_network_needs_the_servers_configuration(self):
        for allowed, endpoint in (
            ("", "127.0.0.1:8080"),
            ("127.0.0.1:8080", "127.0.0.1:8081"),
            ("127.0.0.1", "127.1:8080"),
            ("127.0.0.1", "http://[::ffff:127.0.0.1]:8080"),
            ("127.0.0.1", "169.254.169.254"),
            ("127.0.0.1", "localhost"),
            ("127.0.0.1", "gateway.internal"),
            ("127.0.0.1", "gateway"),
        ):
            self.configure(directmail_test_endpoints=allowed)
            with (
                self.subTest(endpoint),
                self.assertRaisesRegex(ValidationError, "directmail_test_endpoints"),
            ):
                self._make(endpoint=endpoint)
        self.configure(directmail_test_endpoints="gateway.internal, 127.0.0.1:8080")
        self.assertTrue(self._make(endpoint="https://gateway.internal:81").test_mode)
        self.assertTrue(self._make(endpoint="127.0.0.1:8080").test_mode)

    def test_an_endpoint_is_checked_again_when_it_is_called(self):
        """The server's configuration may have changed, or the database may come from elsewhere."""
        self.configure(directmail_test_endpoints="")
        calls = self.emulator.calls()
        for action in ("action_test_connection", "action_synchronise", "action_activate"):
            with self.assertRaisesRegex(UserError, "directmail_test_endpoints") as caught:
                getattr(self.account.with_user(self.admin), action)()
            self.assertNotIn("DirectMail:", str(caught.exception))
        self.assertEqual(self.emulator.calls(), calls)

    def test_a_host_that_only_looks_like_directmail_is_called_at_public_addresses(self):
        for endpoint, foreign in (
            ("dm.ap-southeast-2.aliyuncs.com", False),
            ("http://dm.ap-southeast-2.aliyuncs.com", True),
            ("dm-mine.oss-cn-hangzhou-internal.aliyuncs.com", True),
        ):
            account = self._make(endpoint=endpoint)
            self.assertEqual(account._is_endpoint_foreign(), foreign, endpoint)
            self.assertEqual(
                account._make_client(access_key_id="i", access_key_secret="s")._public_only, foreign
            )

    def test_leaving_the_test_endpoint(self):
        account = self._make(endpoint="127.0.0.1:1")
        account.connection = "vpc"
        self.assertEqual((account.endpoint, account.test_mode), (False, False))
        account.endpoint = "127.0.0.1:1"
        self.assertEqual((account.connection, account.test_mode), ("test", True))
        account.endpoint = False
        self.assertEqual((account.connection, account.test_mode), ("public", False))

    def test_another_connection_needs_activation(self):
        self.account.connection = "vpc"
        self.assertEqual(self.account.state, "draft")

    def test_the_form(self):
        with Form(self.env["directmail.account"].with_user(self.admin)) as form:
            form.name = "New"
            form.connection = "test"
            form.endpoint = "dm-vpc.us-east-1.aliyuncs.com"
            self.assertEqual((form.connection, form.region), ("vpc", "us-east-1"))
            form.connection = "test"
            form.endpoint = "127.0.0.1:1"
            self.assertTrue(form.test_mode)
            form.connection = "public"
            self.assertFalse(form.endpoint)
        self.assertFalse(form.record.test_mode)

    # === PUBLIC ADDRESS === #

    def test_real_mail_needs_an_address_that_recipients_reach(self):
        for url, words in (
            ("http://www.example.com", "begins with https"),
            ("https://localhost", "inside your own network"),
            ("https://odoo.local", "inside your own network"),
            ("https://odoo", "has no domain"),
            ("https://192.168.1.2", "private network"),
            ("https://[::1]:8069", "private network"),
            ("https://2130706433", "private network"),
            (False, "Enter the public address"),
        ):
            with self.subTest(url), self.assertRaisesRegex(UserError, words):
                self._make(public_url=url).action_activate()

    def test_in_test_mode_any_address_will_do(self):
        account = self._make_account(name="Local", public_url="http://localhost:8069")
        account.action_activate()
        self.assertEqual(account.state, "active")

    def test_a_task_does_not_start_with_such_an_address(self):
        """As after an upgrade, where nobody was asked at activation."""
        task = self._make_task(self._make_audience(self._make_people("a@example.com")))
        task.action_send()
        self.account.sudo().write({"public_url": "http://localhost:8069"})
        self.env.flush_all()
        self.env.cr.execute(
            "UPDATE directmail_account SET connection = 'public' WHERE id = %s", [self.account.id]
        )
        self.env.invalidate_all()
        self._run_cron()
        self.assertEqual((task.state, task.pause_reason), ("paused", "account"))
        self.assertIn("inside your own network", task.state_message)
        self.assertFalse(task.delivery_ids)
        with self.assertRaisesRegex(UserError, "inside your own network"):
            task.action_resume()
        self.assertFalse(self.emulator.ledger())

    def test_the_address_of_an_active_account_stays_public(self):
        account = self._make()
        account.sudo().state = "active"
        with self.assertRaisesRegex(ValidationError, "private network"):
            account.public_url = "https://10.0.0.1"
