"""What all parts share: one data directory, one clock, the accounts."""

from __future__ import annotations

import asyncio
import sys
import traceback
from collections import Counter, deque
from pathlib import Path

from .accounts import Accounts
from .clock import Clock
from .config import merged
from .events import Signer
from .faults import Faults
from .mail import MailRoom
from .mailbox import Mailbox
from .operations import REGISTRY
from .push import Pusher
from .store import Nonces, Store
from .timeline import Timeline


class Core:
    """The emulator without its network side."""

    def __init__(self, config, directory):
        self.directory = Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.store = Store(self.directory / "emulator.sqlite")
        self.clock = Clock(self.store.load("clock_offset", 0.0))
        self._base_settings = config.settings
        self._setting_changes = self.store.load("settings", {})
        self.settings = config.settings.with_changes(self._setting_changes)
        self.accounts = Accounts(config.accounts, self.settings, self.store, self.clock)
        self.faults = Faults(config.faults)
        self.signer = Signer(self.directory)
        self.nonces = Nonces(self.store, self.settings.protocol.clock_window * 2)
        self.mailbox = Mailbox(self)
        self.pusher = Pusher(self)
        self.mail = MailRoom(self)
        self.timeline = Timeline(self)
        #: set by the server when it knows its port
        self.certificate_url = ""
        #: the newest calls, and how many there were by operation and answer
        self.calls = deque(maxlen=500)
        self.call_counts = Counter()
        self.internal_errors = 0
        self._tasks = []

    def start(self):
        """Let time pass; needs a running event loop."""
        loop = asyncio.get_running_loop()
        self._tasks = [
            loop.create_task(self._keep_going(part.run)) for part in (self.timeline, self.pusher)
        ]

    async def _keep_going(self, run):
        """Run something for ever; an error of ours is told and counted, and does not end it."""
        while True:
            try:
                await run()
            except Exception:
                traceback.print_exc(file=sys.stderr)
                self.internal_errors += 1
                await asyncio.sleep(1)

    async def stop(self):
        pending = set(self._tasks)
        while pending:
            # Again and again: `asyncio.wait_for` of Python 3.11 and older forgets a cancellation
            # that comes together with the event that it waits for.
            for task in pending:
                task.cancel()
            _done, pending = await asyncio.wait(pending, timeout=0.1)
        self.store.close()

    def wake(self):
        """Something new may be due."""
        self.timeline.wake()

    def advance_clock(self, seconds):
        """Move the clock forward; it stays so after a restart."""
        self.clock.offset += seconds
        self.store.save("clock_offset", self.clock.offset)
        self.timeline.wake()
        self.pusher.wake()

    def change_settings(self, changes):
        """Lay changes over the settings of all accounts; they are remembered.

        :raises ConfigError: naming what can't be; nothing is changed then
        """
        together = merged(self._setting_changes, changes)
        settings = self._base_settings.with_changes(together)
        for account in self.accounts:
            settings.with_changes(account.config.settings)
        self._setting_changes, self.settings = together, settings
        self.accounts.use_settings(settings)
        self.store.save("settings", together)
        self.timeline.wake()
        self.pusher.wake()

    def count_call(self, action, access_key_id, answer, at):
        """Note a call for the page and for tests. ``answer`` is "ok" or an error code."""
        if action not in REGISTRY:  # whatever a broken client says must not fill our memory
            action = "(unknown)"
        self.calls.append(
            {"action": action, "account": access_key_id[:64], "answer": answer, "at": at}
        )
        self.call_counts[action, answer] += 1
