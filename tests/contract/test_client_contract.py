"""What the client does, seen from the other side."""

import threading
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest

from directmail_emulator import faults
from email_marketing_dm.content.filling import assemble, html_value, plain_value
from email_marketing_dm.content.placeholders import compile_content
from email_marketing_dm.directmail import const
from email_marketing_dm.directmail.answers import Verdict
from email_marketing_dm.directmail.errors import DirectMailError
from email_marketing_dm.directmail.pool import CallPool
from email_marketing_dm.directmail.records import Mail

MAIL = Mail(
    sender="news@mail.example.com",
    to="ann@people.example",
    subject="Hello",
    sender_name="Example",
    reply_address="office@example.com",
    tag="spring",
    headers={"Message-ID": "<1@mail.example.com>", "X-User-Notify-Mid": "token-1"},
    html_body="<p>Hello</p>",
)


def accepted(emulator, account):
    return emulator.summary(account=account[0])["accepted"]


def kind_of(call, *arguments, **options):
    with pytest.raises(DirectMailError) as caught:
        call(*arguments, **options)
    return caught.value.kind


def last_hour():
    now = datetime.now(timezone.utc)
    return now - timedelta(hours=1), now


# A whole campaign -----------------------------------------------------------------------

BODY = """<p>Hi <t t-out="object.name">you</t> from <b t-out="object.city or 'nowhere'"/>,
{Name} stays. <a href="/unsubscribe_from_list">Leave</a></p>"""
NASTY = 'O\'Neil <b>"x"</b> & {City} %s {Token} 😀 שלום \\1'


def test_an_approved_template_arrives_as_we_would_fill_it(client, emulator, account):
    content = compile_content(
        "Hi {{ object.name }}",
        BODY,
        public_url="https://news.example.com",
        links={"/unsubscribe_from_list": "/u/"},
    )
    assert content.problems == ()
    template_id = client.create_template("Spring", content.subject, "Example", content.text)
    values = {
        "Name": html_value(NASTY),
        "City": html_value("Ulm"),
        "NameSubject": plain_value(NASTY),
        "Token": "t-1",
    }
    mail = replace(
        MAIL,
        subject=assemble(content.subject, values),
        template_id=template_id,
        variables=values,
        html_body="",
    )
    refused = client.send(mail)
    assert refused.verdict is Verdict.TASK_PAUSED, "it has not been reviewed"
    [found] = [row for row in emulator.templates() if row["account"] == account[0]]
    emulator.approve(found["id"])
    assert client.find_template("Spring").status == "approved"

    answer = client.send(mail)

    assert answer.verdict is Verdict.ACCEPTED
    arrived = emulator.mail(answer.env_id)
    assert arrived["html"] == assemble(content.text, values)
    assert arrived["subject"] == f"Hi {NASTY}"
    assert arrived["headers"] == MAIL.headers
    assert (arrived["tag"], arrived["sender_name"]) == ("spring", "Example")
    assert arrived["message_id"] == "<1@mail.example.com>"
    assert arrived["options"]["link_type"] == "default", "it has no unsubscribe header of ours"
    assert accepted(emulator, account) == 1


def test_senders_domains_and_the_account(client):
    summary = client.describe_account()
    assert (summary.daily_quota, summary.user_status, summary.tags) == (1000, 0, 1)
    news, frozen = sorted(client.list_senders(), key=lambda sender: sender.account_status)
    assert (news.address, news.send_type) == ("news@mail.example.com", "batch")
    assert (news.account_status, news.domain_status) == (0, 0)
    assert frozen.account_status == 1
    [domain] = client.list_domains()
    assert (domain.name, domain.ownership, domain.spf) == (
        "mail.example.com",
        "verified",
        "verified",
    )


def test_tags(client):
    names = [f"tag_{number}" for number in range(70)]
    ids = [client.create_tag(name, "A task") for name in names]
    assert {tag.name for tag in client.list_tags()} == {*names, "spring"}, "more than a page"
    assert client.find_tag("tag_1").tag_id == ids[1], "tag_10 is another one"
    assert kind_of(client.create_tag, "tag_1") == "duplicate"
    client.delete_tag(ids[1])
    assert client.find_tag("tag_1") is None
    assert kind_of(client.delete_tag, ids[1]) == "not_found"
    for number in range(70, 100):
        client.create_tag(f"tag_{number}")
    assert kind_of(client.create_tag, "one_more") == "quota"


