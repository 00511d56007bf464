"""What becomes of mail, by address pattern, by seed, by clock."""

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.emulator.common.calls import NEWS, Account, headers_json, template

#: seconds that only end what hangs
PATIENCE = 60


def statuses(account):
    rows = account.call("sender_statistics_detail_by_param").data.mail_detail
    return {
        row.to_address.partition("@")[0]: (row.status, row.error_classification) for row in rows
    }


def kinds(account, env_id):
    """What people and machines did with a mail, in order."""
    return [
        ("machine " if one["machine"] else "") + one["kind"]
        for one in account.emulator.mail(env_id)["activity"]
    ]


PATTERNS = {
    "anna": ((0, "SendOk"), []),
    "bounce7": ((2, "SmtpNxBox"), []),
    "spam.x": ((3, "SmtpContSpam"), []),
    "fail-1": ((4, "SysOutConnError"), []),
    "soft": ((0, "SendOk"), ["deferred"]),
    "Open1": ((0, "SendOk"), ["open"]),
    "click1": ((0, "SendOk"), ["open", "click"]),
    "unsub1": ((0, "SendOk"), ["open", "unsubscribe"]),
    "resub1": ((0, "SendOk"), ["unsubscribe", "subscribe"]),
    "complain1": ((0, "SendOk"), ["complain"]),
    "machine1": ((0, "SendOk"), ["machine open"]),
    "scanner1": ((0, "SendOk"), ["machine open", "machine click"]),
    "unseen1": (None, []),
    "silent1": (None, []),
}


@pytest.mark.parametrize("local", PATTERNS)
def test_pattern(account, local):
    status, reactions = PATTERNS[local]
    sent = account.send(f"{local}@example.org")
    assert statuses(account) == {}
    account.emulator.flush_outcomes()
    assert statuses(account) == ({local: status} if status else {})
    assert kinds(account, sent.env_id) == reactions
    outcome = account.ledger()[0]["outcome"]
    expected = {0: "delivered", 2: "invalid", 3: "spam", 4: "failed"}
    if local == "unseen1":
        assert outcome == "delivered"
    else:
        assert outcome == (expected[status[0]] if status else "waiting")


def test_own_patterns_and_shares(account):
    account.configure(settings={"outcomes": {"patterns": {"anna": "bounce", "bouncer": "open"}}})
    for local in ("anna", "bouncer1", "bounce1"):
        account.send(f"{local}@example.org")
    account.emulator.flush_outcomes()
    assert {name: row[0] for name, row in statuses(account).items()} == {
        "anna": 2,
        "bouncer1": 0,
        "bounce1": 2,
    }


def shares(account, seed, order=1):
    account.configure(
        settings={
            "throttle": {"default": "0", "operations": {"SingleSendMail": "0"}},
            "outcomes": {"seed": seed, "share": {"bounce": 0.25, "open": 0.25}},
        }
    )
    for number in list(range(200))[::order]:
        account.send(f"p{number}@example.org")
    account.emulator.flush_outcomes()
    return {row["to"]: row["outcome"] for row in account.ledger()}, account.summary()["outcomes"]


def test_shares_are_seeded_and_repeatable(emulator):
    first, counts = shares(Account(emulator), 7)
    again, same = shares(Account(emulator), 7, order=-1)
    other, _counts = shares(Account(emulator), 8)
    assert first == again and counts == same and first != other
    assert 25 <= counts["invalid"] <= 75 and 25 <= counts["open"] <= 75
    assert counts["delivered"] + counts["invalid"] == 200


def test_time_and_statistics_delay(directmail):
    account = Account(
        directmail,
        settings={
            "outcomes": {"delays": {"delivered": 3600, "open": 7200}, "statistics_delay": 1800}
        },
    )
    sent = account.send("open@example.org")
    directmail.advance_clock(3500)
    assert account.ledger()[0]["outcome"] == "waiting"
    directmail.advance_clock(200)
    wait(lambda: account.ledger()[0]["outcome"] == "delivered")
    assert statuses(account) == {}, "statistics show it later"
    directmail.advance_clock(1800)
    assert statuses(account) == {"open": (0, "SendOk")}
    assert kinds(account, sent.env_id) == []
    directmail.advance_clock(7200)
    wait(lambda: kinds(account, sent.env_id) == ["open"])
    happened = directmail.mail(sent.env_id)
    accepted = happened["accepted_at"]
    assert happened["result"]["at"] == pytest.approx(accepted + 3600, abs=1)
    assert happened["activity"][0]["at"] == pytest.approx(accepted + 3600 + 7200, abs=1)


