"""The service behaves as each of its open points is set."""

import http.client
import json
import re
import time
from pathlib import Path

import pytest

from directmail_emulator.behaviors import BEHAVIORS, readme_table
from directmail_emulator.settings import Settings
from tests.emulator.common.calls import code_of, headers_json, post, template

README = Path(__file__).parents[2] / "directmail_emulator" / "README.md"
BEHAVIOR = {behavior.name: behavior for behavior in BEHAVIORS}


def refusal(account, **fields):
    return code_of(account.send, **fields)


def behave(account, name, value):
    account.configure(settings=BEHAVIOR[name].changes(value))


def body_of(account):
    return account.emulator.mail(account.ledger()[-1]["env_id"])["html"]


def test_the_table_of_the_readme_is_that_of_the_code():
    table = re.search(r"(\| Behavior \|.*?)\n\n", README.read_text(), re.DOTALL)[1]
    assert table.splitlines() == readme_table()


def test_names_and_settings_are_unique():
    assert len(BEHAVIOR) == len(BEHAVIORS)
    assert len({behavior.setting for behavior in BEHAVIORS}) == len(BEHAVIORS)


@pytest.mark.parametrize("behavior", BEHAVIORS, ids=lambda behavior: behavior.name)
def test_the_first_value_is_the_default_and_every_value_can_be_set(behavior):
    section, name = behavior.setting.split(".")
    default = getattr(getattr(Settings(), section), name)
    assert (tuple(default) if isinstance(default, list) else default) == behavior.default
    for value in behavior.values:
        Settings().with_changes(behavior.changes(value))


BAD_HEADERS = [
    {f"X-User-Notify-{number}": str(number) for number in range(11)},
    {"X-Mailer": "a name that can't be set"},
    {"Feedback-ID": "nor this one"},
    {"X-User-Long": "x" * 999},
    {"X-User-Name": "Grüße"},
    {"Message-ID": "without-brackets@example.com"},
    {"List-Unsubscribe": "https://example.com/u"},
]


@pytest.mark.parametrize("headers", BAD_HEADERS, ids=lambda headers: next(iter(headers)))
def test_bad_headers_are_refused_or_dropped(account, headers):
    text = json.dumps(headers, ensure_ascii=False)
    assert refusal(account, headers=text) == "InvalidHeaders.Malformed"
    behave(account, "bad_headers", "drop")
    assert account.send(headers=text).env_id


def test_headers_at_their_limits_are_taken(account):
    headers = {f"X-User-Notify-{number}": "x" * 998 for number in range(8)}
    headers |= {"Message-ID": "<a@b.example>", "List-Unsubscribe": "<https://a.example/u>"}
    assert account.send(headers=json.dumps(headers)).env_id
    assert len(account.ledger()[0]["headers"]) == 10


def test_unknown_parameters_are_refused_or_ignored(account):
    query = {"TagName": "t", "Colour": "blue"}
    answer = post(account, "CreateTag", query).json()
    assert (answer["Code"], "Colour" in answer["Message"]) == ("InvalidParameter", True)
    behave(account, "unknown_parameters", "ignore")
    assert post(account, "CreateTag", query).json()["TagId"]


def test_parameters_in_the_wrong_place_are_refused_ignored_or_taken(account):
    assert post(account, "CreateTag", body=b"TagName=t").json()["Code"] == "InvalidParameter"
    behave(account, "parameter_places", "ignore")
    assert post(account, "CreateTag", body=b"TagName=t").json()["Code"] == "MissingParameter"
    behave(account, "parameter_places", "accept")
    assert post(account, "CreateTag", body=b"TagName=t").json()["TagId"]


def test_the_parameters_of_the_owner_may_be_anywhere(account):
    assert post(account, "CreateTag", {"TagName": "t", "OwnerId": "1"}).json()["TagId"]
    assert "data" in post(account, "QueryTagByParam", body=b"ResourceOwnerId=1").json()


def test_a_senders_name_is_counted_in_utf16_units(account):
    assert account.send(from_alias="😀" * 7).env_id
    assert refusal(account, from_alias="😀" * 7 + "x") == "InvalidFromAlias.Malformed"
    assert refusal(account, from_alias="x" * 15) == "InvalidFromAlias.Malformed"
    behave(account, "alias_limit", 15)
    assert account.send(from_alias="x" * 15).env_id


