"""Addresses that recipients anywhere can reach, judged by their text."""

import pytest

from email_marketing_dm.directmail.public_address import PROBLEMS, find_problem


@pytest.mark.parametrize(
    "url",
    [
        "https://www.example.com",
        "https://www.example.com/",
        "https://www.example.com:8443/odoo",
        "https://WWW.EXAMPLE.COM.",
        "https://shop.\u4f8b\u5b50.cn",
        "https://xn--fsqu00a.cn",
        "https://localhost.example.com",
        "https://local.com",
        "https://8.8.8.8",
        "https://[2606:4700:4700::1111]",
        " https://www.example.com ",
    ],
)
def test_public(url):
    assert find_problem(url) is None


@pytest.mark.parametrize(
    "problem, urls",
    [
        ("scheme", ["http://www.example.com", "http://8.8.8.8"]),
        (
            "local_name",
            [
                "https://localhost", "http://localhost:8069", "https://LOCALHOST.",
                "https://odoo.localhost", "https://odoo.local", "https://odoo.local.",
                "https://odoo.lan", "https://odoo.internal", "https://odoo.home.arpa",
                "https://localhost.localdomain", "https://shop.test",
            ],
        ),
        ("bare_name", ["https://odoo", "http://odoo:8069", "https://intranet-odoo/shop"]),
        (
            "private",
            [
                "https://127.0.0.1", "https://127.1", "https://2130706433", "https://0x7f000001",
                "https://0x7f.0.0.1", "https://0177.0.0.1", "https://017700000001",
                "https://10.1.2.3", "https://167772161", "https://172.16.0.1",
                "https://172.31.255.255", "https://192.168.0.1", "https://0xc0a80001",
                "https://169.254.169.254", "https://100.64.0.1", "https://100.127.255.255",
                "https://0.0.0.0", "https://0", "https://255.255.255.255", "https://224.0.0.1",
                "https://192.0.2.1", "https://198.18.0.1", "https://\uff11\uff12\uff17.0.0.1",
                "https://127.0.0.1.", "https://127\u30020\u30020\u30021",
                "https://[::1]", "https://[::]", "https://[fe80::1]", "https://[fe80::1%25eth0]",
                "https://[fc00::1]", "https://[fd12:3456::1]", "https://[fec0::1]",
                "https://[::ffff:127.0.0.1]", "https://[::ffff:a00:1]", "https://[2002:7f00:1::]",
                "https://[64:ff9b::10.0.0.1]", "https://[2001:db8::1]", "https://[ff02::1]",
                "http://127.0.0.1:8069",
            ],
        ),
        (
            "malformed",
            [
                "", None, "www.example.com", "ftp://www.example.com", "https://", "https:///x",
                "https://user@www.example.com", "https://www.example.com@127.0.0.1",
                "https://www.example.com?x=1", "https://www.example.com/#top",
                "https://www..example.com", "https://-x.example.com", "https://a b.example.com",
                "https://256.256.256.256", "https://1.2.3.4.5", "https://www.example.com:99999",
                "https://www.exa\nmple.com", "https://www.example.com/\r\nX: y",
                "https://www.example.com/>, <mailto:x@example.com", "https://www.example.com/a b",
                "\0https://www.example.com", "https://www.example.com/\u00e9",
                "https://www.example.com/{Name}", "https://www.example.com\\@evil.example.com",
                "https://[::1", "https://www.exa%6dple.com", "javascript:alert(1)",
            ],
        ),
    ],
)  # fmt: skip
def test_not_public(problem, urls):
    assert problem in PROBLEMS
    assert {url: find_problem(url) for url in urls} == dict.fromkeys(urls, problem)
