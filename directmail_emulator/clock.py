"""The emulator's clock, which tests can move forward, and Beijing time."""

from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone

#: DirectMail counts its days and prints its times in Beijing time, wherever the region is.
BEIJING = timezone(timedelta(hours=8))


class Clock:
    """Seconds since 1970 (UTC), as the real clock says plus what tests have added.

    Quotas, throttles, outcomes, statistics and the ledger follow this clock. The age of a
    signature does not: it is compared with the real one, because clients sign with theirs.
    """

    def __init__(self, offset=0.0):
        self.offset = offset
        #: seconds that the gateway's own clock is wrong by (see the fault "clock skew")
        self.gateway_skew = 0.0

    def now(self):
        return time.time() + self.offset

    def gateway_now(self):
        """The time by which the gateway judges the age of a signature."""
        return time.time() + self.gateway_skew


def beijing(moment):
    """The aware datetime, in Beijing time, of epoch seconds."""
    return datetime.fromtimestamp(moment, BEIJING)


def beijing_day(moment):
    """``2026-01-31``: the day in Beijing that epoch seconds fall in."""
    return beijing(moment).strftime("%Y-%m-%d")


def beijing_minute(moment):
    """``2026-01-31 23:59``: how DirectMail prints most times."""
    return beijing(moment).strftime("%Y-%m-%d %H:%M")


def iso_utc(moment):
    """``2026-01-31T15:59:00Z``"""
    return datetime.fromtimestamp(moment, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_beijing(text, pattern):
    """Epoch seconds of a Beijing time written after ``pattern`` (as for ``strptime``).

    :raises ValueError: when the text does not fit the pattern
    """
    return datetime.strptime(text, pattern).replace(tzinfo=BEIJING).timestamp()
