# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The first name of a person, from one field with the whole name."""

from __future__ import annotations

import re

_TITLES = frozenset(
    """mr mrs ms miss mx sir madam dame lord lady dr prof professor doctor rev reverend fr hon capt
    herr frau fräulein dipl ing mag dkfm priv doz pd univ
    m mme mlle monsieur madame mademoiselle me maître
    sr sra srta señor señora señorita don doña dña
    sig sigra signor signora signorina dott dottssa avv ing arch geom
    dhr mevr mw drs ir
    sra dra srª exmo exma pan pani ing mgr bc""".split()
)
_SUFFIXES = frozenset(
    "jr sr i ii iii iv phd md dds mba msc bsc ma ba esq cpa llm jd rn sen jun mult hc".split()
)
# Titles that follow a Chinese, Japanese or Korean name.
_EAST_ASIAN_TITLES = re.compile(
    r"[\s　]*(?:先生|女士|小姐|太太|夫人|老师|老師|博士|教授|经理|經理|总"
    r"|様|さん|さま|氏|殿|님|씨)$"
)
_EAST_ASIAN = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff]")
_LETTER = re.compile(r"[^\W\d_]")
_QUOTED = re.compile(r"[\"“”„«»][^\"“”„«»]*[\"“”„«»]|\([^)]*\)")


def get_first_name(name: str | None) -> str:
    """Return what to call a person after "Dear" or "Hi"; "" if the name does not tell.

    - Titles and academic degrees are left out: "Prof. Dr. Ada King, PhD" is "Ada".
    - "King, Ada" is "Ada". Initials are skipped: "J. Ronald Tolkien" is "Ronald", "J. Smith" is "".
    - Names in capitals or small letters are written as names: "ADA KING" is "Ada".
    - Names in Chinese, Japanese or Korean letters are returned whole, without a title at the end:
      "王小明先生" is "王小明". The family name comes first there, and to call customers by their
      given name alone would be impolite.
    - Addresses, and words with digits, are no names: "info@shop.org" and "Shop 24" are "".

    The order of other names is taken to be first name, then family name. A Hungarian or Vietnamese
    name whose family name comes first can't be told from them.
    """
    text = " ".join(_QUOTED.sub(" ", name or "").split())
    if "@" in text or any(char.isdigit() for char in text):
        return ""
    if _EAST_ASIAN.search(text):
        return _EAST_ASIAN_TITLES.sub("", text).strip()
    family, comma, rest = text.partition(",")
    if comma and not all(_is_known(word, _SUFFIXES | _TITLES) for word in rest.split()):
        text = rest
    else:
        text = family
    words = text.split()
    while words and _is_known(words[0], _TITLES):
        words.pop(0)
    first = next((word for word in words if not _is_initial(word)), "").strip(".,;:-'’")
    if not _LETTER.search(first) or len(words) > 1 and _is_initials_only(words[:-1]):
        return ""
    return _write_as_name(first)


def _is_known(word: str, known: frozenset[str]) -> bool:
    """Return whether a word, or each part of one such as "Dipl.-Ing.", is in a set."""
    parts = [part for part in re.split(r"[.\-/,]+", word.lower()) if part]
    return bool(parts) and ("".join(parts) in known or all(part in known for part in parts))


def _is_initial(word: str) -> bool:
    """Return whether a word is an initial, or several: "J.", "J.R.R.", "J"."""
    return len(word) == 1 or bool(re.fullmatch(r"(?:[^\W\d_]\.-?)+", word))


def _is_initials_only(words: list[str]) -> bool:
    return all(_is_initial(word) for word in words)


def _write_as_name(word: str) -> str:
    """Return a word in capitals or small letters with capitals where names have them."""
    if len(word) > 2 and word.isupper() or word.islower():
        return re.sub(r"[^\W\d_]+", lambda match: match[0].capitalize(), word)
    return word
