"""Every operation through the real SDK, read with its own models."""

import json
import time

import pytest
from alibabacloud_dm20151123 import models

from tests.emulator.common.calls import NEWS, headers_json, runtime, template

UUID = r"[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}"


def days(offset=0):
    """A Beijing day, so many days from today."""
    return time.strftime("%Y-%m-%d", time.gmtime(time.time() + 8 * 3600 + offset * 86400))


def minute(offset=0):
    return time.strftime("%Y-%m-%d %H:%M", time.gmtime(time.time() + 8 * 3600 + offset))


# Sending


def test_single_send_mail_with_own_body(account):
    account.configure(settings={"rules": {"bad_headers": "drop"}})
    account.call("create_tag", tag_name="spring")
    answer = account.send(
        "anna@example.org,ben@example.org",
        tag_name="spring",
        from_alias="Example",
        reply_address="reply@mail.example.com",
        reply_address_alias="Reply",
        headers=headers_json(
            Message_ID="<one@mail.example.com>",
            X_User_Notify_Mid="m1",
            X_User_Other="o",
            X_Other="dropped",
        ),
        text_body="Hi",
        un_subscribe_link_type="disabled",
        un_subscribe_filter_level="mailfrom",
        domain_auth=False,
        ip_pool_id="pool",
        bcc_address="copy@example.org",
    )
    assert answer.env_id.isdigit() and len(answer.request_id) == 36
    rows = account.ledger()
    assert [row["to"] for row in rows] == [
        "anna@example.org",
        "ben@example.org",
        "copy@example.org",
    ]
    first = rows[0]
    assert first["env_id"] == answer.env_id and first["request_id"] == answer.request_id
    assert first["subject"] == "Hello" and first["tag"] == "spring"
    assert first["sender"] == NEWS and first["sender_name"] == "Example"
    assert first["message_id"] == "<one@mail.example.com>"
    assert first["from"] == first["sender"]  # AddressType 1
    assert first["notify"] == {"X-User-Notify-Mid": "m1"}
    assert first["headers"].keys() == {"Message-ID", "X-User-Notify-Mid", "X-User-Other"}
    assert abs(first["accepted_at"] - time.time()) < 30


def test_single_send_mail_with_template(account):
    number = account.approved(
        subject="Hello {Name}", text="<body>Hi {Name}, {Gift} for {Name}</body>"
    )
    answer = account.send(
        html_body=None, subject="Filled", template=template(number, Name="<b>你好 & {Gift}</b>")
    )
    mail = account.emulator.mail(answer.env_id)
    # literal values, once; what has no value stays as it stands
    assert mail["html"] == ("<body>Hi <b>你好 & {Gift}</b>, {Gift} for <b>你好 & {Gift}</b></body>")
    assert mail["subject"] == "Filled" and mail["sender_name"] == "Example"
    assert mail["template_id"] == int(number)
    assert mail["variables"] == {"Name": "<b>你好 & {Gift}</b>"}


def test_template_gives_subject_and_sender_name_when_the_call_does_not(account):
    number = account.approved(subject="Hello {Name}")
    answer = account.send(
        html_body="ignored", subject="", from_alias="Call", template=template(number, Name="Anna")
    )
    mail = account.emulator.mail(answer.env_id)
    assert mail["subject"] == "Hello Anna" and mail["sender_name"] == "Call"
    assert mail["html"] == "<body>Hi Anna</body>"


def test_a_sent_mail_keeps_the_text_it_had(account):
    number = account.approved(text="<body>old {Name}</body>")
    answer = account.send(html_body=None, template=template(number, Name="Anna"))
    account.call(
        "modify_template",
        template_id=int(number),
        template_name="Welcome",
        template_subject="Hello",
        template_text="<body>new</body>",
        template_nick_name="Example",
    )
    assert account.emulator.mail(answer.env_id)["html"] == "<body>old Anna</body>"


def test_send_test_by_template(account):
    number = account.approved(subject="{EAddr}", text="<body>{UserName} {Custom}</body>")
    answer = account.call(
        "send_test_by_template",
        account_name=NEWS,
        email="anna@example.org",
        template_id=int(number),
        user_name="Anna",
        nick_name="A",
        gender="f",
        birthday="2000-01-01",
        mobile="1",
        template_params='{"Custom": "x"}',
    )
    assert answer.request_id
    mail = account.emulator.mail(account.ledger()[0]["env_id"])
    assert mail["subject"] == "anna@example.org" and mail["html"] == "<body>Anna x</body>"


