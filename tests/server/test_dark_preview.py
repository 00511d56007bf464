"""The preview in dark mode, pixel by pixel: the text and the paper change, a picture does not."""

import base64
import io

import pytest
from PIL import Image

from devenv.browser import Browser
from tests.server.common.shop import PASSWORD

#: pure colors, which a filter that inverts twice can't bring back
COLORS = (
    (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (255, 0, 255), (0, 255, 255),
    (0, 0, 0), (254, 254, 254), (18, 200, 90), (250, 130, 10),
)  # fmt: skip
BAR, HEIGHT = 40, 60
PAPER, DARK_PAPER = (255, 255, 255), (51, 51, 51)
FRAME = ".o_directmail_preview iframe"
IS_SHOWN = f"() => (document.querySelector('{FRAME}')?.srcdoc || '').includes(%r)"


@pytest.fixture(scope="module")
def browser(shop):
    with Browser() as running:
        running.log_in(shop.server.url, "dm_user", PASSWORD)
        running.resize(1280, 900)
        yield running


def make_picture():
    """Return a picture with one bar of each color, as an address with its data."""
    picture = Image.new("RGB", (BAR * len(COLORS), HEIGHT))
    for number, color in enumerate(COLORS):
        picture.paste(color, (number * BAR, 0, (number + 1) * BAR, HEIGHT))
    data = io.BytesIO()
    picture.save(data, "PNG")
    return f"data:image/png;base64,{base64.b64encode(data.getvalue()).decode()}"


def count_pixels(browser):
    """Return {color: number of pixels} of the mail in the preview."""
    box = browser.run(
        f"""const {{left, top, right, bottom}} =
                document.querySelector("{FRAME}").getBoundingClientRect();
            return [left, top, Math.min(right, innerWidth), Math.min(bottom, innerHeight)];"""
    )
    colors = browser.capture().crop(tuple(map(round, box))).getcolors(2**24)
    return {color: number for number, color in colors}


def test_pictures_keep_their_colors(browser, shop):
    picture = make_picture()
    body = f"""<div style="background-color: #ffffff"><p style="color: #111111">Spring sale</p>
        <p><img src="{picture}" alt="Our colors"/></p></div>"""
    template = shop.user.call(
        "directmail.template",
        "create",
        [{"name": "Colors", "account_id": shop.account, "subject": "Colors",
          "sender_name": "Azure", "body_arch": body, "body_html": body}],
    )  # fmt: skip
    browser.open(
        f"{shop.server.url}/odoo/action-email_marketing_dm.directmail_template_action/{template}",
        ".o_directmail_preview_button",
    )
    browser.click(".o_directmail_preview_button", IS_SHOWN % "Spring sale")
    light = count_pixels(browser)
    browser.click(".o_directmail_preview button:has(.fa-moon-o)", IS_SHOWN % ":where(html)")
    dark = count_pixels(browser)

    assert light[PAPER] > 100_000 and light.get(DARK_PAPER, 0) < 100
    assert dark[DARK_PAPER] > 100_000 and dark.get(PAPER, 0) < 100
    for shown in (light, dark):
        found = {color: shown.get(color, 0) for color in COLORS}
        assert all(number >= BAR * HEIGHT for number in found.values()), found
