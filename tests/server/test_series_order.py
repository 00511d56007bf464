"""Steps of a series are moved by keys, by a finger, and while it is advanced or started."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from devenv.browser import Browser
from tests.server.common.odoo_server import RpcError, connect, wait_until
from tests.server.common.shop import PASSWORD
from tests.server.test_series import (
    PEOPLE,
    STATES,
    count_mailed,
    get_cron,
    is_blocked,
    make,
    set_cron,
    start,
)

WAITS_FOR_A_ROW = """SELECT count(*) FROM pg_stat_activity
                      WHERE datname = current_database() AND wait_event = 'transactionid'"""
HOLDS = """SELECT count(*) FROM pg_locks
            WHERE relation = %s::regclass AND granted AND mode = 'AccessExclusiveLock'"""
STEPS = """SELECT id FROM directmail_series_step
            WHERE series_id = %s AND active ORDER BY sequence, id"""
#: let people be due: those whose mail was planned, and those who wait
LET_MAILS_BE_LOOKED_AT = """UPDATE directmail_series_entry SET due_at = mailed_at
                             WHERE state = 'inside' AND delivery_id IS NOT NULL"""
LET_WAITS_END = """UPDATE directmail_series_entry e SET due_at = now() AT TIME ZONE 'UTC'
                     FROM directmail_series_step s
                    WHERE s.id = e.step_id AND s.kind = 'wait' AND e.series_id = %s"""
#: as the cron's user does
ADVANCE = "model.sudo()._cron_advance()"
#: writes steps where nobody may read series, until a transaction has come to its lock of the series
MOVE_IN_FRONT_OF_A_LOCK = """
env.cr.execute("LOCK TABLE directmail_series IN ACCESS EXCLUSIVE MODE")
env["directmail.series.step"].browse({step}).write({{"sequence": -1}})
env.flush_all()
waiting = False
while not waiting:
    env.cr.execute("SELECT pg_sleep(0.1)")
    env.cr.execute(
        "SELECT 1 FROM pg_locks WHERE relation = 'directmail_series'::regclass AND NOT granted"
    )
    waiting = env.cr.fetchone()
