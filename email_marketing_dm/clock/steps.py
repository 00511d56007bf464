# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What the steps of a series do with a person who is due. Moments are naive, in UTC.

A person stands at one step at a time and has a moment, `due_at`, at which the step is looked at
again. The moment is the planned one, so that a late cron doesn't shift what follows.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from .recurrence import Rhythm

Kind = Literal["mail", "wait", "check", "end"]

#: A mail that is not over is looked at again after a quarter of the time it has taken, within these
SOONEST, LATEST = timedelta(minutes=1), timedelta(minutes=10)
#: states of a delivery in which it may still be sent
OPEN = ("waiting", "sending")
#: states of a delivery without a mail
NOT_MAILED = ("suppressed", "refused", "cancelled")
#: reasons of a suppressed delivery that call off the series: the person left its audience, or is in
#: one that ends it, the record no longer matches, or the mail waited too long to be sent
EXITS = ("series_left", "series_exit", "series_record", "too_late")


@dataclass(frozen=True)
class Step:
    """A step of a series.

    :param wait: of a wait: how long at least
    :param until: of a wait: it then ends at the next of these moments; None to end at once
    :param late: of a mail: people who come later than this get none of this and later steps
    :param ends: of a mail: whether the series ends for people who did not get it
    :param is_removed: whether people pass the step, which was removed after they came to it
    :param otherwise: of a check: where people go who don't meet its condition: past the next step,
        or to the later step of this id; "end" calls off the series for them
    :param unknown: of a check: whether people go on of whom it is not known if they meet it
    """

    id: int
    kind: Kind
    wait: timedelta = timedelta(0)
    until: Rhythm | None = None
    late: timedelta = timedelta(hours=24)
    ends: bool = True
    is_removed: bool = False
    otherwise: int | Literal["end", "next"] = "end"
    unknown: bool = False

    def end_of_wait(self, since: datetime) -> datetime:
        """Return when a wait that began at a moment ends."""
        moment = since + self.wait
        if not self.until:
            return moment
        # `next_moment` returns later moments only; a rhythm without an end always has one.
        return self.until.next_moment(moment - timedelta.resolution) or moment


class Mail(NamedTuple):
    """The mail that a person has got from the step at which they stand.

    :ivar state: of the delivery; None if it was deleted
    :ivar planned_at: when it was planned
    :ivar sent_at: when it was submitted; None if it was not
    :ivar not_before: until when it is held; None if it is not
    :ivar reason: why it was suppressed; None if it was not
    """

    state: str | None
    planned_at: datetime
    sent_at: datetime | None = None
    not_before: datetime | None = None
    reason: str | None = None


class Place(NamedTuple):
    """Where a person stands: step and moment, or how the series ended for them.

    :ivar step_id: None if it ended
    :ivar due_at: when the step is looked at; when it ended
    :ivar state: "inside", "finished" or "called_off"
    :ivar reason: why it was called off; None otherwise
    :ivar passed: ids of the steps that the person has passed with this move, if `Path.advance` was
        told which ones they had passed before
    """

    step_id: int | None
    due_at: datetime
    state: str = "inside"
    reason: str | None = None
    passed: tuple[int, ...] = ()


