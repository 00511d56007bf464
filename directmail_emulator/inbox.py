"""Reading the ledger: rows, sums, and each mail as its recipient would see it."""

from __future__ import annotations

import json
import re

from .mail import FIRST_ENV_ID, from_address, header, notify_headers
from .operations import like

_COLUMNS = {
    "tag": "l.tag = ?",
    "to": "l.rcpt = ?",
    "env_id": "l.env_id = ?",
    "sender": "l.sender = ?",
    "account": "l.account = ?",
}
_STATUS = {0: "delivered", 2: "invalid", 3: "spam", 4: "failed"}
#: activity kinds that sums count, beside the statuses
_REACTIONS = ("open", "click", "unsubscribe", "subscribe", "complain", "deferred")


def unsubscribe_of(account, row, headers):
    """The effect of `UnSubscribeLinkType` and `UnSubscribeFilterLevel`, as the ledger shows it.

    ``unsubscribe_link``: whose link is in the headers, "own", "directmail" or "none"; DirectMail
    adds one for batch senders only. ``unsubscribe_filter``: the level, as it was asked for.
    """
    options = json.loads(row["options"])
    sender = account and account.sender(row["sender"])
    is_batch = sender is None or sender.type == "batch"
    if header(headers, "List-Unsubscribe"):
        link = "own"
    else:
        link = "directmail" if is_batch and options.get("link_type") != "disabled" else "none"
    return {
        "unsubscribe_link": link,
        "unsubscribe_filter": options.get("filter_level") or "default",
    }


def outcome_name(status):
    return "waiting" if status is None else _STATUS[status]


class Inbox:
    """Queries behind the admin API. Long ones run beside the event loop."""

    def __init__(self, core):
        self._core = core
        self._store = core.store

    @staticmethod
    def _where(filters):
        conditions, values = ["1"], []
        for name, value in filters.items():
            if name == "search":
                conditions.append("(l.rcpt LIKE ? ESCAPE '\\' OR l.subject LIKE ? ESCAPE '\\')")
                values += [like(value)] * 2
            else:
                conditions.append(_COLUMNS[name])
                values.append(value)
        return " AND ".join(conditions), values

    async def ledger(self, filters, limit, offset, newest=False):
        """``(rows, how many there are)`` in the order of acceptance."""
        where, values = self._where(filters)
        total = await self._store.read(f"SELECT count(*) FROM ledger l WHERE {where}", values)
        return await self.page(filters, limit, offset, newest), total[0][0]

    async def page(self, filters, limit, offset, newest=False):
        """Rows without counting all of them, which takes long in a large ledger."""
        where, values = self._where(filters)
        order = "DESC" if newest else "ASC"
        rows = await self._store.read(
            f"SELECT l.*, o.status FROM ledger l LEFT JOIN outcome o ON o.seq = l.seq"
            f" WHERE {where} ORDER BY l.seq {order} LIMIT ? OFFSET ?",
            (*values, limit, offset),
        )
        return [self._row(row) for row in rows]

    def _row(self, row):
        account = self._core.accounts.by_id(row["account"])
        headers = json.loads(row["headers"])
        return {
            "seq": row["seq"],
            "account": account.config.access_key_id if account else "",
            "region": account.config.region if account else "",
            "sender": row["sender"],
            "sender_name": row["alias"],
            "from": from_address(row),
            "reply_to": json.loads(row["options"]).get("reply_to", ""),
            "to": row["rcpt"],
            "subject": row["subject"],
            "tag": row["tag"],
            "message_id": row["message_id"],
            "notify": notify_headers(headers),
            "headers": headers,
            **unsubscribe_of(account, row, headers),
            "env_id": row["env_id"],
            "request_id": row["request_id"],
            "template_id": row["template_id"],
            "variables": json.loads(row["variables"] or "{}"),
            "accepted_at": row["accepted_at"],
            "outcome": outcome_name(row["status"]),
        }

    async def summary(self, filters):
        """Sums over the ledger. ``duplicates``: addresses that got more than one mail."""
        where, values = self._where(filters)
        counted = await self._store.read(
            "SELECT coalesce(sum(mails), 0) AS accepted, count(*) AS addresses,"
            " coalesce(sum(mails > 1), 0) AS duplicates FROM (SELECT count(*) AS mails"
            f" FROM ledger l WHERE {where} GROUP BY l.account, l.rcpt)",
            values,
        )
        outcomes = await self._store.read(
            "SELECT o.status, count(*) FROM ledger l LEFT JOIN outcome o ON o.seq = l.seq"
            f" WHERE {where} GROUP BY o.status",
            values,
        )
        reactions = await self._store.read(
            "SELECT a.kind, a.machine, count(DISTINCT a.seq) FROM activity a"
            f" JOIN ledger l ON l.seq = a.seq WHERE {where} GROUP BY a.kind, a.machine",
            values,
        )
        names = {outcome_name(status): number for status, number in outcomes}
        for kind, machine, number in reactions:
            if kind in _REACTIONS:
                names[f"machine_{kind}" if machine else kind] = number
        return {**dict(counted[0]), "outcomes": names}

    def of_call(self, env_id, rcpt=None):
        """Ledger rows of one call, or of one recipient of it."""
        if not re.fullmatch(r"[0-9]{12,18}", env_id):
            return []
        first = int(env_id) - FIRST_ENV_ID  # EnvIds follow the ledger's numbers
        rows = self._store.rows(
            "SELECT l.*, o.status FROM ledger l LEFT JOIN outcome o ON o.seq = l.seq"
            " WHERE l.seq BETWEEN ? AND ? AND l.env_id = ? ORDER BY l.seq",
            (first, first + 1000, env_id),
        )
        return [row for row in rows if rcpt in (None, row["rcpt"])]

    def full(self, row):
        """A mail with its body and everything that happened to it."""
        body = self._core.mail.body(row)
        outcome = self._store.row("SELECT * FROM outcome WHERE seq = ?", (row["seq"],))
        activity = self._store.rows(
            "SELECT * FROM activity WHERE seq = ? ORDER BY id", (row["seq"],)
        )
        return {
            **self._row(row),
            "html": body[0] if body else "",
            "text": body[1] if body else "(This body is no longer kept.)",
            "options": json.loads(row["options"]),
            "result": dict(outcome) if outcome else None,
            "activity": [dict(one) for one in activity],
        }
