# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Which of the languages that we speak is the best for somebody, and how a mail names its own."""

import unicodedata

from babel.core import get_global, parse_locale

_RIGHT_TO_LEFT = frozenset(("ar", "ckb", "dv", "fa", "he", "ps", "sd", "ug", "ur", "yi"))


def choose_language(wanted, spoken):
    """Return the first wanted language that is spoken, or None.

    A language of another country is better than none ("de-AT" is answered in "de_DE"), one in the
    same script better than another ("zh-HK" in "zh_TW", where that is spoken).

    :param wanted: codes, the dearest first: "de_DE", "de-AT", "zh-Hant"; empty ones don't count,
        nor does what is no code
    :param spoken: Odoo's codes, e.g. ["en_US", "sr@latin"]
    :rtype: str or None
    """
    for code in wanted:
        if code in spoken:
            return code
        asked = _parse(code or "")
        near = [known for known in spoken if _parse(known)[0] == asked[0] != ""]
        if near:
            return max(near, key=lambda known: _compare(asked, _parse(known)))
    return None


def name_language(code):
    """Return a language as HTML names it, "" if the code is none.

    :param code: Odoo's, e.g. "de_DE" or "sr@latin"
    :return: "de-DE", "sr-Latn"
    """
    language, country, _script = _parse(code or "")
    if not language:
        return ""
    script = {"latin": "Latn", "Cyrl": "Cyrl"}.get(code.partition("@")[2], "")
    return "-".join(filter(None, (language, script, country if country != "001" else "")))


def is_right_to_left(code):
    """Tell whether a language, by Odoo's code, is written from right to left."""
    return _parse(code or "")[0] in _RIGHT_TO_LEFT


def find_script_language(text):
    """Return the language of a text that is written from right to left, as far as its script says.

    :return: "he", or "ar" for all that is written with Arabic letters; "" where most letters are
        written from left to right
    """
    kinds = [unicodedata.bidirectional(char) for char in text or "" if char.isalpha()]
    hebrew, arabic = kinds.count("R"), kinds.count("AL")
    if hebrew + arabic <= len(kinds) / 2 or not kinds:
        return ""
    return "he" if hebrew > arabic else "ar"


def _compare(one, other):
    return one[1] == other[1], one[2] == other[2]


def _parse(code):
    """Return (language, country, script); the script is the usual one where none is said."""
    code, _at, variant = code.partition("@")
    try:
        language, country, script = parse_locale(code.replace("-", "_"))[:3]
    except ValueError:
        return "", None, None
    usual = get_global("likely_subtags")
    likely = usual.get(f"{language}_{country}") or usual.get(language) or ""
    script = script or {"latin": "Latn"}.get(variant) or likely.partition("_")[2][:4]
    return language, country, script