def wait(condition):
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "It did not happen in time."
        time.sleep(0.02)


def test_outcomes_come_by_themselves(account):
    account.configure(
        settings={"outcomes": {"delays": {"delivered": 0.05}, "statistics_delay": 0.05}}
    )
    account.send()
    wait(lambda: statuses(account) == {"anna": (0, "SendOk")})


def test_statistics_can_be_withheld(account):
    account.send()
    account.emulator.flush_outcomes()
    account.configure(settings={"outcomes": {"withhold_statistics": True}})
    assert statuses(account) == {}
    account.configure(settings={"outcomes": {"withhold_statistics": False}})
    assert statuses(account) == {"anna": (0, "SendOk")}


# Lists


def test_a_hard_bounce_keeps_later_mail_from_the_address(account):
    for _ in range(2):
        account.send("bounce1@example.org")
        account.emulator.flush_outcomes()
    rows = account.call("sender_statistics_detail_by_param").data.mail_detail
    assert [row.error_classification for row in rows] == [
        "SysOutRcptOnAccountLevelBounceList",
        "SmtpNxBox",
    ], "the newest first"
    account.call("delete_invalid_address", to_address="bounce1@example.org")
    assert account.call("query_invalid_address").total_count == 0


def last_result(account, to, **fields):
    sent = account.send(to, **fields)
    account.emulator.flush_outcomes()
    return account.emulator.mail(sent.env_id)["result"]["classification"]


SECOND = [
    {"address": NEWS},
    {"address": "offers@mail.example.com"},
    {"address": "info@other.example"},
    {"address": "service@mail.example.com", "type": "trigger"},
]


@pytest.mark.parametrize(
    "level, reached",
    [
        ("default", [NEWS]),
        ("mailfrom", [NEWS]),
        ("mailfrom_domain", [NEWS, "offers@mail.example.com", "service@mail.example.com"]),
        ("edm_id", [sender["address"] for sender in SECOND]),
        ("disabled", []),
    ],
)
def test_unsubscription_levels(emulator, level, reached):
    account = Account(
        emulator, senders=SECOND, domains=[{"name": "mail.example.com"}, {"name": "other.example"}]
    )
    assert last_result(account, "unsub1@example.org") == "SendOk"
    held = [
        sender["address"]
        for sender in SECOND
        if last_result(
            account,
            "unsub1@example.org",
            account_name=sender["address"],
            un_subscribe_filter_level=level,
        )
        == "SysOutRecipientUnsubscribed"
    ]
    assert held == reached


@pytest.mark.parametrize(
    "fields, link, level",
    [
        ({}, "directmail", "default"),
        (
            {"un_subscribe_link_type": "default", "un_subscribe_filter_level": "edm_id"},
            "directmail",
            "edm_id",
        ),
        (
            {"un_subscribe_link_type": "disabled", "un_subscribe_filter_level": "disabled"},
            "none",
            "disabled",
        ),
        ({"account_name": "service@mail.example.com"}, "none", "default"),
        ({"headers": headers_json(List_Unsubscribe="<https://x.example/u>")}, "own", "default"),
    ],
)
def test_whose_unsubscribe_link_a_mail_has(account, fields, link, level):
    account.send(**fields)
    [mail] = account.ledger()
    assert (mail["unsubscribe_link"], mail["unsubscribe_filter"]) == (link, level)


def test_trigger_senders_are_not_filtered_by_default(account):
    service = "service@mail.example.com"
    for _ in range(2):
        assert last_result(account, "unsub1@example.org", account_name=service) == "SendOk"


def test_unsubscriptions_take_effect_after_a_while(directmail):
    account = Account(directmail, settings={"rules": {"unsubscribe_effect": 3600}})
    assert last_result(account, "unsub1@example.org") == "SendOk"
    assert account.call("list_block_sending", block_type="UNSUB").data
    assert last_result(account, "unsub1@example.org") == "SendOk"
    directmail.advance_clock(3700)
    assert last_result(account, "unsub1@example.org") == "SysOutRecipientUnsubscribed"


