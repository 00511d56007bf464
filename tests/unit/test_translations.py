"""The catalogues are complete and keep what a translation must not touch.

Chinese and German have every term; the others what recipients read, on our pages and in mails.
"""

import re
from collections import Counter
from pathlib import Path

import polib
import pytest
from babel.messages.extract import extract_from_file

from devenv.translations import COMPLETE, find_recipient_terms, merge

ADDON = Path(__file__).parents[2] / "email_marketing_dm"
TERMS = polib.pofile(ADDON / "i18n" / "email_marketing_dm.pot")
CATALOGUES = {path.stem: polib.pofile(path) for path in sorted((ADDON / "i18n").glob("*.po"))}

# Names that a Chinese reader knows as they are. Odoo's own export leaves them empty.
SAME_IN_CHINESE = {
    "%(answer)s: %(details)s",
    "%(audience)s, %(moment)s",
    "%(audience)s: %(value)s",
    "%(column)s: %(number)s",
    "%(day)s: %(mails)s",
    "%(state)s: %(reason)s",
    "%(step)s: %(event)s",
    "%(step)s: %(problem)s",
    "%(list)s: %(answer)s",
    "%(moment)s: %(event)s",
    "%(name)s, %(date)s",
    "AccessKey ID",
    "AccessKey secret",
    "ID",
    "127.0.0.1:8080",
    "<strong>6 pm</strong>",
    "<strong>7 pm</strong>",
    "<strong>8 pm</strong>",
    "<strong>BACK15</strong>",
    "<strong>SPRING10</strong>",
    "<strong>WELCOME10</strong>",
    "__COMPANY__",
    "__COMPANY__, __ADDRESS__",
    "__WEBSITE__",
    "https://www.example.com",
    "name@example.com",
    "%(label)s: %(count)s",
    "%(reason)s (%(rule)s)",
}
# Short words may be the same in German; of longer ones only these.
SAME_IN_GERMAN_LENGTH = 14
SAME_IN_GERMAN = {
    "%(sentence)s\n(DirectMail: %(details)s)",
    "China (Hangzhou)",
    "Unicode (UTF-16)",
    "Unicode (UTF-8)",
    "__COMPANY__, __ADDRESS__",
    "https://www.example.com",
    "name@example.com",
}

PLACEHOLDER = re.compile(r"%(?:\(\w+\))?[sdfr%]|\{\{.*?\|\|\|")
TAG = re.compile(r"</?\w[^>]*>")
LETTER = re.compile("[A-Za-z]")
HAN = re.compile("[\u4e00-\u9fff]")
#: what follows the words with which a text tells somebody to use a button
PRESSED = re.compile(r"\b[Pp]ress ([A-Z][\w ]*)")
#: a number or its placeholder, and a percent sign
SPACED_PERCENT = re.compile(r"(?:[0-9]|%\(\w+\)s|%s)[ \u00a0]%(?![(\w])")
JOINED_PERCENT = re.compile(r"(?:[0-9]|%\(\w+\)s|%s)%(?![(\w])")


def find_code_terms():
    """Return {term: file} for what the addon's Python code hands to ``_()``."""
    return {
        message: path.name
        for path in ADDON.rglob("*.py")
        if "tests" not in path.parts[len(ADDON.parts) :]
        for _line, message, *_rest in extract_from_file("python", path, keywords={"_": None})
    }


def find_changed(catalogue, pattern):
    """Return the terms in which ``pattern`` does not match the same things in both languages."""
    return [
        entry.msgid
        for entry in catalogue
        if entry.msgstr
        and Counter(pattern.findall(entry.msgstr)) != Counter(pattern.findall(entry.msgid))
    ]


def test_every_term_of_the_code_is_in_the_template():
    known = {entry.msgid for entry in TERMS}
    terms = find_code_terms()
    assert len(terms) > 50, "found hardly any code: has the layout changed?"
    assert {term: file for term, file in terms.items() if term not in known} == {}


def test_no_text_stands_in_an_expression():
    """Odoo translates texts and plain attributes of templates, but no strings in expressions."""
    pattern = re.compile(r"""t-(?:att-(?:title|alt|aria-label|placeholder)|out|esc)="[^"]*'[A-Z]""")
    sources = {path: path.read_text() for path in ADDON.glob("static/src/**/*.xml")}
    assert len(sources) > 5, "found hardly any template: has the layout changed?"
    assert [path.name for path, text in sources.items() if pattern.search(text)] == []


def test_percentages_are_written_as_in_english():
    terms = find_code_terms()
    terms |= {
        text: path.name
        for place in (
            "static/src/**/*.xml",
            "static/designs/*.html",
            "data/*.xml",
            "views/**/*.xml",
        )
        for path in ADDON.glob(place)
        for text in re.findall(r">([^<>]+)<", path.read_text())
    }
    assert len(terms) > 1000, "found hardly any text: has the layout changed?"
    # these signs show how a mail shows them
    signs = "Signs: "
    assert [term for term in terms if SPACED_PERCENT.search(term) and signs not in term] == []


@pytest.mark.parametrize(("code", "wrong"), (("zh_CN", SPACED_PERCENT), ("de", JOINED_PERCENT)))
def test_percentages_are_written_as_in_the_language(code, wrong):
    """40% in English and Chinese, 40 % in German."""
    found = [
        entry.msgstr
        for entry in CATALOGUES[code]
        if wrong.search(entry.msgstr) and not SPACED_PERCENT.search(entry.msgid)
    ]
    assert found == []


@pytest.mark.parametrize("code", COMPLETE)
def test_the_catalogue_has_the_terms_of_the_template(code):
    assert {entry.msgid for entry in CATALOGUES[code]} == {entry.msgid for entry in TERMS}