class Path:
    """The steps of a series, in order.

    A person goes on with the first step that they have not passed. Without a change of the order,
    they have passed the steps before theirs. Who was inside when the order was changed keeps the
    steps that they have passed, so that nobody comes to a step twice, nor misses one that was moved
    to a place before theirs.
    """

    def __init__(self, steps: Iterable[Step]) -> None:
        self.steps = tuple(steps)
        self._places = {step.id: place for place, step in enumerate(self.steps)}

    def enter(self, moment: datetime) -> Place:
        """Return where a person stands who enters at a moment."""
        return self._arrive((), moment)

    def get_before(self, step_id: int) -> tuple[int, ...]:
        """Return the ids of the steps before a step: who is there has passed them."""
        return tuple(step.id for step in self.steps[: self._places[step_id]])

    def advance(
        self,
        step_id: int | None,
        due_at: datetime,
        mail: Mail | None,
        now: datetime,
        is_met: bool | None = None,
        passed: Collection[int] | None = None,
    ) -> Place | None:
        """Return where a person who is due stands next; None if the step's mail is to be planned.

        :param step_id: of their step; one that was removed is passed
        :param mail: of this step; None if none was planned
        :param is_met: of a check: whether the person meets its condition; None if it is not known
        :param passed: ids of the steps that they have passed; None for those before their step
        """
        if step_id not in self._places:
            return Place(None, due_at, "finished")
        place = self._places[step_id]
        step = self.steps[place]
        if step.is_removed and not (mail and mail.state in OPEN):
            return self._leave(place, (mail and mail.sent_at) or due_at, passed)
        if step.kind == "check" and not (step.unknown if is_met is None else is_met):
            return self._fail_check(place, due_at, passed)
        if step.kind != "mail":
            return self._leave(place, due_at, passed)
        if mail is None:
            if now - due_at > step.late:
                return Place(None, now, "called_off", "too_late")
            return None
        if mail.state in OPEN:
            return Place(step.id, _look_again(mail, now))
        if mail.state in NOT_MAILED and mail.reason in EXITS:
            return Place(None, now, "called_off", mail.reason)
        if mail.state in NOT_MAILED and step.ends:
            return Place(None, now, "called_off", "not_mailed")
        return self._leave(place, mail.sent_at or now, passed)

    def _fail_check(self, place: int, moment: datetime, passed: Collection[int] | None) -> Place:
        """Return where a person stands who does not meet the condition of a check."""
        otherwise = self.steps[place].otherwise
        if otherwise == "next":
            following = place + 1
            while following < len(self.steps) and self.steps[following].is_removed:
                following += 1
            return self._leave(place, moment, passed, following + 1)
        if otherwise not in self._places:
            return Place(None, moment, "called_off", "not_met")
        # Never backwards, whatever the order of the steps has become.
        return self._leave(place, moment, passed, max(self._places[otherwise], place + 1))

    def _leave(
        self,
        place: int,
        moment: datetime,
        passed: Collection[int] | None,
        following: int | None = None,
    ) -> Place:
        """Return where a person stands who leaves the step of a place at a moment.

        :param following: they also pass the steps between this place and their own
        """
        left = [step.id for step in self.steps[place : following or place + 1]]
        if passed is None:
            return self._arrive({*self.get_before(left[0]), *left}, moment)
        return self._arrive({*passed, *left}, moment)._replace(passed=tuple(left))

    def _arrive(self, passed: Collection[int], moment: datetime) -> Place:
        """Return where a person stands at a moment who has passed these steps."""
        for step in self.steps:
            if step.is_removed or step.id in passed:
                continue
            if step.kind == "end":
                break
            return Place(step.id, step.end_of_wait(moment) if step.kind == "wait" else moment)
        return Place(None, moment, "finished")


def _look_again(mail: Mail, now: datetime) -> datetime:
    """Return when to look at a mail again that is not over."""
    pause = min(max((now - mail.planned_at) / 4, SOONEST), LATEST)
    if mail.not_before and mail.not_before > now + pause:
        # An A/B test holds mails for years; those of a series are held for a night or a weekend.
        return min(mail.not_before + SOONEST, now + 6 * LATEST)
    return now + pause


def find_moved(before: Sequence[int], after: Sequence[int]) -> list[int]:
    """Return the ids that have moved, as few as possible, in their new order.

    :param before: ids in the old order
    :param after: ids in the new order; only those of both lists count
    """
    places = {number: place for place, number in enumerate(before)}
    order = [number for number in after if number in places]
    # The longest list of ids that are still in their old order: for each length, the best list.
    kept: list[list[int]] = []
    for number in order:
        length = bisect_left(kept, places[number], key=lambda each: places[each[-1]])
        kept[length : length + 1] = [[*(kept[length - 1] if length else ()), number]]
    return [number for number in order if not kept or number not in kept[-1]]
