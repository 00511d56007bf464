"""What the preflight says about each of Odoo's themes and each of our designs as it comes.

All go through the real builder in English, German and Chinese. Whatever is found is listed here, so
that a new false alarm fails; and whatever has a one-click fix is fixed.
"""

from concurrent.futures import ThreadPoolExecutor

import pytest

import devenv.without_odoo  # noqa: F401
from devenv.browser import Browser
from tests.server.common.builder import Builder
from tests.server.common.shop import PASSWORD

LANGUAGES = ("en_US", "de_DE", "zh_CN")
REAL = "UPDATE directmail_account SET connection = 'public', endpoint = NULL, public_url = %s"


@pytest.fixture(scope="module")
def mails(shop, server):
    """{(language, name): content of a template as its form sends it}, of a real account."""
    root = shop.root
    context = {"context": {"active_test": False}}
    langs = root.call("res.lang", "search", [[("code", "in", LANGUAGES)]], context)
    wizard = root.call("base.language.install", "create", [{"lang_ids": [(6, 0, langs)]}])
    root.call("base.language.install", "lang_install", [[wizard]])
    address = {"street": "1 Orchard Road", "zip": "238824", "city": "Singapore"}
    root.call("res.partner", "write", [[1], {**address, "website": "https://azure.org"}])
    server.query(REAL, "https://news.azure.org")
    found = {}
    with Browser() as browser:
        builder = Builder(browser, shop)
        for lang in LANGUAGES:
            # A user each: no request of somebody who is at work reads the language meanwhile.
            shop.make_user(lang, "group_user", lang=lang)
            builder.open(lang, lang)
            sources = dict.fromkeys(builder.get_themes(), {}) | builder.get_designs(lang)
            for name, design in sources.items():
                arch, inlined = builder.choose(name, design.get("body_arch"))
                found[lang, name] = {
                    "subject": design.get("subject", "News"),
                    "sender_name": design.get("sender_name", "Azure"),
                    "preview_text": design.get("preview_text", ""),
                    "account_id": shop.account,
                    "body_arch": arch,
                    "body_html": inlined,
                }
    return found


#: what Odoo's themes lack, and what only their user can fill in, in every language
START = {"no_preview_text", "no_salutation", "no_reason", "no_address"}
SOCIAL = START | {"link_network"}
THEMES = {
    "basic": START,
    "empty": {"body_empty", "no_preview_text"},
    "default": START | {"link_empty", "no_alt", "small_text"},
    "event": SOCIAL - {"no_salutation"} | {"link_example", "no_alt"},
    "newsletter": SOCIAL - {"no_reason"} | {"link_empty", "link_shortened", "no_alt", "small_text"},
    "training": SOCIAL - {"no_reason"} | {"link_empty", "low_contrast", "no_alt", "small_text"},
    "coupon": SOCIAL | {"demo_text", "no_alt"},
    "coffeebreak": SOCIAL | {"link_empty", "link_example", "link_relative", "no_alt", "small_text"},
    "blogging": SOCIAL | {"link_empty", "no_alt"},
    "magazine": SOCIAL | {"link_empty", "no_alt"},
    "bignews": SOCIAL | {"link_empty", "link_example", "no_alt", "small_text"},
    "promotion": SOCIAL | {"demo_text", "low_contrast"},
    "roadshow1": START | {"demo_text", "link_empty", "no_unsubscribe"},
    "roadshow2": START | {"demo_text", "link_empty", "no_unsubscribe"},
}
DESIGNS = {
    "Product launch", "End-of-season sale", "Newsletter", "Welcome", "Event invitation",
    "Holiday greeting", "Lunar New Year", "We miss you", "Survey", "Restaurant menu",
    "Product update",
}  # fmt: skip
BLOCKING = {"body_empty", "demo_text", "link_example", "link_network", "no_unsubscribe"}
#: the Chinese translation of this theme writes its code in words
WORDS = ("zh_CN", "promotion")


def find(shop, content):
    """Return {code: finding} of unsaved content."""
    found = shop.user.call("directmail.template", "check_content", [[], content])
    return {each["code"]: each for each in found}


@pytest.fixture(scope="module")
def found(shop, mails):
    """{(language, name): {code: finding}}"""
    return {key: find(shop, content) for key, content in mails.items()}


def test_exactly_this_is_found(found):
    expected = {
        **{(lang, name): codes for lang in LANGUAGES for name, codes in THEMES.items()},
        **{(lang, name): {"demo_text"} for lang in LANGUAGES for name in DESIGNS},
    }
    expected[WORDS] = expected[WORDS] - {"demo_text"}
    assert {key: set(codes) for key, codes in found.items()} == expected
    for key, findings in found.items():
        errors = {code for code, each in findings.items() if each["level"] == "error"}
        assert errors == findings.keys() & BLOCKING, key


def test_each_fix_leaves_nothing_of_its_finding(shop, mails, found):
    """Nor does it make a new finding, or change anything but what it is for."""
    tried = set()
    for key, content in mails.items():
        before = found[key]
        for code, finding in before.items():
            if not finding["fix"]:
                continue
            arguments = [[], content, finding["fix"]]
            changes = shop.user.call("directmail.template", "repair_content", arguments)
            name = "preview_text" if code == "no_preview_text" else "body_arch"
            assert list(changes) == [name], (key, code)
            after = find(shop, {**content, **changes, "body": changes.get("body_arch")})
            assert code not in after and after.keys() <= before.keys(), (key, code)
            tried.add(finding["fix"])
    assert tried == {
        "absolute_links", "add_alternatives", "add_footer", "add_salutation", "enlarge_text",
        "fix_contrast", "keep_texts", "remove_links", "remove_networks", "write_preview_text",
    }  # fmt: skip


def test_links_are_checked_once_by_several_presses(shop, server):
    """At the same moment, in several tabs: no press fails, and no page is asked for twice."""
    links = "".join(f'<a href="https://shop.invalid/{n}">Link {n}</a>' for n in range(5))
    vals = {
        "name": "Links", "account_id": shop.account, "subject": "x", "sender_name": "x",
        "body_arch": links, "body_html": links,
    }  # fmt: skip
    template = shop.user.call("directmail.template", "create", [vals])
    users = [server.login("dm_user", PASSWORD) for _press in range(4)]
    with ThreadPoolExecutor(len(users)) as pool:
        presses = [
            pool.submit(user.call, "directmail.template", "check_links", [[template]])
            for user in users
        ]
    assert [press.result()["pages"] for press in presses] == [5] * len(users)
    [(number,)] = server.query(
        "SELECT count(*) FROM directmail_template_page WHERE template_id = %s", template
    )
    assert number == 5