@pytest.mark.parametrize("spelling", ["True", "true", "TRUE", True])
def test_booleans_in_any_case(account, spelling):
    assert account.send(reply_to_address=spelling).env_id


def test_owner_fields_are_ignored(account):
    assert account.send(owner_id=1, resource_owner_id=2, resource_owner_account="x").env_id


# Templates


def test_template_family(account):
    account.configure(settings={"rules": {"stored_text": "exact", "returns_nickname": True}})
    created = account.call(
        "create_template",
        template_name="One",
        template_subject="S {A}",
        template_text="<body>{A}</body>",
        template_nick_name="Nick",
        template_type=0,
        remark="r",
        from_type=1,
    )
    assert isinstance(created.template_id, int)
    one = account.call("desc_template", template_id=created.template_id)
    assert (one.template_name, one.template_subject, one.template_text) == (
        "One",
        "S {A}",
        "<body>{A}</body>",
    )
    assert one.template_nick_name == "Nick" and one.template_status == "1"
    assert one.template_type == "0" and one.create_time == minute()[: len(one.create_time)]

    account.emulator.reject(created.template_id, "No unsubscribe link.")
    page = account.call("query_template_by_param", key_word="On", page_no=1, page_size=5)
    assert (page.total_count, page.page_number, page.page_size) == (1, 1, 5)
    row = page.data.template[0]
    assert row.template_id == str(created.template_id) and row.template_name == "One"
    assert row.template_status == "3" and row.template_comment == "No unsubscribe link."
    assert row.template_type == 0 and abs(row.utc_createtime - time.time()) < 60

    account.call(
        "modify_template",
        template_id=created.template_id,
        template_name="Two",
        template_subject="S2",
        template_text="<body>2</body>",
        template_nick_name="Nick",
        remark="",
        sms_content="",
        sms_type=0,
    )
    one = account.call("desc_template", template_id=created.template_id)
    assert (one.template_name, one.template_status) == ("Two", "1")
    assert account.call("delete_template", template_id=created.template_id).request_id
    assert account.call("query_template_by_param").total_count == 0


def test_templates_are_paged_newest_first(account):
    for number in range(23):
        account.call(
            "create_template", template_name=f"T{number}", template_subject="S", template_text="x"
        )
    first = account.call("query_template_by_param")
    second = account.call("query_template_by_param", page_no=2)
    names = [row.template_name for row in first.data.template + second.data.template]
    assert first.page_size == 20 and first.total_count == 23
    assert names == [f"T{number}" for number in range(22, -1, -1)]


def test_a_template_of_160_kb_in_the_url(account):
    account.configure(settings={"rules": {"stored_text": "exact", "returns_nickname": True}})
    text = "<body>" + "<p>你好 {Name}</p>" * 8000 + "</body>"
    assert len(text.encode()) > 160_000
    number = account.call(
        "create_template", template_name="Long", template_subject="S", template_text=text
    ).template_id
    assert account.call("desc_template", template_id=number).template_text == text


# Tags


def test_tag_family(account):
    first = account.call("create_tag", tag_name="spring_2026", tag_description="Spring")
    account.call("create_tag", tag_name="autumn")
    page = account.call("query_tag_by_param", key_word="spring", page_no=1, page_size=10)
    assert (page.total_count, page.page_number, page.page_size) == (1, 1, 10)
    tag = page.data.tag[0]
    assert (tag.tag_id, tag.tag_name, tag.tag_description) == (
        first.tag_id,
        "spring_2026",
        "Spring",
    )
    account.call(
        "modify_tag", tag_id=int(first.tag_id), tag_name="summer", tag_description="Summer"
    )
    names = {tag.tag_name for tag in account.call("query_tag_by_param").data.tag}
    assert names == {"summer", "autumn"}
    account.call("delete_tag", tag_id=int(first.tag_id))
    assert account.call("query_tag_by_param").total_count == 1


# Senders, domains, account


def test_query_mail_address_by_param(account):
    account.send()
    page = account.call(
        "query_mail_address_by_param",
        key_word="mail.example",
        page_no=1,
        page_size=10,
        sendtype="batch",
    )
    assert page.total_count == 2 and page.page_number == 1
    news, frozen = page.data.mail_address
    assert (news.account_name, news.account_status, news.sendtype, news.domain_status) == (
        NEWS,
        "0",
        "batch",
        "0",
    )
    assert news.daily_req_count == "1" and news.month_req_count == "1"
    assert news.daily_count == "200000" and news.mail_address_id == "1"
    assert frozen.account_status == "1"
    broken = account.call("query_mail_address_by_param", key_word="broken").data.mail_address
    assert broken[0].domain_status == "1"


