"""The gateway in front of DirectMail: keys, permissions, throttles, accounts and regions."""

import time

from alibabacloud_dm20151123 import models
from alibabacloud_tea_openapi.exceptions import ClientException, ThrottlingException
from darabonba.exceptions import DaraException

from tests.emulator.common.calls import NEWS, Account, code_of, post, refused, template


def test_an_operation_that_is_not_there(account):
    error = refused(
        account.sdk.batch_send_mail, models.BatchSendMailRequest(account_name=NEWS, address_type=1)
    )
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
    assert account.call(
        "create_template", template_name="N", template_subject="S", template_text="x" * 80000
    ).template_id
    answer = post(
        account,
        "CreateTemplate",
        {"TemplateName": "n", "TemplateSubject": "s", "TemplateText": "x" * 82000},
    )
    assert answer.status_code == 414 and "html" in answer.headers["Content-Type"]


def test_temporary_keys(emulator, account):
    key = f"STS.{account.key}"
    account.configure(
        temporary_keys=[{"access_key_id": key, "secret": "s", "token": "good", "expires": 1.0}]
    )
    assert code_of(Account(emulator, key, "s", token="good").send) == "InvalidSecurityToken.Expired"
    assert (
        code_of(Account(emulator, key, "s", token="other").send) == "InvalidSecurityToken.Malformed"
    )
    assert code_of(Account(emulator, key, "s").send) == "MissingSecurityToken"
    assert (
        code_of(Account(emulator, account.key, account.secret, token="good").send)
        == "InvalidSecurityToken.Malformed"
    )


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
    account.configure(
        settings={"throttle": {"operations": {"SingleSendMail": "1/h"}, "retry_header": "never"}}
    )
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
