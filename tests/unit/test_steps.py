"""Series: where people stand, compared with a plain simulation that walks minute by minute."""

from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from email_marketing_dm.clock.recurrence import Rhythm
from email_marketing_dm.clock.steps import EXITS, LATEST, SOONEST, Mail, Path, Place, Step

START = datetime(2026, 3, 1)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
ZONES = ("UTC", "Asia/Shanghai", "Europe/Berlin", "America/New_York", "Pacific/Chatham")


def shows(rhythm, moment):
    """Tell whether the clocks of a rhythm's zone show its time, on one of its days."""
    local = moment.replace(tzinfo=timezone.utc).astimezone(ZoneInfo(rhythm.tz))
    is_day = rhythm.unit == "day" or local.weekday() in rhythm.weekdays
    return is_day and not local.fold and local.hour * 60 + local.minute == rhythm.minute


def simulate(steps, entered, fates, met):
    """Return (minutes of the mails, how it ended), for one person and a clock that never is late.

    :param fates: {step id: (minutes until the mail is over, its last state or the exit)}
    :param met: {step id: whether its condition is met, or None}
    """
    mails, moment, ahead = [], entered, list(steps)
    while ahead:
        step = ahead.pop(0)
        if step.kind == "end":
            break
        if step.kind == "check":
            if met[step.id] or (met[step.id] is None and step.unknown):
                continue
            if step.otherwise == "end":
                return mails, "called_off"
            if step.otherwise == "next":
                ahead = ahead[1:]
            while step.otherwise != "next" and ahead[0].id != step.otherwise:
                ahead.pop(0)
            continue
        if step.kind == "wait":
            moment += step.wait
            while step.until and not shows(step.until, moment):
                moment += MINUTE
            continue
        mails.append((step.id, moment))
        taken, state = fates[step.id]
        if state != "sent":
            if step.ends or state in EXITS:
                return mails, "called_off"
            continue
        moment += taken * MINUTE
    return mails, "finished"


def walk(steps, entered, fates, met):
    """Return the same from `Path`, looking at the person at each moment at which they are due."""
    path, mails, mail, sent_at = Path(steps), [], None, None
    place = path.enter(entered)
    while place.state == "inside":
        now, step_id = place.due_at, place.step_id
        if mail:
            is_over = now >= sent_at
            state = fates[step_id][1] if is_over else "waiting"
            mail = mail._replace(
                state="suppressed" if state in EXITS else state,
                reason=state if state in EXITS else None,
                sent_at=sent_at if is_over and fates[step_id][1] == "sent" else None,
            )
        following = path.advance(step_id, now, mail, now, met.get(step_id))
        if following is None:
            mails.append((step_id, now))
            taken, state = fates[step_id]
            sent_at = now + taken * MINUTE if state == "sent" else now
            mail = Mail("waiting", now)
            following = Place(step_id, now + SOONEST if state == "sent" else now)
        elif following.step_id != step_id:
            mail = None
        place = following
    return mails, place.state


def number(step, place, last):
    """Return a step with the number of its place, which checks refer to."""
    otherwise = step.otherwise
    if isinstance(otherwise, int):
        otherwise = place + otherwise if place + otherwise <= last else "end"
    return Step(**{**vars(step), "id": place, "otherwise": otherwise})


STATES = ["sent", "sent", "sent", "refused", *EXITS]
RHYTHMS = st.none() | st.builds(
    Rhythm,
    st.sampled_from(["day", "week"]),
    # Not skipped by a clock change: `tests/unit/test_recurrence.py` has those.
    st.integers(4 * 60, 23 * 60 + 59),
    st.sampled_from(ZONES),
    st.frozensets(st.integers(0, 6), min_size=1),
)
STEPS = st.lists(
    st.builds(
        Step,
        st.just(0),
        st.sampled_from(["mail", "mail", "wait", "wait", "check", "check", "end"]),
        wait=st.integers(1, 60 * 24 * 40).map(lambda minutes: minutes * MINUTE),
        until=RHYTHMS,
        ends=st.booleans(),
        # How many steps further; the end if there are not as many.
        otherwise=st.sampled_from(["end", "next", 1, 2, 3]),
        unknown=st.booleans(),
    ),
    max_size=8,
).map(lambda steps: [number(step, place, len(steps)) for place, step in enumerate(steps, 1)])


@settings(max_examples=1000, deadline=None)
@given(st.data(), STEPS, st.integers(0, 60 * 24 * 60))
def test_mails_go_out_at_the_minutes_of_the_simulation(data, steps, minutes):
    entered = START + minutes * MINUTE
    fates = {
        step.id: (data.draw(st.integers(0, 300)), data.draw(st.sampled_from(STATES)))
        for step in steps
        if step.kind == "mail"
    }
    met = {
        step.id: data.draw(st.sampled_from([True, False, None]))
        for step in steps
        if step.kind == "check"
    }
    # A mail without a call is over at once, so that what follows begins at a moment known before.
    assert walk(steps, entered, fates, met) == simulate(steps, entered, fates, met)


