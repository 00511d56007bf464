"""What is submitted looks like what was designed, in a real browser, and is small enough.

Every theme of Odoo's mail builder as shipped, and our own designs, go through the real builder. By
default the pictures of some are compared, pixel by pixel; ``ALL_THEMES=1`` compares those of all.
"""

import os
import time

import html5lib
import pytest
from PIL import ImageChops

import devenv.without_odoo  # noqa: F401
from devenv.browser import Browser
from email_marketing_dm.content.placeholders import compile_content
from email_marketing_dm.content.preflight import wire_size
from email_marketing_dm.directmail.const import TEMPLATE_URL_MAX
from tests.server.common.builder import Builder

LINKS = {"/unsubscribe_from_list": "/directmail/unsubscribe/", "/view": "/directmail/view/"}
#: shapes, background pictures, columns, embedded pictures: where compaction could go wrong
PICTURED = ("newsletter", "training", "promotion", "Product launch", "End-of-season sale")
WIDTHS = {"desktop": 1280, "phone": 375}


@pytest.fixture(scope="module")
def browser():
    with Browser() as running:
        yield running


@pytest.fixture(scope="module")
def bodies(shop, browser):
    """{name: body as it is stored} of every theme and every design, made by the builder."""
    builder = Builder(browser, shop)
    builder.open()
    sources = dict.fromkeys(builder.get_themes())
    sources |= {name: design["body_arch"] for name, design in builder.get_designs().items()}
    assert len(sources) > 12
    found = {}
    for name, html in sources.items():
        _arch, inlined = builder.choose(name, html)
        template = shop.user.call(
            "directmail.template",
            "create",
            [
                {
                    "name": name,
                    "account_id": shop.account,
                    "subject": name,
                    "sender_name": "Azure",
                    "body_html": inlined,
                }
            ],
        )
        found[name] = shop.user.read("directmail.template", template, "body_html")["body_html"]
    return found


def compiled(body, url, compacted):
    options = {"framed": True, "compacted": compacted}
    return compile_content("x", body, public_url=url, links=LINKS, **options).text


def test_every_theme_and_design_is_small_enough(bodies):
    sizes = {
        name: wire_size(compiled(body, "https://marketing.example.com", compacted=True))
        for name, body in bodies.items()
    }
    print(sizes)
    assert {name: size for name, size in sizes.items() if size > TEMPLATE_URL_MAX} == {}


def test_every_theme_and_design_is_valid(bodies):
    """By html5lib, whose rules are those of browsers."""
    wrong = {}
    for name, body in bodies.items():
        parser = html5lib.HTMLParser()
        parser.parse(compiled(body, "https://marketing.example.com", compacted=True))
        # Two hyphens in a comment, as of a style's variable, have become valid since html5lib.
        wrong[name] = {code for _at, code, _data in parser.errors} - {"unexpected-char-in-comment"}
    assert {name: errors for name, errors in wrong.items() if errors} == {}


def picture(browser, tmp_path, text, width):
    """Return the whole mail as it looks in a window of this width."""
    path = tmp_path / f"{time.monotonic_ns()}.html"
    path.write_text(text)
    browser.resize(width, 800)
    browser.open(path.as_uri(), f"() => location.href === {path.as_uri()!r}")
    height = browser.run("return document.documentElement.scrollHeight;")
    browser.resize(width, min(height, 8000))
    browser.wait(f"() => window.innerHeight === {min(height, 8000)}")
    return browser.capture()


def test_nothing_visible_changes(bodies, browser, server, tmp_path):
    names = bodies if os.environ.get("ALL_THEMES") else PICTURED
    for name in names:
        before, after = (compiled(bodies[name], server.url, small) for small in (False, True))
        assert len(after) < len(before) * 0.8, name
        for kind, width in WIDTHS.items():
            images = [picture(browser, tmp_path, text, width) for text in (before, after)]
            assert images[0].size == images[1].size, f"{name} on a {kind}"
            difference = ImageChops.difference(*images).getbbox()
            assert difference is None, f"{name} on a {kind}: {difference}"
            if name != "empty":
                assert len(set(images[0].resize((64, 64)).getdata())) > 5, f"{name}: an empty page"
