"""One campaign on a DirectMail that takes each open point strictly, and one that is hostile."""

from tests.server.common.runs_behaviors import PEOPLE, FirstContact, open_branch, send_campaign


def test_first_contact_then_a_campaign_under_the_stricter_default(shop):
    branch = open_branch(shop, 1, {}, push=True)
    contact = FirstContact(branch)
    steps = contact.walk()
    bad = {name: step for name, step in steps.items() if step[0] in ("failed", "warning")}
    assert not bad
    found = contact.found()
    assert (found["stored_text"], found["value_escaping"]) == ("entities", "none")
    books, state, _told, wrong = send_campaign(branch, "strict")
    assert (state, wrong, books.wrong) == ("done", [], [])
    assert (books.states, books.duplicates) == ({"sent": PEOPLE}, 0)


def test_a_campaign_without_first_contact_stops_before_its_first_mail(shop):
    branch = open_branch(shop, 2, {"rules": {"template_senders": ["trigger"]}})
    books, state, told, _wrong = send_campaign(branch, "unprepared")
    assert (state, books.mailed) == ("paused", 0)
    assert "Can marketing senders send approved templates one mail at a time?" in told
    assert "First contact" in told


def test_what_first_contact_finds_makes_the_campaign_right(shop):
    changes = {
        "rules": {
            "value_escaping": "html",
            "subject_source": "template",
            "stored_text": "crlf",
        }
    }
    branch = open_branch(shop, 3, changes)
    contact = FirstContact(branch)
    contact.walk()
    found = contact.found()
    assert (found["value_escaping"], found["subject_source"]) == ("html", "template")
    books, state, _told, wrong = send_campaign(branch, "hostile")
    assert (state, wrong, books.wrong) == ("done", [], [])
