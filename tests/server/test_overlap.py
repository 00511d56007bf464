"""Several of everything at once: servers, accounts, hands on the buttons, results coming in."""

import os

import pytest

from tests.server.common.odoo_server import OdooServer
from tests.server.common.runs_sending import (
    THREADS,
    count_most,
    run_collision,
    run_overlap,
    run_warm_up,
)
from tests.server.common.shop import Shop

SEED = int(os.environ.get("SEED", "1"))


@pytest.fixture(scope="module")
def server(database):
    """Four cron threads, so that three accounts and another cron run side by side."""
    with OdooServer(database, crons=4) as running:
        yield running


@pytest.fixture(scope="module")
def shop(server, emulator):
    return Shop(server, emulator)


def test_two_servers_and_three_accounts(shop):
    people = 120
    tasks = run_overlap(shop, people)

    assert len(tasks) == 3
    for branch, task in tasks:
        books = branch.check(task, people)
        assert books.ok and books.states == {"sent": people}, books
        assert count_most(branch, branch.account) <= THREADS


def test_two_servers_and_two_tasks_keep_to_one_warm_up(shop):
    people = 60
    tasks, days = run_warm_up(shop, people, 25)

    assert days == [25, 75, 120]
    for task in tasks:
        books = shop.check(task, people)
        assert books.ok and books.states == {"sent": people}, books


def test_pause_resume_and_results_while_mails_go_out(shop):
    people = 300
    met = run_collision(shop, people, SEED)
    books = shop.check(met.task, people)
    # No call was broken: whatever is unknown now was an answer that got lost.
    assert books.ok and books.states == {"sent": people}, books
    assert met.is_complete, f"something never came while mails went out: {met}"
