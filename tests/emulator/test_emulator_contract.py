"""Operations that send and manage, through the real SDK, read with its own models."""

import time

import pytest
from alibabacloud_dm20151123 import models

from tests.emulator.common.calls import NEWS, headers_json, minute, template

UUID = r"[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}"


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
