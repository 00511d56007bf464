"""Letting time pass: mail arrives, people react, reviews end."""

from __future__ import annotations

import asyncio
import json

from .addresses import domain_of
from .events import Happening
from .operations.templates import APPROVED, PENDING, REJECTED
from .outcomes import BEHAVIOURS, NEVER, RESULTS, delay_of

#: steps that end a mail's journey, as opposed to what people do with it afterwards
_ARRIVALS = ("delivered", "bounced", "spam", "failed", "after_deferred", "unseen")
#: steps per transaction; calls wait meanwhile, so it is some 15 ms long
_BATCH = 100
#: accepted mail is looked after in rounds, so that a burst does not wake us for every mail
_ROUND = 0.02


class Timeline:
    """Carries out steps when they are due, by the emulator's clock."""

    def __init__(self, core):
        self._core = core
        self._store = core.store
        self._wake = asyncio.Event()

    def wake(self):
        """Something new may be due: look again."""
        self._wake.set()

    async def run(self):
        while True:
            now = self._core.clock.now()
            due = self._next_due()
            if due is None or due > now:
                seconds = 3600 if due is None else min(due - now, 3600)
                try:
                    await asyncio.wait_for(self._wake.wait(), seconds)
                except asyncio.TimeoutError:
                    pass
                self._wake.clear()
                await asyncio.sleep(_ROUND)
                continue
            self.review(now)
            self.advance(now)
            await asyncio.sleep(_ROUND / 4)

    def _next_due(self):
        found = [
            self._store.value("SELECT min(due) FROM step"),
            self._store.value("SELECT min(review_due) FROM template WHERE status = ?", (PENDING,)),
        ]
        return min((due for due in found if due is not None), default=None)

    def advance(self, now, everything=False):
        """Carry out one batch of due steps (or of all, due or not). Returns how many."""
        rows = self._store.rows(
            "SELECT * FROM step WHERE due <= ? ORDER BY due, id LIMIT ?",
            (1e18 if everything else now, _BATCH),
        )
        if rows:
            with self._store.transaction():
                for row in rows:
                    self._store.execute("DELETE FROM step WHERE id = ?", (row["id"],))
                    self._step(row, min(row["due"], now))
            self._core.pusher.wake()
        return len(rows)

    async def flush(self):
        """Let everything pending happen now. Returns how many steps that were."""
        now, total = self._core.clock.now(), 0
        while True:
            done = self.advance(now, everything=True)
            if not done:
                break
            total += done
            await asyncio.sleep(0)
        self._store.execute(
            "UPDATE outcome SET visible_at = ? WHERE visible_at > ? AND visible_at < ?",
            (now, now, NEVER),
        )
        self._store.execute(
            "UPDATE event SET due = ? WHERE state = 'waiting' AND due > ?", (now, now)
        )
        self._core.pusher.wake()
        return total

    def _step(self, step, at):
        row = self._store.row("SELECT * FROM ledger WHERE seq = ?", (step["seq"],))
        account = self._core.accounts.by_id(row["account"]) if row else None
        if account is None:  # its account is no longer in the configuration
            return
        steps = BEHAVIOURS[step["behaviour"]]
        kind = steps[step["position"]]
        if kind in _ARRIVALS:
            goes_on = self._arrive(account, row, kind, at)
        else:
            goes_on = True
            self.happen(account, row, kind, at)
        following = step["position"] + 1
        if goes_on and following < len(steps):
            delay = delay_of(steps[following], row["seq"], account.settings.outcomes)
            self._store.execute(
                "INSERT INTO step (due, seq, behaviour, position) VALUES (?, ?, ?, ?)",
                (at + delay, row["seq"], step["behaviour"], following),
            )

    def _arrive(self, account, row, kind, at):
        """The end of the journey; lists may change it. Returns whether the mail arrived."""
        kind = self._held_back(account, row, at) or kind
        status, classification, code, text = RESULTS[kind]
        message = text.format(rcpt=row["rcpt"], domain=domain_of(row["rcpt"]))
        visible = NEVER if kind == "unseen" else at + account.settings.outcomes.statistics_delay
        self._store.execute(
            "INSERT OR REPLACE INTO outcome (seq, status, classification, code, message, at,"
            " visible_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (row["seq"], status, classification, code, message, at, visible),
        )
        if kind == "bounced":
            self._store.execute(
                "INSERT OR REPLACE INTO invalid (account, rcpt, at) VALUES (?, ?, ?)",
                (account.id, row["rcpt"], at),
            )
        if kind != "unseen":
            name = "dm:Deliver:Succeed" if status == 0 else "dm:Deliver:Fail"
            self._event(
                Happening(name, account, row, at, result=(status, classification, code, message))
            )
        return status == 0

    def _held_back(self, account, row, at):
        """Why a list keeps this mail from its recipient: a key of ``RESULTS``, or None."""
        rcpt, sender = row["rcpt"], row["sender"]
        suppressed = self._store.execute(
            "UPDATE suppression SET last_bounce = ? WHERE account = ? AND address IN (?, ?)",
            (at, account.id, rcpt, domain_of(rcpt)),
        ).rowcount
        if suppressed or self._core.mail.is_invalid(account, rcpt):
            return "invalid"
        level = self._filter_level(account, row)
        blocked = self._store.rows(
            "SELECT type, sender FROM blocked WHERE account = ? AND rcpt = ? AND effective_at <= ?",
            (account.id, rcpt, at),
        )
        for block in blocked:
            same = {
                "mailfrom": block["sender"].lower() == sender.lower(),
                "mailfrom_domain": domain_of(block["sender"]) == domain_of(sender),
                "edm_id": True,
            }.get(level, False)
            if same:
                return "unsubscribed" if block["type"] == "UNSUB" else "reported"
        return None

    @staticmethod
    def _filter_level(account, row):
        """How far an unsubscription reaches; by default, for batch senders, the sender."""
        level = json.loads(row["options"]).get("filter_level") or "default"
        if level != "default":
            return level
        sender = account.sender(row["sender"])
        return "mailfrom" if sender is None or sender.type == "batch" else "disabled"

    def happen(self, account, row, kind, at, via=None):
        """Something a recipient (or a machine on the way) does with a mail.

        :param kind: open, click, machine_open, machine_click, unsubscribe, subscribe, complain,
            deferred
        :param via: for "unsubscribe", instead of the setting ``unsubscribe_via``
        """
        if kind == "deferred":
            self._note(account, row, kind, at)
            if account.settings.outcomes.report_deferred:
                status, classification, code, text = RESULTS["deferred"]
                self._event(
                    Happening(
                        "dm:Deliver:Fail",
                        account,
                        row,
                        at,
                        result=(status, classification, code, text.format(rcpt=row["rcpt"])),
                    )
                )
        elif kind == "unsubscribe":
            self._unsubscribe(account, row, at, via)
        elif kind == "subscribe":
            self._store.execute(
                "DELETE FROM blocked WHERE account = ? AND type = 'UNSUB' AND rcpt = ?"
                " AND sender = ?",
                (account.id, row["rcpt"], row["sender"]),
            )
            self._note(account, row, kind, at)
            self._event(Happening("dm:Feedback:Subscribe", account, row, at))
        elif kind == "complain":
            self._block(account, row, "REPORT", at)
            self._note(account, row, kind, at)
            self._event(Happening("dm:Feedback:FblReport", account, row, at))
        else:
            self._look(account, row, kind, at)

    def _look(self, account, row, kind, at):
        """An open or a click. DirectMail sees it only in mail that it tracks."""
        machine = kind.startswith("machine_")
        what = kind.removeprefix("machine_")
        plan = self._core.mailbox.plan(account, row, what, machine)
        tracked = bool(json.loads(row["options"]).get("click_trace")) and plan.trackable
        urls = plan.links if what == "click" else [""]
        for url in urls or [""]:
            if tracked and (what == "open" or url):
                name = "dm:Trace:Open" if what == "open" else "dm:Trace:Click"
                self._event(Happening(name, account, row, at, url=url, machine=machine))
            number = self._note(account, row, what, at, machine=machine, tracked=tracked, url=url)
            if what == "click" and url:
                self._core.mailbox.visit(account, number, url, what, machine)
        if what == "open":
            for url in plan.images:
                number = self._note(account, row, "image", at, machine=machine, url=url)
                self._core.mailbox.visit(account, number, url, what, machine)

    def _unsubscribe(self, account, row, at, via=None):
        via = via or account.settings.outcomes.unsubscribe_via
        link = self._core.mailbox.one_click(row)
        reachable = link and self._core.mailbox.local(account, link)
        if via in ("link", "both") or (via == "auto" and reachable):
            number = self._note(account, row, "unsubscribe", at, url=link or "")
            self._core.mailbox.unsubscribe(account, number, link)
        if via in ("directmail", "both") or (via == "auto" and not reachable):
            self._block(account, row, "UNSUB", at)
            self._note(account, row, "unsubscribe", at, tracked=True)
            self._event(Happening("dm:Feedback:UnSubscribe", account, row, at))

    def _block(self, account, row, kind, at):
        delay = account.settings.rules.unsubscribe_effect if kind == "UNSUB" else 0
        self._store.execute(
            "INSERT OR REPLACE INTO blocked (account, type, rcpt, sender, level, reason,"
            " send_time, at, effective_at) VALUES (?, ?, ?, ?, '', ?, ?, ?, ?)",
            (account.id, kind, row["rcpt"], row["sender"], 0, row["accepted_at"], at, at + delay),
        )

    def _note(self, account, row, kind, at, *, machine=False, tracked=False, url=""):
        return self._store.execute(
            "INSERT INTO activity (seq, account, kind, machine, tracked, url, at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (row["seq"], account.id, kind, machine, tracked, url, at),
        ).lastrowid

    def _event(self, happening):
        self._core.pusher.add(happening)

    def review(self, now):
        """End the reviews that the emulator does itself and that are due."""
        rows = self._store.rows(
            "SELECT * FROM template WHERE status = ? AND review_due <= ?", (PENDING, now)
        )
        for row in rows:
            account = self._core.accounts.by_id(row["account"])
            if account is None:
                continue
            review = account.settings.review
            word = self.spam_word(row, review)
            if word:
                self.decide(row["id"], False, f'The text contains "{word}".')
            elif review.mode == "reject":
                self.decide(row["id"], False, review.comment)
            else:
                self.decide(row["id"], True, "")

    @staticmethod
    def spam_word(row, review):
        text = f"{row['subject']} {row['text']}".lower()
        return next((word for word in review.spam_words if word.lower() in text), None)

    def decide(self, number, approved, comment):
        """Approve or reject a template."""
        self._store.execute(
            "UPDATE template SET status = ?, comment = ?, review_due = NULL WHERE id = ?",
            (APPROVED if approved else REJECTED, comment, number),
        )
