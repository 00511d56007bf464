"""A limit holds exactly, whoever claims at the same moment: tasks, accounts, servers."""

import pytest

from devenv import database as databases
from tests.server.common.runs_fatigue import open_track

PEOPLE = 300
TASKS = 10


@pytest.mark.parametrize("gate", [True, False], ids=["gate", "without_gate"])
def test_ten_tasks_want_the_one_mail_that_each_person_may_get(gate):
    with databases.temporary("race") as database, open_track(database, gate) as track:
        track.limit(1)
        race = track.run(PEOPLE, TASKS, f"race{int(gate)}")
    assert not race.wrong, race
    assert race.meetings, "no two servers claimed at the same time, so nothing is proven"
    if gate:
        assert set(race.mailed.values()) == {1} and len(race.mailed) == PEOPLE
        assert race.states == {"sent": PEOPLE, "suppressed": PEOPLE * (TASKS - 1)}
    else:
        # The same without the gate: what makes the limit exact is taken away.
        assert len(race.mailed) == PEOPLE
        assert race.mailed.total() > PEOPLE, "it is not the gate that makes it exact"
