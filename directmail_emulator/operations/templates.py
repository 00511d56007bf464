"""Templates: made and changed here, reviewed on the admin page or by the emulator itself."""

import re

from ..clock import beijing_minute
from ..errors import ApiError
from . import like, operation, units

DRAFT, PENDING, APPROVED, REJECTED = 0, 1, 2, 3

#: a placeholder: ASCII letters in braces, as the provider's page on templates has it
PLACEHOLDER = re.compile(r"\{([A-Za-z]+)\}")
#: something in braces that looks like a placeholder but can't be one
_BROKEN = re.compile(r"\{(?=[A-Za-z0-9_.-]*[0-9_.-])[A-Za-z0-9_.-]{1,50}\}")

#: what is no text: comments, style sheets, tags
_MARKUP = re.compile(r"(<!--.*?-->|<style\b.*?</style\s*>|<[^>]*>)", re.S | re.I)

#: filled by the service itself in sends to receiver lists and in tests
BUILT_IN = ("EAddr", "UserName", "NickName", "Gender", "Birthday", "Mobile")


def fill(text, values):
    """Put values in the place of ``{Name}``, as they are; those without a value stay."""
    return PLACEHOLDER.sub(lambda found: values.get(found[1], found[0]), text)


def find_template(call, number):
    """:raises ApiError: InvalidTemplate.NotFound"""
    row = call.store.row(
        "SELECT * FROM template WHERE account = ? AND id = ?", (call.account.id, number)
    )
    if row is None:
        raise ApiError("InvalidTemplate.NotFound")
    return row


def _checked(call, old=None):
    """The fields of a template from the parameters, checked against the limits."""
    limits, params = call.limits, call.params
    fields = {
        "name": params.text("TemplateName"),
        "nickname": params.text("TemplateNickName"),
        "subject": params.text("TemplateSubject"),
        "text": params.text("TemplateText"),
        "remark": params.text("Remark"),
    }
    if not 0 < units(fields["name"]) <= limits.template_name:
        raise ApiError("InvalidTemplateName.Malformed")
    other = call.store.value(
        "SELECT id FROM template WHERE account = ? AND name = ?", (call.account.id, fields["name"])
    )
    if other is not None and (old is None or other != old["id"]):
        raise ApiError("InvalidTemplateName.Duplicate")
    if units(fields["nickname"]) > limits.template_nickname:
        raise ApiError("InvalidTemplateNickName.Malformed")
    if not 0 < units(fields["subject"]) <= limits.template_subject:
        raise ApiError("InvalidSubject.Malformed")
    size = len(fields["text"].encode("utf-8", "replace"))
    if not 0 < size <= limits.template_bytes:
        raise ApiError("InvalidTemplateText.Malformed")
    names = set(PLACEHOLDER.findall(fields["subject"] + fields["text"])) - set(BUILT_IN)
    if len(names) > limits.template_variables:
        raise ApiError(
            "InvalidTemplateText.Malformed",
            f"It has more than {limits.template_variables} variables.",
        )
    broken = _BROKEN.search(_without_code(fields["text"]) + fields["subject"])
    if broken:
        raise ApiError("InvalidTemplateText.Malformed", f"A variable has letters only: {broken[0]}")
    fields["text"] = _stored(fields["text"], call.rules.stored_text)
    return fields


def _stored(text, form):
    """The text as the service keeps it, which is not always to the letter as it came.

    :param form: of the setting ``rules.stored_text``
    """
    if form == "crlf":
        return re.sub(r"\r?\n", "\r\n", re.sub(r"(</(?:p|div|td|tr|h\d)>)", r"\1\n", text)) + "\r\n"
    if form == "entities":
        return "".join(
            part
            if part[:1] == "<"
            else "".join(char if ord(char) < 128 else f"&#{ord(char)};" for char in part).replace(
                "'", "&#39;"
            )
            for part in _MARKUP.split(text)
        )
    return text


def _without_code(html):
    """The text without style sheets and scripts, whose braces are no placeholders."""
    return re.sub(r"<(style|script)\b.*?</\1\s*>", "", html, flags=re.S | re.I)


