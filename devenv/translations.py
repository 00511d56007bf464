"""Exports the addon's terms as Odoo does and brings the catalogues in step with them.

Nothing is translated here: a term that is new, or whose text has changed, comes in empty.
"""

import ast
import tempfile
from pathlib import Path

import polib

from . import database
from .common import ADDON, ROOT, SetupError, main

FOLDER = ROOT / ADDON / "i18n"
TARGET = FOLDER / f"{ADDON}.pot"
#: catalogues with every term; the others have what recipients read
COMPLETE = ("de", "zh_CN")
#: ends of the places with terms that recipients read on our pages and as personal values
RECIPIENT_PLACES = (
    ".recipient_data",
    ".recipient_frequency",
    ".recipient_known",
    ".recipient_language",
    ".recipient_measuring",
    ".recipient_pause",
    ".recipient_request",
    ".recipient_saved",
    ".recipient_scopes",
    ".recipient_topics",
    ".recipient_undo",
    ".recipient_unconfirmed",
    ".signup_fields",
    ".signup_page",
    ".unsubscribe_page",
    ".selection__directmail_preference__cap__fortnight",
    ".selection__directmail_preference__cap__month",
    ".selection__directmail_preference__cap__week",
    "/engine/values.py",
    "/models/consent/directmail_signup.py",
    "/models/consent/directmail_signup_form.py",
    "/models/consent/directmail_preference_link.py",
    "/models/mixins/directmail_recipient_data.py",
    "/models/template/directmail_design.py",
)
CREATED = "POT-Creation-Date"
# `odoo i18n export` does the same, but has no option to pass over warnings of Babel
EXPORT = """
from odoo.tools.translate import trans_export
with open({path!r}, "wb") as target:
    assert trans_export(None, [{addon!r}], target, "po", env)
"""


def read_fresh():
    """Return the terms of a fresh export, as a ``polib.POFile``."""
    with database.temporary("terms") as name, tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / TARGET.name)
        database.odoo(
            ["shell", "-d", name, "--no-http", "--log-handler=py.warnings:ERROR"],
            "terms",
            "exporting the terms",
            text=EXPORT.format(path=path, addon=ADDON),
        )
        if not Path(path).is_file():
            raise SetupError("exporting the terms failed; see terms.log")
        return polib.pofile(path)


def describe(catalogue):
    """Return ``{(context, term): (places, comment)}``: what makes two exports the same."""
    return {
        (entry.msgctxt, entry.msgid): (sorted(set(entry.occurrences)), entry.comment)
        for entry in catalogue
        if not entry.obsolete
    }


def find_recipient_terms(terms):
    """Return the terms that recipients read: on their page, as values, and in what repairs add.

    :param terms: the ``polib.POFile`` with all terms
    """
    found = {
        entry.msgid
        for entry in terms
        for place, _line in entry.occurrences
        if place.endswith(RECIPIENT_PLACES)
    }
    source = (ROOT / ADDON / "models" / "template" / "directmail_template_preflight.py").read_text()
    [phrases] = [
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef) and node.name == "_get_phrases"
    ]
    return found | {
        node.args[0].value
        for node in ast.walk(phrases)
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "_"
    }


def merge(catalogue, terms, wanted=None):
    """Return the catalogue with the present terms, their places and the translations it has.

    No translation is carried over from a similar term, and one marked fuzzy is left out: both
    would show people a sentence that says something else.

    :param catalogue: ``polib.POFile`` in one language
    :param terms: ``polib.POFile`` with all terms
    :param set wanted: the terms that belong into the catalogue; None for all
    """
    known = {
        (entry.msgctxt, entry.msgid): entry
        for entry in catalogue
        if not (entry.obsolete or entry.fuzzy)
    }
    merged = polib.POFile(wrapwidth=catalogue.wrapwidth)
    merged.header, merged.metadata = catalogue.header, dict(catalogue.metadata)
    for term in terms:
        if wanted is not None and term.msgid not in wanted:
            continue
        old = known.get((term.msgctxt, term.msgid))
        merged.append(
            polib.POEntry(
                msgctxt=term.msgctxt,
                msgid=term.msgid,
                msgstr=old.msgstr if old else "",
                comment=term.comment,
                tcomment=old.tcomment if old else "",
                occurrences=term.occurrences,
            )
        )
    return merged


def update():
    """Write the file of terms and the catalogues anew; those without a change stay as they are."""
    fresh, kept = read_fresh(), polib.pofile(str(TARGET))
    if describe(fresh) == describe(kept):
        fresh.metadata = kept.metadata
    _write(TARGET, fresh, kept)
    recipient_terms = find_recipient_terms(fresh)
    for path in sorted(FOLDER.glob("*.po")):
        old = polib.pofile(str(path))
        wanted = None if path.stem in COMPLETE else recipient_terms
        new = merge(old, fresh, wanted)
        if str(new) != str(old):
            new.metadata[CREATED] = fresh.metadata[CREATED]
        _write(path, new, old)


def _write(path, new, old):
    """Save a catalogue and say what has changed in it."""
    terms, before = describe(new), describe(old)
    empty = "" if path == TARGET else f", {sum(not entry.msgstr for entry in new)} untranslated"
    print(f"{path.name}: {len(terms)} terms, {len(terms.keys() - before.keys())} new,"
          f" {len(before.keys() - terms.keys())} gone{empty}")  # fmt: skip
    path.write_text(f"{new}\n" if not str(new).endswith("\n") else str(new))


if __name__ == "__main__":
    main(update)