@pytest.mark.parametrize("size, in_body", [(1_000, False), (150_000, False), (900_000, True)])
def test_a_templates_text_comes_back_to_the_letter(client, emulator, account, size, in_body):
    emulator.configure_account(
        account[0],
        settings={
            "protocol": {"parameter_places": "accept"},
            "rules": {"stored_text": "exact", "returns_nickname": True},
        },
    )
    line = "<p style=\"color:'red'\">Grüße, {Name} &amp; +1% — 你好 😀\t~*</p>\r\n"
    text = line * (size // len(line.encode()))
    template_id = client.create_template("Big", "Hi {Name}", "Example", text, in_body=in_body)
    template = client.describe_template(template_id)
    assert template.text == text
    assert (template.status, template.subject, template.sender_name) == (
        "in_review",
        "Hi {Name}",
        "Example",
    )
    client.modify_template(template_id, "Big 2", "Hi", "Other", text[::-1], in_body=in_body)
    assert client.describe_template(template_id).text == text[::-1]
    assert client.find_template("Big") is None
    client.delete_template(template_id)
    assert kind_of(client.describe_template, template_id) == "not_found"


def test_reviews(client, emulator, account):
    template_id = client.create_template("Loud", "BUY", "Example", "<p>BUY</p>")
    assert kind_of(client.create_template, "Loud", "x", "y", "<p>z</p>") == "duplicate"
    [found] = [row for row in emulator.templates() if row["account"] == account[0]]
    emulator.reject(found["id"], "Too loud")
    [row] = client.list_templates()
    assert (row.template_id, row.status, row.comment) == (template_id, "rejected", "Too loud")
    client.modify_template(template_id, "Loud", "Hello", "Example", "<p>Hello</p>")
    assert client.describe_template(template_id).status == "in_review"


def test_what_became_of_the_mails(client, emulator, account):
    pool = CallPool(8, client.send)
    answers = []
    people = [f"person{number}@people.example" for number in range(230)]
    people[:2] = ["bounce1@people.example", "spam1@people.example"]
    waiting = list(people)
    while waiting or pool.in_flight:
        while waiting and pool.free:
            pool.submit(waiting[-1], replace(MAIL, to=waiting.pop()))
        for address, _job, answer in pool.drain(1):
            if answer.verdict is Verdict.THROTTLED:
                waiting.append(address)
            else:
                answers.append(answer.verdict)
    pool.close(1)
    assert answers == [Verdict.ACCEPTED] * 230
    emulator.flush_outcomes()

    pages = list(client.list_delivery_details("spring", *last_hour()))
    assert [len(page.rows) for page in pages] == [100, 100, 30]
    rows = {row.address: row for page in pages for row in page.rows}
    assert set(rows) == set(people)
    assert rows["bounce1@people.example"].status == "invalid"
    assert rows["spam1@people.example"].status == "spam"
    one = rows["person9@people.example"]
    assert (one.status, one.subject, one.sender) == ("delivered", "Hello", MAIL.sender)
    assert abs(one.updated_at - datetime.now(timezone.utc)) < timedelta(minutes=5)
    # From the second page on, after a restart.
    rest = client.list_delivery_details("spring", *last_hour(), pages[0].next_start)
    assert [page.rows for page in rest] == [page.rows for page in pages[1:]]
    assert not any(page.rows for page in client.list_delivery_details("other", *last_hour()))


def test_who_unsubscribed_and_who_complained(client, emulator):
    left = client.send(replace(MAIL, to="left@people.example"))
    angry = client.send(replace(MAIL, to="angry@people.example"))
    emulator.flush_outcomes()
    emulator.react(left.env_id, "unsubscribe")
    emulator.react(angry.env_id, "complain")
    [page] = client.list_blocked(const.BLOCK_UNSUBSCRIBED, *last_hour())
    [unsubscribed] = page.rows
    [page] = client.list_blocked(const.BLOCK_REPORTED, *last_hour())
    [reported] = page.rows
    assert (unsubscribed.address, unsubscribed.sender) == ("left@people.example", MAIL.sender)
    assert reported.address == "angry@people.example"
    assert abs(reported.blocked_at - datetime.now(timezone.utc)) < timedelta(minutes=5)


def test_invalid_addresses(client, emulator):
    client.send(replace(MAIL, to="bounce9@people.example"))
    emulator.flush_outcomes()
    [page] = client.list_invalid(*last_hour())
    assert "bounce9@people.example" in [row.address for row in page.rows]


def test_events_of_the_account(client):
    client.set_events(True)
    assert client.get_events() is True
    client.set_events(False)
    assert client.get_events() is False


# Refusals that come from DirectMail's own rules -----------------------------------------


@pytest.mark.parametrize(
    "change, verdict",
    [
        ({"sender": "frozen@mail.example.com"}, Verdict.TASK_PAUSED),
        ({"sender": "nobody@mail.example.com"}, Verdict.TASK_PAUSED),
        ({"tag": "no_such_tag"}, Verdict.TASK_PAUSED),
        ({"html_body": "", "template_id": "99"}, Verdict.TASK_PAUSED),
        ({"subject": "x" * 101}, Verdict.TASK_PAUSED),
        ({"sender_name": "x" * 16}, Verdict.TASK_PAUSED),
        ({"html_body": "You are a lottery winner"}, Verdict.DOUBTFUL),
    ],
)
def test_a_task_that_cannot_go_on(client, emulator, account, change, verdict):
    answer = client.send(replace(MAIL, **change))
    assert (answer.verdict, bool(answer.code), bool(answer.request_id)) == (verdict, True, True)
    assert accepted(emulator, account) == 0


@pytest.mark.parametrize(
    "changes, kind",
    [
        ({"active": False}, "credentials"),
        ({"permissions": []}, "permission"),
        ({"allow_ips": ["10.9.8.7"]}, "permission"),
    ],
)
def test_an_account_that_is_not_let_in(client, emulator, account, changes, kind):
    emulator.configure_account(account[0], **changes)
    assert client.send(MAIL).verdict is Verdict.ACCOUNT_STOPPED
    assert kind_of(client.describe_account) == kind
    assert accepted(emulator, account) == 0


def test_a_wrong_secret(connect, emulator, account):
    wrong = connect(secret="not-its-secret")
    assert wrong.send(MAIL).verdict is Verdict.ACCOUNT_STOPPED
    assert kind_of(wrong.describe_account) == "credentials"
    assert accepted(emulator, account) == 0


def test_the_daily_quota(client, emulator, account):
    emulator.configure_account(account[0], daily_quota=1)
    assert client.send(MAIL).verdict is Verdict.ACCEPTED
    assert client.send(replace(MAIL, to="bob@people.example")).verdict is Verdict.DOUBTFUL
    assert accepted(emulator, account) == 1


@pytest.mark.parametrize("header", ["always", "never"])
def test_too_fast(client, emulator, account, header):
    settings = {"throttle": {"operations": {"SingleSendMail": "2/s"}, "retry_header": header}}
    emulator.configure_account(account[0], settings=settings)
    answers = [client.send(MAIL) for _ in range(6)]
    throttled = [answer for answer in answers if answer.verdict is Verdict.THROTTLED]
    assert throttled
    assert {answer.verdict for answer in answers} <= {Verdict.ACCEPTED, Verdict.THROTTLED}
    assert all((answer.retry_after is not None) == (header == "always") for answer in throttled)
    assert accepted(emulator, account) == len(answers) - len(throttled)


# Faults: the verdict must never say "not sent" of a mail that was accepted ----------------

REFUSALS = {
    "throttle": Verdict.THROTTLED,
    "unavailable": Verdict.RETRY_LATER,
    "expired_token": Verdict.ACCOUNT_STOPPED,
    "clock_skew": Verdict.ACCOUNT_STOPPED,
}
ODD = sorted(kind for kind in faults.KINDS if kind.startswith("odd_"))
ON_CALLS = [kind for kind in faults.KINDS if kind not in (*faults.LISTENER_KINDS, "die")]
# A gateway that refuses a mail and accepts it at once is beyond anybody's help.
CASES = [(kind, "no") for kind in ON_CALLS]
CASES += [(kind, "yes") for kind in ON_CALLS if kind not in REFUSALS]


@pytest.mark.parametrize("kind, accept", CASES)
def test_no_fault_makes_us_say_not_sent_of_what_was_accepted(
    connect, emulator, account, kind, accept
):
    client = connect(read_timeout=3) if kind == "hang" else connect()
    list(client.list_tags())  # a connection that was used before
    emulator.set_fault(
        kind, action="SingleSendMail", account=account[0], accept=accept, delay=0.001, times=1
    )
    answer = client.send(MAIL)

    in_ledger = accepted(emulator, account)
    if kind in ("slow", "trickle") and accept == "no":  # an answer that comes in the end: 503
        assert answer.verdict is Verdict.RETRY_LATER
    elif kind in ("slow", "trickle", "idle_reset", *ODD):  # it may have worked after all
        assert answer.verdict in (Verdict.ACCEPTED, Verdict.UNKNOWN)
    else:
        assert answer.verdict is REFUSALS.get(kind, Verdict.UNKNOWN)
    if answer.verdict is not Verdict.UNKNOWN:
        assert in_ledger == (answer.verdict is Verdict.ACCEPTED)
    assert in_ledger >= (accept == "yes")


QUESTIONS = {
    "describe_account": lambda client: [client.describe_account()],
    "count_requests_today": lambda client: [client.count_requests_today()],
    "list_senders": lambda client: client.list_senders(),
    "list_domains": lambda client: client.list_domains(),
    "describe_domain": lambda client: [client.describe_domain("1")],
    "get_events": lambda client: [client.get_events()],
    "find_tag": lambda client: [client.find_tag("spring")],
    "list_tags": lambda client: client.list_tags(),
    "create_tag": lambda client: [client.create_tag("odd")],
    "create_template": lambda client: [client.create_template("Odd", "S", "Example", "x")],
    "list_templates": lambda client: client.list_templates(),
    "find_template": lambda client: [client.find_template("Spring")],
    "delivery_details": lambda client: client.list_delivery_details("spring", *last_hour()),
    "list_blocked": lambda client: client.list_blocked(const.BLOCK_UNSUBSCRIBED, *last_hour()),
    "list_invalid": lambda client: client.list_invalid(*last_hour()),
}


@pytest.mark.parametrize("question", [*QUESTIONS, "describe_template"])
@pytest.mark.parametrize("kind", ODD)
def test_an_answer_in_an_odd_shape_is_read_or_refused(client, emulator, kind, question):
    """Nothing else is raised than what all callers expect, and every value fits its column."""
    template = client.create_template("Spring", "S", "Example", "x")
    ask = QUESTIONS.get(question) or (lambda client: [client.describe_template(template)])
    emulator.set_fault(kind)
    try:
        answers = [*ask(client)]
    except DirectMailError as error:
        # "invalid": DirectMail did not like the position that the odd answer had named.
        assert error.kind in ("not_directmail", "invalid"), error
        return
    for answer in answers:
        for value in vars(answer).values() if hasattr(answer, "__dict__") else [answer]:
            assert isinstance(value, (str, int, tuple, datetime, type(None))), (question, value)
            assert not isinstance(value, int) or abs(value) < 2**31, (question, value)


@pytest.mark.parametrize("kind", faults.LISTENER_KINDS)
def test_nobody_at_the_door(connect, emulator, account, kind):
    emulator.set_fault(kind, delay=1.5)
    answer = connect(connect_timeout=0.5).send(MAIL)
    assert answer.verdict is not Verdict.UNKNOWN
    assert accepted(emulator, account) == (answer.verdict is Verdict.ACCEPTED)


def test_thirty_two_threads_and_every_seventh_answer_lost(client, emulator, account):
    emulator.set_fault("close", action="SingleSendMail", account=account[0], rate=1 / 7)
    verdicts = {}
    lock = threading.Lock()

    def work(start):
        for number in range(start, 160, 32):
            answer = client.send(replace(MAIL, to=f"p{number}@people.example"))
            with lock:
                verdicts[f"p{number}@people.example"] = answer.verdict

    threads = [threading.Thread(target=work, args=(start,)) for start in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    rows = emulator.ledger(account=account[0])
    sent = [row["to"] for row in rows]
    assert len(sent) == len(set(sent)), "nobody is mailed twice"
    said_accepted = {to for to, verdict in verdicts.items() if verdict is Verdict.ACCEPTED}
    said_unknown = {to for to, verdict in verdicts.items() if verdict is Verdict.UNKNOWN}
    assert said_accepted <= set(sent) <= said_accepted | said_unknown
    assert said_unknown
