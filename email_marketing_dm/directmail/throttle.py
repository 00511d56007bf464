# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Limits the calls per second of one account."""

from __future__ import annotations

import time
from collections.abc import Callable

from .const import RATE_MAX

# Tokens saved up during a pause, in seconds of the rate: any one second has at most 1.2 times the
# rate, 96 calls of DirectMail's 100 at our 80. Near 100 there is less room, but BURST_SECONDS_LEAST
# is needed to catch up after a database write during which no call started.
BURST_SECONDS = 0.2
BURST_SECONDS_LEAST = 0.1
SLOWEST = 1.0  # calls per second, lower limit of the rate
RECOVERY_SECONDS = 60.0  # from a rate of 0 to the configured rate
STEP = 0.02  # share of the configured rate that one throttled call takes away
SETTLE_SECONDS = 1.0  # within this time throttled calls take away at most half of the rate


class AdaptiveRate:
    """A token bucket whose rate `slow_down` lowers and time restores.

    One throttled call takes away STEP, so that the rate stays near DirectMail's limit; a second of
    throttled calls takes away half. Every second gives back a sixtieth of the configured rate. Not
    thread-safe: only the thread that starts the calls may use it.

    :param rate_per_second: the configured rate, above 0
    :param clock: returns monotonic seconds
    """

    def __init__(self, rate_per_second: float, clock: Callable[[], float] = time.monotonic) -> None:
        if rate_per_second <= 0:
            raise ValueError("The rate must be above 0.")
        self._full = float(rate_per_second)
        self._rate = self._full
        self._clock = clock
        self._seen = clock()
        self._held_until = self._seen
        self._floor: float | None = None
        self._floor_since = 0.0
        # One token only: an earlier run may have made calls within this second.
        self._tokens = 1.0

    @property
    def rate(self) -> float:
        """Current rate in calls per second."""
        self._advance()
        return self._rate

    def take(self, n_max: float) -> int:
        """Take the tokens that there are now, at most ``n_max``; return how many were taken."""
        self._advance()
        if self._seen < self._held_until:
            return 0
        count = max(0, min(int(n_max), int(self._tokens)))
        self._tokens -= count
        return count

    def foresee(self, seconds: float) -> int:
        """Return how many tokens take() can give within ``seconds`` if no call is throttled."""
        self._advance()
        held = max(0.0, self._held_until - self._seen)
        return int(self._tokens + max(0.0, seconds - held) * self._rate)

    def delay(self, count: int = 1) -> float:
        """Return the seconds until take() gives ``count``; 0.0 when it does now.

        A count that can never be saved up counts as the most that can.
        """
        self._advance()
        held = max(0.0, self._held_until - self._seen)
        missing = min(count, int(self._capacity())) - self._tokens
        return held + max(0.0, missing) / self._rate

    def slow_down(self, retry_after: float | None = None, halve: bool = False) -> None:
        """Lower the rate by STEP and drop all tokens, after a call that DirectMail throttled.

        Calls that were in flight at that moment are throttled too, so that within SETTLE_SECONDS
        all of them together take away at most half of the rate.

        :param retry_after: seconds during which take() returns 0, or None
        :param halve: halve the rate at once: the service has a fault, not one call too many
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

    def _capacity(self) -> float:
        room = RATE_MAX / self._rate - 1
        return max(1.0, self._rate * min(BURST_SECONDS, max(BURST_SECONDS_LEAST, room)))

    def _advance(self) -> None:
        """Bring tokens and rate up to now; both stay as they are until ``_held_until``."""
        now = self._clock()
        start = max(self._seen, min(now, self._held_until))
        elapsed = max(0.0, now - start)
        self._seen = max(now, self._seen)
        # Rounded, because a float error would make 0.999... of a whole token.
        self._tokens = round(min(self._capacity(), self._tokens + elapsed * self._rate), 9)
        self._rate = min(self._full, self._rate + elapsed * self._full / RECOVERY_SECONDS)