def test_query_domain_by_param_and_desc_domain(account):
    page = account.call("query_domain_by_param", key_word="example", page_no=1, page_size=10)
    good, broken = page.data.domain
    assert page.total_count == 2 and page.page_size == 10
    assert (good.domain_name, good.domain_status, good.spf_auth_status) == (
        "mail.example.com",
        "0",
        "0",
    )
    assert (broken.domain_status, broken.spf_auth_status) == ("1", "1")
    only = account.call("query_domain_by_param", status=1).data.domain
    assert [domain.domain_name for domain in only] == ["broken.example.com"]
    domain = account.call(
        "desc_domain", domain_id=int(good.domain_id), require_real_time_dns_records=True
    )
    assert domain.domain_name == "mail.example.com" and domain.domain_status == "0"
    assert domain.dmarc_auth_status == 0 and domain.dkim_rsa_length == 2048
    assert domain.spf_record_v2.startswith("v=spf1 ")


def test_desc_account_summary(account):
    account.configure(user_status=4, daily_quota=2000, quota_level=3)
    account.call("create_tag", tag_name="one")
    summary = account.call("desc_account_summary")
    assert (summary.daily_quota, summary.month_quota) == (2000, 60000)
    assert (summary.quota_level, summary.max_quota_level, summary.user_status) == (3, 10, 4)
    assert (summary.domains, summary.mail_addresses, summary.tags) == (2, 4, 1)
    assert summary.ip_channel_type == "normal" and summary.templates == 0


def test_get_and_update_user(account):
    assert account.call("get_user").data.enable_eventbridge is False
    account.call("update_user", user=models.UpdateUserRequestUser(enable_eventbridge=True))
    assert account.call("get_user").data.enable_eventbridge is True


# Statistics and tracking


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


# Protocol, as the SDK speaks it


def test_a_body_of_eight_megabytes(account):
    html = "<body>" + "x" * (8 * 1024 * 1024 - 20) + "</body>"
    assert account.emulator.mail(account.send(html_body=html).env_id)["html"] == html


def test_parameters_in_the_form_body_instead_of_the_query(account):
    """`call_api` with a form body, as clients do for long template texts."""
    from alibabacloud_tea_openapi import models as open_api

    account.configure(
        settings={"protocol": {"parameter_places": "accept"}, "rules": {"stored_text": "exact"}}
    )
    params = open_api.Params(
        action="CreateTemplate",
        version="2015-11-23",
        protocol="HTTPS",
        pathname="/",
        method="POST",
        auth_type="AK",
        style="RPC",
        req_body_type="formData",
        body_type="json",
    )
    request = open_api.OpenApiRequest(
        body={"TemplateName": "Body", "TemplateSubject": "S", "TemplateText": "<body>你好</body>"}
    )
    answer = account.sdk.call_api(params, request, runtime())
    number = answer["body"]["TemplateId"]
    assert account.call("desc_template", template_id=number).template_text == "<body>你好</body>"


def test_the_old_signature(account):
    sdk = account.client(signature_algorithm="v2")
    assert sdk.create_tag(models.CreateTagRequest(tag_name="old_style")).body.tag_id
    request = models.SingleSendMailRequest(
        account_name=NEWS,
        address_type=1,
        reply_to_address="false",
        to_address="anna@example.org",
        subject="你好 *~ +",
        text_body="x",
    )
    assert sdk.single_send_mail(request).body.env_id
    assert account.ledger()[0]["subject"] == "你好 *~ +"


def test_temporary_keys(account, emulator):
    from tests.emulator.common.calls import Account

    account.configure(
        temporary_keys=[
            {"access_key_id": f"STS.{account.key}", "secret": "temporary", "token": "token/+="}
        ]
    )
    temporary = Account(emulator, f"STS.{account.key}", "temporary", token="token/+=")
    assert temporary.send().env_id
    assert len(account.ledger()) == 1


def test_many_calls_on_one_connection(account):
    """Keep-alive: the SDK's pool holds one connection per thread."""
    for number in range(20):
        account.call("query_tag_by_param", key_word=f"{number}")
    assert account.send(headers=json.dumps({})).env_id
