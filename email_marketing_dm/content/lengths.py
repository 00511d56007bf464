# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Lengths in UTF-16 units, as DirectMail counts them: most emoji take two or more."""

from __future__ import annotations

import unicodedata
from bisect import bisect_right
from itertools import accumulate
from typing import Literal

#: a value of Odoo's Char, Text or Html field, which is False when empty
OdooText = str | Literal[False] | None

_JOINERS = "\u200d\u200c\u034f"
_EMOJI_MODIFIERS = range(0x1F3FB, 0x1F400)
_FLAGS = range(0x1F1E6, 0x1F200)  # regional indicators: each pair is one flag
_FLAG_LETTERS = "".join(map(chr, _FLAGS))


def count_units(text: OdooText) -> int:
    """Return the length of a text in UTF-16 units; None and False (Odoo's empty) have length 0."""
    return sum(1 if char < "\U00010000" else 2 for char in text or "")


def cut_units(text: OdooText, most: int) -> str:
    """Return the beginning of a text, cut to ``most`` UTF-16 units.

    A letter with its accents and an emoji of several code points are kept whole or left out, never
    split.
    """
    if not text or count_units(text) <= most:
        return text or ""
    units = list(accumulate(map(count_units, text)))
    end = bisect_right(units, most)
    while end > 0 and _belongs_together(text, end):
        end -= 1
    return text[:end]


def _belongs_together(text: str, position: int) -> bool:
    """Return whether a cut before a position would split what readers see as one character."""
    before, after = text[position - 1], text[position]
    if after in _JOINERS or before == "\u200d" or unicodedata.category(after) in ("Mn", "Me"):
        return True
    if ord(after) in _EMOJI_MODIFIERS:
        return True
    if ord(after) in _FLAGS and ord(before) in _FLAGS:
        letters = len(text[:position]) - len(text[:position].rstrip(_FLAG_LETTERS))
        return letters % 2 == 1
    return False