def test_a_late_cron_does_not_shift_what_follows():
    path = Path([Step(1, "wait", DAY), Step(2, "wait", DAY), Step(3, "mail")])
    assert path.enter(START) == Place(1, START + DAY)
    assert path.advance(1, START + DAY, None, START + DAY + 7 * HOUR) == Place(2, START + 2 * DAY)


def test_a_removed_step_is_passed():
    steps = [Step(1, "wait", DAY, is_removed=True), Step(2, "mail"), Step(3, "mail")]
    assert Path(steps).enter(START) == Place(2, START)
    assert Path(steps).advance(1, START, None, START) == Place(2, START)
    removed = Path([Step(1, "mail"), Step(2, "mail", is_removed=True), Step(3, "wait", DAY)])
    now = START + HOUR
    assert removed.advance(2, START, None, now) == Place(3, START + DAY)
    assert removed.advance(2, START, Mail("suppressed", START), now) == Place(3, START + DAY)
    # Its mails that are under way are still waited for.
    assert removed.advance(2, START, Mail("waiting", START), now).step_id == 2
    sent = Mail("sent", START, START + MINUTE)
    assert removed.advance(2, START, sent, now) == Place(3, START + MINUTE + DAY)
    nothing_left = Path([Step(1, "mail"), Step(2, "mail", is_removed=True)])
    assert nothing_left.advance(2, START, None, now) == Place(None, START, "finished")


def test_nobody_gets_a_mail_that_is_too_late():
    path = Path([Step(1, "mail", late=2 * HOUR), Step(2, "mail")])
    assert path.advance(1, START, None, START + 2 * HOUR) is None
    now = START + 2 * HOUR + MINUTE
    assert path.advance(1, START, None, now) == Place(None, now, "called_off", "too_late")


@pytest.mark.parametrize("state", ["suppressed", "refused", "cancelled"])
def test_what_a_mail_that_was_not_sent_means(state):
    mail = Mail(state, START)
    now = START + MINUTE
    ends = Path([Step(1, "mail"), Step(2, "mail")])
    assert ends.advance(1, START, mail, now) == Place(None, now, "called_off", "not_mailed")
    goes_on = Path([Step(1, "mail", ends=False), Step(2, "mail")])
    assert goes_on.advance(1, START, mail, now) == Place(2, now)


@pytest.mark.parametrize("reason", EXITS)
def test_a_mail_that_was_suppressed_for_an_exit_calls_off_the_series(reason):
    now = START + MINUTE
    goes_on = Path([Step(1, "mail", ends=False), Step(2, "mail")])
    mail = Mail("suppressed", START, reason=reason)
    assert goes_on.advance(1, START, mail, now) == Place(None, now, "called_off", reason)


def test_a_check_never_leads_backwards():
    path = Path([Step(1, "mail"), Step(2, "check", otherwise=1), Step(3, "mail")])
    assert path.advance(2, START, None, START, False) == Place(3, START)
    removed = Path([Step(2, "check", otherwise=9), Step(3, "mail")])
    assert removed.advance(2, START, None, START, False).reason == "not_met"


@pytest.mark.parametrize("state", ["sent", "unknown", "not_sent", None])
def test_a_wait_counts_from_the_moment_of_sending(state):
    path = Path([Step(1, "mail"), Step(2, "wait", DAY)])
    sent_at = START + 5 * HOUR if state in ("sent", "unknown") else None
    now = START + 6 * HOUR
    place = path.advance(1, START, Mail(state, START, sent_at), now)
    assert place == Place(2, (sent_at or now) + DAY)


@pytest.mark.parametrize(
    "age, held, pause",
    [
        (0 * MINUTE, None, SOONEST),
        (20 * MINUTE, None, 5 * MINUTE),
        (9 * HOUR, None, LATEST),
        (MINUTE, 30 * MINUTE, 31 * MINUTE),
        (MINUTE, 9 * HOUR, HOUR),
    ],
)
def test_a_mail_that_is_not_over_is_looked_at_again(age, held, pause):
    now = START + age
    mail = Mail("waiting", START, None, held and now + held)
    assert Path([Step(1, "mail")]).advance(1, START, mail, now) == Place(1, now + pause)


def test_a_series_without_steps_or_at_a_removed_step_is_finished():
    assert Path([]).enter(START) == Place(None, START, "finished")
    assert Path([Step(1, "end"), Step(2, "mail")]).enter(START) == Place(None, START, "finished")
    assert Path([Step(1, "mail")]).advance(9, START, None, START).state == "finished"
