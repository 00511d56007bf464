# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The moments at which a person comes to the steps of a series, if every mail is sent at once.

Conditions count as met.
"""

from __future__ import annotations

from datetime import datetime

from .steps import Mail, Path


def preview(path: Path, entered: datetime) -> list[tuple[int | None, datetime]]:
    """Return [(step id, moment at which the step is over)]; the last one without a step.

    :param entered: when the person enters (naive UTC)
    """
    found: list[tuple[int | None, datetime]] = []
    place = path.enter(entered)
    # A step leads to a later one, so a person is never at more of them than there are.
    while place.state == "inside" and len(found) < len(path.steps):
        found.append((place.step_id, place.due_at))
        mail = Mail("sent", place.due_at, place.due_at)
        following = path.advance(place.step_id, place.due_at, mail, place.due_at, True)
        if following is None:
            break
        place = following
    return [*found, (None, place.due_at)]