@pytest.mark.parametrize("code", CATALOGUES)
def test_terms_are_where_the_template_has_them(code):
    """Odoo finds a translation by its places, not by its text alone."""
    expected = {entry.msgid: sorted(entry.occurrences) for entry in TERMS}
    catalogue = CATALOGUES[code]
    found = {entry.msgid: sorted(entry.occurrences) for entry in catalogue}
    assert found == {msgid: expected.get(msgid) for msgid in found}
    assert len(catalogue) == len(found), "a term stands there twice"


@pytest.mark.parametrize("code", CATALOGUES)
def test_what_recipients_read_is_translated(code):
    terms = find_recipient_terms(TERMS)
    assert {"You are unsubscribed", "Yes", "Dear"} <= terms, "has the layout changed?"
    translated = {entry.msgid for entry in CATALOGUES[code] if entry.msgstr}
    assert terms - translated == set()


def test_every_term_is_translated_into_chinese():
    missing = [
        entry.msgid
        for entry in CATALOGUES["zh_CN"]
        if not HAN.search(entry.msgstr)
        and entry.msgid not in SAME_IN_CHINESE
        and (LETTER.search(TAG.sub("", entry.msgid)) or not entry.msgstr)
    ]
    assert missing == []


def test_every_term_is_translated_into_german():
    missing = [
        entry.msgid
        for entry in CATALOGUES["de"]
        if not entry.msgstr
        or entry.msgstr == entry.msgid
        and len(TAG.sub("", PLACEHOLDER.sub("", entry.msgid))) > SAME_IN_GERMAN_LENGTH
        and entry.msgid not in SAME_IN_GERMAN
    ]
    assert missing == []


@pytest.mark.parametrize("code", CATALOGUES)
def test_nothing_is_fuzzy_or_obsolete(code):
    assert [entry.msgid for entry in CATALOGUES[code] if entry.fuzzy or entry.obsolete] == []


@pytest.mark.parametrize("code", CATALOGUES)
def test_placeholders_are_kept(code):
    assert find_changed(CATALOGUES[code], PLACEHOLDER) == []


def test_positional_placeholders_need_no_order():
    """Chinese often turns a sentence round, which two bare %s would not survive."""
    assert [e.msgid for e in TERMS if PLACEHOLDER.findall(e.msgid).count("%s") > 1] == []


@pytest.mark.parametrize("code", CATALOGUES)
def test_tags_are_kept(code):
    assert find_changed(CATALOGUES[code], TAG) == []


def read(text):
    """Return what is seen of a term: no tags, and one space between words."""
    return " ".join(TAG.sub("", text).split())


def find_misnamed(catalogue):
    """Return (label, term) where a text tells to press a button that has another name."""
    labels = {read(entry.msgid): read(entry.msgstr) for entry in catalogue}
    found = []
    for entry in catalogue:
        for named in PRESSED.findall(read(entry.msgid)):
            words = named.split()
            starts = (" ".join(words[:number]) for number in range(len(words), 0, -1))
            label = next((start for start in starts if start in labels), None)
            if label and labels[label] not in read(entry.msgstr):
                found.append((label, entry.msgid))
    return found


@pytest.mark.parametrize("code", sorted(COMPLETE))
def test_texts_name_buttons_as_the_buttons_do(code):
    assert find_misnamed(CATALOGUES[code]) == []


def test_a_misnamed_button_is_found():
    button = polib.POEntry(msgid="Back to draft", msgstr="Zurück auf Entwurf")
    texts = [
        polib.POEntry(
            msgid="Press Back to draft first.", msgstr=f"Klicken Sie zuerst auf „{name}“."
        )
        for name in ("Zurück zum Entwurf", "Zurück auf Entwurf")
    ]
    assert find_misnamed([button, *texts]) == [("Back to draft", "Press Back to draft first.")]


def make_catalogue(*entries):
    """Return a catalogue of (term, translation, places, flags)."""
    catalogue = polib.POFile()
    catalogue.metadata = {"Content-Type": "text/plain; charset=UTF-8", "Language": "fr"}
    for term, translation, places, flags in entries:
        catalogue.append(
            polib.POEntry(
                msgid=term,
                msgstr=translation,
                occurrences=[(place, "0") for place in places],
                flags=flags,
            )
        )
    return catalogue


def test_a_merge_keeps_translations_and_guesses_none():
    terms = make_catalogue(
        ("Send", "", ["a", "b"], []),
        ("Send it now.", "", ["a"], []),
        ("Pause", "", ["a"], []),
        ("New", "", ["c"], []),
    )
    old = make_catalogue(
        ("Send", "Envoyer", ["a", "gone"], []),
        ("Send it tomorrow.", "Envoyez-le demain.", ["a"], []),
        ("Pause", "Arrêter", ["a"], ["fuzzy"]),
        ("Gone", "Parti", ["a"], []),
    )
    merged = merge(old, terms)
    assert {entry.msgid: entry.msgstr for entry in merged} == {
        "Send": "Envoyer",
        "Send it now.": "",
        "Pause": "",
        "New": "",
    }
    assert merged[0].occurrences == [("a", "0"), ("b", "0")]
    assert not [entry for entry in merged if entry.fuzzy or entry.obsolete]
    assert merged.metadata["Language"] == "fr"
    assert str(merge(merged, terms)) == str(merged)


def test_a_partial_catalogue_gets_only_what_belongs_into_it():
    terms = make_catalogue(("Yes", "", ["a"], []), ("Account", "", ["b"], []))
    merged = merge(make_catalogue(), terms, {"Yes"})
    assert [entry.msgid for entry in merged] == ["Yes"]
