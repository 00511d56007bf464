# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Texts that visitors of public pages enter, or that their browsers send."""

from __future__ import annotations

import unicodedata

#: Invisible, but part of words in Persian and Indian scripts, and of emoji.
_JOINERS = "\u200c\u200d"


def clean_line(text: str | None, most: int) -> str:
    """Return ``text`` as one line of at most ``most`` characters, all of which are visible.

    Control characters and line breaks become spaces. Invisible formatting is left out: it can
    reverse the order in which lists show the following text.
    """
    shown = "".join(map(_show, text or ""))
    return " ".join(shown.split())[:most].strip(f" {_JOINERS}")


def _show(char: str) -> str:
    if char.isprintable() or char in _JOINERS:
        return char
    return "" if unicodedata.category(char) == "Cf" else " "
