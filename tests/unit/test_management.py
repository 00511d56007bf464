"""All calls but sending, through the real SDK over real sockets."""

import json
from datetime import datetime, timedelta, timezone

import pytest

from email_marketing_dm.directmail import const
from email_marketing_dm.directmail.errors import KINDS, DirectMailError
from tests.unit.common import scripted_server as srv

UTC = timezone.utc
OK = {"RequestId": "request-1"}


def ok(**fields):
    return srv.answer({**OK, **fields})


def rows(name, found, total=None, **fields):
    total = len(found) if total is None else total
    return ok(data={name: found}, TotalCount=total, PageSize=50, **fields)


def error_of(call, *arguments):
    with pytest.raises(DirectMailError) as caught:
        result = call(*arguments)
        if result is not None:
            list(result)
    assert caught.value.kind in KINDS
    return caught.value


def test_account_summary(client, server):
    server.script = [
        ok(DailyQuota=2000, MonthQuota="60000", QuotaLevel=3, MaxQuotaLevel=10, UserStatus=2)
    ]
    account = client.describe_account()
    assert (account.daily_quota, account.month_quota) == (2000, 60000)
    assert (account.quota_level, account.user_status, account.templates) == (3, 2, 0)
    assert server.requests[0].action == "DescAccountSummary"


@pytest.mark.parametrize(
    "stamp, moment",
    [
        ("Sun, 01 Nov 2026 10:00:00 GMT", datetime(2026, 11, 1, 10, tzinfo=UTC)),
        # Python reads both as times without a zone.
        ("Sun, 01 Nov 2026 10:00:00 -0000", datetime(2026, 11, 1, 10, tzinfo=UTC)),
        ("Sun, 01 Nov 2026 10:00:00", datetime(2026, 11, 1, 10, tzinfo=UTC)),
        ("now", None),
    ],
)
def test_time_of_the_server(client, server, stamp, moment):
    server.script = [srv.answer({}, Date=stamp)]
    assert client.read_time() == moment


def test_a_server_that_tells_no_time(client, server):
    server.script = [srv.answer({})]
    assert client.read_time() is None


def test_mails_of_today(client, server):
    server.script = [rows("stat", [{"requestCount": "17"}, {"requestCount": 3}, {}]), ok()]
    assert [client.count_requests_today() for _call in range(2)] == [20, 0]
    query = server.requests[0].query
    today = datetime.now(const.BEIJING).strftime("%Y-%m-%d")
    assert query["StartTime"] == query["EndTime"] == today
    assert "TagName" not in query


def test_a_summary_without_a_quota_is_no_summary(client, server):
    server.script = [ok()]
    assert error_of(client.describe_account).kind == "not_directmail"


def test_senders_of_all_pages(client, server):
    row = {
        "MailAddressId": "17",
        "AccountName": "News@Mail.example.com",
        "Sendtype": "batch",
        "AccountStatus": "0",
        "DomainStatus": 0,
        "DailyCount": "10000",
        "DailyReqCount": "100",
        "ReplyAddress": "a@example.com",
    }
    # The server gives fewer rows per page than we ask for.
    server.script = [
        rows("mailAddress", [row, row], total=5),
        rows("mailAddress", [row, row], total=5),
        rows("mailAddress", [{"AccountName": "x@y.example"}], total=5),
    ]
    found = list(client.list_senders())
    assert len(found) == 5
    assert found[0].address == "news@mail.example.com"
    assert (found[0].mail_address_id, found[0].send_type) == ("17", "batch")
    assert (found[0].account_status, found[0].domain_status) == (0, 0)
    assert (found[0].daily_count, found[0].daily_used) == (10000, 100)
    assert (found[4].account_status, found[4].domain_status) == (-1, -1), "unknown is not healthy"
    assert [request.query["PageNo"] for request in server.requests] == ["1", "2", "3"]


