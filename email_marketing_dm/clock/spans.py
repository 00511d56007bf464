"""The spans of time in which fatigue control counts a person's messages.

Each entry of `SPANS` is a row of limits: the settings page, the reason of suppressed people, the
figures of a contact and the shortest retention of details are made from this table.
"""

from datetime import timedelta
from typing import NamedTuple


class Span(NamedTuple):
    """A span of time that ends now.

    :ivar label: its name; translated as the label of a selection, like the other texts
    :ivar emails: label of the limit on email tasks, as the reason of a suppressed person
    :ivar messages: label of the limit on all messages, as the reason of a suppressed person
    """

    length: timedelta
    label: str
    emails: str
    messages: str


#: code -> span; the codes are stored in limits (`span`) and deliveries (`fatigue_rule`)
SPANS = {
    "minute": Span(
        timedelta(minutes=1), "1 minute", "Emails in 1 minute", "All messages in 1 minute"
    ),
    "hour": Span(timedelta(hours=1), "1 hour", "Emails in 1 hour", "All messages in 1 hour"),
    "day": Span(timedelta(hours=24), "24 hours", "Emails in 24 hours", "All messages in 24 hours"),
    "week": Span(timedelta(days=7), "7 days", "Emails in 7 days", "All messages in 7 days"),
    "month": Span(timedelta(days=30), "30 days", "Emails in 30 days", "All messages in 30 days"),
}

#: What a recipient can ask for on the page behind the unsubscribe link: code -> at most one mail in
#: so many calendar days. Days, not hours: a newsletter that goes out every Tuesday at ten must
#: reach a recipient who wants one mail a week, even if it was a few minutes later the week before.
#: Four weeks instead of a month: between two months' first days there may be only 28 days.
CAPS = {"week": 7, "fortnight": 14, "month": 28}

#: codes, the longest span first: of several limits that are hit, the first is named
LONGEST_FIRST = tuple(sorted(SPANS, key=lambda code: SPANS[code].length, reverse=True))
LONGEST = SPANS[LONGEST_FIRST[0]].length
