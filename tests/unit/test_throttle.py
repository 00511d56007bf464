"""Pacing, on a clock that the tests move."""

import pytest

from email_marketing_dm.directmail.throttle import AdaptiveRate


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def taken(rate, clock, seconds, step=0.01):
    """Tokens that a caller who asks every ``step`` seconds gets."""
    total = 0
    for _ in range(round(seconds / step)):
        clock.now += step
        total += rate.take(1000)
    return total


def test_the_configured_rate_is_kept(clock):
    rate = AdaptiveRate(80, clock)
    taken(rate, clock, 1)
    assert taken(rate, clock, 10) == pytest.approx(800, abs=1)


@pytest.mark.parametrize("step", [0.001, 0.01, 0.15, 0.9])
def test_no_second_sees_more_than_the_limit(clock, step):
    rate = AdaptiveRate(80, clock)
    clock.now += 60  # idle: nothing may pile up
    moments = []
    for _ in range(round(5 / step)):
        moments += [clock.now] * rate.take(1000)
        clock.now += step
    busiest = max(sum(start <= moment < start + 1 for moment in moments) for start in set(moments))
    assert busiest <= 97 < 100


def test_take_gives_what_was_asked_at_most(clock):
    rate = AdaptiveRate(80, clock)
    clock.now += 1
    assert [rate.take(5), rate.take(0), rate.take(-1), rate.take(100)] == [5, 0, 0, 11]


def test_foresight_is_what_can_be_taken_until_then(clock):
    rate = AdaptiveRate(80, clock)
    assert [rate.foresee(0), rate.foresee(0.1), rate.foresee(1)] == [1, 9, 81]
    clock.now += 60
    assert rate.foresee(0) == rate.take(1000) == 16
    rate.slow_down(retry_after=2)
    assert [rate.foresee(1), rate.foresee(2), rate.foresee(3)] == [0, 0, 78]
    assert rate.take(1000) == 0, "nothing was taken"


def test_a_new_run_starts_without_a_burst(clock):
    """The run before may have called within this second."""
    assert AdaptiveRate(80, clock).take(100) == 1


def test_less_is_saved_up_near_the_limit(clock):
    rate = AdaptiveRate(100, clock)
    clock.now += 1
    assert rate.take(100) == 10


@pytest.mark.parametrize("per_second", [0.1, 1, 7, 80, 3000])
def test_after_the_delay_there_is_a_token(clock, per_second):
    rate = AdaptiveRate(per_second, clock)
    assert rate.delay() == 0
    for _ in range(50):
        while rate.take(10):
            pass
        delay = rate.delay()
        assert 0 < delay <= 1 / per_second + 1e-6
        clock.now += delay
        assert rate.take(10) >= 1


@pytest.mark.parametrize("count", [2, 5, 10])
def test_after_the_delay_of_several_there_are_as_many(clock, count):
    rate = AdaptiveRate(100, clock)
    rate.take(10)
    clock.now += rate.delay(count) - 0.001
    assert 0 < rate.delay(count) <= 0.001 + 1e-6
    clock.now += rate.delay(count)
    assert rate.take(100) == count


def test_more_than_can_be_saved_up_is_not_waited_for(clock):
    rate = AdaptiveRate(100, clock)
    clock.now += rate.delay(1000)
    assert rate.take(1000) == 10
    assert rate.delay(1000) == pytest.approx(0.1)


def test_trouble_halves_at_once_and_drops_what_was_saved(clock):
    rate = AdaptiveRate(80, clock)
    rate.slow_down(halve=True)
    assert rate.rate == 40
    assert rate.take(100) == 0


def test_one_call_too_many_costs_little(clock):
    rate = AdaptiveRate(100, clock)
    rate.slow_down()
    assert rate.rate == 98
    clock.now += 2
    assert rate.rate == 100


@pytest.mark.parametrize("halve", [True, False])
def test_a_second_full_of_complaints_costs_half(clock, halve):
    rate = AdaptiveRate(80, clock)
    for _ in range(64):
        rate.slow_down(halve=halve)
        clock.now += 0.01
    assert 39 < rate.rate < 41
    clock.now += 1
    rate.slow_down(halve=True)
    assert 20 < rate.rate < 21


def test_never_below_one_a_second(clock):
    rate = AdaptiveRate(4, clock)
    for _ in range(20):
        rate.slow_down(halve=True)
        clock.now += 1.001
    assert 1 <= rate.rate < 1.2
    slow = AdaptiveRate(0.5, clock)
    slow.slow_down(halve=True)
    assert slow.rate == 0.5, "slowing down never speeds up"


def test_told_how_long_to_wait(clock):
    rate = AdaptiveRate(10, clock)
    rate.slow_down(30, halve=True)
    rate.slow_down(5)  # an earlier end doesn't shorten it
    clock.now += 29.9
    assert rate.take(10) == 0
    assert rate.rate == 5, "waiting is no success"
    delay = rate.delay()
    assert 0.1 <= delay <= 0.4
    clock.now += delay
    assert rate.take(10) == 1


def test_it_recovers_within_half_a_minute_and_not_at_once(clock):
    rate = AdaptiveRate(80, clock)
    rate.slow_down(halve=True)
    assert taken(rate, clock, 1) <= 42
    taken(rate, clock, 28)
    assert 75 < rate.rate < 80
    taken(rate, clock, 10)
    assert rate.rate == 80


def test_a_clock_that_stands_still_or_goes_back(clock):
    rate = AdaptiveRate(10, clock)
    clock.now += 1
    assert rate.take(10) == 2
    clock.now -= 100
    assert rate.take(10) == 0
    clock.now += 100.5
    assert rate.take(10) == 2


@pytest.mark.parametrize("wrong", [0, -1])
def test_a_rate_is_above_zero(wrong):
    with pytest.raises(ValueError, match="above 0"):
        AdaptiveRate(wrong)
