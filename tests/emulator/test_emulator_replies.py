"""Where a mail comes from and where answers to it go."""

import pytest

from tests.emulator.common.calls import NEWS, refused


def last(account):
    return account.ledger()[-1]


def test_a_random_address_has_a_part_of_its_own(account):
    first = account.send(address_type=0).env_id
    account.send(address_type=0)
    one, two = (row["from"] for row in account.ledger()[-2:])
    assert one != two
    for address in (one, two):
        assert address.startswith("news-") and address.endswith("@mail.example.com")
    assert account.ledger(env_id=first)[0]["sender"] == NEWS
    account.configure(settings={"rules": {"random_from": False}})
    account.send(address_type=0)
    assert last(account)["from"] == NEWS


def test_the_random_address_is_in_events_and_lists(account):
    account.configure(enable_eventbridge=True)
    account.call("create_tag", tag_name="t")
    sent = account.send("complain1@example.org", address_type=0, tag_name="t")
    account.emulator.flush_outcomes()
    address = last(account)["from"]
    assert address != NEWS
    events = account.emulator.events()
    said = [row["body"]["data"] for row in events if row["env_id"] == sent.env_id]
    assert {data.get("from") or data["send_email"] for data in said} == {address}
    listed = account.call("list_block_sending", block_type="REPORT").data
    assert [row.sender_email for row in listed] == [address]


@pytest.mark.parametrize(
    "own, verified, given, wanted",
    [
        ("true", True, None, "desk@example.com"),
        ("true", True, "me@example.com", "me@example.com"),
        ("false", True, None, ""),
        ("false", False, "me@example.com", "me@example.com"),
    ],
)
def test_replies(account, own, verified, given, wanted):
    account.configure(
        senders=[{"address": NEWS, "reply_address": "desk@example.com", "reply_verified": verified}]
    )
    account.send(reply_to_address=own, reply_address=given)
    assert last(account)["reply_to"] == wanted


def test_only_a_verified_reply_address(account):
    account.configure(
        senders=[{"address": NEWS, "reply_address": "desk@example.com", "reply_verified": False}]
    )
    error = refused(account.send, reply_to_address="true")
    assert error.code == "InvalidReplyAddress.Malformed"
    account.configure(settings={"rules": {"reply_must_be_verified": False}})
    account.send(reply_to_address="true")
    assert last(account)["reply_to"] == ""
