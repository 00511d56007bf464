"""Taking mail in: the ledger, the quota and the first step of what becomes of it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field

from .addresses import domain_of
from .operations.templates import fill
from .outcomes import BEHAVIOURS, behaviour_of, delay_of

#: EnvIds are numeric texts; the service's begin about here
FIRST_ENV_ID = 600_000_000_000

NOTIFY_PREFIX = "x-user-notify-"


@dataclass
class Content:
    """What a mail says. With a template, ``template`` is its row and ``values`` fill it."""

    subject: str
    alias: str = ""
    html: str = ""
    text: str = ""
    template: object = None
    values: dict = field(default_factory=dict)


@dataclass
class Mail:
    """An accepted call: one mail to each address."""

    account: object
    sender: str
    to: list
    content: Content
    request_id: str
    bcc: list = field(default_factory=list)
    tag: str = ""
    headers: dict = field(default_factory=dict)
    options: dict = field(default_factory=dict)


def notify_headers(headers):
    """The headers that come back in events."""
    return {
        name: value for name, value in headers.items() if name.lower().startswith(NOTIFY_PREFIX)
    }


def from_address(row):
    """The address in the From of a mail: with AddressType 0 the sender has a random part."""
    if not json.loads(row["options"]).get("random_from"):
        return row["sender"]
    local, _at, domain = row["sender"].rpartition("@")
    # Made from the row, so that it need not be kept.
    return f"{local}-{hashlib.sha256(row['env_id'].encode()).hexdigest()[:8]}@{domain}"


def header(headers, name):
    """The value of a header by its name in any case, or ''."""
    for key, value in headers.items():
        if key.lower() == name.lower():
            return value
    return ""


class MailRoom:
    """Accepts mail. Everything about one call is written in one transaction."""

    def __init__(self, core):
        self._core = core
        self._store = core.store
        self._next = (self._store.value("SELECT max(seq) FROM ledger") or 0) + 1

    def accept(self, mail):
        """Write a mail to the ledger, once per recipient. Returns its EnvId."""
        env_id = str(FIRST_ENV_ID + self._next)
        now = self._core.clock.now()
        outcomes = mail.account.settings.outcomes
        with self._store.transaction():
            content_id = self._content_id(mail.account, mail.content)
            for address in (*mail.to, *mail.bcc):
                self._write(mail, address, env_id, content_id, now)
                behaviour = behaviour_of(address, mail.tag, outcomes)
                self._first_step(self._next, behaviour, now, outcomes)
                self._next += 1
            mail.account.use(mail.sender, len(mail.to) + len(mail.bcc))
        self._core.wake()
        return env_id

    def _write(self, mail, address, env_id, content_id, now):
        content, options = mail.content, mail.options
        if address in mail.bcc:
            options = {**options, "click_trace": False, "bcc": True}
        message_id = header(mail.headers, "Message-ID") or (
            f"<{env_id}.{self._next}@{domain_of(mail.sender)}>"
        )
        self._store.execute(
            "INSERT INTO ledger (seq, account, sender, rcpt, subject, tag, message_id, headers,"
            " env_id, request_id, template_id, content, variables, alias, options, accepted_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                self._next,
                mail.account.id,
                mail.sender,
                address,
                content.subject,
                mail.tag,
                message_id,
                json.dumps(mail.headers, ensure_ascii=False) if mail.headers else "{}",
                env_id,
                mail.request_id,
                content.template["id"] if content.template else None,
                content_id,
                json.dumps(content.values, ensure_ascii=False) if content.values else None,
                content.alias,
                json.dumps(options) if options else "{}",
                now,
            ),
        )

    def _first_step(self, seq, behaviour, now, outcomes):
        steps = BEHAVIOURS[behaviour]
        if steps:
            self._store.execute(
                "INSERT INTO step (due, seq, behaviour, position) VALUES (?, ?, ?, 0)",
                (now + delay_of(steps[0], seq, outcomes), seq, behaviour),
            )

    def _content_id(self, account, content):
        """The row that keeps the body: one per version of a template, or one per call."""
        if content.template is not None:
            row = content.template
            if row["content"] is not None:
                return row["content"]
            number = self._store.execute(
                "INSERT INTO content (template, subject, nickname, html, text)"
                " VALUES (?, ?, ?, ?, '')",
                (row["id"], row["subject"], row["nickname"], row["text"]),
            ).lastrowid
            self._store.execute("UPDATE template SET content = ? WHERE id = ?", (number, row["id"]))
            return number
        number = self._store.execute(
            "INSERT INTO content (subject, nickname, html, text) VALUES (?, '', ?, ?)",
            (content.subject, content.html, content.text),
        ).lastrowid
        if number % 64 == 0:
            self._store.execute(
                "DELETE FROM content WHERE template IS NULL AND id <= ?",
                (number - account.settings.storage.own_bodies,),
            )
        return number

    def is_invalid(self, account, address):
        """Whether an address is on the account's list of invalid addresses."""
        return (
            self._store.row(
                "SELECT 1 FROM invalid WHERE account = ? AND rcpt = ?", (account.id, address)
            )
            is not None
        )

    def body(self, row):
        """``(html, text)`` of a ledger row, filled for its person; None when no longer kept."""
        content = self._store.row("SELECT * FROM content WHERE id = ?", (row["content"],))
        if content is None:
            return None
        values = json.loads(row["variables"] or "{}")
        if content["template"] is None:
            return content["html"], content["text"]
        return fill(content["html"], values), fill(content["text"], values)
