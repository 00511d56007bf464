"""Faults of DirectMail and of the network: nobody is mailed twice, nobody is lost."""

import contextlib

import pytest

from directmail_emulator.nat import WAYS
from tests.server.common.odoo_server import RpcError, wait_until
from tests.server.common.runs_sending import FAULTS, THREADS, run_fault, run_idle
from tests.server.common.shop import SHORT

PEOPLE = 150
SECONDS = SHORT


@pytest.fixture(autouse=True)
def no_fault_left(emulator):
    """Faults are for one test only."""
    yield
    emulator.clear_faults()


@pytest.mark.parametrize("kind", sorted(FAULTS))
def test_fault(shop, kind):
    run = run_fault(shop, kind, PEOPLE, share=0.08)

    assert run.hits, "the fault never struck"
    assert run.before.ok, run.before
    expected = FAULTS[kind]
    unknown = run.before.unknown
    if expected.unknown == "each":
        assert unknown == run.hits, (unknown, run.hits)
    elif expected.unknown == "some":
        assert unknown <= THREADS
    else:
        assert unknown == 0
    assert run.paused == expected.stops
    assert run.after.ok and not run.after.unknown, run.after
    # What was accepted is known as sent in the end; what never arrived is proven not to have.
    not_sent = run.after.states.get("not_sent", 0)
    assert run.after.states["sent"] == run.after.mailed == PEOPLE - not_sent
    if expected.unknown != "some":
        assert not_sent == (unknown if not expected.accepted else 0)


def test_a_person_who_is_refused_stops_nobody_else(shop, emulator):
    emulator.set_fault(
        "error",
        action="SingleSendMail",
        to="p-refused-1*",
        status=400,
        code="InvalidToAddress.Spam",
    )
    task = shop.make_task("refused", 60)
    shop.act(task, "send")
    shop.wait(task, "done")

    books = shop.check(task, 60)
    assert books.ok, books
    assert books.states == {"refused": 11, "sent": 49}  # 1 and 10 to 19
    [(code,)] = shop.server.query(
        "SELECT DISTINCT code FROM directmail_delivery WHERE task_id = %s AND state = 'refused'",
        task,
    )
    assert code == "InvalidToAddress.Spam"


@pytest.mark.parametrize("people", [10, 146])
def test_a_person_refused_with_everybodys_code_stops_nobody_else(shop, emulator, people):
    """Of ten all are under way when the refusal comes: nothing is said before they are back."""
    emulator.set_fault("slow", action="SingleSendMail", delay=0.3)
    emulator.set_fault(
        "error",
        action="SingleSendMail",
        to=f"p-doubt{people}-1@*",
        status=400,
        code="InvalidSendMail.Spam",
    )
    task = shop.make_task(f"doubt{people}", people)
    shop.act(task, "send")
    shop.wait(task, "done", "paused")

    books = shop.check(task, people)
    assert books.ok and books.states == {"refused": 1, "sent": people - 1}, books


@pytest.mark.parametrize("code", ["InvalidSendMail.Spam", "InvalidQuota.Exceed"])
def test_spam_or_quota_refusals_pause_the_task(shop, emulator, code):
    emulator.set_fault("error", action="SingleSendMail", status=400, code=code, after=20)
    task = shop.make_task(code.partition(".")[0].lower(), 200)
    shop.act(task, "send")
    shop.wait(task, "paused")
    shop.wait_quiet(task)

    books = shop.check(task, 200)
    assert books.ok, books
    assert books.states == {"sent": 20, "waiting": 180}
    said = shop.read(task, "state_message")["state_message"]
    assert code in said and "Resume" in said
    [rule] = emulator.faults()
    refused = rule["hits"]
    # Those under way when the first refusal came back, and no more.
    assert refused <= THREADS, "it burnt through the people"

    emulator.clear_faults()
    shop.act(task, "resume")
    shop.wait(task, "done")
    books = shop.check(task, 200)
    assert books.ok and books.states == {"sent": 200}, books


@pytest.mark.parametrize("way", WAYS)
def test_a_network_that_forgets_idle_connections_makes_no_mail_unknown(shop, way):
    for books, complaints in run_idle(shop, way, 60, pauses=1):
        assert books.ok and not complaints, (books, complaints)


def test_results_that_are_imported_meanwhile_hold_no_task_up(shop):
    """Both write the task when it ends; the sender tries again, and at once."""
    task = shop.make_task("collision", 200)
    # The account's cron runs for the click on Send, and by itself not before tomorrow.
    shop.server.query(
        "UPDATE ir_cron SET nextcall = now() AT TIME ZONE 'UTC' + interval '1 day' WHERE id = %s",
        shop.get_cron(),
    )
    shop.act(task, "send")

    def import_results():
        shop.server.wake_crons()
        with contextlib.suppress(RpcError):  # the button itself may lose the race
            shop.act(task, "import_results")

    wait_until(
        lambda: shop.state(task) == "done",
        "the task was left for the next run of its cron",
        import_results,
    )
    assert shop.check(task, 200).ok
