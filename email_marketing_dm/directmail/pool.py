# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Threads that only make network calls: they use neither the database nor Odoo."""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from .answers import Answer, Verdict

_logger = logging.getLogger(__name__)
Key = TypeVar("Key")
Job = TypeVar("Job")
Result = TypeVar("Result")


class CallPool(Generic[Key, Job, Result]):
    """Runs ``call(job)`` for many jobs in parallel, without a barrier: `drain` at any time.

    Only one thread may submit and drain. A job counts as in flight until `drain` returns its
    result, so ``in_flight`` never exceeds ``threads`` and a submitted job starts at once. The
    threads are daemons, so that a stuck call does not keep the process alive.

    :param threads: number of calls at a time
    :param call: called in a thread with a job; returns its result. If it raises, the result is
        an UNKNOWN Answer.
    """

    def __init__(self, threads: int, call: Callable[[Job], Result]) -> None:
        self._call = call
        # None ends one thread.
        self._jobs: queue.SimpleQueue[tuple[Key, Job, Result | None] | None] = queue.SimpleQueue()
        self._results: queue.SimpleQueue[tuple[Key, Job, Result | Answer]] = queue.SimpleQueue()
        self._in_flight = 0
        self._closed = False
        # All threads are started here, so that a limit of the machine shows before a mail is sent.
        self._threads = [
            threading.Thread(target=self._work, name=f"directmail-{index}", daemon=True)
            for index in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def in_flight(self) -> int:
        """Number of submitted jobs whose result `drain` has not returned yet."""
        return self._in_flight

    @property
    def free(self) -> int:
        """Number of jobs that may be submitted now."""
        return 0 if self._closed else len(self._threads) - self._in_flight

    def submit(self, key: Key, job: Job, no_answer: Result | None = None) -> None:
        """Start a job.

        :param key: returned with the result
        :param no_answer: the result if the call raises; by default an UNKNOWN Answer, as for a mail
        :raise RuntimeError: no thread is free, or the pool is closed
        """
        if self.free <= 0:
            raise RuntimeError("No thread is free.")
        self._in_flight += 1
        self._jobs.put((key, job, no_answer))

    def drain(self, timeout: float) -> list[tuple[Key, Job, Result | Answer]]:
        """Return [(key, job, result)] of all finished jobs.

        Waits for the first one, at most ``timeout`` seconds, even when no job is in flight.
        """
        finished: list[tuple[Key, Job, Result | Answer]] = []
        with contextlib.suppress(queue.Empty):
            finished.append(self._results.get(timeout=max(0.0, timeout)))
            while True:
                finished.append(self._results.get_nowait())
        self._in_flight -= len(finished)
        return finished

    def close(self, timeout: float) -> list[tuple[Key, Job, Result | Answer]]:
        """End the threads and return the remaining results, as `drain` does.

        Waits at most ``timeout`` seconds; ``in_flight`` is then the number of stuck calls. A second
        call returns the results that came since.
        """
        if not self._closed:
            self._closed = True
            for _thread in self._threads:
                self._jobs.put(None)
        deadline = time.monotonic() + timeout
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return self.drain(0)

    def _work(self) -> None:
        while (item := self._jobs.get()) is not None:
            key, job, no_answer = item
            result: Result | Answer
            try:
                result = self._call(job)
            except BaseException as error:
                # UNKNOWN, because the mail may have been sent before the exception. Its text may
                # quote an address, so only its type is kept.
                name = type(error).__name__
                _logger.error("A call to DirectMail ended with an unexpected %s.", name)
                result = no_answer or Answer(Verdict.UNKNOWN, code=name)
            self._results.put((key, job, result))