"""


@pytest.fixture(autouse=True)
def pool():
    with ThreadPoolExecutor(2) as running:
        yield running


def make_action(shop, code):
    model = shop.root.call("ir.model", "search", [[("model", "=", "directmail.series")]])[0]
    values = {"name": "Run", "model_id": model, "state": "code", "code": code}
    return shop.root.call("ir.actions.server", "create", [values])


def run(shop, action):
    return shop.server.login("admin", "admin").call("ir.actions.server", "run", [[action]])


def get_steps(shop, series):
    return [number for (number,) in shop.server.query(STEPS, series)]


def finish(shop, series, lets=()):
    """Let time pass until everybody has finished, with the cron."""
    set_cron(shop, True)

    def go_on():
        shop.server.query(LET_MAILS_BE_LOOKED_AT)
        for let in lets:
            shop.server.query(let, series)
        shop.server.make_due(get_cron(shop))
        shop.server.wake_crons()

    wait_until(
        lambda: shop.server.query(STATES, series) == [("finished", PEOPLE)],
        lambda: f"{shop.server.query('SELECT state, step_id FROM directmail_series_entry')}",
        go_on,
    )


def check_mailed(shop, series, counts):
    """Nobody got a mail twice, and as many people as expected got each one."""
    assert count_mailed(shop, series) == counts
    for (tag,) in shop.server.query(
        """SELECT t.tag_name FROM directmail_task t
             JOIN directmail_series_step s ON s.id = t.series_step_id WHERE s.series_id = %s""",
        series,
    ):
        mailed = [row["to"] for row in shop.emulator.ledger(tag=tag)]
        assert len(mailed) == len(set(mailed))


def let_first_mail_be_sent(shop, series):
    set_cron(shop, True)

    def go_on():
        shop.server.make_due(get_cron(shop))
        shop.server.wake_crons()

    wait_until(lambda: max(count_mailed(shop, series)) == PEOPLE, "no mail is sent", go_on)
    set_cron(shop, False)
    shop.server.query(LET_MAILS_BE_LOOKED_AT)


def test_a_step_that_is_removed_while_people_come_to_it_keeps_nobody(shop, pool):
    series = start(shop, "removed")
    first, wait, second = get_steps(shop, series)
    shop.user.call("directmail.series.step", "write", [[wait], {"wait_number": 30}])
    let_first_mail_be_sent(shop, series)
    advance = make_action(shop, ADVANCE)
    with connect(shop.server.database, shop.server.environment) as cursor:
        cursor.execute("BEGIN; LOCK TABLE directmail_series_entry IN SHARE MODE")
        advanced = pool.submit(run, shop, advance)
        wait_until(lambda: is_blocked(shop, "directmail_series_entry"), "nobody is advanced")
        removed = pool.submit(
            shop.user.call,
            "directmail.series",
            "write",
            [[series], {"step_ids": [(2, wait, 0)]}],
        )
        wait_until(lambda: shop.server.query(WAITS_FOR_A_ROW)[0][0] > 0, "the change does not wait")
        cursor.execute("COMMIT")
    advanced.result()
    removed.result()
    assert get_steps(shop, series) == [first, second]
    waiting = """SELECT count(*) FROM directmail_series_entry
                  WHERE step_id = %s AND due_at > now() AT TIME ZONE 'UTC' + interval '1 hour'"""
    assert shop.server.query(waiting, wait) == [(0,)]
    finish(shop, series)
    check_mailed(shop, series, [PEOPLE, PEOPLE])


def test_people_who_enter_while_steps_are_moved_get_each_mail_once(shop, pool):
    series = start(shop, "moved")
    first, wait, second = get_steps(shop, series)
    advance = make_action(shop, ADVANCE)
    move = make_action(shop, MOVE_IN_FRONT_OF_A_LOCK.format(step=second))
    with connect(shop.server.database, shop.server.environment) as cursor:
        cursor.execute("BEGIN; LOCK TABLE directmail_gate IN EXCLUSIVE MODE")
        advanced = pool.submit(run, shop, advance)
        wait_until(lambda: is_blocked(shop, "directmail_gate"), "nobody is advanced")
        moved = pool.submit(run, shop, move)
        wait_until(
            lambda: shop.server.query(HOLDS, "directmail_series")[0][0] > 0, "nothing is moved"
        )
        cursor.execute("COMMIT")
    moved.result()
    advanced.result()
    assert get_steps(shop, series) == [second, first, wait]
    finish(shop, series, [LET_WAITS_END])
    check_mailed(shop, series, [PEOPLE, PEOPLE])


def test_people_who_are_due_while_steps_are_moved_go_on_at_once_afterwards(shop, pool):
    series = start(shop, "skipped")
    first, wait, second = get_steps(shop, series)
    set_cron(shop, True)
    with connect(shop.server.database, shop.server.environment) as cursor:
        cursor.execute("BEGIN; LOCK TABLE directmail_series_step IN SHARE MODE")
        moved = pool.submit(
            shop.user.call,
            "directmail.series",
            "write",
            [[series], {"step_ids": [(1, second, {"sequence": -1})]}],
        )
        wait_until(lambda: is_blocked(shop, "directmail_series_step"), "nothing is moved")
        shop.server.make_due(get_cron(shop))
        has_run = "SELECT lastcall IS NOT NULL FROM ir_cron WHERE id = %s"
        wait_until(
            lambda: shop.server.query(has_run, get_cron(shop)) == [(True,)],
            "the cron does not run",
            shop.server.wake_crons,
        )
        assert shop.server.query(STATES, series) == []
        cursor.execute("COMMIT")
    moved.result()
    wait_until(
        lambda: shop.server.query(STATES, series) == [("inside", PEOPLE)],
        "nobody enters until the cron's next regular run",
        shop.server.wake_crons,
    )
    finish(shop, series, [LET_WAITS_END])
    check_mailed(shop, series, [PEOPLE, PEOPLE])


def test_a_step_that_loses_its_mail_while_the_series_is_started(shop, pool):
    """Whichever comes first: no series runs with a step that can't send anything."""
    series = make(shop, "begun")
    step = get_steps(shop, series)[0]
    with connect(shop.server.database, shop.server.environment) as cursor:
        cursor.execute("BEGIN; LOCK TABLE directmail_series_step IN SHARE MODE")
        changed = pool.submit(
            shop.user.call, "directmail.series.step", "write", [[step], {"template_id": False}]
        )
        wait_until(lambda: is_blocked(shop, "directmail_series_step"), "nothing is changed")
        session = shop.server.login("dm_user", PASSWORD)
        started = pool.submit(session.call, "directmail.series", "action_start", [[series]])
        wait_until(
            lambda: started.done() or shop.server.query(WAITS_FOR_A_ROW)[0][0] > 0,
            "the start does not wait",
        )
        cursor.execute("COMMIT")
    changed.result()
    with pytest.raises(RpcError, match="Choose the template to send"):
        started.result()
    assert shop.user.read("directmail.series", series, "state")["state"] == "draft"


