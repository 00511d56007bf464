"""Who opened it, a person or a machine?"""

import pytest

from email_marketing_dm.privacy.machines import is_machine

IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148"
OUTLOOK = "Mozilla/4.0 (compatible; ms-office; MSOffice 16)"


@pytest.mark.parametrize(
    "agent",
    [
        IPHONE,
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/140.0 Safari/537.36",
        "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)",
        "YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html",
        "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 MicroMessenger/8.0",
        "Microsoft Office/16.0 (Windows NT 10.0; Microsoft Outlook 16.0.17328; Pro)",
    ],
)
def test_people(agent):
    assert not is_machine(agent)


@pytest.mark.parametrize(
    "agent",
    [
        "",
        None,
        "Mozilla/5.0",
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/42.0 Safari/537.36 Edge/12.246"
        " Mozilla/5.0",
        "MailSecurityScanner/1.0",
        "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
        "python-requests/2.32",
        "curl/8.5.0",
        "Barracuda Sentinel (EE)",
        "Mozilla/5.0 (X11; Linux x86_64) HeadlessChrome/120.0",
    ],
)
def test_machines(agent):
    assert is_machine(agent)


def test_how_it_asks():
    assert is_machine(IPHONE, method="HEAD")
    assert is_machine(IPHONE, headers={"sec-purpose": "prefetch;prerender"})
    assert not is_machine(IPHONE, headers={"sec-purpose": ""})


def test_too_soon():
    assert is_machine(IPHONE, age=0.5)
    assert not is_machine(IPHONE, age=30)
    assert not is_machine(IPHONE, age=0.5, too_soon=0)
    assert not is_machine(IPHONE, age=None)


def test_a_clock_that_is_behind_makes_nobody_a_machine():
    """Times are cut to whole seconds, so a hit may seem to come before its mail."""
    assert not is_machine(IPHONE, age=-0.8, too_soon=0)
    assert is_machine(IPHONE, age=-0.8, too_soon=2)
