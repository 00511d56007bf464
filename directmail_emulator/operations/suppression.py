"""Lists of people who get no mail: invalid, unsubscribed, reported, suppressed by the user."""

from __future__ import annotations

import re

from ..addresses import is_address
from ..clock import beijing_minute
from ..errors import ApiError
from ..mail import from_address
from . import like, operation
from .statistics import DAY, Paging, check_future, window

WEEK = 7 * DAY
_DOMAIN = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)+")


@operation("QueryInvalidAddress")
def query_invalid_address(call):
    length = call.params.integer("Length", 100, low=1, high=100)
    if call.params.text("StartTime") or call.params.text("EndTime"):
        begin, end = window(call, "%Y-%m-%d", 30, 30)
    else:
        begin, end = call.now - 30 * DAY, call.now + 1
    where = (call.account.id, like(call.params.text("KeyWord")), begin, end)
    condition = "FROM invalid WHERE account = ? AND rcpt LIKE ? ESCAPE '\\' AND at >= ? AND at < ?"
    paging = Paging(call, "id")
    rows = call.store.rows(
        f"SELECT * {condition} AND {paging.condition} ORDER BY {paging.order} LIMIT ?",
        (*where, paging.value, length + 1),
    )
    shown = rows[:length]
    return {
        "NextStart": paging.following(rows, length),
        "TotalCount": call.store.value(f"SELECT count(*) {condition}", where),
        "data": {
            "mailDetail": [
                {
                    "LastUpdateTime": beijing_minute(row["at"]),
                    "ToAddress": row["rcpt"],
                    "UtcLastUpdateTime": int(row["at"]),
                }
                for row in shown
            ]
        },
    }


@operation("DeleteInvalidAddress", "ToAddress")
def delete_invalid_address(call):
    removed = call.store.execute(
        "DELETE FROM invalid WHERE account = ? AND rcpt = ?",
        (call.account.id, call.params["ToAddress"].strip()),
    )
    if not removed.rowcount:
        raise ApiError("InvalidAddress.NotFound")
    return {}


def _block_type(call):
    kind = call.params["BlockType"].strip().upper()
    if kind not in ("UNSUB", "REPORT"):
        raise ApiError("InvalidParameter", "BlockType is neither UNSUB nor REPORT.")
    return kind


@operation("ListBlockSending", "BlockType")
def list_block_sending(call):
    kind, params = _block_type(call), call.params
    paging = Paging(call, "id", "NextToken")
    if params.integer("EndTime") is not None:
        check_future(call, params.integer("EndTime"))
    size = params.integer("MaxResults", 100, low=1, high=500)
    conditions, values = (
        ["account = ?", "type = ?", paging.condition],
        [call.account.id, kind, paging.value],
    )
    for name, condition, value in (
        ("BlockEmail", "rcpt = ?", params.text("BlockEmail").strip()),
        ("SenderEmail", "sender = ?", params.text("SenderEmail").strip()),
        ("BeginTime", "at >= ?", params.integer("BeginTime")),
        ("EndTime", "at < ?", _after(params.integer("EndTime"))),
    ):
        if params.text(name).strip():
            conditions.append(condition)
            values.append(value)
    rows = call.store.rows(
        f"SELECT * FROM blocked WHERE {' AND '.join(conditions)} ORDER BY {paging.order} LIMIT ?",
        (*values, size + 1),
    )
    shown = rows[:size]
    return {
        "MaxResults": size,
        "NextToken": paging.following(rows, size),
        "Data": [
            {
                "BlockEmail": row["rcpt"],
                "BlockTime": int(row["at"]),
                "Reason": row["reason"],
                "SendTime": int(row["send_time"]),
                "SenderEmail": _from_address(call, row),
            }
            for row in shown
        ],
    }


def _from_address(call, row):
    """The From of the mail that somebody complained of or unsubscribed from."""
    mail = call.store.row(
        "SELECT sender, env_id, options FROM ledger WHERE account = ? AND rcpt = ? AND sender = ?"
        " AND accepted_at = ?",
        (row["account"], row["rcpt"], row["sender"], row["send_time"]),
    )
    return from_address(mail) if mail else row["sender"]


