"""Time zones in SQL. Nothing of ours asks PostgreSQL for a zone by its name.

PostgreSQL reads names such as "CET" as abbreviations with a fixed offset, which are an hour off in
summer, and knows the zones of its own machine only. Offsets come from `clock.daily` instead.
"""

from datetime import datetime

from odoo.tools import SQL

from ..clock.daily import get_offsets
from ..directmail.const import BEIJING

_BEIJING_OFFSET = BEIJING.utcoffset(None)


def to_local(moment, tz):
    """Return SQL of what clock and calendar of a zone show at a moment.

    :param SQL moment: an expression of type timestamp, in UTC, perhaps null; it is written twice
    :param str tz: a name that Odoo offers; an unknown one counts as UTC
    :return: SQL of type timestamp
    """
    # The next year's changes too: a cached statement of December may run in January.
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
    """Return SQL of today's date in Beijing, by which DirectMail counts the quota.

    :return: SQL of type date, by the time at which the transaction began
    """
    return SQL("(now() AT TIME ZONE 'UTC' + %s)::date", _BEIJING_OFFSET)