def test_complaints_resubscriptions_and_suppressions(account):
    last_result(account, "complain1@example.org")
    assert last_result(account, "complain1@example.org") == "SysOutRecipientReportedSpam"
    for _ in range(2):
        assert last_result(account, "resub1@example.org") == "SendOk"
    account.call("create_user_suppression", address="anna@example.org")
    account.call("create_user_suppression", address="bad.example")
    listed = "SysOutRcptOnAccountLevelBounceList"
    assert last_result(account, "Anna@example.org") == listed
    assert last_result(account, "ben@bad.example") == listed
    assert last_result(account, "ben@example.org") == "SendOk"
    rows = account.call("list_user_suppression").data.user_suppressions
    assert all(abs(row.last_bounce_time - time.time()) < 60 for row in rows)


# Reviews


def make(account, text="x", name="N"):
    return account.call(
        "create_template", template_name=name, template_subject="S", template_text=text
    ).template_id


def status(account, number):
    return account.call("desc_template", template_id=number).template_status


def test_review_by_a_person_is_the_default(directmail):
    account = Account(directmail)
    number = make(account)
    # The template of an account with another review shows when the time that was passed has come.
    quick = Account(directmail, settings={"review": {"mode": "approve", "seconds": 3600}})
    other = make(quick)
    directmail.advance_clock(30 * 86400)
    wait(lambda: status(quick, other) == "2")
    assert status(account, number) == "1"


@pytest.mark.parametrize(
    "mode, text, expected, comment",
    [
        ("approve", "x", "2", ""),
        ("approve", "cheap viagra", "3", "viagra"),
        ("reject", "x", "3", "content rules"),
    ],
)
def test_automatic_review(directmail, mode, text, expected, comment):
    account = Account(directmail, settings={"review": {"mode": mode, "seconds": 3600}})
    number = make(account, text)
    assert status(account, number) == "1"
    directmail.advance_clock(3500)
    assert status(account, number) == "1"
    directmail.advance_clock(200)
    wait(lambda: status(account, number) == expected)
    row = account.call("query_template_by_param").data.template[0]
    assert comment in row.template_comment


def test_modifying_starts_the_review_again(directmail):
    account = Account(directmail, settings={"review": {"mode": "approve", "seconds": 0.01}})
    number = make(account)
    wait(lambda: status(account, number) == "2")
    account.configure(settings={"review": {"seconds": 3600}})
    account.call(
        "modify_template",
        template_id=number,
        template_name="N",
        template_subject="S",
        template_text="y",
    )
    assert status(account, number) == "1"
    directmail.advance_clock(3700)
    wait(lambda: status(account, number) == "2")


# The recipients' side


class Website:
    """A web server that takes down what is asked of it."""

    def __enter__(self):
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                length = int(self.headers.get("Content-Length") or 0)
                site.asked.append(
                    (
                        self.command,
                        self.path,
                        self.headers["Host"],
                        self.headers["User-Agent"],
                        self.rfile.read(length).decode(),
                    )
                )
                self.send_response(200)
                self.end_headers()

            do_POST = do_GET

            def log_message(self, *_details):
                pass

        self.asked = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_details):
        self._server.shutdown()
        self._server.server_close()


MAIL = (
    "<body><a href='https://mail.shop.example/u/unsubscribe/{Token}'>no more</a>"
    "<a href='https://mail.shop.example.other.example/x'><b>Un</b>subscribe</a>"
    "<a href='https://mail.shop.example/l/{Token}'>Shop</a>"
    "<a href='https://elsewhere.example/'>Other</a>"
    "<img src='https://mail.shop.example/o/{Token}.gif'></body>"
)


