"""The pool of calling threads."""

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from email_marketing_dm.directmail.answers import Answer, Verdict
from email_marketing_dm.directmail.pool import CallPool

ROOT = Path(__file__).parents[2]
#: seconds; it only ends what hangs
PATIENCE = 60


def wait_for_results(pool, number):
    """Wait until so many calls have ended, without taking their results."""
    deadline = time.monotonic() + PATIENCE
    while pool._results.qsize() < number:
        assert time.monotonic() < deadline, "a call does not end"
        time.sleep(0.001)


def test_results_come_with_their_key_and_job():
    pool = CallPool(4, lambda job: job * 2)
    for key in "abcd":
        pool.submit(key, ord(key))
    found = []
    while pool.in_flight:
        found += pool.drain(PATIENCE)
    assert sorted(found) == [(key, ord(key), ord(key) * 2) for key in "abcd"]
    assert pool.close(PATIENCE) == []


def test_a_slow_call_holds_nobody_up():
    slow = threading.Event()
    pool = CallPool(2, lambda job: slow.wait(PATIENCE) if job == "slow" else job)
    pool.submit(0, "slow")
    done = []
    for number in range(1, 50):
        pool.submit(number, "quick")
        done += pool.drain(PATIENCE)
    assert len(done) == 49
    assert (pool.in_flight, pool.free) == (1, 1)
    slow.set()
    assert pool.drain(PATIENCE) == [(0, "slow", True)]
    pool.close(PATIENCE)


def test_calls_run_at_the_same_time():
    meeting = threading.Barrier(8)
    pool = CallPool(8, lambda job: meeting.wait(PATIENCE))
    for number in range(8):
        pool.submit(number, None)
    found = []
    while pool.in_flight:
        found += pool.drain(PATIENCE)
    assert sorted(result for _key, _job, result in found) == list(range(8))
    pool.close(PATIENCE)


def test_what_has_finished_but_was_not_taken_counts_as_in_flight():
    """Its row says "sending" until the answer is written, so it takes up a place."""
    pool = CallPool(2, lambda job: job)
    pool.submit(1, 1)
    pool.submit(2, 2)
    wait_for_results(pool, 2)
    assert (pool.in_flight, pool.free) == (2, 0)
    with pytest.raises(RuntimeError):
        pool.submit(3, 3)
    assert len(pool.drain(PATIENCE)) == 2
    assert (pool.in_flight, pool.free) == (0, 2)
    pool.close(PATIENCE)


def test_drain_waits_for_the_first_result_but_no_longer_than_told():
    answered = threading.Event()
    pool = CallPool(1, lambda _job: answered.wait(PATIENCE))
    started = time.monotonic()
    pool.submit(1, None)
    # A drain that waited for the call would return its result.
    assert pool.drain(0) == [] and pool.drain(0.05) == []
    assert time.monotonic() - started > 0.04
    timer = threading.Timer(0.05, answered.set)
    timer.start()
    assert pool.drain(PATIENCE) == [(1, None, True)]
    timer.join()
    pool.close(PATIENCE)


@pytest.mark.parametrize(
    "error", [ValueError("ann@example.com"), SystemExit(), KeyboardInterrupt()]
)
def test_a_call_that_raises_is_unknown_and_the_thread_lives_on(error, caplog):
    def call(job):
        if job:
            raise error
        return "fine"

    pool = CallPool(1, call)
    for _ in range(2):
        pool.submit("bad", True)
        [(_key, _job, result)] = pool.drain(PATIENCE)
        assert result == Answer(Verdict.UNKNOWN, code=type(error).__name__)
    pool.submit("good", False)
    assert pool.drain(PATIENCE) == [("good", False, "fine")]
    assert type(error).__name__ in caplog.text
    assert "ann@example.com" not in caplog.text
    pool.close(PATIENCE)


def test_whoever_asks_says_what_no_answer_is():
    pool = CallPool(1, lambda question: question["nothing of the kind"])
    pool.submit("question", {}, no_answer="nobody told")
    assert pool.drain(PATIENCE) == [("question", {}, "nobody told")]
    pool.close(PATIENCE)


def test_closing_hands_out_what_is_known():
    stuck = threading.Event()
    pool = CallPool(3, lambda job: stuck.wait(PATIENCE) if job == "stuck" else job)
    for number, job in enumerate(("quick", "quick", "stuck")):
        pool.submit(number, job)
    wait_for_results(pool, 2)
    found = pool.close(0.05)
    assert sorted(key for key, _job, _result in found) == [0, 1]
    assert (pool.in_flight, pool.free) == (1, 0)
    with pytest.raises(RuntimeError):
        pool.submit(4, 0)
    assert pool.close(0) == []
    stuck.set()
    assert pool.close(PATIENCE) == [(2, "stuck", True)]


def test_closing_ends_the_threads():
    before = threading.active_count()
    CallPool(16, time.sleep).close(PATIENCE)
    assert threading.active_count() == before


def test_a_stuck_call_does_not_keep_the_process_alive():
    program = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "import time\n"
        "import devenv.without_odoo\n"
        "from email_marketing_dm.directmail.pool import CallPool\n"
        "pool = CallPool(2, time.sleep)\n"
        "pool.submit(1, 3600)\n"
        "pool.close(0.1)\n"
    )
    subprocess.run([sys.executable, "-c", program, str(ROOT)], timeout=PATIENCE, check=True)
