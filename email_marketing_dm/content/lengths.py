# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Lengths as DirectMail counts them: in UTF-16 units, of which an emoji takes two or more."""

import unicodedata
from bisect import bisect_right
from itertools import accumulate

_JOINERS = "\u200d\u200c\u034f"
_EMOJI_MODIFIERS = range(0x1F3FB, 0x1F400)
_FLAGS = range(0x1F1E6, 0x1F200)  # two such letters are one flag
_FLAG_LETTERS = "".join(map(chr, _FLAGS))


def count_units(text):
    """Return the length of a text in UTF-16 units.

    :param text: str; None and False count as empty
    """
    return sum(1 if char < "\U00010000" else 2 for char in text or "")


def cut_units(text, most):
    """Return the beginning of a text, at most so many UTF-16 units long.

    What a reader sees as one character is kept whole or left out: letters with their accents,
    emoji that are made of several.
    """
    if count_units(text) <= most:
        return text or ""
    units = list(accumulate(map(count_units, text)))
    end = bisect_right(units, most)
    while end > 0 and _belongs_together(text, end):
        end -= 1
    return text[:end]


def _belongs_together(text, position):
    """Tell whether a text can't be cut before a position."""
    before, after = text[position - 1], text[position]
    if after in _JOINERS or before == "\u200d" or unicodedata.category(after) in ("Mn", "Me"):
        return True
    if ord(after) in _EMOJI_MODIFIERS:
        return True
    if ord(after) in _FLAGS and ord(before) in _FLAGS:
        letters = len(text[:position]) - len(text[:position].rstrip(_FLAG_LETTERS))
        return letters % 2 == 1
    return False
