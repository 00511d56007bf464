# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""How often something is done that is wanted every hour, by what it costs."""

import math

SECONDS_PER_HOUR = 60  # a refresh may take this part of each hour: one minute
HOURS_MAX = 24


def count_hours(seconds: float | None) -> int:
    """Return after how many hours work is repeated: one for each minute that it took, 1 to 24.

    So it takes at most a sixtieth of the time, unless it takes longer than `HOURS_MAX` minutes.

    :param seconds: that the work took the last time; None if it is not known
    """
    return min(HOURS_MAX, max(1, math.ceil((seconds or 0) / SECONDS_PER_HOUR)))
