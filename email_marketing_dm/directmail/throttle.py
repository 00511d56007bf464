# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""How fast one account may call DirectMail."""

import time

from .const import RATE_MAX

# Calls that may go out at once after a pause, in seconds' worth of the rate. Small, so that any
# one second sees at most 1.2 times the rate: 96 of DirectMail's 100 calls at our 80. Nearer to the
# 100 there is less room, but so much is needed to make up for a write that took a moment.
BURST_SECONDS = 0.2
BURST_SECONDS_LEAST = 0.1
SLOWEST = 1.0  # calls a second
RECOVERY_SECONDS = 60.0  # from a standstill to the configured rate
STEP = 0.02  # of the configured rate, for each call that was too fast
SETTLE_SECONDS = 1.0  # within which complaints take no more than half of the rate


class AdaptiveRate:
    """A token bucket that slows down when told to and recovers by itself.

    One call too many costs little, so that a rate near the limit stays there; a second full of
    complaints costs half. Every second gives back a sixtieth of the configured rate. Not
    thread-safe: it belongs to the thread that starts the calls.

    :param rate_per_second: the configured rate, above 0
    :param clock: returns seconds that never go back
    """

    def __init__(self, rate_per_second, clock=time.monotonic):
        if rate_per_second <= 0:
            raise ValueError("The rate must be above 0.")
        self._full = float(rate_per_second)
        self._rate = self._full
        self._clock = clock
        self._seen = clock()
        self._held_until = self._seen
        self._floor = self._floor_since = None
        # Not more: an earlier run may have called within this second.
        self._tokens = 1.0

    @property
    def rate(self):
        """Calls a second at this moment."""
        self._advance()
        return self._rate

    def take(self, n_max):
        """Take as many tokens as there are now, at most ``n_max``; return how many."""
        self._advance()
        if self._seen < self._held_until:
            return 0
        count = max(0, min(int(n_max), int(self._tokens)))
        self._tokens -= count
        return count

    def delay(self):
        """Return the seconds until take() gives at least one; 0.0 when it does now."""
        self._advance()
        held = max(0.0, self._held_until - self._seen)
        if held:
            return held + max(0.0, 1 - self._tokens) / self._rate
        return max(0.0, 1 - self._tokens) / self._rate

    def slow_down(self, retry_after=None, halve=False):
        """DirectMail said "too fast": lower the rate a step and drop what was saved up.

        Whatever was under way at that moment says so too; within one second all that together takes
        no more than half of the rate.

        :param retry_after: seconds during which take() gives nothing, or None
        :param halve: go down to half at once: this was no call too many, the service is in trouble
        """
        self._advance()
        now = self._seen
        if self._floor is None or now - self._floor_since >= SETTLE_SECONDS:
            self._floor = max(min(SLOWEST, self._full), self._rate / 2)
            self._floor_since = now
        lower = 0 if halve else self._rate - self._full * STEP
        self._rate = min(self._rate, max(self._floor, lower))
        self._tokens = 0.0
        self._held_until = max(self._held_until, now + (retry_after or 0))

    def _capacity(self):
        room = RATE_MAX / self._rate - 1
        return max(1.0, self._rate * min(BURST_SECONDS, max(BURST_SECONDS_LEAST, room)))

    def _advance(self):
        """Bring tokens and rate up to now; nothing comes in while held."""
        now = self._clock()
        start = max(self._seen, min(now, self._held_until))
        elapsed = max(0.0, now - start)
        self._seen = max(now, self._seen)
        # Float dust would turn a whole token into 0.999... of one.
        self._tokens = round(min(self._capacity(), self._tokens + elapsed * self._rate), 9)
        self._rate = min(self._full, self._rate + elapsed * self._full / RECOVERY_SECONDS)
