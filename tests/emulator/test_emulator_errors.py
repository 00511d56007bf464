"""Each refusal, provoked through the SDK and read from its exception."""

import json
import time

import pytest
from alibabacloud_dm20151123 import models
from alibabacloud_tea_openapi.exceptions import ClientException, ThrottlingException
from darabonba.exceptions import DaraException
from emulator_support import (Account, NEWS, code_of, headers_json, post, refused, template)


def refusal(account, **fields):
    before = len(account.ledger())
    code = code_of(account.send, **fields)
    assert len(account.ledger()) == before
    return code


# What SingleSendMail says to bad calls

LONG = "x" * 190 + "@example.org"


@pytest.mark.parametrize("fields, code", [
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
    ({"from_alias": "x" * 16}, "InvalidFromAlias.Malformed"),
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
    ({"template": template("77")}, "InvalidTemplate.NotFound"),
    ({"template": template("x")}, "InvalidTemplate.NotFound"),
])
def test_single_send_mail_refuses(account, fields, code):
    assert refusal(account, **fields) == code


def test_limits_are_the_last_good_value(account):
    account.send(subject="x" * 100, from_alias="x" * 15, reply_address_alias="x" * 15,
                 bcc_address="a@b.cc,b@b.cc", to=",".join(f"p{n}@b.cc" for n in range(100)))
    account.send("x" * 180 + "@example.org")
    assert len(account.ledger()) == 103


def test_only_the_first_ten_headers_count(account):
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
    return account.call("create_template", **{
        "template_name": "N", "template_subject": "S", "template_text": "x", **fields})


