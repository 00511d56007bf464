# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What the client's calls carry and bring back, whoever carries them."""

from .answers import verdict_of_code
from .const import BEIJING
from .errors import DirectMailError
from .records import as_text


def template_fields(name, subject, sender_name, text, remark):
    """Return the fields of a call that creates or changes a template."""
    return {
        "TemplateName": name,
        "TemplateSubject": subject,
        "TemplateNickName": sender_name,
        "TemplateText": text,
        "Remark": remark or None,
    }


def check_answer(answer):
    """Return ``answer`` if it is one of DirectMail's: the SDK lets any 200 with JSON through.

    :raise DirectMailError: if it is not, or says no
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


def get_required(answer, name):
    """Return a text that an answer must have.

    :raise DirectMailError: if it has none
    """
    value = as_text(answer.get(name))
    if not value:
        raise DirectMailError(
            "not_directmail", f"No{name}", request_id=answer["RequestId"], sent_unknown=True
        )
    return value


def get_object(answer, name):
    """Return an object inside an answer; it may be missing where it is empty.

    :raise DirectMailError: for anything else
    """
    value = answer.get(name) or {}
    if not isinstance(value, dict):
        raise _make_shape_error(answer, name)
    return value


def get_rows(answer, *path):
    """Return a list of objects inside an answer; it may be missing where there are none.

    :param path: the names that lead to it, such as "data", "tag"
    :raise DirectMailError: for anything else
    """
    *objects, name = path
    holder = answer
    for inner in objects:
        holder = get_object(holder, inner)
    rows = holder.get(name) or []
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise _make_shape_error(answer, name)
    return rows


def _make_shape_error(answer, name):
    return DirectMailError(
        "not_directmail",
        f"Odd{name[0].upper()}{name[1:]}",
        request_id=as_text(answer.get("RequestId")),
        sent_unknown=True,
    )


def whole_minutes(start, end):
    """Return both in Beijing time, rounded down to whole minutes.

    :raise ValueError: for a time without a time zone
    """
    if start.tzinfo is None or end.tzinfo is None:
        raise ValueError("Times must have a time zone.")
    start, end = start.astimezone(BEIJING), end.astimezone(BEIJING)
    return tuple(moment.replace(second=0, microsecond=0) for moment in (start, end))
