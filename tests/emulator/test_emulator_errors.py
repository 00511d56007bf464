"""Each refusal, provoked through the SDK and read from its exception."""

import json
import time

import pytest

from tests.emulator.common.calls import NEWS, Account, code_of, headers_json, refused, template


def refusal(account, **fields):
    before = len(account.ledger())
    code = code_of(account.send, **fields)
    assert len(account.ledger()) == before
    return code


# What SingleSendMail says to bad calls

LONG = "x" * 190 + "@example.org"


@pytest.mark.parametrize(
    "fields, code",
    [
        ({"account_name": None}, "MissingParameter"),
        ({"to": None}, "MissingParameter"),
        ({"subject": None}, "MissingParameter"),
        ({"address_type": None}, "MissingParameter"),
        ({"reply_to_address": None}, "MissingParameter"),
        ({"account_name": "no address"}, "InvalidMailAddressName.Malformed"),
        ({"account_name": "other@mail.example.com"}, "InvalidMailAddress.NotFound"),
        ({"account_name": "frozen@mail.example.com"}, "InvalidMailAddressStatus.Malformed"),
        ({"account_name": "news@broken.example.com"}, "InvalidMailAddressDomain.Malformed"),
        ({"address_type": 2}, "InvalidAddressType.Malformed"),
        ({"reply_to_address": "perhaps"}, "InvalidParameter"),
        ({"reply_to_address": ""}, "InvalidParameter"),
        ({"to": "no address"}, "InvalidToAddress"),
        ({"to": "anna@example.org,@"}, "InvalidToAddress"),
        ({"to": ","}, "InvalidToAddress"),
        ({"to": "änna@example.org"}, "InvalidToAddress"),
        ({"to": "a..b@example.org"}, "InvalidToAddress"),
        ({"to": LONG}, "EmailLengthError"),
        ({"to": ",".join(f"p{n}@example.org" for n in range(101))}, "InvalidToAddress"),
        ({"bcc_address": "a@b.cc,b@b.cc,c@b.cc"}, "InvalidBccAddress.Malformed"),
        ({"html_body": None}, "InvalidBody"),
        ({"html_body": " ", "text_body": ""}, "InvalidBody"),
        ({"html_body": "x" * (8 * 1024 * 1024 + 1)}, "InvalidBody"),
        ({"subject": ""}, "InvalidSubject.Malformed"),
        ({"subject": "x" * 101}, "InvalidSubject.Malformed"),
        ({"from_alias": "x" * 15}, "InvalidFromAlias.Malformed"),
        ({"from_alias": "\U0001f338" * 8}, "InvalidFromAlias.Malformed"),
        ({"subject": "\U0001f338" * 51}, "InvalidSubject.Malformed"),
        ({"reply_address": "nobody"}, "InvalidReplyAddress.Malformed"),
        ({"reply_address_alias": "x" * 16}, "InvalidReplyAddressAlias.Malformed"),
        ({"headers": "no json"}, "InvalidHeaders.Malformed"),
        ({"headers": "[1]"}, "InvalidHeaders.Malformed"),
        ({"headers": json.dumps({"X-User-A": 1})}, "InvalidHeaders.Malformed"),
        ({"headers": json.dumps({"X-User-A": "a\r\nBcc: x"})}, "InvalidHeaders.Malformed"),
        ({"tag_name": "not_there"}, "InvalidTag.NotFound"),
        ({"tag_name": "no tag!"}, "InvalidTagName.Malformed"),
        ({"click_trace": "1"}, "InvalidTagName.Malformed"),
        ({"click_trace": "2"}, "InvalidParameter"),
        ({"un_subscribe_link_type": "maybe"}, "InvalidParameter"),
        ({"un_subscribe_filter_level": "maybe"}, "InvalidParameter"),
        ({"subject": "You are a Lottery Winner"}, "InvalidSendMail.Spam"),
        ({"html_body": "<p>cheap VIAGRA</p>"}, "InvalidSendMail.Spam"),
        ({"from_alias": "x", "text_body": "lottery WINNER"}, "InvalidSendMail.Spam"),
        ({"template": template("77")}, "InvalidTemplate.NotFound"),
        ({"template": template("x")}, "InvalidTemplate.NotFound"),
    ],
)
def test_single_send_mail_refuses(account, fields, code):
    assert refusal(account, **fields) == code


