"""Helpers for the emulator's tests: a client made of the real SDK, and raw signed requests."""

import hashlib
import hmac
import json
import socket
import time
import uuid
from datetime import datetime, timezone
from urllib.parse import quote

import requests
from alibabacloud_dm20151123 import models
from alibabacloud_dm20151123.client import Client
from alibabacloud_tea_openapi.models import Config
from darabonba.exceptions import DaraException, UnretryableException
from darabonba.runtime import RuntimeOptions

NEWS = "news@mail.example.com"
SENDERS = [
    {"address": NEWS, "type": "batch"},
    {"address": "service@mail.example.com", "type": "trigger"},
    {"address": "frozen@mail.example.com", "type": "batch", "frozen": True},
    {"address": "news@broken.example.com", "type": "batch"},
]
DOMAINS = [{"name": "mail.example.com"}, {"name": "broken.example.com", "spf": False}]


class Account:
    """One account of an emulator, spoken to through the SDK."""

    def __init__(self, emulator, key="", secret="", token=None, region=None, **details):
        self.emulator = emulator
        self.key = key or f"LTAI{uuid.uuid4().hex[:16]}"
        self.secret = secret or uuid.uuid4().hex
        self.endpoint = emulator.endpoints[region] if region else emulator.endpoint
        if not key:
            if region:
                details["region"] = region
            details = {"daily_quota": 200000, "senders": SENDERS, "domains": DOMAINS, **details}
            emulator.create_account(self.key, self.secret, **details)
        self.sdk = self.client(token=token)

    def client(self, **changes):
        """An SDK client; changes are for its `Config`."""
        token = changes.pop("token", None)
        return Client(
            Config(
                **{
                    "access_key_id": self.key,
                    "access_key_secret": self.secret,
                    "endpoint": self.endpoint,
                    "protocol": "http",
                    "security_token": token,
                    "read_timeout": 60000,
                    "connect_timeout": 60000,
                    **changes,
                }
            )
        )

    def call(self, action, /, **fields):
        """Call an operation by its SDK method; the answer is the SDK's own body model."""
        request_name = "".join(part.capitalize() for part in action.split("_")) + "Request"
        request_name = request_name.replace("BatchId", "BatchID")
        if action == "get_user":
            return self.sdk.get_user().body
        request = getattr(models, request_name)(**fields)
        return getattr(self.sdk, action)(request).body

    def send(self, to="anna@example.org", **fields):
        """SingleSendMail with an own body unless something else is given; None leaves out."""
        return self.call("single_send_mail", **send_fields(to, **fields))

    def approved(
        self,
        name="Welcome",
        subject="Hello {Name}",
        text="<body>Hi {Name}</body>",
        nickname="Example",
    ):
        """The id of a new, approved template, as a text."""
        number = self.call(
            "create_template",
            template_name=name,
            template_subject=subject,
            template_text=text,
            template_nick_name=nickname,
            template_type=0,
        ).template_id
        self.emulator.approve(number)
        return str(number)

    def configure(self, **changes):
        return self.emulator.configure_account(self.key, **changes)

    def ledger(self, **filters):
        return self.emulator.ledger(account=self.key, **filters)

    def summary(self, **filters):
        return self.emulator.summary(account=self.key, **filters)


def send_fields(to="anna@example.org", **fields):
    fields = {
        "account_name": NEWS,
        "address_type": 1,
        "reply_to_address": "false",
        "to_address": to,
        "subject": "Hello",
        "html_body": "<html><body><p>Hi</p></body></html>",
        **fields,
    }
    return {name: value for name, value in fields.items() if value is not None}


def template(number, **values):
    return models.SingleSendMailRequestTemplate(template_id=str(number), template_data=values)


def refused(function, *arguments, **fields):
    """The exception that the SDK raises for a call that fails."""
    try:
        function(*arguments, **fields)
    except (DaraException, UnretryableException) as error:
        return error
    raise AssertionError("The call was not refused.")


def code_of(function, *arguments, **fields):
    return refused(function, *arguments, **fields).code


def days(offset=0):
    """A Beijing day, so many days from today."""
    return time.strftime("%Y-%m-%d", time.gmtime(time.time() + 8 * 3600 + offset * 86400))


def minute(offset=0):
    """The minute in Beijing, so many seconds from now."""
    return time.strftime("%Y-%m-%d %H:%M", time.gmtime(time.time() + 8 * 3600 + offset))


def runtime(**options):
    return RuntimeOptions(**options)


def sign(secret, method, path, query, headers, body):
    """An ACS3 Authorization value, made without the SDK and without the emulator's code."""
    names = sorted(name.lower() for name in headers)
    lowered = {name.lower(): value for name, value in headers.items()}
    canonical = "\n".join(
        [
            method,
            path,
            "&".join(
                f"{quote(k, safe='~')}={quote(v, safe='~')}" for k, v in sorted(query.items())
            ),
            "".join(f"{name}:{lowered[name].strip()}\n" for name in names),
            ";".join(names),
            hashlib.sha256(body).hexdigest(),
        ]
    )
    text = "ACS3-HMAC-SHA256\n" + hashlib.sha256(canonical.encode()).hexdigest()
    digest = hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()
    return names, digest


def signed_request(
    account,
    action,
    query=None,
    body=b"",
    method="POST",
    headers=None,
    content_type="application/x-www-form-urlencoded",
):
    """A requests.PreparedRequest that is signed correctly."""
    query = query or {}
    headers = {
        "host": account.endpoint,
        "x-acs-action": action,
        "x-acs-version": "2015-11-23",
        "x-acs-date": datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "x-acs-signature-nonce": uuid.uuid4().hex,
        "x-acs-content-sha256": hashlib.sha256(body).hexdigest(),
        **({"content-type": content_type} if body else {}),
        **(headers or {}),
    }
    names, digest = sign(account.secret, method, "/", query, headers, body)
    headers["Authorization"] = (
        f"ACS3-HMAC-SHA256 Credential={account.key},"
        f"SignedHeaders={';'.join(names)},Signature={digest}"
    )
    text = "&".join(f"{quote(k, safe='~')}={quote(v, safe='~')}" for k, v in query.items())
    request = requests.Request(method, f"http://{account.endpoint}/", headers=headers, data=body)
    prepared = request.prepare()
    prepared.url = f"http://{account.endpoint}/" + (f"?{text}" if text else "")
    return prepared


def post(account, action, query=None, body=b"", **details):
    """Send a signed request past the SDK; returns the requests answer."""
    with requests.Session() as session:
        session.trust_env = False
        return session.send(signed_request(account, action, query, body, **details), timeout=60)


def raw_exchange(endpoint, data, timeout=5):
    """Send bytes on a fresh connection, return what comes back until the server is done."""
    host, _colon, port = endpoint.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=timeout) as connection:
        connection.sendall(data)
        received = b""
        try:
            while chunk := connection.recv(65536):
                received += chunk
        except (TimeoutError, ConnectionResetError):
            pass
    return received


def headers_json(**headers):
    return json.dumps({name.replace("_", "-"): value for name, value in headers.items()})
