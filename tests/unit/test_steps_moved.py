"""Series whose steps are moved and added while a person is inside, compared with a simulation."""

from datetime import datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from email_marketing_dm.clock.steps import Mail, Path, Place, Step, find_moved

START = datetime(2026, 3, 1)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def simulate(orders, met):
    """Return (mails, how it ended) of a person who remembers all steps to which they have come.

    :param orders: the order of the steps while the person is at their first step, their second, …;
        the last one stays
    :param met: {step id: whether its condition is met}
    :return: ([(step id, moment)], state)
    """
    mails, moment, had, known = [], START, set(), set(orders[0])
    present, turn = None, 0
    while True:
        order = orders[min(turn, len(orders) - 1)]
        if present is not None:
            # An added step before the present one is passed.
            place = order.index(present)
            had |= {step for step in order[:place] if step not in known}
            known |= set(order)
            if present.kind == "check" and not met[present.id]:
                if present.otherwise not in ("next", *(step.id for step in order)):
                    return mails, "called_off"
                ahead = [step.id for step in order[place + 1 :]]
                skipped = int(present.otherwise == "next")
                if present.otherwise in ahead:
                    skipped = ahead.index(present.otherwise)
                had |= set(order[place + 1 : place + 1 + skipped])
        left = [step for step in order if step not in had]
        if not left or left[0].kind == "end":
            return mails, "finished"
        present = left[0]
        had.add(present)
        turn += 1
        if present.kind == "wait":
            moment += present.wait
        if present.kind == "mail":
            mails.append((present.id, moment))
            moment += HOUR  # until it is sent


def walk(orders, met):
    """Return the same from `Path`, with what the database keeps of a person."""
    paths = [Path(order) for order in orders]
    mails, mail, passed, turn = [], None, None, 0
    path = paths[0]
    place = path.enter(START)
    while place.state == "inside":
        if turn < len(paths) - 1 and mail is None:
            turn += 1
            passed = change(path, paths[turn], place.step_id, passed)
            path = paths[turn]
        step_id = place.step_id
        # A mail that is under way is over when the person is looked at next.
        if mail:
            mail = Mail("sent", mail.planned_at, mail.planned_at + HOUR)
        following = path.advance(
            step_id, place.due_at, mail, place.due_at, met.get(step_id), passed
        )
        if following is None:
            mails.append((step_id, place.due_at))
            mail = Mail("waiting", place.due_at)
            following = Place(step_id, place.due_at + HOUR)
        else:
            mail = None
        if passed is not None:
            passed |= set(following.passed)
        place = following
    return mails, place.state


def change(before, after, step_id, passed):
    """Return what the database keeps as passed when the steps of `before` become those of `after`.

    As `engine.series_order.keep_passed` and `pass_added`, of a person at a step.
    """
    old, new = [[step.id for step in path.steps] for path in (before, after)]
    if find_moved(old, new) and passed is None:
        passed = {step_id, *before.get_before(step_id)}
    if passed is not None:
        passed |= set(after.get_before(step_id)) - set(old)
    return passed


@st.composite
def changes(draw):
    """Return orders of steps, each a change of the one before: moved steps, and added ones."""
    count = draw(st.integers(1, 6))
    kinds = st.sampled_from(["mail", "mail", "mail", "wait", "wait", "check", "end"])
    numbers = iter(range(1, 99))

    def make():
        return Step(
            next(numbers),
            draw(kinds),
            wait=draw(st.integers(1, 5)) * DAY,
            otherwise=draw(st.sampled_from(["end", "next", 1, 2, 3, 4])),
        )

    orders = [[make() for _step in range(count)]]
    for _change in range(draw(st.integers(0, 3))):
        order = list(draw(st.permutations(orders[-1]))) if draw(st.booleans()) else [*orders[-1]]
        if draw(st.booleans()):
            order.insert(draw(st.integers(0, len(order))), make())
        orders.append(order)
    met = {step.id: draw(st.booleans()) for step in orders[-1]}
    return orders, met


@settings(max_examples=1000, deadline=None)
@given(changes())
def test_mails_after_moves_are_those_of_the_simulation(given_changes):
    orders, met = given_changes
    found = walk(orders, met)
    assert found == simulate(orders, met)
    mailed = [step_id for step_id, _moment in found[0]]
    assert len(mailed) == len(set(mailed)), "a mail came twice"


@settings(max_examples=300, deadline=None)
@given(
    st.permutations([Step(n, kind, DAY) for n, kind in enumerate(["mail", "wait"] * 3)]),
    st.permutations([Step(n, kind, DAY) for n, kind in enumerate(["mail", "wait"] * 3)]),
)
def test_moves_lose_no_mail(first, second):
    mails, state = walk([first, second], {})
    assert (sorted(step_id for step_id, _moment in mails), state) == ([0, 2, 4], "finished")


def test_two_mails_change_their_places():
    first, second, third = (Step(number, "mail") for number in (1, 3, 5))
    pause, rest = (Step(number, "wait", DAY) for number in (2, 4))
    path = Path([first, pause, third, rest, second])
    # At the second wait of before: who had the second mail gets the third one, which now is before.
    place = path.advance(4, START, None, START, passed={1, 2, 3})
    assert place == Place(5, START, passed=(4,))
    last = path.advance(5, START, Mail("sent", START, START), START, passed={1, 2, 3, 4})
    assert (last.step_id, last.state) == (None, "finished")
    # People who come later have the new order.
    assert path.advance(2, START, None, START) == Place(5, START)


def test_a_condition_that_is_not_met_passes_what_is_between():
    steps = [Step(4, "mail"), Step(2, "check", otherwise=3), Step(1, "mail"), Step(3, "mail")]
    place = Path(steps).advance(2, START, None, START, False, passed=set())
    # The mail that was moved before the condition comes first; the one between is left out.
    assert place == Place(4, START, passed=(2, 1))
    following = Path(steps).advance(4, START, Mail("sent", START, START), START, passed={2, 1})
    assert following.step_id == 3


def test_as_few_steps_as_possible_have_moved():
    assert find_moved([1, 2, 3, 4], [1, 2, 3, 4]) == []
    assert find_moved([1, 2, 3, 4], [4, 1, 2, 3]) == [4]
    assert find_moved([1, 2, 3, 4], [2, 3, 1, 4]) == [1]
    assert find_moved([1, 2, 3], [3, 9, 2, 1]) in ([3, 2], [3, 1], [2, 1])
    assert find_moved([1, 2, 3], [2, False, 3]) == []
    assert find_moved([], [1]) == []


@given(st.lists(st.integers(0, 20), unique=True, max_size=8), st.data())
def test_the_steps_that_have_not_moved_keep_their_order(before, data):
    after = data.draw(st.permutations(before))
    moved = find_moved(before, after)
    assert [each for each in before if each not in moved] == [
        each for each in after if each not in moved
    ]
