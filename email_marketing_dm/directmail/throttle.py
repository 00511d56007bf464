# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""How fast one account may call DirectMail."""

import time

# Calls that may go out at once after a pause, in seconds' worth of the rate. Small, so that any
# one second sees at most 1.2 times the rate: 96 of DirectMail's 100 calls at our 80.
BURST_SECONDS = 0.2
SLOWEST = 1.0  # calls a second
RECOVERY_SECONDS = 60.0  # from a standstill to the configured rate
SETTLE_SECONDS = 1.0  # calls that were under way when the rate was halved say the same thing again


class AdaptiveRate:
    """A token bucket that slows down when told to and recovers by itself.

    Every second without a complaint gives back a sixtieth of the configured rate. Not
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
        self._halved_at = None
        self._tokens = self._capacity()

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

    def slow_down(self, retry_after=None):
        """DirectMail said "too fast": halve the rate and drop what was saved up.

        The calls that were under way at that moment will say so too; within one second that
        doesn't halve the rate again.

        :param retry_after: seconds during which take() gives nothing, or None
        """
        self._advance()
        now = self._seen
        if self._halved_at is None or now - self._halved_at >= SETTLE_SECONDS:
            self._rate = max(min(SLOWEST, self._full), self._rate / 2)
            self._halved_at = now
        self._tokens = 0.0
        self._held_until = max(self._held_until, now + (retry_after or 0))

    def _capacity(self):
        return max(1.0, self._rate * BURST_SECONDS)

    def _advance(self):
        """Bring tokens and rate up to now; nothing comes in while held."""
        now = self._clock()
        start = max(self._seen, min(now, self._held_until))
        elapsed = max(0.0, now - start)
        self._seen = max(now, self._seen)
        # Float dust would turn a whole token into 0.999... of one.
        self._tokens = round(min(self._capacity(), self._tokens + elapsed * self._rate), 9)
        self._rate = min(self._full, self._rate + elapsed * self._full / RECOVERY_SECONDS)
