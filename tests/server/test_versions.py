"""A/B tests with a control group: nobody is in two groups, through kills and a restore."""

import os

import pytest

from tests.server.common.runs_versions import DECISIONS, plan_twice, run_versions
from tests.server.common.shop import SHORT

SEED = int(os.environ.get("SEED", "1"))
PEOPLE, KILLS = 1000, 1
SECONDS = SHORT


@pytest.fixture(scope="module")
def runs(shop):
    return run_versions(shop, PEOPLE, KILLS, SEED)


@pytest.mark.parametrize("way", DECISIONS)
def test_versions_and_a_control_group_survive_kills_and_a_restore(runs, way):
    run = runs[way]
    assert not run.wrong, run.wrong
    assert run.books.ok and not run.books.unknown, run.books
    assert run.kills == 2 * KILLS, "a part of the task was over before its last kill"
    states = run.books.states
    assert states["sent"] == run.books.mailed
    assert states["suppressed"] == run.sizes["control"]
    assert states["sent"] + states.get("not_sent", 0) == PEOPLE - run.sizes["control"]


def test_a_restored_database_plans_alike(shop):
    """The dump is older than the plan: nothing but the hash can make the second plan the first."""
    first, second = plan_twice(shop, 200, "again")
    assert len(first) == 200
    assert {version for version, _is_rest, _reason in first.values()} == {"A", "B", "C", None}
    assert "control_group" in {reason for _version, _is_rest, reason in first.values()}
    assert second == first