def _review_due(call):
    """When the emulator's own review ends, or None when a person reviews."""
    review = call.account.settings.review
    return None if review.mode == "manual" else call.now + review.seconds


def _end_review(call, due):
    """End a review that takes no time before the call is answered."""
    if due is not None and due <= call.now:
        call.core.timeline.review(call.now)
    call.core.wake()


@operation("CreateTemplate", "TemplateName")
def create_template(call):
    count = call.store.value("SELECT count(*) FROM template WHERE account = ?", (call.account.id,))
    if call.params.integer("TemplateType", 0) != 0:
        raise ApiError("InvalidParameter", "Only mail templates (TemplateType 0) are supported.")
    if count >= call.limits.templates:
        raise ApiError("InvalidTemplateNumber.Malformed")
    fields, due = _checked(call), _review_due(call)
    with call.store.transaction():
        cursor = call.store.execute(
            "INSERT INTO template (account, name, nickname, subject, text, remark, status,"
            " comment, created_at, changed_at, review_due)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, '', ?, ?, ?)",
            (call.account.id, *fields.values(), PENDING, call.now, call.now, due),
        )
    _end_review(call, due)
    return {"TemplateId": cursor.lastrowid}


@operation("ModifyTemplate", "TemplateId", "TemplateName")
def modify_template(call):
    old = find_template(call, call.params.integer("TemplateId"))
    fields = _checked(call, old)
    content_changed = any(fields[name] != old[name] for name in ("nickname", "subject", "text"))
    loses = call.rules.modified_template_loses_approval and (
        content_changed or old["status"] != APPROVED
    )
    status, due = (PENDING, _review_due(call)) if loses else (old["status"], old["review_due"])
    call.store.execute(
        "UPDATE template SET name = ?, nickname = ?, subject = ?, text = ?, remark = ?,"
        " status = ?, comment = ?, review_due = ?, changed_at = ?, content = ? WHERE id = ?",
        (
            *fields.values(),
            status,
            "" if loses else old["comment"],
            due,
            call.now,
            None if content_changed else old["content"],
            old["id"],
        ),
    )
    _end_review(call, due)
    return {}


@operation("DeleteTemplate", "TemplateId")
def delete_template(call):
    row = find_template(call, call.params.integer("TemplateId"))
    call.store.execute("DELETE FROM template WHERE id = ?", (row["id"],))
    return {}


@operation("DescTemplate", "TemplateId")
def desc_template(call):
    row = find_template(call, call.params.integer("TemplateId"))
    return {
        "CreateTime": beijing_minute(row["created_at"]),
        "Remark": row["remark"],
        "SmsContent": "",
        "SmsType": "0",
        "TemplateName": row["name"],
        "TemplateNickName": row["nickname"] if call.rules.returns_nickname else "",
        "TemplateStatus": str(row["status"]),
        "TemplateSubject": row["subject"],
        "TemplateText": row["text"],
        "TemplateType": "0",
    }


@operation("QueryTemplateByParam")
def query_template_by_param(call):
    number, size, offset = call.params.page(20)
    where = (call.account.id, like(call.params.text("KeyWord")))
    condition = "FROM template WHERE account = ? AND name LIKE ? ESCAPE '\\'"
    rows = call.store.rows(
        f"SELECT * {condition} ORDER BY id DESC LIMIT ? OFFSET ?", (*where, size, offset)
    )
    return {
        "TotalCount": call.store.value(f"SELECT count(*) {condition}", where),
        "PageNumber": number,
        "PageSize": size,
        "data": {
            "template": [
                {
                    "CreateTime": beijing_minute(row["created_at"]),
                    "SmsStatus": 0,
                    "SmsTemplateCode": 0,
                    "Smsrejectinfo": 0,
                    "TemplateComment": row["comment"],
                    "TemplateId": str(row["id"]),
                    "TemplateName": row["name"],
                    "TemplateStatus": str(row["status"]),
                    "TemplateType": 0,
                    "UtcCreatetime": int(row["created_at"]),
                }
                for row in rows
            ]
        },
    }
