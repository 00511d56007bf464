"""The Chinese catalogue is complete and keeps what a translation must not touch."""

import re
from collections import Counter
from pathlib import Path

import polib
from babel.messages.extract import extract_from_file

ADDON = Path(__file__).parents[2] / "email_marketing_dm"
TERMS = polib.pofile(ADDON / "i18n" / "email_marketing_dm.pot")
CHINESE = polib.pofile(ADDON / "i18n" / "zh_CN.po")

# Names that a Chinese reader knows as they are. Odoo's own export leaves them empty.
SAME_IN_CHINESE = {
    "AccessKey ID",
    "AccessKey secret",
    "ID",
    "__WEBSITE__",
    "https://www.example.com",
}

PLACEHOLDER = re.compile(r"%(?:\(\w+\))?[sdfr%]")
TAG = re.compile(r"</?\w[^>]*>")
HAN = re.compile("[\u4e00-\u9fff]")


def find_code_terms():
    """Return {term: file} for what the addon's Python code hands to ``_()``."""
    return {
        message: path.name
        for path in ADDON.rglob("*.py")
        if "tests" not in path.parts[len(ADDON.parts) :]
        for _line, message, *_rest in extract_from_file("python", path, keywords={"_": None})
    }


def find_changed(pattern):
    """Return the terms in which ``pattern`` does not match the same things in both languages."""
    return [
        entry.msgid
        for entry in CHINESE
        if entry.msgstr
        and Counter(pattern.findall(entry.msgstr)) != Counter(pattern.findall(entry.msgid))
    ]


def test_every_term_of_the_code_is_in_the_template():
    known = {entry.msgid for entry in TERMS}
    terms = find_code_terms()
    assert len(terms) > 50, "found hardly any code: has the layout changed?"
    assert {term: file for term, file in terms.items() if term not in known} == {}


def test_the_catalogue_has_the_terms_of_the_template():
    """At the same places, too: Odoo finds a translation by them, not by its text alone."""
    expected = {entry.msgid: sorted(entry.occurrences) for entry in TERMS}
    assert {entry.msgid: sorted(entry.occurrences) for entry in CHINESE} == expected
    assert len(CHINESE) == len(TERMS), "a term stands there twice"


def test_every_term_is_translated():
    missing = [
        entry.msgid
        for entry in CHINESE
        if not HAN.search(entry.msgstr) and entry.msgid not in SAME_IN_CHINESE
    ]
    assert missing == []


def test_nothing_is_fuzzy_or_obsolete():
    assert [entry.msgid for entry in CHINESE if entry.fuzzy or entry.obsolete] == []


def test_placeholders_are_kept():
    assert find_changed(PLACEHOLDER) == []


def test_positional_placeholders_need_no_order():
    """Chinese often turns a sentence round, which two bare %s would not survive."""
    assert [e.msgid for e in TERMS if PLACEHOLDER.findall(e.msgid).count("%s") > 1] == []


def test_tags_are_kept():
    assert find_changed(TAG) == []
