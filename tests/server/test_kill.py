"""Odoo dies in the middle of a task: nobody is mailed twice, nobody disappears."""

import os

from tests.server.common.runs_sending import THREADS, run_kills, unknown_ids
from tests.server.common.shop import SHORT

SEED = int(os.environ.get("SEED", "1"))
SECONDS = SHORT


def test_kills_leave_nobody_out_and_mail_nobody_twice(shop):
    people = 2000
    task, caught = run_kills(shop, people, kills=4, seed=SEED)

    assert len(caught) == 4, "the task was over before the last kill"
    assert any(caught), "no call was under way at any kill"
    assert all(len(found) <= THREADS for found in caught), [len(found) for found in caught]
    # Only what was under way at a kill may have become unknown, and all of that did.
    assert unknown_ids(shop, task) == set().union(*caught)
    books = shop.check(task, people)
    assert books.ok, books
    assert books.states.get("sent", 0) + len(set().union(*caught)) >= people

    shop.import_results(task)
    books = shop.check(task, people)
    assert books.ok and not books.unknown, books
    assert books.states["sent"] == books.mailed
    assert books.states["sent"] + books.states.get("not_sent", 0) == people


def test_without_evidence_unknown_stays_unknown(shop, emulator):
    people = 300
    emulator.change_settings({"outcomes": {"withhold_statistics": True}})
    task, [caught] = run_kills(shop, people, kills=1, seed=SEED + 1, group="withheld")
    assert caught, "no call was under way at the kill"

    assert shop.import_results(task, until_known=False) == len(caught)
    books = shop.check(task, people)
    assert books.ok, books
    assert books.states == {"sent": people - len(caught), "unknown": len(caught)}

    emulator.change_settings({"outcomes": {"withhold_statistics": False}})
    shop.import_results(task)
    books = shop.check(task, people)
    assert books.ok and not books.unknown, books
    assert books.states["sent"] == books.mailed
