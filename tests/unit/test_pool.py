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


def test_results_come_with_their_key_and_job():
    pool = CallPool(4, lambda job: job * 2)
    for key in "abcd":
        pool.submit(key, ord(key))
    found = []
    while pool.in_flight:
        found += pool.drain(1)
    assert sorted(found) == [(key, ord(key), ord(key) * 2) for key in "abcd"]
    assert pool.close(1) == []


def test_a_slow_call_holds_nobody_up():
    slow = threading.Event()
    pool = CallPool(2, lambda job: slow.wait(5) if job == "slow" else job)
    pool.submit(0, "slow")
    done = []
    for number in range(1, 50):
        pool.submit(number, "quick")
        done += pool.drain(1)
    assert len(done) == 49
    assert (pool.in_flight, pool.free) == (1, 1)
    slow.set()
    assert pool.drain(1) == [(0, "slow", True)]
    pool.close(1)


def test_calls_run_at_the_same_time():
    meeting = threading.Barrier(8)
    pool = CallPool(8, lambda job: meeting.wait(5))
    for number in range(8):
        pool.submit(number, None)
    found = []
    while pool.in_flight:
        found += pool.drain(1)
    assert sorted(result for _key, _job, result in found) == list(range(8))
    pool.close(1)


def test_what_has_finished_but_was_not_taken_counts_as_in_flight():
    """Its row says "sending" until the answer is written, so it takes up a place."""
    pool = CallPool(2, lambda job: job)
    pool.submit(1, 1)
    pool.submit(2, 2)
    deadline = time.monotonic() + 60
    while pool._results.qsize() < 2:
        assert time.monotonic() < deadline, "a call does not end"
        time.sleep(0.001)
    assert (pool.in_flight, pool.free) == (2, 0)
    with pytest.raises(RuntimeError):
        pool.submit(3, 3)
    assert len(pool.drain(1)) == 2
    assert (pool.in_flight, pool.free) == (0, 2)
    pool.close(1)


def test_drain_waits_no_longer_than_told():
    pool = CallPool(1, time.sleep)
    started = time.monotonic()
    assert pool.drain(0.05) == []
    assert 0.04 < time.monotonic() - started < 1
    pool.submit(1, 0.3)
    assert pool.drain(0) == []
    assert pool.drain(5) == [(1, 0.3, None)]
    assert time.monotonic() - started < 2
    pool.close(1)


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
        [(_key, _job, result)] = pool.drain(2)
        assert result == Answer(Verdict.UNKNOWN, code=type(error).__name__)
    pool.submit("good", False)
    assert pool.drain(2) == [("good", False, "fine")]
    assert type(error).__name__ in caplog.text
    assert "ann@example.com" not in caplog.text
    pool.close(1)


def test_whoever_asks_says_what_no_answer_is():
    pool = CallPool(1, lambda question: question["nothing of the kind"])
    pool.submit("question", {}, no_answer="nobody told")
    assert pool.drain(2) == [("question", {}, "nobody told")]
    pool.close(1)


def test_closing_hands_out_what_is_known():
    pool = CallPool(3, time.sleep)
    for number, seconds in enumerate((0, 0.1, 30)):
        pool.submit(number, seconds)
    found = pool.close(0.5)
    assert sorted(key for key, _job, _result in found) == [0, 1]
    assert (pool.in_flight, pool.free) == (1, 0)
    with pytest.raises(RuntimeError):
        pool.submit(4, 0)
    assert pool.close(0) == []


def test_closing_ends_the_threads():
    before = threading.active_count()
    CallPool(16, time.sleep).close(2)
    assert threading.active_count() == before


def test_a_stuck_call_does_not_keep_the_process_alive():
    program = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "import time\n"
        "import devenv.without_odoo\n"
        "from email_marketing_dm.directmail.pool import CallPool\n"
        "pool = CallPool(2, time.sleep)\n"
        "pool.submit(1, 60)\n"
        "pool.close(0.1)\n"
    )
    subprocess.run([sys.executable, "-c", program, str(ROOT)], timeout=10, check=True)
