"""The file of terms is what Odoo exports: no term is missing in it, and none is left over."""

import polib

from devenv import translations


def test_the_terms_are_those_of_a_fresh_export():
    fresh = translations.describe(translations.read_fresh())
    kept = translations.describe(polib.pofile(str(translations.TARGET)))
    changed = {term for term in fresh.keys() & kept.keys() if fresh[term] != kept[term]}
    differences = (fresh.keys() - kept.keys(), kept.keys() - fresh.keys(), changed)
    assert differences == (set(), set(), set()), "run: make terms"
