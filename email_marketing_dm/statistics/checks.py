# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Checks of arguments that the functions of this package share; each raises ValueError."""

from __future__ import annotations

import math


def check_counts(successes: int, people: int) -> None:
    """Refuse a negative count, NaN, and more successes than people."""
    if not 0 <= successes <= people or math.isinf(people):
        raise ValueError(f"{successes} of {people} people is not a count of successes.")


def check_share(name: str, value: float) -> None:
    """Refuse a value that is not above 0 and below 1; NaN is refused, too."""
    if not 0 < value < 1:
        raise ValueError(f"{name} must be between 0 and 1, not {value}.")


def check_rate(value: float) -> None:
    """Refuse a value that is not from 0 to 1; NaN is refused, too."""
    if not 0 <= value <= 1:
        raise ValueError(f"A rate must be from 0 to 1, not {value}.")
