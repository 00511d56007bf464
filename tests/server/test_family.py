"""Follow-ups: nobody gets the same content twice, by concurrent starts or kills."""

from tests.server.common.runs_family import OTHERS, run_family
from tests.server.common.shop import SHORT

PEOPLE, JOINED = 100, 600
SECONDS = SHORT


def test_two_follow_ups_start_at_once_and_both_servers_die(shop):
    family = run_family(shop, PEOPLE, JOINED)
    assert not family.wrong, family.wrong
    assert max(family.mailed.values()) == 1, "somebody got the same mail twice"
    # Both have all people who joined; each of these is mailed by one of the two.
    assert family.states.total() == 2 * (JOINED + OTHERS)
    assert family.chosen == JOINED + 2 * OTHERS
    assert family.states["suppressed"] == JOINED
    assert len(family.mailed) == PEOPLE + JOINED + 2 * OTHERS - family.states["not_sent"]
