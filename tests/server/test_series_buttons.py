"""Buttons of a series, and changes of its steps, while tens of thousands of people enter it."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.server.common.odoo_server import connect, wait_until
from tests.server.common.shop import PASSWORD
from tests.server.test_series import STATES, get_cron, is_blocked, set_cron
from tests.server.test_series_order import (
    ADVANCE,
    WAITS_FOR_A_ROW,
    get_steps,
    make_action,
    run,
)

#: Eight batches of `BATCH` people: Odoo tries a request five times.
PEOPLE = 40_000
ENTERED = """SELECT count(*), count(DISTINCT contact_number)
               FROM directmail_series_entry WHERE series_id = %s"""
WAITS = """SELECT round(extract(epoch FROM due_at - entered_at) / 86400)::int, count(*)
             FROM directmail_series_entry WHERE series_id = %s GROUP BY 1"""
HOLD = "BEGIN; LOCK TABLE directmail_series_entry IN SHARE MODE"


@pytest.fixture(scope="module")
def audience(shop):
    shop.add_people("many", PEOPLE)
    audience = shop.make_audience("many")
    shop.user.call("directmail.audience", "action_refresh", [[audience]])
    return audience


def start(shop, audience):
    """Start a series that everybody enters, and whose first step is a wait."""
    series = shop.user.call(
        "directmail.series",
        "create",
        [
            {
                "name": "Many",
                "account_id": shop.account,
                "sender_id": shop.sender,
                "audience_id": audience,
                "entry": "all",
                "step_ids": [
                    (0, 0, {"sequence": 1, "kind": "wait", "wait_number": 30}),
                    (0, 0, {"sequence": 2, "template_id": shop.template}),
                ],
            }
        ],
    )
    set_cron(shop, False)
    shop.user.call("directmail.series", "action_start", [[series]])
    return series


def call_while_many_enter(shop, series, model, method, *args):
    """Press a button while people enter; each batch of them waits until the button waits for it.

    :param model, method, args: what the button calls
    :return: how many people had entered when the button had done its work; some, but not all
    """
    advance = make_action(shop, ADVANCE)
    session = shop.server.login("dm_user", PASSWORD)
    with (
        ThreadPoolExecutor(2) as pool,
        connect(shop.server.database, shop.server.environment) as cursor,
    ):
        cursor.execute(HOLD)
        advanced = pool.submit(run, shop, advance)
        # One batch has entered, and the next one waits, when the button is pressed.
        while not shop.server.query(ENTERED, series)[0][0]:
            wait_until(lambda: is_blocked(shop, "directmail_series_entry"), "nobody enters")
            cursor.execute("COMMIT")
            cursor.execute(HOLD)
        wait_until(lambda: is_blocked(shop, "directmail_series_entry"), "nobody else enters")
        pressed = pool.submit(session.call, model, method, list(args))
        while not (pressed.done() or advanced.done()):
            wait_until(
                lambda: (
                    pressed.done() or advanced.done() or shop.server.query(WAITS_FOR_A_ROW)[0][0]
                ),
                "the button does not wait",
            )
            cursor.execute("COMMIT")
            # Behind the batch that goes on now, and in front of the next one.
            cursor.execute(HOLD)
        cursor.execute("COMMIT")
        pressed.result()
        advanced.result()
    [(entered, _contacts)] = shop.server.query(ENTERED, series)
    assert 0 < entered < PEOPLE
    return entered


def let_everybody_enter(shop, series):
    set_cron(shop, True)

    def go_on():
        shop.server.make_due(get_cron(shop))
        shop.server.wake_crons()

    wait_until(
        lambda: shop.server.query(STATES, series) == [("inside", PEOPLE)],
        lambda: f"{shop.server.query(STATES, series)}",
        go_on,
    )
    set_cron(shop, False)
    assert shop.server.query(ENTERED, series) == [(PEOPLE, PEOPLE)]


def end(shop, series):
    shop.user.call("directmail.series", "action_stop", [[series]])


def test_a_series_is_paused_while_many_enter_and_resumed(shop, audience):
    series = start(shop, audience)
    call_while_many_enter(shop, series, "directmail.series", "action_pause", [series])
    assert shop.user.read("directmail.series", series, "state")["state"] == "paused"
    shop.user.call("directmail.series", "action_resume", [[series]])
    let_everybody_enter(shop, series)
    end(shop, series)


def test_a_series_is_ended_while_many_enter(shop, audience):
    series = start(shop, audience)
    entered = call_while_many_enter(shop, series, "directmail.series", "action_stop", [series])
    assert shop.user.read("directmail.series", series, "state")["state"] == "ended"
    assert shop.server.query(STATES, series) == [("called_off", entered)]


@pytest.mark.parametrize(
    ("is_step", "values", "days"),
    [(True, {"wait_number": 60}, 60), (False, {"name": "Renamed"}, 30)],
    ids=["step", "name"],
)
def test_a_series_is_changed_while_many_enter(shop, audience, is_step, values, days):
    """Who enters after the change waits that many days."""
    series = start(shop, audience)
    model, number = "directmail.series", series
    if is_step:
        model, number = "directmail.series.step", get_steps(shop, series)[0]
    entered = call_while_many_enter(shop, series, model, "write", [number], values)
    let_everybody_enter(shop, series)
    waits = Counter({30: entered})
    waits[days] += PEOPLE - entered
    assert dict(shop.server.query(WAITS, series)) == waits
    end(shop, series)
