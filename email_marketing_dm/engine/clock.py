"""Time zones in SQL, without passing a zone's name to PostgreSQL, and in messages.

PostgreSQL reads names such as "CET" as abbreviations with a fixed offset, which are an hour off in
summer, and knows only the zones installed on its own machine. Offsets come from `clock.daily`.
"""

from datetime import datetime

from odoo.tools import SQL, format_datetime

from ..clock.daily import get_offsets
from ..directmail.const import BEIJING

_BEIJING_OFFSET = BEIJING.utcoffset(None)


def to_local(moment, tz):
    """Return SQL of a moment's local time in a zone.

    :param SQL moment: an expression of type timestamp, in UTC, perhaps null; the SQL repeats it, so
        it must be cheap
    :param str tz: name of a zone, as Odoo offers them; an unknown or empty one counts as UTC
    :return: SQL of type timestamp
    """
    # Include next year's changes of offset: a statement cached in December may run in January.
    moments, offsets = get_offsets(tz or "UTC", datetime.now().year + 1)
    if not moments:
        return SQL("(%s + %s)", moment, offsets[0])
    return SQL(
        "(%s + (%s::interval[])[1 + width_bucket(%s, %s::timestamp[])])",
        moment,
        offsets,
        moment,
        moments,
    )


def beijing_day():
    """Return SQL of today's date in Beijing, because DirectMail's daily quota follows it.

    :return: SQL of type date; "today" is when the transaction began
    """
    return SQL("(now() AT TIME ZONE 'UTC' + %s)::date", _BEIJING_OFFSET)


def describe_moment(env, moment, tz):
    """Return a moment with the name of its time zone, for messages that others will read later.

    :param env: its language decides the format
    :param datetime moment: naive UTC
    :param str tz: name of the zone; an empty one counts as UTC
    :return: e.g. "12/5/26, 10:00 AM (Europe/Berlin)"
    :rtype: str
    """
    tz = tz or "UTC"
    return f"{format_datetime(env, moment, tz=tz, dt_format='short')} ({tz})"
