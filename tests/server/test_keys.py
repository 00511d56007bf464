"""Keys that are replaced, revoked or end while an email task goes out."""

import time

import pytest

PEOPLE = 200
FIRST = {"access_key_id": "LTAIFIRST", "secret": "first-secret"}
SECOND = {"access_key_id": "LTAISECOND", "secret": "second-secret"}
TEMPORARY = {"access_key_id": "STS.first", "secret": "temporary-secret", "token": "token/+=1"}
NEXT_TEMPORARY = {"access_key_id": "STS.next", "secret": "next-secret", "token": "token/+=2"}


@pytest.fixture
def slow(shop, emulator):
    """The task takes its time, so that it is under way while the key changes."""
    emulator.set_fault("slow", action="SingleSendMail", delay=0.3)
    shop.set_pace(5)
    yield
    emulator.clear_faults()


def allow(shop, *keys):
    """The RAM user has these keys; all others are revoked."""
    shop.emulator.configure_account(temporary_keys=list(keys))


def replace(shop, key):
    """What an administrator does in the dialog *Replace the key*."""
    entered = {
        "account_id": shop.account,
        "access_key_id": key["access_key_id"],
        "access_key_secret": key["secret"],
        "security_token": key.get("token", False),
    }
    dialog = shop.admin.call("directmail.key.replace", "create", [entered])
    shop.admin.call("directmail.key.replace", "action_replace", [[dialog]])


def test_a_key_is_replaced_and_the_old_one_revoked_while_a_task_goes_out(shop, slow):
    allow(shop, FIRST, SECOND)
    replace(shop, FIRST)
    task = shop.make_task("replaced", PEOPLE)
    shop.act(task, "send")
    shop.wait_sent(task, 20)

    replace(shop, SECOND)
    allow(shop, SECOND)  # without waiting for the minute that the dialog asks for
    assert shop.state(task) == "sending"
    shop.set_pace()
    assert shop.wait(task, "done", "paused") == "done", shop.read(task, "state_message")

    books = shop.check(task, PEOPLE)
    assert books.ok and books.states == {"sent": PEOPLE}, books
    counts = shop.emulator.get("/api/calls")["counts"]
    refused = ("SingleSendMail", "InvalidAccessKeyId.NotFound")
    assert refused in [(row["action"], row["answer"]) for row in counts], "the old key was in use"
    account = shop.admin.read("directmail.account", shop.account, "state", "access_key_id")
    assert (account["state"], account["access_key_id"]) == ("active", SECOND["access_key_id"])


def test_a_temporary_key_that_ends_pauses_the_task_until_a_new_one_is_entered(shop, slow):
    allow(shop, TEMPORARY)
    replace(shop, TEMPORARY)
    task = shop.make_task("temporary", PEOPLE)
    shop.act(task, "send")
    shop.wait_sent(task, 20)

    allow(shop, {**TEMPORARY, "expires": time.time() - 1})
    shop.wait(task, "paused")
    shop.wait_quiet(task)
    told = shop.read(task, "state_message")["state_message"]
    assert "temporary key" in told and "Replace the key" in told and "resume" in told, told
    books = shop.check(task, PEOPLE)
    assert books.ok and not books.unknown and set(books.states) == {"sent", "waiting"}, books

    allow(shop, NEXT_TEMPORARY)
    replace(shop, NEXT_TEMPORARY)
    shop.set_pace()
    shop.mend(task)
    shop.wait(task, "done")
    books = shop.check(task, PEOPLE)
    assert books.ok and books.states == {"sent": PEOPLE}, books
