# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Builds the fields of calls and checks their answers, without the SDK."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from .answers import verdict_of_code
from .const import BEIJING
from .errors import DirectMailError
from .records import Row, as_text

AnswerBody = dict[str, Any]  # decoded JSON with DirectMail's names; the SDK brings no types
Fields = dict[str, str | int | None]  # parameters of a call; None is left out


def template_fields(name: str, subject: str, sender_name: str, text: str, remark: str) -> Fields:
    """Return the fields of a call that creates or changes a template."""
    return {
        "TemplateName": name,
        "TemplateSubject": subject,
        "TemplateNickName": sender_name,
        "TemplateText": text,
        "Remark": remark or None,
    }


def check_answer(answer: object) -> AnswerBody:
    """Return ``answer`` if it is DirectMail's: the SDK returns any JSON with status 200.

    :raise DirectMailError: no RequestId, or an error code
    """
    if not isinstance(answer, dict) or not answer.get("RequestId"):
        raise DirectMailError("not_directmail", "NoRequestId", sent_unknown=True)
    if answer.get("Code") and "Message" in answer:
        code = as_text(answer["Code"])
        raise DirectMailError(
            verdict_of_code(code)[1],
            code,
            as_text(answer["Message"]),
            as_text(answer["RequestId"]),
            sent_unknown=True,
        )
    return answer


def get_required(answer: AnswerBody, name: str) -> str:
    """Return the text of a field that an answer must have.

    :raise DirectMailError: the field is missing or empty
    """
    value = as_text(answer.get(name))
    if not value:
        raise DirectMailError(
            "not_directmail", f"No{name}", request_id=answer["RequestId"], sent_unknown=True
        )
    return value


def get_object(answer: Row, name: str) -> Row:
    """Return an object inside an answer; it may be missing where it is empty.

    :raise DirectMailError: for anything else
    """
    value = answer.get(name) or {}
    if not isinstance(value, dict):
        raise _make_shape_error(answer, name)
    return value


def get_rows(answer: AnswerBody, *path: str) -> list[Row]:
    """Return a list of objects inside an answer; it may be missing where there are none.

    :param path: the names that lead to it, such as "data", "tag"
    :raise DirectMailError: for anything else
    """
    *objects, name = path
    holder: Row = answer
    for inner in objects:
        holder = get_object(holder, inner)
    rows = holder.get(name) or []
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise _make_shape_error(answer, name)
    return rows


def _make_shape_error(answer: Row, name: str) -> DirectMailError:
    return DirectMailError(
        "not_directmail",
        f"Odd{name[0].upper()}{name[1:]}",
        request_id=as_text(answer.get("RequestId")),
        sent_unknown=True,
    )


def whole_minutes(start: datetime, end: datetime) -> tuple[datetime, datetime]:
    """Return both in Beijing time, rounded down to whole minutes.

    :raise ValueError: for a time without a time zone
    """
    if start.tzinfo is None or end.tzinfo is None:
        raise ValueError("Times must have a time zone.")
    start, end = start.astimezone(BEIJING), end.astimezone(BEIJING)
    return start.replace(second=0, microsecond=0), end.replace(second=0, microsecond=0)
