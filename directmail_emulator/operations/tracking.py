"""Opens and clicks per day, of mail that was sent with ClickTrace."""

from __future__ import annotations

from . import operation
from .statistics import percent, window


async def _days(call, longest_days):
    begin, end = window(call, "%Y-%m-%d", longest_days, call.rules.tracking_window_days)
    conditions, values = [], []
    for name, condition in (
        ("AccountName", "l.sender = ?"),
        ("TagName", "l.tag = ?"),
        ("Domain", "l.sender LIKE '%@' || ?"),
    ):
        if call.params.text(name):
            conditions.append(condition)
            values.append(call.params.text(name))
    chosen = "".join(f" AND {condition}" for condition in conditions)
    mails = await call.store.read(
        "SELECT date(l.accepted_at + 28800, 'unixepoch') AS day, count(*) AS mails"
        " FROM ledger l WHERE l.account = ? AND l.accepted_at >= ? AND l.accepted_at < ?"
        f" AND json_extract(l.options, '$.click_trace'){chosen} GROUP BY day",
        (call.account.id, begin, end, *values),
    )
    activity = await call.store.read(
        "SELECT date(l.accepted_at + 28800, 'unixepoch') AS day, a.kind, count(*) AS times,"
        " count(DISTINCT l.rcpt) AS people FROM activity a JOIN ledger l ON l.seq = a.seq"
        " WHERE a.account = ? AND a.tracked AND l.accepted_at >= ? AND l.accepted_at < ?"
        f" AND a.at <= ?{chosen} GROUP BY day, a.kind",
        (call.account.id, begin, end, call.now, *values),
    )
    days = {row["day"]: {"mails": row["mails"]} for row in mails}
    for row in activity:
        days.setdefault(row["day"], {"mails": 0})[row["kind"]] = (row["times"], row["people"])
    return days


def _stat(day, figures):
    mails = figures["mails"]
    opens, openers = figures.get("open", (0, 0))
    clicks, clickers = figures.get("click", (0, 0))
    return {
        "CreateTime": day,
        "RcptClickCount": str(clicks),
        "RcptClickRate": percent(clicks, mails),
        "RcptOpenCount": str(opens),
        "RcptOpenRate": percent(opens, mails),
        "RcptUniqueClickCount": str(clickers),
        "RcptUniqueClickRate": percent(clickers, mails),
        "RcptUniqueOpenCount": str(openers),
        "RcptUniqueOpenRate": percent(openers, mails),
        "TotalNumber": str(mails),
    }


async def _answer(call, longest_days):
    call.params.setdefault("PageNo", call.params.text("PageNumber", "1"))
    number, size, offset = call.params.page(10)
    days = await _days(call, longest_days)
    stats = [_stat(day, days[day]) for day in sorted(days)]
    shown = stats[offset : offset + size]
    pages = -(-len(stats) // size)
    last = shown[-1]["CreateTime"] if shown else ""
    return (
        shown,
        pages,
        {
            "OffsetCreateTime": last,
            "OffsetCreateTimeDesc": last,
            "PageNo": number,
            "PageSize": size,
            "Total": len(stats),
        },
    )


@operation("GetTrackList", "StartTime", "EndTime")
async def get_track_list(call):
    shown, pages, answer = await _answer(call, 7)
    return {**answer, "TotalPages": pages, "data": {"stat": shown}}


@operation("GetTrackListByMailFromAndTagName", "StartTime", "EndTime")
async def get_track_list_by_mail_from_and_tag_name(call):
    shown, pages, answer = await _answer(call, 15)
    return {**answer, "TotalPages": str(pages), "TrackList": {"Stat": shown}}