def _after(second):
    """The end of a range whose last second belongs to it."""
    return None if second is None else second + 1


@operation("UnblockSending", "BlockEmail", "BlockType", "SenderEmail")
def unblock_sending(call):
    call.store.execute(
        "DELETE FROM blocked WHERE account = ? AND type = ? AND rcpt = ? AND sender = ?",
        (
            call.account.id,
            _block_type(call),
            call.params["BlockEmail"].strip(),
            call.params["SenderEmail"].strip(),
        ),
    )
    return {}


@operation("CreateUserSuppression", "Address")
def create_user_suppression(call):
    address = call.params["Address"].strip()
    if len(address) > call.limits.address:
        raise ApiError("EmailLengthError")
    if "@" in address:
        good, kind = is_address(address), "EMAIL"
    else:
        good, kind = _DOMAIN.fullmatch(address) is not None, "DOMAIN"
    if not good:
        raise ApiError("EmailFormatError")
    call.store.execute(
        "INSERT OR IGNORE INTO suppression (account, address, type, created_at, last_bounce)"
        " VALUES (?, ?, ?, ?, 0)",
        (call.account.id, address, kind, call.now),
    )
    number = call.store.value(
        "SELECT id FROM suppression WHERE account = ? AND address = ?", (call.account.id, address)
    )
    return {"SuppressionId": str(number)}


@operation("ListUserSuppression")
def list_user_suppression(call):
    number, size, offset = call.params.page(10)
    conditions, values = ["account = ?"], [call.account.id]
    address = call.params.text("Address").strip()
    if address:
        conditions.append("address = ?")
        values.append(address)
    for start, end, column in (
        ("StartCreateTime", "EndCreateTime", "created_at"),
        ("StartBounceTime", "EndBounceTime", "last_bounce"),
    ):
        begin, finish = call.params.integer(start), call.params.integer(end)
        if begin is None and finish is None:
            continue
        if begin is None or finish is None or not 0 <= finish - begin <= WEEK:
            raise ApiError("InvalidDate.Malformed", f"{start} and {end} span 7 days at most.")
        conditions.append(f"{column} >= ? AND {column} < ?")
        values += [begin, finish + 1]
    condition = f"FROM suppression WHERE {' AND '.join(conditions)}"
    rows = call.store.rows(
        f"SELECT * {condition} ORDER BY id LIMIT ? OFFSET ?", (*values, size, offset)
    )
    return {
        "PageNumber": number,
        "PageSize": size,
        "TotalCount": call.store.value(f"SELECT count(*) {condition}", values),
        "Data": {
            "UserSuppressions": [
                {
                    "Address": row["address"],
                    "CreateTime": int(row["created_at"]),
                    "LastBounceTime": int(row["last_bounce"]),
                    "SuppressionId": row["id"],
                    "Type": row["type"],
                }
                for row in rows
            ]
        },
    }


@operation("RemoveUserSuppression", "SuppressionIds")
def remove_user_suppression(call):
    numbers = [part.strip() for part in call.params["SuppressionIds"].split(",")]
    if not all(part.isascii() and part.isdigit() and len(part) < 19 for part in numbers):
        raise ApiError("InvalidParameter", "SuppressionIds are numbers with commas between.")
    with call.store.transaction():
        removed = sum(
            call.store.execute(
                "DELETE FROM suppression WHERE account = ? AND id = ?", (call.account.id, int(part))
            ).rowcount
            for part in numbers
        )
    if not removed:
        raise ApiError("InvalidSuppression.NotFound")
    return {}


@operation("GetSuppressionListLevel")
def get_suppression_list_level(call):
    return {"SuppressionListLevel": call.account.config.suppression_level}


@operation("SetSuppressionListLevel", "SuppressionListLevel")
def set_suppression_list_level(call):
    """Which values there are is not documented, so any single word is taken."""
    level = call.params["SuppressionListLevel"].strip()
    if not re.fullmatch(r"[A-Za-z_]{1,50}", level):
        raise ApiError("InvalidParameter", "SuppressionListLevel is not a word.")
    call.account.change({"suppression_level": level})
    return {"SuppressionListLevel": level}
