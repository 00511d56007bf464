"""Warm-up of a sender address: limits that grow with use, and how long a task takes."""

from itertools import islice

from email_marketing_dm.clock.warm_up import LONGEST, WarmUp, foresee, get_limit, get_limits

USUAL = WarmUp(500, 50, 20_000)
PLENTY = (10**9, 10**9)


def test_the_limit_grows_only_after_a_day_that_was_used():
    assert get_limit(USUAL, None) == 500
    assert get_limit(USUAL, (500, 100, True)) == 500
    assert get_limit(USUAL, (500, 249, False)) == 500
    assert get_limit(USUAL, (500, 250, False)) == 750
    assert get_limit(WarmUp(1, 10, 9), (1, 1, False)) == 2, "it grows by one mail at least"


def test_there_is_no_limit_from_the_end_on():
    limits = list(islice(get_limits(WarmUp(500, 100, 3000), 500), 5))
    assert limits == [500, 1000, 2000, None, None]


def test_all_mails_are_foreseen():
    assert foresee(USUAL, 500, 0, 2000, PLENTY) == [500, 750, 750]
    assert foresee(USUAL, 500, 500, 700, PLENTY) == [0, 700]
    assert foresee(USUAL, 500, 600, 10, PLENTY) == [0, 10]
    assert foresee(USUAL, 500, 0, 10, PLENTY) == [10]


def test_the_quota_of_the_account_holds_as_well():
    assert foresee(USUAL, 500, 0, 1300, (200, 600)) == [200, 600, 500]
    assert foresee(WarmUp(500, 100, 1000), 500, 0, 10_000, (10_000, 4000)) == [
        500, 4000, 4000, 1500,
    ]  # fmt: skip
    assert len(foresee(USUAL, 500, 0, 10, (0, 0))) == LONGEST
