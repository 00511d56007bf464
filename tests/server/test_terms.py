"""The file of terms is what Odoo exports: no term is missing in it, and none is left over."""

import polib

from devenv import translations


def test_the_terms_are_those_of_a_fresh_export():
    fresh = {entry.msgid for entry in polib.pofile(translations.read_fresh())}
    kept = {entry.msgid for entry in polib.pofile(translations.TARGET.read_text())}
    assert (fresh - kept, kept - fresh) == (set(), set()), "run: make terms"
