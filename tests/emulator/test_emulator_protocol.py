"""The protocol, as the SDK speaks it: long bodies, form bodies, signatures and connections."""

import json

from alibabacloud_dm20151123 import models

from tests.emulator.common.calls import NEWS, runtime


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
