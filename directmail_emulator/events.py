"""Events as EventBridge pushes them: CloudEvents 1.0 in JSON, signed.

Field names follow the help page on DirectMail events (November 2025) for deliveries, and public
code that reads them for the rest; the client's data in opens and clicks is a guess.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import time
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

from .addresses import domain_of
from .clock import beijing
from .mail import from_address, notify_headers

#: the Alibaba account that all events belong to, as the sample on the help page has one
ACCOUNT_ID = "1234567890987654"
PERSON = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15"
    " (KHTML, like Gecko) Mobile/15E148"
)
#: all that Apple's Mail Privacy Protection says of itself; it loads images of unread mail too.
#: Gmail's image proxy would not do: it loads them when the person opens the mail.
IMAGE_PROXY = "Mozilla/5.0"
SCANNER = "Mozilla/5.0 (compatible; MailSecurityScanner/1.0)"


@dataclass
class Happening:
    """The occurrence that an event reports. ``row`` is the ledger row, ``at`` epoch seconds."""

    type: str
    account: object
    row: object
    at: float
    result: tuple = ()
    url: str = ""
    machine: bool = False


def user_agent(machine, action):
    if not machine:
        return PERSON
    return IMAGE_PROXY if action == "open" else SCANNER


def _local(moment):
    return beijing(moment).strftime("%Y-%m-%dT%H:%M:%S")


def _delivery(happening):
    row, account = happening.row, happening.account
    status, classification, code, message = happening.result
    return {
        "account": row["sender"],
        "channel_name": "bg:emulator",
        "outbound_ip": "192.0.2.25",
        "send_time": _local(row["accepted_at"]),
        "deliver_time": _local(happening.at),
        "status": str(status),
        "event": happening.type,
        "region": account.config.region,
        "err_code": code,
        "err_msg": message,
        "failed_type": classification,
        "esp": domain_of(row["rcpt"]),
        "ip_pool_id": "",
        "is_dedicated_ip": False,
        "tag": row["tag"],
    }


def _trace(happening):
    row = happening.row
    action = "click" if happening.type.endswith("Click") else "open"
    data = {
        "account": row["sender"],
        "event": happening.type,
        "region": happening.account.config.region,
        "send_time": _local(row["accepted_at"]),
        f"{action}_time": _local(happening.at),
        "client_ip": "192.0.2.80" if happening.machine else "198.51.100.7",
        "user_agent": user_agent(happening.machine, action),
        "tag": row["tag"],
    }
    if action == "click":
        data["url"] = happening.url
    return data


def _echo(row, settings):
    headers = notify_headers(json.loads(row["headers"]))
    if settings.echo_names == "lower":
        headers = {name.lower(): value for name, value in headers.items()}
    return {settings.echo_field: headers}


def event_data(happening):
    """The ``data`` of an event."""
    row, kind = happening.row, happening.type
    echo = _echo(row, happening.account.settings.events)
    message_id = row["message_id"].strip("<>")
    if kind == "dm:Feedback:FblReport":
        return {
            "send_email": from_address(row),
            "block_email": row["rcpt"],
            "message_id": message_id,
            "block_time": str(int(happening.at)),
            "send_time": str(int(row["accepted_at"])),
        }
    if kind.startswith("dm:Feedback:"):
        return {
            **echo,
            "envid": row["env_id"],
            "from": from_address(row),
            "rcpt": row["rcpt"],
            "operate_time": _local(happening.at),
            "client_ip": "198.51.100.7",
        }
    data = {
        **echo,
        "env_id": row["env_id"],
        "from": from_address(row),
        "rcpt": row["rcpt"],
        "msg_id": message_id,
    }
    return data | (_delivery(happening) if kind.startswith("dm:Deliver:") else _trace(happening))


def cloud_event(happening, number, source, published):
    """The whole event, ready for ``json.dumps``.

    :param number: makes the id unique; a duplicate of an event has the same
    :param published: epoch seconds
    """
    region = happening.account.config.region
    digest = hashlib.sha256(f"{happening.row['env_id']}/{number}".encode()).hexdigest()
    return {
        "id": f"{digest[:8]}-{digest[8:12]}-{digest[12:16]}-{digest[16:20]}-{digest[20:32]}",
        "source": source,
        "specversion": "1.0",
        "subject": f"acs:dm:{region}:{ACCOUNT_ID}:*",
        "time": f"{_local(happening.at)}+08:00",
        "type": happening.type,
        "datacontenttype": "application/json;charset=utf-8",
        "aliyunaccountid": ACCOUNT_ID,
        "aliyunpublishtime": f"{_local(published)}.{int(published % 1 * 1000):03d}PRC",
        "aliyuneventbusname": "default",
        "aliyunregionid": region,
        "aliyunpublishaddr": "192.0.2.1",
        "data": event_data(happening),
    }


class Signer:
    """Signs pushes. Key and certificate are made at first use and kept in the data directory."""

    def __init__(self, directory):
        self._key_path = Path(directory) / "eventbridge.key"
        self._certificate_path = Path(directory) / "eventbridge.pem"
        self._key = None

    def certificate(self):
        """The certificate in PEM, as bytes."""
        self._load()
        return self._certificate_path.read_bytes()

    def served(self, content, encoding):
        """What the certificate's address answers, as bytes.

        :param content: "certificate" or "public_key"
        :param encoding: "pem", "der", "base64" (of DER)
        """
        from cryptography import x509
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        certificate = x509.load_pem_x509_certificate(self.certificate())
        form = Encoding.PEM if encoding == "pem" else Encoding.DER
        if content == "certificate":
            answer = certificate.public_bytes(form)
        else:
            answer = certificate.public_key().public_bytes(form, PublicFormat.SubjectPublicKeyInfo)
        return base64.b64encode(answer) if encoding == "base64" else answer

    def headers(self, url, certificate_url, token, body, form="rsa", newline=False):
        """The signature headers of one push.

        The signed text is the URL, the five (without token: four) headers, the body, and a newline
        where the sender has one. "rsa" signs it with RSA PKCS #1 v1.5 and SHA-256; "hmac" with
        HMAC-SHA1 under a passing secret, which goes along encrypted with the private key
        (EventBridge's help pages).

        :param body: the bytes that are sent
        """
        method = "signature-method" if form == "hmac" else "hash-method"
        headers = {
            "x-eventbridge-signature-timestamp": str(int(time.time() * 1000)),
            f"x-eventbridge-{method}": "HMAC-SHA1" if form == "hmac" else "SHA256",
            "x-eventbridge-signature-version": "1.0",
            "x-eventbridge-signature-url": certificate_url,
        }
        if token:
            headers["x-eventbridge-signature-token"] = token
        lines = [url, *(f"{name}: {value}" for name, value in headers.items())]
        text = "\n".join(lines).encode() + b"\n" + body + (b"\n" if newline else b"")
        return headers | (self._hmac(text) if form == "hmac" else self._rsa(text))

    def _rsa(self, text):
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import padding

        signature = self._load().sign(text, padding.PKCS1v15(), hashes.SHA256())
        return {"x-eventbridge-signature-v2": base64.b64encode(signature).decode()}

    def _hmac(self, text):
        secret = secrets.token_hex(16).encode()
        return {
            "x-eventbridge-signature-secret": base64.b64encode(self._seal(secret)).decode(),
            "x-eventbridge-signature": base64.b64encode(
                hmac.digest(secret, text, hashlib.sha1)
            ).decode(),
        }

    def _seal(self, secret):
        """RSA with the private key: PKCS #1 v1.5, block type 1, which no library offers."""
        numbers = self._load().private_numbers()
        modulus = numbers.public_numbers.n
        size = (modulus.bit_length() + 7) // 8
        block = b"\0\1" + b"\xff" * (size - 3 - len(secret)) + b"\0" + secret
        return pow(int.from_bytes(block, "big"), numbers.d, modulus).to_bytes(size, "big")

    def _load(self):
        from cryptography.hazmat.primitives import serialization

        if self._key is None:
            if not (self._key_path.exists() and self._certificate_path.exists()):
                self._make()
            self._key = serialization.load_pem_private_key(self._key_path.read_bytes(), None)
        return self._key

    def _make(self):
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import rsa
        from cryptography.x509.oid import NameOID

        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "DirectMail emulator")])
        now = datetime.now(timezone.utc)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=3650))
            .sign(key, hashes.SHA256())
        )
        self._key_path.touch(mode=0o600)
        self._key_path.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        self._certificate_path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
