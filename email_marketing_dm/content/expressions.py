# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Reads the expressions of Odoo's templates that a DirectMail variable can replace: one field.

Odoo 19's placeholder picker writes ``object.path.to.field`` and, for a datetime,
``format_datetime(object.path, tz=object.partner_id.tz) or 'fallback'``.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass

# Odoo's inline template: {{ expression ||| fallback }} (odoo/tools/rendering_tools.py, 19.0).
INLINE = re.compile(r"\{\{(.+?)(\|\|\|\s*(.*?))?\}\}")

#: the path of a placeholder for a column of uploaded lists; the column's key follows
COLUMN_PREFIX = "directmail_upload."
#: the path of a placeholder for the record for which a series starts; see `split_record_path`
RECORD_PREFIX = "directmail_record."
_LONGEST = 500
_FORMATS = {"format_datetime": "datetime", "format_date": "date"}


@dataclass(frozen=True)
class Placeholder:
    """A field's value and its format.

    :ivar path: the field, without the leading "object."
    :ivar fallback: plain text for records without a value
    :ivar format: "datetime", "date", or "" for the unformatted value. The template's time zone is
        ignored: the sender chooses the zone of a datetime.
    """

    path: str
    fallback: str = ""
    format: str = ""


def parse_expression(expression: str, default: str = "") -> Placeholder | None:
    """Return the Placeholder of an expression, or None if it is more than one field's value.

    :param default: fallback when the expression has none of its own ("object.name or 'friend'")
    """
    expression = expression.strip()
    if len(expression) > _LONGEST:
        return None
    try:
        node: ast.expr | None = ast.parse(expression, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    fallback = ""
    if isinstance(node, ast.BoolOp) and isinstance(node.op, ast.Or) and len(node.values) == 2:
        node, other = node.values
        if not (isinstance(other, ast.Constant) and isinstance(other.value, str)):
            return None
        fallback = other.value
    value_format = ""
    if isinstance(node, ast.Call):
        value_format, node = _formatted(node)
    path = _path(node)
    return Placeholder(path, (fallback or default).strip(), value_format) if path else None


def make_record_path(model: str, path: str = "") -> str:
    """Return the path of a placeholder for a field of the record for which a series starts.

    :param model: of the record; its dots become two underscores
    :param path: dotted path of fields, from the record
    """
    return ".".join(filter(None, (RECORD_PREFIX + model.replace(".", "__"), path)))


def split_record_path(path: str) -> tuple[str, str] | None:
    """Return (model, path from its record) of what `make_record_path` made; None of other paths."""
    if not path.startswith(RECORD_PREFIX):
        return None
    model, _dot, rest = path.removeprefix(RECORD_PREFIX).partition(".")
    return model.replace("__", "."), rest


def _formatted(call: ast.Call) -> tuple[str, ast.expr | None]:
    """Return (format, node of the value) of a call to a known formatter, or ("", None)."""
    name = call.func.id if isinstance(call.func, ast.Name) else ""
    known_zone = all(keyword.arg == "tz" and _path(keyword.value) for keyword in call.keywords)
    if name in _FORMATS and len(call.args) == 1 and known_zone:
        return _FORMATS[name], call.args[0]
    return "", None


def _path(node: ast.expr | None) -> str | None:
    """Return "a.b" for the node of ``object.a.b``, otherwise None.

    Names with a leading underscore are refused: they are private. Only columns of uploaded lists
    have names with other letters than ASCII.
    """
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        if node.attr.startswith("_"):
            return None
        parts.append(node.attr)
        node = node.value
    if not parts or not isinstance(node, ast.Name) or node.id != "object":
        return None
    path = ".".join(reversed(parts))
    return path if path.isascii() or path.startswith(COLUMN_PREFIX) else None
