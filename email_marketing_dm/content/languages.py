# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Chooses the best of Odoo's installed languages for a person, and names a mail's language."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterable, Mapping

from babel.core import get_global, parse_locale

from .lengths import OdooText

_Parts = tuple[str, str | None, str | None]  # language, country, script

_RIGHT_TO_LEFT = frozenset(("ar", "ckb", "dv", "fa", "he", "ps", "sd", "ug", "ur", "yi"))
_WITHOUT_SPACES = frozenset(("ja", "zh"))


def choose_language(wanted: Iterable[OdooText], spoken: Collection[str]) -> str | None:
    """Return the first wanted language that is spoken, or None.

    The same language of another country is better than none ("de-AT" is answered in "de_DE");
    among several countries one with the same script is preferred ("zh-HK" is answered in "zh_TW").

    :param wanted: codes in order of preference: "de_DE", "de-AT", "zh-Hant"; empty and invalid
        codes are skipped
    :param spoken: Odoo's codes, e.g. ["en_US", "sr@latin"]
    """
    for code in wanted:
        if not code:
            continue
        if code in spoken:
            return code
        asked = _parse(code)
        near = [known for known in spoken if _parse(known)[0] == asked[0] != ""]
        if near:
            return max(near, key=lambda known: _similarity(asked, _parse(known)))
    return None


def join_sentences(language: OdooText, sentences: Iterable[OdooText]) -> str:
    """Return sentences as one text, without spaces in Chinese and Japanese; skip empty ones.

    :param language: Odoo's code, e.g. "zh_CN"
    """
    space = "" if _parse(language or "en_US")[0] in _WITHOUT_SPACES else " "
    return space.join(str(sentence) for sentence in sentences if sentence)


def name_language(code: OdooText) -> str:
    """Return a language as HTML's ``lang`` attribute names it, "" for an empty or invalid code.

    :param code: Odoo's, e.g. "de_DE" or "sr@latin"
    :return: "de-DE", "sr-Latn"
    """
    language, country, _script = _parse(code or "")
    if not code or not language:
        return ""
    script = {"latin": "Latn", "Cyrl": "Cyrl"}.get(code.partition("@")[2], "")
    return "-".join(filter(None, (language, script, country if country != "001" else "")))


def is_right_to_left(code: OdooText) -> bool:
    """Return whether a language, by Odoo's code, is written from right to left."""
    return _parse(code or "")[0] in _RIGHT_TO_LEFT


def find_script_language(text: OdooText) -> str:
    """Guess the language of a text in a right-to-left script from its letters.

    :return: "he" for Hebrew letters, "ar" for Arabic letters whatever the language; "" if at
        least half of the letters are left-to-right
    """
    kinds = [unicodedata.bidirectional(char) for char in text or "" if char.isalpha()]
    hebrew, arabic = kinds.count("R"), kinds.count("AL")
    if hebrew + arabic <= len(kinds) / 2 or not kinds:
        return ""
    return "he" if hebrew > arabic else "ar"


def _similarity(one: _Parts, other: _Parts) -> tuple[bool, bool]:
    """Return a sort key: the same country counts before the same script."""
    return one[1] == other[1], one[2] == other[2]


def _parse(code: str) -> _Parts:
    """Return (language, country, script), ("", None, None) for an invalid code.

    A code without script gets the usual script of its language and country.
    """
    code, _at, variant = code.partition("@")
    try:
        language, country, script = parse_locale(code.replace("-", "_"))[:3]
    except ValueError:
        return "", None, None
    usual: Mapping[str, str] = get_global("likely_subtags")
    likely = usual.get(f"{language}_{country}") or usual.get(language) or ""
    script = script or {"latin": "Latn"}.get(variant) or likely.partition("_")[2][:4]
    return language, country, script
