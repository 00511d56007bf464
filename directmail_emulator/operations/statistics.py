"""Delivery results, per recipient and per day."""

from __future__ import annotations

import re

from ..clock import beijing_minute, parse_beijing
from ..errors import ApiError
from ..mail import from_address
from . import operation

DAY = 86400.0
_CURSOR = re.compile(r".+#(\d{1,18})@dm")


def window(call, pattern, longest_days, oldest_days, start="StartTime", end="EndTime"):
    """``(begin, end)`` in epoch seconds of a call's time range; the end's last unit is included.

    :raises ApiError: InvalidDate.Malformed, when it is badly written, turned round, too long or
        too old
    """
    try:
        begin = parse_beijing(call.params.text(start).strip(), pattern)
        finish = parse_beijing(call.params.text(end).strip(), pattern)
    except (ValueError, OverflowError):
        raise ApiError("InvalidDate.Malformed") from None
    unit = 60.0 if "%M" in pattern else DAY
    longest_days = min(longest_days, call.rules.window_days)
    if finish < begin or finish - begin > longest_days * DAY:
        raise ApiError("InvalidDate.Malformed", "The range is turned round or too long.")
    check_future(call, finish)
    if begin < call.now - (oldest_days + 1) * DAY:
        raise ApiError("InvalidDate.Malformed", "The range begins too long ago.")
    return begin, finish + unit


def check_future(call, end):
    """:raises ApiError: InvalidDate.Malformed, for a range that ends in the future"""
    if call.rules.future_end == "refuse" and end > call.now:
        raise ApiError("InvalidDate.Malformed", "The range ends in the future.")


class Paging:
    """The next page of a list, and the cursor behind it.

    :ivar condition, value: for the WHERE clause
    :ivar order: for the ORDER BY clause
    """

    def __init__(self, call, column, name="NextStart"):
        """:raises ApiError: InvalidParameter, for a cursor that is none of ours"""
        self._has_address = call.rules.cursors == "address"
        position = self._read(call, name)
        if call.rules.record_order == "newest":
            self.condition, self.order = f"{column} < ?", f"{column} DESC"
            self.value = position or 2**62
        else:
            self.condition, self.order, self.value = f"{column} > ?", column, position

    def _read(self, call, name):
        text = call.params.text(name).strip()
        if not self._has_address or not text:
            return call.params.integer(name, 0, low=0)
        found = _CURSOR.fullmatch(text)
        if not found:
            raise ApiError("InvalidParameter", f"{name} is not valid.")
        return int(found[1])

    def following(self, rows, length, number="id"):
        """The cursor behind the first ``length`` of the rows, empty if there are no more."""
        if len(rows) <= length:
            return ""
        last = rows[length - 1]
        return f"{last['rcpt']}#{last[number]}@dm" if self._has_address else str(last[number])


@operation("SenderStatisticsDetailByParam")
async def sender_statistics_detail_by_param(call):
    """Rows by the order of acceptance, only those with an outcome that statistics show."""
    params = call.params
    length = params.integer("Length", 100, low=1, high=100)
    paging = Paging(call, "l.seq")
    status = params.integer("Status")
    filters = [
        (column, params.text(name).strip())
        for name, column in (
            ("AccountName", "l.sender"),
            ("TagName", "l.tag"),
            ("ToAddress", "l.rcpt"),
        )
        if params.text(name).strip()
    ]
    if len(filters) > 1:
        raise ApiError(
            "InvalidParameter", "Only one of AccountName, TagName and ToAddress may be given."
        )
    if status not in (None, 0, 2, 3, 4):
        raise ApiError("InvalidParameter", "Status is none of 0, 2, 3, 4.")
    begin, end = _detail_window(call)
    conditions = [
        "l.account = ?",
        paging.condition,
        "o.visible_at <= ?",
        "l.accepted_at >= ?",
        "l.accepted_at < ?",
    ]
    values = [call.account.id, paging.value, call.now, begin, end]
    for column, value in filters:
        conditions.append(f"{column} = ?")
        values.append(value)
    if status is not None:
        conditions.append("o.status = ?")
        values.append(status)
    if call.account.settings.outcomes.withhold_statistics:
        return {"NextStart": "", "data": {"mailDetail": []}}
    rows = await call.store.read(
        "SELECT l.seq, l.sender, l.rcpt, l.subject, l.env_id, l.options, o.*"
        " FROM ledger l JOIN outcome o"
        f" ON o.seq = l.seq WHERE {' AND '.join(conditions)} ORDER BY {paging.order} LIMIT ?",
        (*values, length + 1),
    )
    shown = rows[:length]
    return {
        "NextStart": paging.following(rows, length, "seq"),
        "data": {
            "mailDetail": [
                {
                    "AccountName": from_address(row),
                    "ConfigSetId": "",
                    "ConfigSetName": "",
                    "ErrorClassification": row["classification"],
                    "IpPoolId": "",
                    "IpPoolName": "",
                    "LastUpdateTime": beijing_minute(row["at"]),
                    "Message": row["message"],
                    "Status": row["status"],
                    "Subject": row["subject"],
                    "ToAddress": row["rcpt"],
                    "UtcLastUpdateTime": str(int(row["at"])),
                }
                for row in shown
            ]
        },
    }


def _detail_window(call):
    """The range of the detail query; without one, the last 30 days."""
    if call.params.text("StartTime") or call.params.text("EndTime"):
        return window(call, "%Y-%m-%d %H:%M", 30, call.rules.tracking_window_days)
    return call.now - 30 * DAY, call.now + 60


@operation("SenderStatisticsByTagNameAndBatchID", "StartTime", "EndTime")
async def sender_statistics_by_tag(call):
    """Totals per Beijing day of acceptance."""
    begin, end = window(call, "%Y-%m-%d", 31, 90)
    conditions, values = (
        ["l.account = ?", "l.accepted_at >= ?", "l.accepted_at < ?"],
        [call.account.id, begin, end],
    )
    for name, condition in (
        ("AccountName", "l.sender = ?"),
        ("TagName", "l.tag = ?"),
        ("Domain", "l.sender LIKE '%@' || ?"),
    ):
        if call.params.text(name):
            conditions.append(condition)
            values.append(call.params.text(name))
    rows = await call.store.read(
        "SELECT date(l.accepted_at + 28800, 'unixepoch') AS day, count(*) AS requests,"
        " sum(o.status = 0) AS delivered, sum(o.status = 2) AS invalid,"
        " sum(o.status IN (3, 4)) AS failed"
        " FROM ledger l LEFT JOIN outcome o ON o.seq = l.seq AND o.visible_at <= ?"
        f" WHERE {' AND '.join(conditions)} GROUP BY day ORDER BY day",
        (-1 if call.account.settings.outcomes.withhold_statistics else call.now, *values),
    )
    return {
        "TotalCount": len(rows),
        "data": {
            "stat": [
                {
                    "CreateTime": row["day"],
                    "faildCount": str(row["failed"] or 0),
                    "requestCount": str(row["requests"]),
                    "succeededPercent": percent(row["delivered"] or 0, row["requests"]),
                    "successCount": str(row["delivered"] or 0),
                    "unavailableCount": str(row["invalid"] or 0),
                    "unavailablePercent": percent(row["invalid"] or 0, row["requests"]),
                }
                for row in rows
            ]
        },
    }


def percent(part, whole):
    """``"97.50%"``"""
    return f"{100 * part / whole:.2f}%" if whole else "0.00%"
