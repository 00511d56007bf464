# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Reads the few expressions of Odoo's templates that DirectMail can be given: one field's value.

What Odoo 19's placeholder picker writes: ``object.path.to.field`` and, for a date with a time,
``format_datetime(object.path, tz=object.partner_id.tz) or 'fallback'``.
"""

import ast
import re
from dataclasses import dataclass

# Odoo's inline template: {{ expression ||| fallback }} (odoo/tools/rendering_tools.py, 19.0).
INLINE = re.compile(r"\{\{(.+?)(\|\|\|\s*(.*?))?\}\}")

_SEGMENT = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_LONGEST = 500
_FORMATS = {"format_datetime": "datetime", "format_date": "date"}


@dataclass(frozen=True)
class Placeholder:
    """A field's value: ``path`` behind "object.", and how it is to be written.

    ``format`` is "datetime", "date", or "" for the value as it is. Which time zone a moment is
    written in is the sender's decision, not the template's.
    """

    path: str
    fallback: str = ""
    format: str = ""


def parse_expression(expression, default=""):
    """Return the Placeholder that an expression stands for, or None if it is anything else.

    :param default: fallback when the expression has none of its own ("object.name or 'friend'")
    """
    expression = expression.strip()
    if len(expression) > _LONGEST:
        return None
    try:
        node = ast.parse(expression, mode="eval").body
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


def _formatted(call):
    """Return (format, the value's node) of a call to a known formatter, or ("", None)."""
    name = call.func.id if isinstance(call.func, ast.Name) else ""
    known_zone = all(keyword.arg == "tz" and _path(keyword.value) for keyword in call.keywords)
    if name in _FORMATS and len(call.args) == 1 and known_zone:
        return _FORMATS[name], call.args[0]
    return "", None


def _path(node):
    """Return "a.b" for the node of ``object.a.b``, or None. Private attributes are refused."""
    parts = []
    while isinstance(node, ast.Attribute):
        if not _SEGMENT.fullmatch(node.attr):
            return None
        parts.append(node.attr)
        node = node.value
    if not parts or not isinstance(node, ast.Name) or node.id != "object":
        return None
    return ".".join(reversed(parts))
