"""Pushing events to webhooks, with the disorder that the real thing may show."""

from __future__ import annotations

import asyncio
import json
from functools import partial

from .events import cloud_event
from .outcomes import seeded

_ROUND = 0.02


class Pusher:
    """The queue of events. It is on disk, so a restart pushes what was not pushed yet."""

    def __init__(self, core):
        self._core = core
        self._store = core.store
        self._wake = asyncio.Event()
        self._session = None
        self._number = (self._store.value("SELECT max(id) FROM event") or 0) + 1

    def wake(self):
        self._wake.set()

    def add(self, happening):
        """Queue an event, if the account has EventBridge switched on.

        Without a webhook it is kept all the same, where tests and the page can see it.
        """
        account, now = happening.account, self._core.clock.now()
        settings = account.settings
        if not account.config.enable_eventbridge or settings.outcomes.withhold_events:
            return
        number, events = self._number, settings.events
        body = json.dumps(cloud_event(happening, number, events.source, now), ensure_ascii=False)
        seed = settings.outcomes.seed
        copies = 2 if seeded(seed, "duplicate", number) < events.duplicates else 1
        for copy in range(copies):
            late = events.disorder * seeded(seed, "disorder", number, copy)
            self._store.execute(
                "INSERT INTO event (id, account, type, env_id, body, state, due, created_at)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    self._number,
                    account.id,
                    happening.type,
                    happening.row["env_id"],
                    body,
                    "waiting" if account.config.webhook.url else "kept",
                    now + events.delay + late,
                    now,
                ),
            )
            self._number += 1
        if number % 256 < copies:
            self._store.execute(
                "DELETE FROM event WHERE id <= ? AND state <> 'waiting'",
                (self._number - settings.storage.events,),
            )

    async def run(self):
        import aiohttp

        # "force_close": a receiver under test comes and goes, and reused connections would fail
        connector = aiohttp.TCPConnector(limit=0, force_close=True)
        rounds = {}  # account id -> task; so a receiver that hangs holds up its own account only
        async with aiohttp.ClientSession(connector=connector) as self._session:
            try:
                while True:
                    await self._sleep_until_due(rounds)
                    for account in self._accounts_with_due_events():
                        if account not in rounds:
                            task = asyncio.get_running_loop().create_task(self._round(account))
                            task.add_done_callback(partial(self._end_round, rounds, account))
                            rounds[account] = task
            finally:
                for task in rounds.values():
                    task.cancel()

    def _end_round(self, rounds, account, _task):
        del rounds[account]
        self.wake()

    async def _sleep_until_due(self, rounds):
        due = self._store.value("SELECT min(due) FROM event WHERE state = 'waiting'")
        seconds = 3600 if due is None else max(due - self._core.clock.now(), 0)
        if rounds:  # what is due may be in the hands of a round, whose end wakes us
            seconds = max(seconds, 0.5)
        try:
            await asyncio.wait_for(self._wake.wait(), min(seconds, 3600))
        except asyncio.TimeoutError:
            pass
        self._wake.clear()
        await asyncio.sleep(_ROUND)

    def _accounts_with_due_events(self):
        rows = self._store.rows(
            "SELECT DISTINCT account FROM event WHERE state = 'waiting' AND due <= ?",
            (self._core.clock.now(),),
        )
        return [row["account"] for row in rows]

    async def _round(self, account):
        """Push some of what is due for one account, at the same time."""
        rows = self._store.rows(
            "SELECT * FROM event WHERE state = 'waiting' AND account = ? AND due <= ?"
            " ORDER BY due, id LIMIT ?",
            (account, self._core.clock.now(), max(1, self._core.settings.events.parallel)),
        )
        await asyncio.gather(*(self._push(row) for row in rows))

    async def _push(self, row):
        account = self._core.accounts.by_id(row["account"])
        if account is None or not account.config.webhook.url:
            self._finish(row, "kept", "")
            return
        events = account.settings.events
        error = await self._post(account, row["body"].encode())
        if error is None:
            self._finish(row, "pushed", "")
        elif row["attempts"] >= events.retries:
            self._finish(row, "dead", error)
        else:
            jitter = seeded(account.settings.outcomes.seed, "retry", row["id"], row["attempts"])
            self._store.execute(
                "UPDATE event SET attempts = attempts + 1, error = ?, due = ? WHERE id = ?",
                (
                    error,
                    self._core.clock.now() + events.retry_seconds + jitter * events.retry_jitter,
                    row["id"],
                ),
            )

    def _finish(self, row, state, error):
        self._store.execute(
            "UPDATE event SET state = ?, error = ?, attempts = attempts + 1 WHERE id = ?",
            (state, error, row["id"]),
        )

    async def _post(self, account, body):
        """Push one event. Returns None, or why it failed."""
        import aiohttp

        webhook, events = account.config.webhook, account.settings.events
        headers = {"content-type": "application/cloudevents+json; charset=utf-8"}
        if events.signature != "none":
            form = f"content={events.certificate_content}&encoding={events.certificate_encoding}"
            url = events.certificate_url or f"{self._core.certificate_url}?{form}"
            headers |= self._core.signer.headers(
                webhook.url, url, webhook.token, body, events.signature, events.signature_newline
            )
        elif webhook.token:
            headers["x-eventbridge-signature-token"] = webhook.token
        try:
            timeout = aiohttp.ClientTimeout(total=events.timeout)
            async with self._session.post(
                webhook.url, data=body, headers=headers, timeout=timeout, allow_redirects=False
            ) as answer:
                await answer.read()
                return None if 200 <= answer.status < 300 else f"HTTP {answer.status}"
        except (aiohttp.ClientError, asyncio.TimeoutError, OSError, ValueError) as error:
            return f"{type(error).__name__}: {error}"[:300]

    async def settle(self, longest=5.0):
        """Wait until nothing is due any more, at most so many seconds."""
        loop = asyncio.get_running_loop()
        end = loop.time() + longest
        while loop.time() < end:
            due = self._store.value("SELECT min(due) FROM event WHERE state = 'waiting'")
            if due is None or due > self._core.clock.now():
                return
            await asyncio.sleep(_ROUND)