@pytest.mark.parametrize("fields, code", [
    ({"template_name": None}, "MissingParameter"),
    ({"template_name": ""}, "InvalidTemplateName.Malformed"),
    ({"template_name": "x" * 31}, "InvalidTemplateName.Malformed"),
    ({"template_subject": "x" * 101}, "InvalidSubject.Malformed"),
    ({"template_subject": ""}, "InvalidSubject.Malformed"),
    ({"template_nick_name": "x" * 31}, "InvalidTemplateNickName.Malformed"),
    ({"template_text": ""}, "InvalidTemplateText.Malformed"),
    ({"template_text": "x" * (1024 * 1024 + 1)}, "InvalidTemplateText.Malformed"),
    ({"template_text": "{A1}"}, "InvalidTemplateText.Malformed"),
    ({"template_text": "".join("{" + chr(65 + n // 26) + chr(65 + n % 26) + "}"
                               for n in range(51))}, "InvalidTemplateText.Malformed"),
    ({"template_type": 1}, "InvalidParameter"),
])
def test_create_template_refuses(account, fields, code):
    assert code_of(make, account, **fields) == code
    assert account.call("query_template_by_param").total_count == 0


UNTHROTTLED = {"throttle": {"default": "0"}}


def test_template_names_are_unique_and_100_is_all(account):
    account.configure(settings=UNTHROTTLED)
    first = make(account).template_id
    assert code_of(make, account) == "InvalidTemplateName.Duplicate"
    other = make(account, template_name="Other").template_id
    fields = {"template_subject": "S", "template_text": "x"}
    assert code_of(account.call, "modify_template", template_id=other, template_name="N",
                   **fields) == "InvalidTemplateName.Duplicate"
    assert code_of(account.call, "modify_template", template_id=999, template_name="N",
                   **fields) == "InvalidTemplate.NotFound"
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
    account.call("modify_template", template_id=number, template_name="N",
                 template_subject="S", template_text="y")
    assert refusal(account, **sent) == "InvalidTemplateStatus.Malformed"
    assert code_of(account.call, "send_test_by_template", account_name=NEWS,
                   email="anna@example.org",
                   template_id=number) == "InvalidTemplateStatus.Malformed"


def test_both_rules_about_approval_can_be_switched_off(account):
    account.configure(settings={"rules": {"template_must_be_approved": False,
                                          "modified_template_loses_approval": False}})
    number = make(account).template_id
    assert account.send(html_body=None, template=template(number)).env_id
    account.emulator.approve(number)
    account.call("modify_template", template_id=number, template_name="N",
                 template_subject="S", template_text="y")
    assert account.call("desc_template", template_id=number).template_status == "2"


@pytest.mark.parametrize("fields, code", [
    ({"email": "nobody"}, "EmailFormatError"),
    ({"email": "x" * 60 + "@b.cc"}, "EmailLengthError"),
    ({"user_name": "x" * 31}, "InvalidParameter"),
    ({"template_params": "{"}, "InvalidParameter"),
    ({"account_name": "x@y.zz"}, "InvalidMailAddress.NotFound"),
    ({"template_id": 999}, "InvalidTemplate.NotFound"),
])
def test_send_test_by_template_refuses(account, fields, code):
    fields = {"account_name": NEWS, "email": "anna@example.org",
              "template_id": int(account.approved()), **fields}
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
    assert code_of(account.call, "modify_tag", tag_id=999,
                   tag_name="x") == "InvalidTag.NotFound"
    for number in range(99):
        account.call("create_tag", tag_name=f"t{number}")
    assert code_of(account.call, "create_tag", tag_name="t100") == "InvalidTagNumber.Malformed"


# Statistics and lists


@pytest.mark.parametrize("action, fields, code", [
    ("sender_statistics_detail_by_param",
     {"start_time": "2020-01-01", "end_time": "x"}, "InvalidDate.Malformed"),
    ("sender_statistics_detail_by_param",
     {"start_time": "2020-01-01 00:00", "end_time": "2020-01-02 00:00"},
     "InvalidDate.Malformed"),
    ("sender_statistics_detail_by_param", {"length": 101}, "InvalidParameter"),
    ("sender_statistics_detail_by_param", {"length": 0}, "InvalidParameter"),
    ("sender_statistics_detail_by_param", {"status": 1}, "InvalidParameter"),
    ("sender_statistics_detail_by_param", {"next_start": "x"}, "InvalidParameter"),
    ("sender_statistics_detail_by_param",
     {"tag_name": "a", "to_address": "b"}, "InvalidParameter"),
    ("sender_statistics_by_tag_name_and_batch_id", {}, "MissingParameter"),
    ("sender_statistics_by_tag_name_and_batch_id",
     {"start_time": "2020-01-01", "end_time": "2020-01-02"}, "InvalidDate.Malformed"),
    ("get_track_list", {"account_name": NEWS, "start_time": "1", "end_time": "2"},
     "InvalidDate.Malformed"),
    ("query_invalid_address", {"start_time": "2020-01-01", "end_time": "2020-01-02"},
     "InvalidDate.Malformed"),
    ("delete_invalid_address", {"to_address": "nobody@example.org"}, "InvalidAddress.NotFound"),
    ("list_block_sending", {"block_type": "OTHER"}, "InvalidParameter"),
    ("list_block_sending", {"block_type": "UNSUB", "max_results": 501}, "InvalidParameter"),
    ("create_user_suppression", {"address": "a b"}, "EmailFormatError"),
    ("create_user_suppression", {"address": "x" * 200}, "EmailLengthError"),
    ("list_user_suppression", {"start_create_time": 1, "end_create_time": 9999999},
     "InvalidDate.Malformed"),
    ("remove_user_suppression", {"suppression_ids": "999"}, "InvalidSuppression.NotFound"),
    ("desc_domain", {"domain_id": 9}, "InvalidDomain.NotFound"),
    ("query_tag_by_param", {"page_no": 0}, "InvalidParameter"),
])
def test_queries_refuse(account, action, fields, code):
    assert code_of(account.call, action, **fields) == code


# The gateway


def test_an_operation_that_is_not_there(account):
    error = refused(account.sdk.batch_send_mail, models.BatchSendMailRequest(
        account_name=NEWS, address_type=1))
    assert isinstance(error, ClientException)
    assert (error.code, error.status_code) == ("InvalidApi.NotFound", 404)


def test_unknown_key(emulator, account):
    assert code_of(Account(emulator, "LTAINOBODY", "x").send) == "InvalidAccessKeyId.NotFound"
    account.configure(active=False)
    assert code_of(account.send) == "InvalidAccessKeyId.Inactive"


def test_wrong_secret(emulator, account):
    error = refused(Account(emulator, account.key, "wrong").send)
    assert error.code == "SignatureDoesNotMatch"
    assert account.ledger() == []


def test_permissions_per_action(account):
    account.configure(permissions=["dm:Query*", "dm:SingleSendMail"])
    assert account.send().env_id
    assert account.call("query_tag_by_param").total_count == 0
    error = refused(account.call, "create_tag", tag_name="x")
    assert (error.code, error.status_code) == ("Forbidden.RAM", 403)


def test_ip_allow_list(account):
    account.configure(allow_ips=["192.0.2.1"])
    assert code_of(account.send) == "InvalidIP.NotFound"
    account.configure(allow_ips=["192.0.2.1", "127.0.0.1"])
    assert account.send().env_id


def test_plain_http_may_be_refused(directmail):
    account = Account(directmail)
    directmail.change_settings({"protocol": {"require_ssl": True}})
    assert code_of(account.send) == "InvalidProtocol.NeedSsl"


def test_long_query_strings_may_be_refused(directmail):
    account = Account(directmail)
    directmail.change_settings({"protocol": {"max_query_bytes": 81920}})
    assert make(account, template_text="x" * 80000).template_id
    answer = post(account, "CreateTemplate", {"TemplateName": "n", "TemplateSubject": "s",
                                              "TemplateText": "x" * 82000})
    assert answer.status_code == 414 and "html" in answer.headers["Content-Type"]


def test_temporary_keys(emulator, account):
    key = f"STS.{account.key}"
    account.configure(temporary_keys=[
        {"access_key_id": key, "secret": "s", "token": "good", "expires": 1.0}])
    assert code_of(Account(emulator, key, "s",
                           token="good").send) == "InvalidSecurityToken.Expired"
    assert code_of(Account(emulator, key, "s",
                           token="other").send) == "InvalidSecurityToken.Malformed"
    assert code_of(Account(emulator, key, "s").send) == "MissingSecurityToken"
    assert code_of(Account(emulator, account.key, account.secret,
                           token="good").send) == "InvalidSecurityToken.Malformed"


def test_clock_skew_of_the_gateway(directmail):
    account = Account(directmail)
    directmail.post("/api/clock", {"skew": 890})
    assert account.send().env_id
    for skew in (-910, 910):
        directmail.post("/api/clock", {"skew": skew})
        assert code_of(account.send) == "InvalidTimeStamp.Expired"


# Throttles


def test_throttle_with_header(account):
    account.configure(settings={"throttle": {"operations": {"SingleSendMail": "3/h"}}})
    for _ in range(3):
        account.send()
    error = refused(account.send)
    assert isinstance(error, ThrottlingException) and error.code == "Throttling.User"
    assert 0 < error.retry_after <= 3600_000
    assert len(account.ledger()) == 3


def test_throttle_without_header(account):
    account.configure(settings={"throttle": {"operations": {"SingleSendMail": "1/h"},
                                             "retry_header": "never"}})
    account.send()
    error = refused(account.send)
    assert type(error) is ClientException and error.code == "Throttling.User"
    account.configure(settings={"throttle": {"retry_header": "alternate"}})
    kinds = {type(refused(account.send)) for _ in range(2)}
    assert kinds == {ClientException, ThrottlingException}


def test_documented_limits(directmail):
    account = Account(directmail)
    directmail.advance_clock(60 - time.time() % 60)  # the beginning of a minute
    for _ in range(10):
        account.call("desc_account_summary")
    assert code_of(account.call, "desc_account_summary") == "Throttling.User"
    directmail.advance_clock(61)
    assert account.call("desc_account_summary").request_id


def test_accounts_are_throttled_each_for_itself(emulator, account):
    other = Account(emulator)
    account.configure(settings={"throttle": {"default": "1/h"}})
    account.call("query_tag_by_param")
    assert code_of(account.call, "query_tag_by_param") == "Throttling.User"
    for _ in range(3):
        other.call("query_tag_by_param")


# Nothing shared


def test_accounts_share_nothing(emulator, account):
    other = Account(emulator)
    number = account.approved()
    tag = account.call("create_tag", tag_name="mine").tag_id
    account.send("bounce1@example.org")
    emulator.flush_outcomes()
    assert other.call("query_template_by_param").total_count == 0
    assert other.call("query_tag_by_param").total_count == 0
    assert other.call("query_invalid_address").total_count == 0
    assert other.call("sender_statistics_detail_by_param").data.mail_detail == []
    assert code_of(other.send, template=template(number)) == "InvalidTemplate.NotFound"
    assert code_of(other.send, tag_name="mine") == "InvalidTag.NotFound"
    assert code_of(other.call, "delete_tag", tag_id=int(tag)) == "InvalidTag.NotFound"


def test_regions_share_nothing(emulator):
    assert set(emulator.endpoints) == {"ap-southeast-1", "cn-hangzhou"}
    here = Account(emulator)
    hangzhou = Account(emulator, region="cn-hangzhou")
    assert hangzhou.send().env_id and hangzhou.ledger()[0]["region"] == "cn-hangzhou"
    # the key holds in the other region too, but nothing is set up there
    elsewhere = Account(emulator, here.key, here.secret)
    elsewhere.endpoint = emulator.endpoints["cn-hangzhou"]
    elsewhere.sdk = elsewhere.client()
    assert code_of(elsewhere.send) == "InvalidMailAddress.NotFound"
    assert elsewhere.call("query_mail_address_by_param").total_count == 0


def test_an_error_has_everything_that_the_sdk_reads(account):
    body = post(account, "SingleSendMail", {}).json()
    assert set(body) == {"RequestId", "HostId", "Code", "Message", "Recommend"}
    assert body["HostId"] == account.endpoint and body["Code"] in body["Recommend"]
    error = refused(account.send, to=None)
    assert isinstance(error, DaraException) and len(error.request_id) == 36
