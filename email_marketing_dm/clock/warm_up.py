# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Warm-up: daily limits of a sender address that grow with each day on which it is used."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

#: Forecasts end after so many days.
LONGEST = 400


class WarmUp(NamedTuple):
    """Settings of a warm-up.

    :ivar start: mails on the first day
    :ivar growth: percent by which the limit of a day is above that of the day before
    :ivar end: there is no limit any more once it reaches this number
    """

    start: int
    growth: int
    end: int


def get_limit(warm_up: WarmUp, last: tuple[int, int, bool] | None) -> int:
    """Return today's limit. It grows only after a day on which half of the limit was used.

    :param last: (limit, mails, whether that is today) of the last day with mails, None if none
    """
    if last is None:
        return warm_up.start
    limit, used, is_today = last
    return limit if is_today or 2 * used < limit else grow(warm_up, limit)


def grow(warm_up: WarmUp, limit: int) -> int:
    """Return the limit of the day after a day with this limit."""
    return limit + max(1, limit * warm_up.growth // 100)


def get_limits(warm_up: WarmUp, limit: int) -> Iterator[int | None]:
    """Yield the limits of the days from today on, each of which is used; None: no limit.

    :param limit: today's
    """
    while limit < warm_up.end:
        yield limit
        limit = grow(warm_up, limit)
    while True:
        yield None


def foresee(
    warm_up: WarmUp, limit: int, used: int, mails: int, quotas: tuple[int, int]
) -> list[int]:
    """Return how many of so many mails are sent on each day from today on.

    The list ends with the day of the last mail, or after `LONGEST` days.

    :param limit: today's
    :param used: mails of today's limit that were sent already
    :param quotas: (mails that the account's quota leaves today, its quota of any other day)
    """
    days: list[int] = []
    for allowed in get_limits(warm_up, limit):
        room = quotas[1] if days else quotas[0]
        if allowed is not None:
            room = min(room, allowed if days else max(0, allowed - used))
        days.append(min(mails, max(0, room)))
        mails -= days[-1]
        if mails <= 0 or len(days) >= LONGEST:
            break
    return days