def test_a_total_that_is_too_high_ends_at_the_empty_page(client, server):
    server.script = [rows("domain", [{"DomainName": "a.example"}], total=9), rows("domain", [])]
    [domain] = client.list_domains()
    assert (domain.name, domain.spf) == ("a.example", "")
    assert len(server.requests) == 2


def test_domains(client, server):
    row = {"DomainId": 5, "DomainName": "a.example", "SpfAuthStatus": "0", "MxAuthStatus": 1}
    server.script = [rows("domain", [row])]
    [domain] = client.list_domains()
    assert (domain.domain_id, domain.spf, domain.mx) == ("5", "verified", "not_verified")


def test_tags(client, server):
    tags = [{"TagId": "1", "TagName": "dm_10"}, {"TagId": "2", "TagName": "dm_1"}]
    server.script = [ok(TagId="9"), rows("tag", tags), rows("tag", tags), rows("tag", []), ok()]
    assert client.create_tag("dm_1", "Spring") == "9"
    assert client.find_tag("dm_1").tag_id == "2", "a part of a name is not the name"
    assert client.find_tag("dm_2") is None
    assert list(client.list_tags()) == []
    assert client.delete_tag("9") is None
    create, find = server.requests[:2]
    assert create.query == {"TagName": "dm_1", "TagDescription": "Spring"}
    assert find.query["KeyWord"] == "dm_1"
    assert (server.requests[-1].action, server.requests[-1].query) == ("DeleteTag", {"TagId": "9"})


@pytest.mark.parametrize("in_body", [False, True])
def test_create_and_modify_template(client, server, in_body):
    text = "<p>Grüße, {Name} & „Freunde“ +1%</p>" * 2000
    server.script = [ok(TemplateId=4711), ok()]
    assert client.create_template("n", "Hi {Name}", "Me", text, in_body=in_body) == "4711"
    client.modify_template("4711", "n", "Hi", "Me", text, remark="R", in_body=in_body)
    created, modified = (
        (request.form, request.query) if in_body else (request.query, request.form)
        for request in server.requests
    )
    expected = {"TemplateName": "n", "TemplateNickName": "Me", "TemplateText": text}
    assert created == (
        {**expected, "TemplateSubject": "Hi {Name}", "TemplateType": "0"},
        {},
    )
    assert modified == (
        {**expected, "TemplateSubject": "Hi", "Remark": "R", "TemplateId": "4711"},
        {},
    )
    assert [request.action for request in server.requests] == ["CreateTemplate", "ModifyTemplate"]


def test_a_created_template_without_an_id_may_exist(client, server):
    server.script = [ok()]
    error = error_of(client.create_template, "n", "s", "m", "t")
    assert (error.kind, error.sent_unknown) == ("not_directmail", True)


@pytest.mark.parametrize(
    "code, word", [("0", "draft"), ("1", "in_review"), (2, "approved"), ("3", "rejected"), (9, "")]
)
def test_template_states(client, server, code, word):
    template = {"TemplateId": "7", "TemplateName": "n", "TemplateStatus": code}
    server.script = [
        ok(**template, TemplateSubject=" Hi ", TemplateNickName="Me", TemplateText="<p>\n</p>"),
        rows("template", [{**template, "TemplateComment": "Too loud", "UtcCreatetime": 0}]),
    ]
    described = client.describe_template("7")
    assert (described.status, described.subject, described.text) == (word, " Hi ", "<p>\n</p>")
    assert (described.template_id, described.sender_name) == ("7", "Me")
    [listed] = client.list_templates()
    assert (listed.status, listed.comment, listed.template_id) == (word, "Too loud", "7")
    assert listed.created_at == datetime(1970, 1, 1, tzinfo=UTC)


