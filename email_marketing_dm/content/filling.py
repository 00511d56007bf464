# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Fills the variables of a text, such as ``{Name}``, with a person's values.

DirectMail replaces a variable by the raw value, so values are escaped before for the place where
their variable stands: `body_value`, `html_value` and `plain_value`.
"""

from __future__ import annotations

import html as html_lib
import re
from collections.abc import Callable, Iterable, Mapping

from .lengths import count_units, cut_units

VARIABLE = re.compile(r"\{([A-Za-z]+)\}")
#: C0 controls that HTML forbids; PostgreSQL refuses NUL
CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
LINE_BREAKS = re.compile(r"[\s\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_NEW_LINE = re.compile(r"\r\n|[\r\n\u2028\u2029]")


def assemble(
    text: str, values: Mapping[str, object], escape: Callable[[object], str] | None = None
) -> str:
    """Replace each ``{Name}`` by its value as DirectMail does: in one pass, without escaping.

    :param values: {name: value}; variables with other names stay in the text
    :param escape: function for each value, e.g. html_value; None if the values are escaped
    """

    def fill(match: re.Match[str]) -> str:
        if match[1] not in values:
            return match[0]
        value = values[match[1]]
        return escape(value) if escape else str(value)

    return VARIABLE.sub(fill, text)


def html_value(value: object) -> str:
    """Return a value as HTML for a body or a quoted attribute. None and False become "".

    Braces become entities too, so that a value can't turn into a variable.
    """
    if value is None or value is False:
        return ""
    text = html_lib.escape(CONTROLS.sub("", str(value)), quote=True)
    return text.replace("{", "&#123;").replace("}", "&#125;")


def unescaped_value(value: str) -> str:
    """Undo html_value() or body_value(), for a caller that escapes the value itself."""
    return html_lib.unescape(value.replace("<br/>", "\n"))


def fit_subject(
    subject: str, values: Mapping[str, str], names: Iterable[str], limit: int
) -> dict[str, str]:
    """Return the values, shortened so that the filled subject is no longer than ``limit``.

    :param subject: with variables
    :param values: {name: value}
    :param names: values that may be cut, because only the subject uses them; the longest first
    :param limit: in UTF-16 units, as DirectMail counts
    """
    values = dict(values)
    names = [name for name in names if "{%s}" % name in subject]
    while names and (excess := count_units(assemble(subject, values)) - limit) > 0:
        longest = max(names, key=lambda name: count_units(values.get(name)))
        length = count_units(values.get(longest))
        if not length:
            break
        values[longest] = cut_units(values[longest], max(0, length - excess))
    return values


def body_value(value: object) -> str:
    """Return a value as HTML for a body, with <br/> for each line end.

    DirectMail does not escape values, so the tag works in the mail.
    """
    return _NEW_LINE.sub("<br/>", html_value(value))


def plain_value(value: object) -> str:
    """Return a value for a subject: one line of plain text. None and False become ""."""
    if value is None or value is False:
        return ""
    return LINE_BREAKS.sub(" ", str(value)).strip()
