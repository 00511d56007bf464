"""The ledger is the truth: complete, append-only, and there after a kill."""

import sqlite3
import threading
import time

import pytest
from darabonba.exceptions import DaraException, UnretryableException

from tests.emulator.common.calls import Account, template


def test_everything_is_there_after_a_kill(directmail):
    account = Account(directmail)
    number = account.approved()
    account.call("create_tag", tag_name="t")
    account.send("bounce1@example.org", tag_name="t")
    account.send("unsub1@example.org", html_body=None, template=template(number, Name="A"))
    directmail.flush_outcomes()
    account.send("late@example.org")
    account.configure(daily_quota=77)
    directmail.change_settings({"limits": {"subject": 60}})
    directmail.advance_clock(5)
    before = (
        account.ledger(),
        directmail.templates(),
        directmail.get("/api/settings"),
        account.summary()["outcomes"].get("invalid"),
    )
    clock = directmail.get("/api/status")["clock_offset"]
    endpoint, admin = directmail.endpoint, directmail.admin
    directmail.kill()
    directmail.start()
    assert (directmail.endpoint, directmail.admin) == (endpoint, admin)
    after = (
        account.ledger(),
        directmail.templates(),
        directmail.get("/api/settings"),
        account.summary()["outcomes"].get("invalid"),
    )
    before[0][2]["outcome"] = after[0][2]["outcome"]  # that one may have arrived meanwhile
    assert after == before
    assert directmail.get("/api/status")["clock_offset"] == clock == 5
    assert account.call("desc_account_summary").daily_quota == 77
    assert account.call("query_tag_by_param").total_count == 1
    assert account.call("query_invalid_address").total_count == 1
    assert account.call("list_block_sending", block_type="UNSUB").data
    assert directmail.get(f"/api/accounts/{account.key}")["used_today"] == 3
    directmail.flush_outcomes()
    assert account.summary()["outcomes"]["delivered"] == 2
    assert int(account.send("next@example.org").env_id) > int(after[0][-1]["env_id"])


@pytest.mark.parametrize("round_", range(3))
def test_kill_while_sending(directmail, round_):
    """Every answer the client has is in the ledger; no call is there twice."""
    account = Account(directmail, settings={"throttle": {"operations": {"SingleSendMail": "0"}}})
    answered, stop = [], threading.Event()

    def work(worker):
        for number in range(1000):
            if stop.is_set():
                return
            try:
                address = f"w{worker}n{number}@example.org"
                answered.append((address, account.send(address).env_id))
            except (DaraException, UnretryableException):
                return

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    while len(answered) < 40 + 30 * round_:
        assert any(thread.is_alive() for thread in threads), "no call is answered any more"
        time.sleep(0.005)
    directmail.kill()
    stop.set()
    for thread in threads:
        thread.join()
    directmail.start()
    rows = {row["to"]: row["env_id"] for row in account.ledger()}
    assert len(answered) >= 40
    assert all(rows.get(address) == env_id for address, env_id in answered)
    assert len(account.ledger()) == len(rows)
    assert 0 <= len(rows) - len(answered) <= len(threads)
    assert account.summary()["accepted"] == len(rows)
    assert directmail.get(f"/api/accounts/{account.key}")["used_today"] == len(rows)


def test_nothing_can_change_it(directmail, tmp_path):
    account = Account(directmail)
    account.send()
    database = sqlite3.connect(next(tmp_path.glob("*/emulator.sqlite")))
    for statement in ("UPDATE ledger SET rcpt = 'x'", "DELETE FROM ledger"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            database.execute(statement)
    database.close()


def test_reading_it_over_http(account):
    account.call("create_tag", tag_name="t")
    for number in range(5):
        account.send(f"p{number}@example.org", tag_name="t" if number % 2 else None)
    rows = account.emulator.get("/api/ledger", account=account.key, limit=2, offset=1)
    assert rows["total"] == 5
    assert [row["to"] for row in rows["rows"]] == ["p1@example.org", "p2@example.org"]
    assert [row["to"] for row in account.ledger(tag="t")] == ["p1@example.org", "p3@example.org"]
    assert [row["to"] for row in account.ledger(to="P3@example.org")] == ["p3@example.org"]
    newest = account.emulator.get("/api/ledger", account=account.key, order="newest", limit=1)
    assert newest["rows"][0]["to"] == "p4@example.org"
    fields = {
        "account",
        "sender",
        "to",
        "subject",
        "tag",
        "message_id",
        "notify",
        "env_id",
        "template_id",
        "accepted_at",
    }
    assert fields <= set(newest["rows"][0])


def test_the_summary_finds_duplicates(account):
    account.send("anna@example.org")
    account.send("ben@example.org")
    account.send("ANNA@example.org")
    summary = account.summary()
    assert (summary["accepted"], summary["addresses"], summary["duplicates"]) == (3, 2, 1)


def test_bodies_of_their_own_are_kept_up_to_a_number(directmail):
    account = Account(
        directmail,
        settings={
            "storage": {"own_bodies": 10},
            "throttle": {"operations": {"SingleSendMail": "0"}},
        },
    )
    number = account.approved()
    kept = account.send(html_body=None, template=template(number, Name="Anna"))
    ids = [account.send(html_body=f"<p>{n}</p>").env_id for n in range(140)]
    assert directmail.mail(ids[-1])["html"] == "<p>139</p>"
    assert directmail.mail(ids[0])["text"] == "(This body is no longer kept.)"
    assert directmail.mail(kept.env_id)["html"] == "<body>Hi Anna</body>"
    assert len(account.ledger()) == 141
