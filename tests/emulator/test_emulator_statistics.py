"""Operations that report the results of mails, through the real SDK, read with its own models."""

import time

import pytest

from tests.emulator.common.calls import NEWS, days, minute


def test_sender_statistics_detail_by_param(account):
    account.call("create_tag", tag_name="t")
    for who in ("anna", "bounce1", "spam1", "fail1"):
        account.send(f"{who}@example.org", tag_name="t")
    account.emulator.flush_outcomes()
    answer = account.call(
        "sender_statistics_detail_by_param",
        tag_name="t",
        length=100,
        start_time=minute(-600),
        end_time=minute(),
    )
    rows = {row.to_address: row for row in answer.data.mail_detail}
    assert {name: row.status for name, row in rows.items()} == {
        "anna@example.org": 0,
        "bounce1@example.org": 2,
        "spam1@example.org": 3,
        "fail1@example.org": 4,
    }
    row = rows["bounce1@example.org"]
    assert row.account_name == NEWS and row.subject == "Hello"
    assert row.error_classification == "SmtpNxBox" and "bounce1@example.org" in row.message
    assert abs(int(row.utc_last_update_time) - time.time()) < 60
    assert answer.next_start == ""
    for fields in ({"account_name": NEWS, "status": 2}, {"to_address": "bounce1@example.org"}):
        found = account.call("sender_statistics_detail_by_param", **fields).data.mail_detail
        assert [row.to_address for row in found] == ["bounce1@example.org"]


def test_detail_is_paged_by_next_start(account):
    for number in range(7):
        account.send(f"p{number}@example.org")
    account.emulator.flush_outcomes()
    seen, position, pages = [], None, 0
    while position != "":
        answer = account.call(
            "sender_statistics_detail_by_param", length=3, account_name=NEWS, next_start=position
        )
        seen += [row.to_address for row in answer.data.mail_detail]
        position, pages = answer.next_start, pages + 1
    assert seen == [f"p{number}@example.org" for number in reversed(range(7))] and pages == 3


def test_sender_statistics_by_tag_name_and_batch_id(account):
    account.call("create_tag", tag_name="t")
    for who in ("anna", "ben", "bounce1", "spam1"):
        account.send(f"{who}@example.org", tag_name="t")
    account.send("other@example.org")
    account.emulator.flush_outcomes()
    answer = account.call(
        "sender_statistics_by_tag_name_and_batch_id",
        tag_name="t",
        account_name=NEWS,
        domain="mail.example.com",
        start_time=days(-1),
        end_time=days(),
    )
    assert answer.total_count == 1
    stat = answer.data.stat[0]
    assert stat.create_time == days()
    assert (stat.request_count, stat.success_count, stat.faild_count, stat.unavailable_count) == (
        "4",
        "2",
        "1",
        "1",
    )
    assert (stat.succeeded_percent, stat.unavailable_percent) == ("50.00%", "25.00%")


@pytest.mark.parametrize(
    "action, where",
    [
        ("get_track_list", lambda body: body.data.stat),
        ("get_track_list_by_mail_from_and_tag_name", lambda body: body.track_list.stat),
    ],
)
def test_track_lists(account, action, where):
    account.call("create_tag", tag_name="t")
    html = "<html><body><a href='https://shop.example/'>Shop</a></body></html>"
    for who in ("click1", "open1", "anna"):
        account.send(f"{who}@example.org", tag_name="t", click_trace="1", html_body=html)
    account.send("open2@example.org", tag_name="t", html_body=html)  # not tracked
    account.emulator.flush_outcomes()
    answer = account.call(
        action,
        account_name=NEWS,
        tag_name="t",
        start_time=days(-1),
        end_time=days(),
        page_number="1",
        page_size="10",
    )
    assert (int(answer.total), int(answer.total_pages)) == (1, 1)
    assert answer.page_no == 1 and answer.page_size == 10
    stat = where(answer)[0]
    assert stat.create_time == days() and stat.total_number == "3"
    assert (stat.rcpt_open_count, stat.rcpt_unique_open_count) == ("2", "2")
    assert (stat.rcpt_click_count, stat.rcpt_unique_click_rate) == ("1", "33.33%")


