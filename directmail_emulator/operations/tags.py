"""Tags."""

import re

from ..errors import ApiError
from . import like, operation


def _check_name(call, name):
    characters = r"[A-Za-z0-9_-]+" if call.limits.tag_hyphen else r"[A-Za-z0-9_]+"
    if not re.fullmatch(characters, name) or len(name) > call.limits.tag_length:
        raise ApiError("InvalidTagName.Malformed")


def _tag(call):
    number = call.params.integer("TagId")
    row = call.store.row(
        "SELECT * FROM tag WHERE account = ? AND id = ?", (call.account.id, number)
    )
    if row is None:
        raise ApiError("InvalidTag.NotFound")
    return row


def find_tag(call, name):
    return call.store.row(
        "SELECT * FROM tag WHERE account = ? AND name = ?", (call.account.id, name)
    )


@operation("CreateTag", "TagName")
def create_tag(call):
    name = call.params["TagName"]
    _check_name(call, name)
    if find_tag(call, name):
        raise ApiError("InvalidTagName.Duplicate")
    count = call.store.value("SELECT count(*) FROM tag WHERE account = ?", (call.account.id,))
    if count >= call.limits.tags:
        raise ApiError("InvalidTagNumber.Malformed")
    cursor = call.store.execute(
        "INSERT INTO tag (account, name, description, created_at) VALUES (?, ?, ?, ?)",
        (call.account.id, name, call.params.text("TagDescription"), call.now),
    )
    return {"TagId": str(cursor.lastrowid)}


@operation("ModifyTag", "TagId", "TagName")
def modify_tag(call):
    row, name = _tag(call), call.params["TagName"]
    _check_name(call, name)
    other = find_tag(call, name)
    if other and other["id"] != row["id"]:
        raise ApiError("InvalidTagName.Duplicate")
    call.store.execute(
        "UPDATE tag SET name = ?, description = ? WHERE id = ?",
        (name, call.params.text("TagDescription", row["description"]), row["id"]),
    )
    return {}


@operation("DeleteTag", "TagId")
def delete_tag(call):
    call.store.execute("DELETE FROM tag WHERE id = ?", (_tag(call)["id"],))
    return {}


@operation("QueryTagByParam")
def query_tag_by_param(call):
    number, size, offset = call.params.page(10)
    where = (call.account.id, like(call.params.text("KeyWord")))
    condition = "FROM tag WHERE account = ? AND name LIKE ? ESCAPE '\\'"
    rows = call.store.rows(
        f"SELECT * {condition} ORDER BY id DESC LIMIT ? OFFSET ?", (*where, size, offset)
    )
    return {
        "TotalCount": call.store.value(f"SELECT count(*) {condition}", where),
        "PageNumber": number,
        "PageSize": size,
        "data": {
            "tag": [
                {
                    "TagId": str(row["id"]),
                    "TagName": row["name"],
                    "TagDescription": row["description"],
                }
                for row in rows
            ]
        },
    }
