# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What the steps of a series do with a person who is due. Moments are naive, in UTC.

A person stands at one step at a time and has a moment, `due_at`, at which the step is looked at
again. The moment is the planned one, so that a late cron doesn't shift what follows.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from .recurrence import Rhythm

Kind = Literal["mail", "wait", "end"]

#: A mail that is not over is looked at again after a quarter of the time it has taken, within these
SOONEST, LATEST = timedelta(minutes=1), timedelta(minutes=10)
#: states of a delivery in which it may still be sent
OPEN = ("waiting", "sending")
#: states of a delivery without a mail
NOT_MAILED = ("suppressed", "refused", "cancelled")


@dataclass(frozen=True)
class Step:
    """A step of a series.

    :param wait: of a wait: how long at least
    :param until: of a wait: it then ends at the next of these moments; None to end at once
    :param late: of a mail: people who come later than this get none of this and later steps
    :param ends: of a mail: whether the series ends for people who did not get it
    """

    id: int
    kind: Kind
    wait: timedelta = timedelta(0)
    until: Rhythm | None = None
    late: timedelta = timedelta(hours=24)
    ends: bool = True

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
    """

    state: str | None
    planned_at: datetime
    sent_at: datetime | None = None
    not_before: datetime | None = None


class Place(NamedTuple):
    """Where a person stands: step and moment, or how the series ended for them.

    :ivar step_id: None if it ended
    :ivar due_at: when the step is looked at; when it ended
    :ivar state: "inside", "finished" or "called_off"
    :ivar reason: why it was called off; None otherwise
    """

    step_id: int | None
    due_at: datetime
    state: str = "inside"
    reason: str | None = None


class Path:
    """The steps of a series, in order."""

    def __init__(self, steps: Iterable[Step]) -> None:
        self.steps = tuple(steps)
        self._places = {step.id: place for place, step in enumerate(self.steps)}

    def enter(self, moment: datetime) -> Place:
        """Return where a person stands who enters at a moment."""
        return self._arrive(0, moment)

    def advance(
        self, step_id: int | None, due_at: datetime, mail: Mail | None, now: datetime
    ) -> Place | None:
        """Return where a person who is due stands next; None if the step's mail is to be planned.

        :param step_id: of their step; one that was removed is passed
        :param mail: of this step; None if none was planned
        """
        if step_id not in self._places:
            return Place(None, due_at, "finished")
        place = self._places[step_id]
        step = self.steps[place]
        if step.kind != "mail":
            return self._arrive(place + 1, due_at)
        if mail is None:
            if now - due_at > step.late:
                return Place(None, now, "called_off", "too_late")
            return None
        if mail.state in OPEN:
            return Place(step.id, _look_again(mail, now))
        if mail.state in NOT_MAILED and step.ends:
            return Place(None, now, "called_off", "not_mailed")
        return self._arrive(place + 1, mail.sent_at or now)

    def _arrive(self, place: int, moment: datetime) -> Place:
        """Return where a person stands who arrives at the step of a place at a moment."""
        if place >= len(self.steps) or self.steps[place].kind == "end":
            return Place(None, moment, "finished")
        step = self.steps[place]
        return Place(step.id, step.end_of_wait(moment) if step.kind == "wait" else moment)


def _look_again(mail: Mail, now: datetime) -> datetime:
    """Return when to look at a mail again that is not over."""
    pause = min(max((now - mail.planned_at) / 4, SOONEST), LATEST)
    if mail.not_before and mail.not_before > now + pause:
        # An A/B test holds mails for years; those of a series are held for a night or a weekend.
        return min(mail.not_before + SOONEST, now + 6 * LATEST)
    return now + pause