def test_people_and_machines_use_the_links_in_the_mail(account):
    with Website() as site:
        account.configure(
            settings={"outcomes": {"mailbox_hosts": {"https://mail.shop.example": site.url}}}
        )
        number = account.approved(text=MAIL)
        headers = headers_json(
            List_Unsubscribe="<https://mail.shop.example/one-click/7>",
            List_Unsubscribe_Post="List-Unsubscribe=One-Click",
        )
        for local in ("open", "click", "unsub", "scanner", "anna"):
            account.send(
                f"{local}@example.org",
                html_body=None,
                headers=headers,
                template=template(number, Token=local),
            )
        account.emulator.flush_outcomes()
    asked = {(method, path): (host, agent, body) for method, path, host, agent, body in site.asked}
    assert set(asked) == {
        ("GET", "/o/open.gif"),
        ("GET", "/o/click.gif"),
        ("GET", "/l/click"),
        ("GET", "/o/unsub.gif"),
        ("POST", "/one-click/7"),
        ("GET", "/o/scanner.gif"),
        ("GET", "/l/scanner"),
        ("GET", "/u/unsubscribe/scanner"),
    }
    assert asked["POST", "/one-click/7"][2] == "List-Unsubscribe=One-Click"
    assert {host for host, _agent, _body in asked.values()} == {"mail.shop.example"}
    assert "iPhone" in asked["GET", "/l/click"][1]
    assert asked["GET", "/o/scanner.gif"][1] == "Mozilla/5.0"
    assert "Scanner" in asked["GET", "/l/scanner"][1]
    # a mail's own unsubscribe link is not DirectMail's affair
    assert account.call("list_block_sending", block_type="UNSUB").data == []
    notes = {
        one["url"]: one["note"]
        for one in account.emulator.mail(account.ledger()[3]["env_id"])["activity"]
    }
    assert notes["https://elsewhere.example/"] == "not followed: not on this machine"


def test_nothing_outside_this_machine_is_fetched(account):
    sent = account.send(
        "click1@example.org",
        html_body="<body><a href='http://192.0.2.1/'>x</a>"
        "<a href='http://127.0.0.1.example.org/'>y</a></body>",
    )
    account.emulator.flush_outcomes()
    activity = account.emulator.mail(sent.env_id)["activity"]
    assert [one["note"] for one in activity if one["url"]] == ["not followed: not on this machine"]


@pytest.mark.parametrize(
    "html", ["<![foo[x]]>", "<a href='http://[", "<" * 2000, "<!--", "<a href>"]
)
def test_broken_markup_does_not_stop_time(account, html):
    account.send("click1@example.org", html_body=f"<body>{html}</body>")
    account.send("anna@example.org")
    account.emulator.flush_outcomes()
    assert [row["outcome"] for row in account.ledger()] == ["delivered"] * 2


@pytest.mark.parametrize(
    "via, links, blocks", [("link", 1, 0), ("directmail", 0, 1), ("both", 1, 1), ("auto", 1, 0)]
)
def test_ways_to_unsubscribe(account, via, links, blocks):
    with Website() as site:
        account.configure(settings={"outcomes": {"unsubscribe_via": via}})
        account.send(
            "unsub1@example.org",
            headers=headers_json(List_Unsubscribe=f"<mailto:a@b.cc>, <{site.url}/u>"),
        )
        account.emulator.flush_outcomes()
    assert len(site.asked) == links
    assert len(account.call("list_block_sending", block_type="UNSUB").data) == blocks


def test_reactions_by_admin_call(account):
    sent = account.send()
    for reaction in ("open", "machine_open", "click", "complain"):
        account.emulator.react(sent.env_id, reaction)
    account.emulator.react(sent.env_id, "unsubscribe", via="directmail")
    assert kinds(account, sent.env_id) == [
        "open",
        "machine open",
        "click",
        "complain",
        "unsubscribe",
    ]
    assert account.call("list_block_sending", block_type="UNSUB").data


def test_summary_counts(account):
    account.call("create_tag", tag_name="t")
    account.call("create_tag", tag_name="u")
    for to in ("anna@b.cc", "ANNA@b.cc", "ben@b.cc", "bounce@b.cc", "scanner@b.cc"):
        account.send(to, tag_name="t")
    account.send("anna@b.cc", tag_name="u")
    account.emulator.flush_outcomes()
    assert account.emulator.summary("t", account=account.key) == {
        "accepted": 5,
        "addresses": 4,
        "duplicates": 1,
        "outcomes": {"delivered": 4, "invalid": 1, "machine_open": 1, "machine_click": 1},
    }
    assert account.summary()["accepted"] == 6
    assert account.summary(tag="none") == {
        "accepted": 0,
        "addresses": 0,
        "duplicates": 0,
        "outcomes": {},
    }
