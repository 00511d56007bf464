import io
import itertools
import json
import time
from base64 import b64encode
from datetime import timedelta
from tempfile import TemporaryDirectory

import requests
import urllib3
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding

from odoo import fields
from odoo.exceptions import AccessError, UserError
from odoo.tests import tagged

from directmail_emulator.events import Signer

from ...controllers import directmail_events
from ...directmail.push import BODY_MAX, read_events
from ...models.account import directmail_account_events
from ..common import DirectmailMixin, start_task
from ..common_http import PatientHttpCase

LOGGER = "odoo.addons.email_marketing_dm.controllers.directmail_events"


@tagged("post_install", "-at_install")
class TestPush(DirectmailMixin, PatientHttpCase):
    """The webhook, with signatures as the emulator's EventBridge makes them."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.signer = Signer(cls.emulator._data)
        cls.account.public_url = cls.base_url()
        people = cls._make_people("a@example.com", "b@example.com")
        cls.task = cls._make_task(cls._make_audience(people)).sudo()
        cls.task.action_send()
        start_task(cls.task)
        cls.first, cls.second = cls.task.delivery_ids
        cls.env.flush_all()
        cls.env.cr.execute(
            "UPDATE directmail_delivery SET state = 'sent', claimed_at = %s WHERE task_id = %s",
            [fields.Datetime.now() - timedelta(days=1), cls.task.id],
        )
        cls.env.invalidate_all()
        cls.url, cls.secret = cls.account.push_url, cls.account.push_token
        cls.certificate = f"{cls.emulator.admin}/eventbridge/certificate.pem"
        cls.events = cls.env["directmail.event"]

    def setUp(self):
        super().setUp()
        directmail_events._reported.clear()

    def _make_event(self, delivery, number=1, kind="dm:Deliver:Succeed", **data):
        token = self._get_token(delivery)
        return {
            "id": f"event-{number}",
            "type": kind,
            "time": fields.Datetime.now().isoformat() + "+00:00",
            "data": {"header": {"X-User-Notify-Mid": token}, "status": "0", **data},
        }

    def _sign(self, body, **changes):
        """Return the headers of a push that the emulator's own key signed."""
        details = {"url": self.url, "certificate": self.certificate, "token": self.secret}
        details.update(changes)
        form = {name: changes[name] for name in ("form", "newline") if name in changes}
        return self.signer.headers(
            details["url"], details["certificate"], details["token"], body, **form
        )

    def _push(self, event, body=None, headers=None, url=None, **changes):
        body = json.dumps(event).encode() if body is None else body
        headers = self._sign(body, **changes) if headers is None else headers
        return self.url_open(
            url or self.url,
            data=body,
            headers={"Content-Type": "application/cloudevents+json", **headers},
        )

    def _get_facts(self):
        self.env.invalidate_all()
        return self.events.search([("account_id", "=", self.account.id)])

    def _apply(self):
        self._get_facts()
        self.events._apply_all(self.account.company_id)
        self.env.invalidate_all()

    def test_genuine(self):
        event = self._make_event(self.first)
        for _attempt in range(3):
            self.assertEqual(self._push(event).status_code, 200)
        self.assertEqual(len(self._get_facts()), 1, "coming again changes nothing")
        self._apply()
        self.assertEqual((self.first.outcome, self.second.outcome), ("delivered", False))
        self.assertEqual(self.account.push_received_count, 1)

    def test_genuine_in_every_form(self):
        """Where help page and Alibaba's own verifier differ, either is genuine."""
        forms = itertools.product(
            ("rsa", "hmac"), (True, False), ("certificate", "public_key"), ("pem", "der", "base64")
        )
        for number, (form, newline, content, encoding) in enumerate(forms):
            with self.subTest(form=form, newline=newline, content=content, encoding=encoding):
                event = self._make_event(self.first, number)
                event["data"]["headers"] = event["data"].pop("header")
                certificate = f"{self.certificate}?content={content}&encoding={encoding}"
                response = self._push(
                    event, certificate=certificate, form=form, newline=newline
                )  # fmt: skip
                self.assertEqual(response.status_code, 200, response.text)
        self._apply()
        self.assertEqual(self.first.outcome, "delivered")

    def test_the_event_of_first_contact_comes_while_its_step_is_asking(self):
        """Checking for the event and its arrival meet: what it tells is not lost."""
        action = self.account.action_first_contact()
        contact = self.env[action["res_model"]].browse(action["res_id"]).sudo()
        step = contact._get_step("push")
        contact._get_step("mail").started_at = fields.Datetime.now()
        step.write({"state": "running", "started_at": fields.Datetime.now()})
        event = self._make_event(self.first)
        event["data"]["header"]["X-User-Notify-Mid"] = contact._get_token()
        self.env.flush_all()
        self.assertEqual(self._push(event).status_code, 200)
        self.env.invalidate_all()
        self.assertEqual(step.state, "ok", step.message)
        step._perform()
        self.assertEqual(step.state, "ok", "the check that was under way changes nothing")

    def test_several_at_once(self):
        events = [self._make_event(self.first, 1), self._make_event(self.second, 2)]
        self.assertEqual(self._push(events).status_code, 200)
        self._apply()
        self.assertEqual(self.task.delivered_count, 2)

    def test_many_that_name_only_their_task_need_one_search(self):
        events = [
            self._make_event(
                self.first, number, header={}, tag=self.task.tag_name, rcpt=f"{name}@example.com"
            )
            for number, name in enumerate("ab" * 50)
        ]
        self._push(events[:1])
        found = self.env["directmail.event"].sudo()
        pushed = [(event, None) for event in read_events(json.dumps(events).encode())]
        account = self.account.sudo()
        account.fetch(["company_id"])
        with self.assertQueryCount(3):  # the task, the master key of the data, and its pads
            facts = found._make_pushed(account, pushed)
        self.assertEqual({fact.task_id for fact in facts}, {self.task.id})
        self.assertEqual(self._push(events).status_code, 200)
        self._apply()
        self.assertEqual(self.task.delivered_count, 2)

    def test_a_certificate_that_breaks_off(self):
        """The connection is fine, what comes over it is not."""
        event = self._make_event(self.first)

        def get(url, **_options):
            raw = urllib3.HTTPResponse(
                body=io.BytesIO(b"no gzip"), headers={"content-encoding": "gzip"},
                status=200, preload_content=False,
            )  # fmt: skip
            response = requests.Response()
            response.raw, response.status_code, response.headers = raw, 200, raw.headers
            return response

        directmail_account_events._certificates.clear()
        self.addCleanup(directmail_account_events._certificates.clear)
        headers = self._sign(json.dumps(event).encode())
        self.patch(directmail_account_events.requests, "get", get)
        self._assert_refused("certificate", 403, lambda: self._push(event, headers=headers))

    def test_unknown_types_and_strangers_are_kept(self):
        event = self._make_event(self.first, kind="dm:Something:New")
        stranger = self._make_event(self.first, 2, header={}, rcpt="x@example.com")
        self.assertEqual(self._push([event, stranger]).status_code, 200)
        self._apply()
        self.assertEqual(set(self._get_facts().mapped("kind")), {"other", "delivered"})
        self.assertFalse(self.first.outcome)
        self.assertEqual(self.account.push_stray_count, 1)

    def _assert_refused(self, reason, status, push):
        """Each refusal is counted, logged once, and has no other effect."""
        with self.assertLogs(LOGGER, "WARNING") as log:
            for _attempt in range(2):
                response = push()
                self.assertEqual(response.status_code, status, reason)
                self.assertEqual(response.headers.get("X-DirectMail-Push"), reason)
        self.assertEqual(len(log.output), 1)
        self.assertIn(reason, log.output[0])
        self.assertFalse(self._get_facts())
        self.assertTrue(self.account.push_refused)
        self._apply()
        self.assertFalse(self.first.outcome)

    def test_forged(self):
        event = self._make_event(self.first)
        body = json.dumps(event).encode()
        with TemporaryDirectory() as folder:
            headers = Signer(folder).headers(self.url, self.certificate, self.secret, body)
        self._assert_refused("signature", 403, lambda: self._push(event, headers=headers))

    def test_changed_on_the_way(self):
        body = json.dumps(self._make_event(self.first)).encode()
        headers = self._sign(body)
        changed = body.replace(b'"0"', b'"2"')
        self._assert_refused("signature", 403, lambda: self._push(None, changed, headers))

    def test_truncated(self):
        body = json.dumps(self._make_event(self.first)).encode()
        headers = self._sign(body)
        self._assert_refused("signature", 403, lambda: self._push(None, body[:-10], headers))

    def test_signed_but_no_event(self):
        self._assert_refused("malformed", 400, lambda: self._push(None, b'{"id": 1'))

    def test_unsigned(self):
        event = self._make_event(self.first)
        self._assert_refused("unsigned", 403, lambda: self._push(event, headers={"X-No": "1"}))

    def test_expired(self):
        """Recorded and sent again a minute later."""
        event = self._make_event(self.first)
        body = json.dumps(event).encode()
        headers = {
            "x-eventbridge-signature-timestamp": str(int((time.time() - 61) * 1000)),
            "x-eventbridge-hash-method": "SHA256",
            "x-eventbridge-signature-version": "1.0",
            "x-eventbridge-signature-url": self.certificate,
            "x-eventbridge-signature-token": self.secret,
        }
        lines = [self.url, *(f"{name}: {value}" for name, value in headers.items())]
        text = "\n".join(lines).encode() + b"\n" + body
        with open(f"{self.emulator._data}/eventbridge.key", "rb") as file:
            key = serialization.load_pem_private_key(file.read(), None)
        signature = key.sign(text, padding.PKCS1v15(), hashes.SHA256())
        headers["x-eventbridge-signature-v2"] = b64encode(signature).decode()
        self._assert_refused("expired", 403, lambda: self._push(event, headers=headers))

    def test_wrong_host(self):
        event = self._make_event(self.first)
        url = "https://evil.example/certificate.pem"
        self._assert_refused("certificate_host", 403, lambda: self._push(event, certificate=url))

    def test_wrong_token(self):
        event = self._make_event(self.first)
        self._assert_refused("token", 403, lambda: self._push(event, token="guess"))
        self.account.action_renew_push_token()
        self.env.flush_all()
        self.assertEqual(self._push(event).status_code, 403, "the old one is worthless now")
        self.env.invalidate_all()
        self.assertEqual(self._push(event, token=self.account.push_token).status_code, 200)

    def test_oversized(self):
        event = self._make_event(self.first, filler="x" * BODY_MAX)
        self._assert_refused("oversized", 413, lambda: self._push(event))

    def test_wrong_address(self):
        token = self.url.rpartition("/")[2]
        for position in range(len(token)):
            other = "A" if token[position] != "A" else "B"
            url = self.url[: -len(token)] + token[:position] + other + token[position + 1 :]
            response = self._push(self._make_event(self.first), url=url)
            self.assertEqual(response.status_code, 404)
        self.assertFalse(self._get_facts())

    def test_only_a_test_account_trusts_this_machine(self):
        self.account.endpoint = False
        self.env.flush_all()
        response = self._push(self._make_event(self.first))
        self.assertEqual(response.headers["X-DirectMail-Push"], "certificate_host")

    def test_who_may_see_the_secret(self):
        with self.assertRaises(AccessError):
            self.account.with_user(self.user).read(["push_token"])
        with self.assertRaises(AccessError):
            self.account.with_user(self.user).action_renew_push_token()
        with self.assertRaises(AccessError):
            self.account.with_user(self.admin).write({"push_generation": 1})

    def test_the_address_is_tested(self):
        account = self.account.with_user(self.admin)
        # Odoo's test server answers only those who have the test's cookie.
        with self.allow_requests(all_requests=True):
            self.assertEqual(account.action_test_push()["params"]["type"], "warning")
            account.action_enable_push()
            self.assertEqual(account.action_test_push()["params"]["type"], "success")

    def test_whatever_else_answers_is_told_like_no_answer(self):
        """Open and closed ports, pages and errors, hosts inside: an administrator learns nothing.

        Neither by the address for events nor by the endpoint.
        """
        account = self.account.with_user(self.admin)
        said = set()
        for url in (f"{self.base_url()}/nowhere", "http://127.0.0.1:9", "http://10.0.0.1"):
            account.public_url = url
            self.env.flush_all()
            with self.allow_requests(all_requests=True):
                with self.assertRaises(UserError) as caught:
                    account.action_test_push()
            said.add(str(caught.exception).replace(url, ""))
        self.assertEqual(len(said), 1, said)

    def test_this_server_is_called_only_if_its_configuration_allows_it(self):
        account = self.account.with_user(self.admin)
        account.action_enable_push()
        self.env.flush_all()
        self.configure(directmail_test_endpoints=self.emulator.endpoint)
        with self.allow_requests(all_requests=True):
            with self.assertRaisesRegex(UserError, "can't be reached"):
                account.action_test_push()
        self.configure(directmail_test_endpoints="gateway.internal")
        directmail_account_events._certificates.clear()
        response = self._push(self._make_event(self.first))
        self.assertEqual(response.headers["X-DirectMail-Push"], "certificate")