def test_find_and_delete_template(client, server):
    templates = [{"TemplateId": "1", "TemplateName": "ab"}, {"TemplateId": 2, "TemplateName": "a"}]
    server.script = [rows("template", templates), rows("template", templates), ok()]
    assert client.find_template("a").template_id == "2"
    assert client.find_template("b") is None
    client.delete_template("2")
    assert server.requests[-1].query == {"TemplateId": "2"}


def detail(address, **fields):
    return {"ToAddress": address, "AccountName": "News@x.example", "Status": 0, **fields}


def test_delivery_details(client, server):
    server.script = [
        ok(
            data={
                "mailDetail": [
                    detail("a@x.example", Subject=" Hi ", UtcLastUpdateTime="1767225600"),
                    detail("b@x.example", Status="4", UtcLastUpdateTime=1767225600000),
                    detail("c@x.example", Status=2, LastUpdateTime="2026-01-01 08:00"),
                    detail("d@x.example", Status=3, LastUpdateTime="2026-01-01T00:00Z"),
                    detail("e@x.example", Status=7, LastUpdateTime="soon", Message="m"),
                ]
            },
            NextStart="p#2",
        ),
        ok(data={"mailDetail": []}, NextStart=""),
    ]
    start = datetime(2025, 12, 31, 23, 59, 30, tzinfo=UTC)
    pages = list(client.list_delivery_details("dm_1", start, start + timedelta(days=1)))

    assert [page.next_start for page in pages] == ["p#2", None]
    found = pages[0].rows
    assert [row.status for row in found] == ["delivered", "failed", "invalid", "spam", ""]
    new_year = datetime(2026, 1, 1, tzinfo=UTC)
    assert [row.updated_at for row in found] == [new_year] * 4 + [None]
    assert (found[0].subject, found[0].sender) == (" Hi ", "news@x.example")
    first, second = server.requests
    assert first.query == {
        "TagName": "dm_1",
        "StartTime": "2026-01-01 07:59",
        "EndTime": "2026-01-02 07:59",
        "Length": "100",
    }
    assert second.query["NextStart"] == "p#2"


def test_delivery_details_go_on_where_they_were(client, server):
    server.script = [ok(data={}, NextStart="same")]
    end = datetime(2026, 1, 2, tzinfo=UTC)
    pages = list(client.list_delivery_details("t", end - timedelta(days=29), end, "same"))
    assert [page.next_start for page in pages] == [None], "no endless circle"
    assert server.requests[0].query["NextStart"] == "same"


@pytest.mark.parametrize("window", [timedelta(0), timedelta(days=29, minutes=1), -timedelta(1)])
def test_delivery_details_window(client, server, window):
    end = datetime(2026, 1, 2, tzinfo=UTC)
    with pytest.raises(ValueError, match="29 days"):
        client.list_delivery_details("t", end - window, end)
    with pytest.raises(ValueError, match="zone"):
        client.list_delivery_details("t", datetime(2026, 1, 1), end)
    assert server.requests == []


def test_blocked(client, server):
    row = {"BlockEmail": "a@x.example", "SenderEmail": "N@x.example", "BlockTime": 1767225600}
    server.script = [ok(Data=[row], NextToken="t2"), ok(Data=[{**row, "Reason": "3"}])]
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    end = begin + timedelta(hours=1)
    pages = list(client.list_blocked(const.BLOCK_UNSUBSCRIBED, begin, end))
    assert [page.next_token for page in pages] == ["t2", None]
    found = [who for page in pages for who in page.rows]
    assert [(who.address, who.sender, who.reason) for who in found] == [
        ("a@x.example", "n@x.example", 0),
        ("a@x.example", "n@x.example", 3),
    ]
    assert (found[0].blocked_at, found[0].sent_at) == (begin, None)
    first, second = server.requests
    assert first.query == {
        "BlockType": "UNSUB",
        "BeginTime": "1767225600",
        "EndTime": "1767229200",
        "MaxResults": "500",
    }
    assert second.query["NextToken"] == "t2"