# Lists


def test_query_and_delete_invalid_address(account):
    for number in range(3):
        account.send(f"bounce{number}@example.org")
    account.emulator.flush_outcomes()
    first = account.call("query_invalid_address", length=2, start_time=days(-1), end_time=days())
    rest = account.call("query_invalid_address", length=2, next_start=first.next_start)
    found = [row.to_address for row in first.data.mail_detail + rest.data.mail_detail]
    assert found == [f"bounce{number}@example.org" for number in reversed(range(3))]
    assert first.total_count == 3 and rest.next_start == ""
    assert abs(first.data.mail_detail[0].utc_last_update_time - time.time()) < 60
    account.call("delete_invalid_address", to_address="bounce1@example.org")
    assert account.call("query_invalid_address", key_word="bounce1").total_count == 0


def test_list_block_sending_and_unblock_sending(account):
    for who in ("unsub1", "unsub2", "unsub3", "complain1"):
        account.send(f"{who}@example.org")
    account.emulator.flush_outcomes()
    now = int(time.time())
    first = account.call(
        "list_block_sending",
        block_type="UNSUB",
        max_results=2,
        begin_time=now - 3600,
        end_time=int(time.time()),
        sender_email=NEWS,
    )
    rest = account.call(
        "list_block_sending", block_type="UNSUB", max_results=2, next_token=first.next_token
    )
    rows = first.data + rest.data
    assert [row.block_email for row in rows] == [f"unsub{n}@example.org" for n in (3, 2, 1)]
    assert first.max_results == 2 and rest.next_token == ""
    assert rows[0].sender_email == NEWS and rows[0].reason == 0
    assert abs(rows[0].block_time - now) < 60 and abs(rows[0].send_time - now) < 60
    reported = account.call(
        "list_block_sending", block_type="REPORT", block_email="complain1@example.org"
    ).data
    assert [row.block_email for row in reported] == ["complain1@example.org"]
    account.call(
        "unblock_sending", block_type="UNSUB", block_email="unsub1@example.org", sender_email=NEWS
    )
    left = account.call("list_block_sending", block_type="UNSUB").data
    assert [row.block_email for row in left] == ["unsub3@example.org", "unsub2@example.org"]


def test_user_suppression_family(account):
    one = account.call("create_user_suppression", address="anna@example.org")
    account.call("create_user_suppression", address="blocked.example")
    listed = account.call("list_user_suppression", page_no=1, page_size=10)
    assert (listed.total_count, listed.page_number, listed.page_size) == (2, 1, 10)
    rows = listed.data.user_suppressions
    assert {row.address: row.type for row in rows} == {
        "anna@example.org": "EMAIL",
        "blocked.example": "DOMAIN",
    }
    assert str(rows[0].suppression_id) == one.suppression_id
    assert abs(rows[0].create_time - time.time()) < 60 and rows[0].last_bounce_time == 0
    now = int(time.time())
    recent = account.call(
        "list_user_suppression",
        address="anna@example.org",
        start_create_time=now - 3600,
        end_create_time=now + 60,
    )
    assert recent.total_count == 1
    account.call(
        "remove_user_suppression", suppression_ids=",".join(str(row.suppression_id) for row in rows)
    )
    assert account.call("list_user_suppression").total_count == 0


def test_suppression_list_level(account):
    assert account.call("get_suppression_list_level").suppression_list_level
    level = account.call("set_suppression_list_level", suppression_list_level="GLOBAL")
    assert level.suppression_list_level == "GLOBAL"
    assert account.call("get_suppression_list_level").suppression_list_level == "GLOBAL"