def test_limits_are_the_last_good_value(account):
    account.send(
        subject="x" * 100,
        from_alias="x" * 14,
        reply_address_alias="x" * 15,
        bcc_address="a@b.cc,b@b.cc",
        to=",".join(f"p{n}@b.cc" for n in range(100)),
    )
    account.send("x" * 180 + "@example.org")
    account.send(subject="\U0001f338" * 50, from_alias="\U0001f338" * 7)
    assert len(account.ledger()) == 104


def test_only_the_first_ten_headers_count(account):
    account.configure(settings={"rules": {"bad_headers": "drop"}})
    headers = {f"X-User-Notify-{number}": str(number) for number in range(12)}
    account.send(headers=headers_json(**headers))
    assert list(account.ledger()[0]["notify"]) == [f"X-User-Notify-{n}" for n in range(10)]


def test_missing_parameter_names_the_parameter(account):
    error = refused(account.send, to=None)
    assert error.code == "MissingParameter" and "ToAddress" in error.message
    account.configure(settings={"protocol": {"missing_parameter": "Missing{name}"}})
    assert code_of(account.send, to=None) == "MissingToAddress"


def test_sender_types_can_be_restricted(account):
    account.configure(settings={"rules": {"single_send_types": ["trigger"]}})
    assert refusal(account) == "InvalidMailAddressSendType.Malformed"
    assert account.send(account_name="service@mail.example.com").env_id


@pytest.mark.parametrize("bit", [1, 2, 4, 8, 5])
def test_account_state(account, bit):
    account.configure(user_status=bit)
    assert refusal(account) == "InvalidSendMail.Spam"
    account.configure(user_status=0)
    assert account.send().env_id


def test_subject_limit_of_the_newer_pages(account):
    account.configure(settings={"limits": {"subject": 256}})
    assert account.send(subject="x" * 256).env_id
    assert refusal(account, subject="x" * 257) == "InvalidSubject.Malformed"


# Quota


def test_daily_quota(account):
    account.configure(daily_quota=3)
    account.send("a@b.cc,b@b.cc")
    assert refusal(account, to="c@b.cc,d@b.cc") == "InvalidSendMail.Spam"
    account.send("c@b.cc")
    assert refusal(account, to="d@b.cc") == "InvalidSendMail.Spam"
    account.configure(settings={"rules": {"quota_code": "InvalidQuota.Exceeded"}})
    assert refusal(account, to="d@b.cc") == "InvalidQuota.Exceeded"


def test_a_sender_may_have_a_quota_of_its_own(account):
    account.configure(
        senders=[{"address": NEWS, "daily_count": 2}, {"address": "offers@mail.example.com"}]
    )
    account.send("a@b.cc,b@b.cc")
    assert refusal(account, to="c@b.cc") == "InvalidSendMail.Spam"
    assert account.send("c@b.cc", account_name="offers@mail.example.com").env_id
    shown = account.call("query_mail_address_by_param").data.mail_address
    assert [row.daily_count for row in shown] == ["2", "200000"]


def test_the_quota_day_is_beijings(directmail):
    account = Account(directmail, daily_quota=1)
    now = time.time() + 8 * 3600
    directmail.advance_clock(86400 - now % 86400 + 60)  # a minute past midnight in Beijing
    account.send("a@b.cc")
    directmail.advance_clock(86400 - 120)  # a minute before the next
    assert refusal(account, to="b@b.cc") == "InvalidSendMail.Spam"
    directmail.advance_clock(120)
    assert account.send("b@b.cc").env_id


# Invalid addresses: both readings


def test_invalid_addresses_fail_later_or_at_once(account):
    account.send("bounce1@example.org")
    account.emulator.flush_outcomes()
    account.send("bounce1@example.org")
    account.configure(settings={"rules": {"invalid_address": "refuse"}})
    assert refusal(account, to="bounce1@example.org") == "InvalidToAddress.Spam"


# Templates


def make(account, **fields):
    return account.call(
        "create_template",
        **{"template_name": "N", "template_subject": "S", "template_text": "x", **fields},
    )