def test_invalid_addresses(client, server):
    row = {"ToAddress": "a@x.example", "UtcLastUpdateTime": 1767225600}
    server.script = [ok(data={"mailDetail": [row]}, NextStart="7"), ok(data={}, NextStart="")]
    begin = datetime(2025, 12, 31, 20, tzinfo=UTC)
    first, last = client.list_invalid(begin, begin + timedelta(days=2))
    assert [who.address for who in first.rows] == ["a@x.example"]
    assert first.rows[0].updated_at == datetime(2026, 1, 1, tzinfo=UTC)
    assert (first.next_start, last.rows, last.next_start) == ("7", (), None)
    # Whole days in Beijing.
    assert server.requests[0].query["StartTime"] == "2026-01-01"
    assert server.requests[1].query["NextStart"] == "7"


def test_events_of_the_account(client, server):
    server.script = [ok(Data={"EnableEventbridge": True}), ok(Data={}), ok()]
    assert client.get_events() is True
    assert client.get_events() is False
    client.set_events(True)
    assert server.requests[0].method == "GET"
    assert json.loads(server.requests[2].form["User"]) == {"EnableEventbridge": True}


@pytest.mark.parametrize(
    "status, code, kind, unknown",
    [
        (400, "InvalidAccessKeyId.NotFound", "credentials", False),
        (400, "SignatureDoesNotMatch", "credentials", False),
        (400, "InvalidTimeStamp.Expired", "clock", False),
        (403, "Forbidden.RAM", "permission", False),
        (403, "NeverHeardOfIt", "permission", False),
        (400, "Throttling.User", "throttled", False),
        (404, "InvalidTemplate.NotFound", "not_found", False),
        (400, "InvalidTemplateNameDuplicate.Malformed", "duplicate", False),
        (400, "InvalidTag.AlreadyExists", "duplicate", False),
        (400, "InvalidTemplateName.Malformed", "invalid", False),
        (404, "InvalidApi.NotFound", "not_directmail", False),
        (404, "", "not_directmail", False),
        (400, "InvalidQuota.Template", "quota", False),
        (400, "InvalidTemplateNumber.Malformed", "quota", False),
        (503, "ServiceUnavailable", "server", False),
        (500, "InternalError", "server", True),
        (500, "NeverHeardOfIt", "server", True),
    ],
)
def test_kinds_of_refusal(client, server, status, code, kind, unknown):
    server.script = [srv.refusal(status, code, "In English.", x_acs_retry_after="")]
    error = error_of(client.delete_tag, "1")
    assert (error.kind, error.code, error.sent_unknown) == (kind, code, unknown)
    assert (error.message, error.request_id) == ("In English.", "request-2")
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "step, kind",
    [
        (srv.cut, "unreachable"),
        (srv.raw(502, b"<html>"), "not_directmail"),
        (srv.answer([1]), "not_directmail"),
        (srv.answer({}), "not_directmail"),
        (srv.answer({**OK, "Code": "InvalidTag.NotFound", "Message": "m"}), "not_found"),
    ],
)
def test_no_proper_answer(client, server, step, kind):
    server.script = [step]
    error = error_of(client.create_tag, "t")
    assert (error.kind, error.sent_unknown) == (kind, True)


def test_how_long_to_wait(client, server):
    server.script = [srv.refusal(400, "Throttling.User", x_acs_retry_after=1500)]
    assert error_of(client.list_tags).retry_after == 1.5


def test_no_answer_in_time(impatient, server):
    server.script = [srv.say_nothing]
    error = error_of(impatient.create_tag, "t")
    assert (error.kind, error.sent_unknown) == ("unreachable", True)


def test_an_error_shows_no_parameters(impatient, server):
    server.script = [srv.say_nothing]
    error = error_of(impatient.create_tag, "private-name")
    shown = f"{error} {error.message} {error!r} {error.__cause__}"
    assert "private-name" not in shown
    assert error.__suppress_context__