def test_templates_may_be_refused_for_batch_senders(account):
    number = account.approved()
    assert account.send(template=template(number), html_body=None).env_id
    behave(account, "template_senders", ("trigger",))
    code = refusal(account, template=template(number), html_body=None)
    assert code == "InvalidMailAddressSendType.Malformed"
    assert account.send(html_body="<p>a body</p>").env_id
    sent = account.send(
        account_name="service@mail.example.com", template=template(number), html_body=None
    )
    assert sent.env_id


def test_values_are_put_in_as_they_are_or_escaped(account):
    number = account.approved(text="<p>{Name}</p>", subject="S")
    values = {"Name": "O'Brien & <b>"}
    account.send(template=template(number, **values), html_body=None)
    assert body_of(account) == "<p>O'Brien & <b></p>"
    behave(account, "value_escaping", "html")
    account.send(template=template(number, **values), html_body=None)
    assert body_of(account) == "<p>O&#x27;Brien &amp; &lt;b&gt;</p>"


def test_the_subject_is_the_calls_or_the_templates(account):
    number = account.approved(subject="Template for {Name}")
    fields = {"template": template(number, Name="O'Brien"), "html_body": None}
    account.send(subject="Call", **fields)
    behave(account, "subject_source", "template")
    behave(account, "value_escaping", "html")
    account.send(subject="Call", headers=headers_json(X_User_A="a"), **fields)
    assert [row["subject"] for row in account.ledger()] == ["Call", "Template for O'Brien"]


@pytest.mark.parametrize("order", BEHAVIOR["page_order"].values)
@pytest.mark.parametrize("form", BEHAVIOR["cursor_form"].values)
def test_pages_in_either_order_with_either_cursor(account, order, form):
    behave(account, "page_order", order)
    behave(account, "cursor_form", form)
    people = [f"p{number}@example.org" for number in range(5)]
    for person in people:
        account.send(person)
    account.emulator.flush_outcomes()
    seen, cursors, position = [], [], None
    while position != "":
        answer = account.call("sender_statistics_detail_by_param", length=2, next_start=position)
        seen += [row.to_address for row in answer.data.mail_detail]
        position = answer.next_start
        cursors += [position] if position else []
    assert seen == (people if order == "oldest" else people[::-1])
    assert all(("@example.org#" in cursor) == (form == "address") for cursor in cursors)
    assert refusal_of(account, next_start="nonsense") == "InvalidParameter"


@pytest.mark.parametrize(
    "days, end, window, future, code",
    [
        (29, 0, 29, "refuse", None),
        (30, 0, 29, "refuse", "InvalidDate.Malformed"),
        (30, 0, 30, "refuse", None),
        (1, 2, 29, "refuse", "InvalidDate.Malformed"),
        (1, 2, 29, "accept", None),
    ],
)
def test_periods_of_records(account, days, end, window, future, code):
    behave(account, "detail_window", window)
    behave(account, "future_end", future)
    now = time.time() + 8 * 3600 + end * 60
    start, finish = (
        time.strftime("%Y-%m-%d %H:%M", time.gmtime(moment)) for moment in (now - days * 86400, now)
    )
    assert refusal_of(account, start_time=start, end_time=finish) == code


def refusal_of(account, **fields):
    """The code of a refused query of details, or None."""
    try:
        account.call("sender_statistics_detail_by_param", **fields)
    except Exception as error:
        return error.code
    return None


@pytest.mark.parametrize("behavior", BEHAVIOR["idle_connections"].values)
def test_idle_connections_are_forgotten_closed_or_kept(account, behavior):
    account.configure(settings={"protocol": {"idle_seconds": 1}})
    behave(account, "idle_connections", behavior)
    host, port = account.endpoint.split(":")
    # Signed calls one after the other on a connection of our own: nothing tries again.
    connection = http.client.HTTPConnection(host, int(port), timeout=60)

    def call():
        signed = f"ACS3-HMAC-SHA256 Credential={account.key},SignedHeaders=,Signature="
        connection.request(
            "POST",
            "/",
            headers={
                "x-acs-action": "DescAccountSummary",
                "x-acs-version": "2015-11-23",
                "Authorization": signed,
            },
        )
        return connection.getresponse().read()

    assert call() and call(), "in use"
    socket = connection.sock
    time.sleep(1.5)
    if behavior == "kept":
        assert call() and connection.sock is socket
    elif behavior == "closed":
        assert socket.recv(1) == b""
    else:
        with pytest.raises(ConnectionResetError):
            call()
