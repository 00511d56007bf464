# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Threads that make network calls, and nothing else: no database, no Odoo."""

import contextlib
import logging
import queue
import threading
import time

from .answers import Answer, Verdict

_logger = logging.getLogger(__name__)
_STOP = object()


class CallPool:
    """Runs ``call(job)`` for many jobs at once. There is no barrier: take results as they come.

    Belongs to the one thread that submits and drains. A job counts as in flight until its result
    was handed out, so ``in_flight`` never exceeds ``threads`` and a submitted job starts at once.
    The threads are daemons: a stuck call can't keep the process alive.

    :param threads: how many calls at once
    :param call: called in a thread with a job; returns its result
    """

    def __init__(self, threads, call):
        self._call = call
        self._jobs = queue.SimpleQueue()
        self._results = queue.SimpleQueue()
        self._in_flight = 0
        self._closed = False
        # All of them now: where the machine allows no more threads, fail before anything is sent.
        self._threads = [
            threading.Thread(target=self._work, name=f"directmail-{index}", daemon=True)
            for index in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def in_flight(self):
        """Jobs submitted whose result has not been handed out."""
        return self._in_flight

    @property
    def free(self):
        """How many jobs may be submitted now."""
        return 0 if self._closed else len(self._threads) - self._in_flight

    def submit(self, key, job, no_answer=None):
        """Start a job.

        :param no_answer: the result if the call raises; by default an UNKNOWN Answer, as for a mail
        :raise RuntimeError: no thread is free, or the pool is closed
        """
        if self.free <= 0:
            raise RuntimeError("No thread is free.")
        self._in_flight += 1
        self._jobs.put((key, job, no_answer))

    def drain(self, timeout):
        """Return everything that has finished as a list of (key, job, result).

        Waits until there is at least one, or for ``timeout`` seconds, also when nothing is in
        flight.
        """
        finished = []
        with contextlib.suppress(queue.Empty):
            finished.append(self._results.get(timeout=max(0.0, timeout)))
            while True:
                finished.append(self._results.get_nowait())
        self._in_flight -= len(finished)
        return finished

    def close(self, timeout):
        """End the threads and return what drain() would: known results must not be lost.

        Waits ``timeout`` seconds at most; ``in_flight`` then says how many calls are still stuck.
        Closing twice is harmless.
        """
        if not self._closed:
            self._closed = True
            for _thread in self._threads:
                self._jobs.put(_STOP)
        deadline = time.monotonic() + timeout
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return self.drain(0)

    def _work(self):
        while (item := self._jobs.get()) is not _STOP:
            key, job, no_answer = item
            try:
                result = self._call(job)
            except BaseException as error:
                # Whatever it was, the call may have been made. The error's own text may hold an
                # address, so only its type is kept.
                name = type(error).__name__
                _logger.error("A call to DirectMail ended with an unexpected %s.", name)
                result = no_answer or Answer(Verdict.UNKNOWN, code=name)
            self._results.put((key, job, result))