@pytest.fixture
def browser(shop):
    with Browser() as running:
        running.set_touch()
        running.log_in(shop.server.url, "dm_user", PASSWORD)
        yield running


def open_three_mails(shop, browser, *size):
    """Open a series with people inside, whose steps are a mail, a wait and a mail."""
    series = start(shop, f"moved on {size[0]} pixels")
    steps = get_steps(shop, series)
    browser.resize(*size)
    address = f"{shop.server.url}/odoo/action-email_marketing_dm.directmail_series_action/{series}"
    browser.open(address, ".o_directmail_move_up")
    return series, steps


def get_label(browser):
    """Return the name of the button that has the focus, as a screen reader reads it."""
    return browser.run("return document.activeElement.getAttribute('aria-label');")


def wait_for_notice(browser, text):
    find = "document.querySelector('[name=change_notice]')?.innerText"
    browser.wait(f"() => {find}?.includes({json.dumps(text)})")


def check_not_opened(browser):
    """The key pressed the button, and did not open the step as well."""
    assert not browser.run("return document.querySelectorAll('.modal, .o_dialog').length;")


def save(browser):
    browser.press("s", alt=True)
    browser.wait(".o_form_saved")


def test_a_step_is_moved_by_keys(shop, browser):
    series, (first, wait, second) = open_three_mails(shop, browser, 1280, 900)
    browser.run(
        """const buttons = document.querySelectorAll(".o_directmail_move_up");
           buttons[buttons.length - 1].focus();"""
    )
    assert get_label(browser).startswith("Move up: Send")
    browser.press("Enter")
    wait_for_notice(browser, "Step 3, Spring moves to place 2.")
    assert get_label(browser).startswith("Move up: Send")
    check_not_opened(browser)
    browser.press("Enter")
    wait_for_notice(browser, "Step 3, Spring moves to place 1.")
    # It can't move further.
    assert get_label(browser).startswith("Move down: Send")
    check_not_opened(browser)
    browser.press("Enter")
    wait_for_notice(browser, "Step 3, Spring moves to place 2.")
    check_not_opened(browser)
    browser.press("Enter")
    # Back in its place, it can't move further down.
    wait_until(lambda: (get_label(browser) or "").startswith("Move up: Send"), "it does not move")
    check_not_opened(browser)
    for place in (2, 1):
        browser.press("Enter")
        wait_for_notice(browser, f"Step 3, Spring moves to place {place}.")
    check_not_opened(browser)
    assert get_steps(shop, series) == [first, wait, second]
    save(browser)
    assert get_steps(shop, series) == [second, first, wait]


def test_a_step_is_moved_by_a_finger(shop, browser):
    series, (first, wait, second) = open_three_mails(shop, browser, 390, 844)
    browser.tap(".o_kanban_record:nth-child(2) .o_directmail_move_up")
    wait_for_notice(browser, "Step 2, Wait moves to place 1.")
    save(browser)
    assert get_steps(shop, series) == [wait, first, second]