@pytest.mark.parametrize(
    "fields, code",
    [
        ({"template_name": None}, "MissingParameter"),
        ({"template_name": ""}, "InvalidTemplateName.Malformed"),
        ({"template_name": "x" * 31}, "InvalidTemplateName.Malformed"),
        ({"template_name": "\U0001f338" * 16}, "InvalidTemplateName.Malformed"),
        ({"template_nick_name": "\U0001f338" * 16}, "InvalidTemplateNickName.Malformed"),
        ({"template_subject": "\U0001f338" * 51}, "InvalidSubject.Malformed"),
        ({"template_subject": "x" * 101}, "InvalidSubject.Malformed"),
        ({"template_subject": ""}, "InvalidSubject.Malformed"),
        ({"template_nick_name": "x" * 31}, "InvalidTemplateNickName.Malformed"),
        ({"template_text": ""}, "InvalidTemplateText.Malformed"),
        ({"template_text": "x" * (1024 * 1024 + 1)}, "InvalidTemplateText.Malformed"),
        ({"template_text": "{A1}"}, "InvalidTemplateText.Malformed"),
        (
            {
                "template_text": "".join(
                    "{" + chr(65 + n // 26) + chr(65 + n % 26) + "}" for n in range(51)
                )
            },
            "InvalidTemplateText.Malformed",
        ),
        ({"template_type": 1}, "InvalidParameter"),
    ],
)
def test_create_template_refuses(account, fields, code):
    assert code_of(make, account, **fields) == code
    assert account.call("query_template_by_param").total_count == 0


def test_texts_can_be_stored_in_another_form(account):
    text = "<style>p{content:'é'}</style><!-- é --><p title='é'>It's é\nand {Name}</p>"
    found = {}
    for form in ("exact", "crlf", "entities"):
        account.configure(settings={"rules": {"stored_text": form, "returns_nickname": False}})
        number = make(
            account, template_name=form, template_text=text, template_nick_name="Anna"
        ).template_id
        answer = account.call("desc_template", template_id=number)
        assert not answer.template_nick_name
        found[form] = answer.template_text
    assert found["exact"] == text
    assert found["crlf"] == text.replace("\n", "\r\n").replace("</p>", "</p>\r\n\r\n")
    assert found["entities"] == text.replace("It's é", "It&#39;s &#233;")


UNTHROTTLED = {"throttle": {"default": "0"}}


def test_template_names_are_unique_and_100_is_all(account):
    account.configure(settings=UNTHROTTLED)
    first = make(account).template_id
    assert code_of(make, account) == "InvalidTemplateName.Duplicate"
    other = make(account, template_name="Other").template_id
    fields = {"template_subject": "S", "template_text": "x"}
    assert (
        code_of(account.call, "modify_template", template_id=other, template_name="N", **fields)
        == "InvalidTemplateName.Duplicate"
    )
    assert (
        code_of(account.call, "modify_template", template_id=999, template_name="N", **fields)
        == "InvalidTemplate.NotFound"
    )
    for number in range(98):
        make(account, template_name=f"T{number}")
    assert code_of(make, account, template_name="T100") == "InvalidTemplateNumber.Malformed"
    account.call("delete_template", template_id=first)
    assert make(account, template_name="T100").template_id
    for action in ("delete_template", "desc_template"):
        assert code_of(account.call, action, template_id=first) == "InvalidTemplate.NotFound"


def test_a_template_needs_approval_and_loses_it_when_modified(account):
    number = make(account).template_id
    sent = {"html_body": None, "template": template(number)}
    assert refusal(account, **sent) == "InvalidTemplateStatus.Malformed"
    account.emulator.reject(number, "no")
    assert refusal(account, **sent) == "InvalidTemplateStatus.Malformed"
    account.emulator.approve(number)
    assert account.send(**sent).env_id
    account.call(
        "modify_template",
        template_id=number,
        template_name="N",
        template_subject="S",
        template_text="y",
    )
    assert refusal(account, **sent) == "InvalidTemplateStatus.Malformed"
    assert (
        code_of(
            account.call,
            "send_test_by_template",
            account_name=NEWS,
            email="anna@example.org",
            template_id=number,
        )
        == "InvalidTemplateStatus.Malformed"
    )


def test_both_rules_about_approval_can_be_switched_off(account):
    account.configure(
        settings={
            "rules": {"template_must_be_approved": False, "modified_template_loses_approval": False}
        }
    )
    number = make(account).template_id
    assert account.send(html_body=None, template=template(number)).env_id
    account.emulator.approve(number)
    account.call(
        "modify_template",
        template_id=number,
        template_name="N",
        template_subject="S",
        template_text="y",
    )
    assert account.call("desc_template", template_id=number).template_status == "2"


@pytest.mark.parametrize(
    "fields, code",
    [
        ({"email": "nobody"}, "EmailFormatError"),
        ({"email": "x" * 60 + "@b.cc"}, "EmailLengthError"),
        ({"user_name": "x" * 31}, "InvalidParameter"),
        ({"template_params": "{"}, "InvalidParameter"),
        ({"account_name": "x@y.zz"}, "InvalidMailAddress.NotFound"),
        ({"template_id": 999}, "InvalidTemplate.NotFound"),
    ],
)
def test_send_test_by_template_refuses(account, fields, code):
    fields = {
        "account_name": NEWS,
        "email": "anna@example.org",
        "template_id": int(account.approved()),
        **fields,
    }
    assert code_of(account.call, "send_test_by_template", **fields) == code
    assert account.ledger() == []


# Tags


def test_tags(account):
    account.configure(settings=UNTHROTTLED)
    account.call("create_tag", tag_name="one")
    assert code_of(account.call, "create_tag", tag_name="one") == "InvalidTagName.Duplicate"
    assert code_of(account.call, "create_tag", tag_name="a b") == "InvalidTagName.Malformed"
    assert code_of(account.call, "create_tag", tag_name="a-b") == "InvalidTagName.Malformed"
    assert code_of(account.call, "create_tag", tag_name="x" * 129) == "InvalidTagName.Malformed"
    assert code_of(account.call, "delete_tag", tag_id=999) == "InvalidTag.NotFound"
    assert code_of(account.call, "modify_tag", tag_id=999, tag_name="x") == "InvalidTag.NotFound"
    for number in range(99):
        account.call("create_tag", tag_name=f"t{number}")
    assert code_of(account.call, "create_tag", tag_name="t100") == "InvalidTagNumber.Malformed"


# Statistics and lists


@pytest.mark.parametrize(
    "action, fields, code",
    [
        (
            "sender_statistics_detail_by_param",
            {"start_time": "2020-01-01", "end_time": "x"},
            "InvalidDate.Malformed",
        ),
        (
            "sender_statistics_detail_by_param",
            {"start_time": "2020-01-01 00:00", "end_time": "2020-01-02 00:00"},
            "InvalidDate.Malformed",
        ),
        ("sender_statistics_detail_by_param", {"length": 101}, "InvalidParameter"),
        ("sender_statistics_detail_by_param", {"length": 0}, "InvalidParameter"),
        ("sender_statistics_detail_by_param", {"status": 1}, "InvalidParameter"),
        ("sender_statistics_detail_by_param", {"next_start": "x"}, "InvalidParameter"),
        (
            "sender_statistics_detail_by_param",
            {"tag_name": "a", "to_address": "b"},
            "InvalidParameter",
        ),
        ("sender_statistics_by_tag_name_and_batch_id", {}, "MissingParameter"),
        (
            "sender_statistics_by_tag_name_and_batch_id",
            {"start_time": "2020-01-01", "end_time": "2020-01-02"},
            "InvalidDate.Malformed",
        ),
        (
            "get_track_list",
            {"account_name": NEWS, "start_time": "1", "end_time": "2"},
            "InvalidDate.Malformed",
        ),
        (
            "query_invalid_address",
            {"start_time": "2020-01-01", "end_time": "2020-01-02"},
            "InvalidDate.Malformed",
        ),
        ("delete_invalid_address", {"to_address": "nobody@example.org"}, "InvalidAddress.NotFound"),
        ("list_block_sending", {"block_type": "OTHER"}, "InvalidParameter"),
        ("list_block_sending", {"block_type": "UNSUB", "max_results": 501}, "InvalidParameter"),
        ("create_user_suppression", {"address": "a b"}, "EmailFormatError"),
        ("create_user_suppression", {"address": "x" * 200}, "EmailLengthError"),
        (
            "list_user_suppression",
            {"start_create_time": 1, "end_create_time": 9999999},
            "InvalidDate.Malformed",
        ),
        ("remove_user_suppression", {"suppression_ids": "999"}, "InvalidSuppression.NotFound"),
        ("desc_domain", {"domain_id": 9}, "InvalidDomain.NotFound"),
        ("query_tag_by_param", {"page_no": 0}, "InvalidParameter"),
    ],
)
def test_queries_refuse(account, action, fields, code):
    assert code_of(account.call, action, **fields) == code
