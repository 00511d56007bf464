"""Answers have exactly the keys of the SDK's models, typos included."""

import json
import re

import pytest
from alibabacloud_dm20151123 import models
from darabonba.model import DaraModel

from directmail_emulator.operations import load_all
from tests.emulator.common.calls import NEWS, post, send_fields

TODAY = {"StartTime": "{day}", "EndTime": "{day}"}
#: parameters of one good call per operation; what needs an id gets it from the fixture
EXAMPLES = {
    "CreateTag": {"TagName": "another"},
    "ModifyTag": {"TagId": "{tag}", "TagName": "renamed"},
    "DeleteTag": {"TagId": "{tag}"},
    "QueryTagByParam": {},
    "CreateTemplate": {"TemplateName": "N", "TemplateSubject": "S", "TemplateText": "x"},
    "ModifyTemplate": {
        "TemplateId": "{template}",
        "TemplateName": "N",
        "TemplateSubject": "S",
        "TemplateText": "x",
    },
    "DeleteTemplate": {"TemplateId": "{template}"},
    "DescTemplate": {"TemplateId": "{template}"},
    "QueryTemplateByParam": {},
    "QueryMailAddressByParam": {},
    "QueryDomainByParam": {},
    "DescDomain": {"DomainId": "1"},
    "DescAccountSummary": {},
    "GetUser": {},
    "UpdateUser": {"User": '{"EnableEventbridge": true}'},
    "SenderStatisticsDetailByParam": {},
    "SenderStatisticsByTagNameAndBatchID": TODAY,
    "GetTrackList": {"AccountName": NEWS, **TODAY},
    "GetTrackListByMailFromAndTagName": {"AccountName": NEWS, **TODAY},
    "QueryInvalidAddress": {},
    "DeleteInvalidAddress": {"ToAddress": "bounce@example.org"},
    "ListBlockSending": {"BlockType": "UNSUB"},
    "UnblockSending": {
        "BlockType": "UNSUB",
        "BlockEmail": "unsub@example.org",
        "SenderEmail": NEWS,
    },
    "CreateUserSuppression": {"Address": "new.example"},
    "ListUserSuppression": {},
    "RemoveUserSuppression": {"SuppressionIds": "{suppression}"},
    "GetSuppressionListLevel": {},
    "SetSuppressionListLevel": {"SuppressionListLevel": "ACCOUNT"},
    "SingleSendMail": {
        "AccountName": NEWS,
        "AddressType": "1",
        "ReplyToAddress": "false",
        "ToAddress": "anna@example.org",
        "Subject": "S",
        "TextBody": "x",
    },
    "SendTestByTemplate": {
        "AccountName": NEWS,
        "Email": "anna@example.org",
        "TemplateId": "{template}",
    },
}


@pytest.fixture
def busy(account):
    """An account in which every list has something in it, and the ids of those things."""
    ids = {
        "tag": account.call("create_tag", tag_name="t").tag_id,
        "template": account.approved(),
        "suppression": account.call("create_user_suppression", address="x.example").suppression_id,
    }
    for who in ("click", "bounce", "unsub"):
        account.call(
            "single_send_mail",
            **send_fields(
                f"{who}@example.org",
                tag_name="t",
                click_trace="1",
                html_body="<body><a href='https://shop.example/'>x</a></body>",
            ),
        )
    account.emulator.flush_outcomes()
    day = account.call("sender_statistics_detail_by_param").data.mail_detail[0].last_update_time
    return account, {**ids, "day": day[:10]}


def model_for(action):
    return getattr(models, f"{action}ResponseBody")


def unset(model, path=""):
    """Names of attributes that an answer left empty, at any depth."""
    missing = []
    for name, value in vars(model).items():
        if value is None:
            missing.append(f"{path}{name}")
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, DaraModel):
                missing += unset(item, f"{path}{name}.")
        if value == []:
            missing.append(f"{path}{name}")
    return missing


def test_there_is_an_example_of_every_operation():
    assert set(EXAMPLES) == set(load_all())


@pytest.mark.parametrize("action", sorted(EXAMPLES))
def test_shape(busy, action):
    account, ids = busy
    account.configure(
        settings={"protocol": {"parameter_places": "accept"}, "rules": {"returns_nickname": True}}
    )
    query = {
        name: re.sub(r"\{(\w+)\}", lambda found: ids[found[1]], value)
        if value.startswith("{") and value.endswith("}") and '"' not in value
        else value
        for name, value in EXAMPLES[action].items()
    }
    answer = post(account, action, query, method="GET" if action == "GetUser" else "POST")
    assert answer.status_code == 200, answer.text
    body = answer.json()
    read = model_for(action)()
    read.from_map(body)
    assert json.loads(json.dumps(read.to_map())) == body, "a key that the SDK does not know"
    assert unset(read) == [], "a key that the SDK expects"
    assert answer.headers["Content-Type"] == "application/json;charset=utf-8"
    assert answer.headers["x-acs-request-id"] == body["RequestId"]
