# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Reads a filter stored as text: literals, and the few date expressions that Odoo's editor writes.

Nothing is evaluated as code: ``3**60000000 % 7`` would keep a server busy for half a minute.
"""

import ast
import datetime
import operator
from collections.abc import Callable
from typing import Any

from dateutil.relativedelta import relativedelta

from ..clock.daily import get_zone, local_day

#: longest text in characters: room for the ids of some 20,000 chosen records
TEXT_MAX = 200_000
#: how deep lists, calls and sums may be nested
DEPTH_MAX = 40
#: how many conditions and operators a list may have: Odoo combines them recursively
TERMS_MAX = 500
INTEGER_MAX = 2**63 - 1
FORMAT_MAX = 100
DETAIL_MAX = 80

_DATES = (datetime.date, datetime.datetime)
_SPANS = (datetime.timedelta, relativedelta)
# A value that a filter's text stands for: its type is known only at run time.
Value = Any

_CLASSES: dict[str, Callable[..., Value]] = {
    "datetime": datetime.datetime,
    "date": datetime.date,
    "time": datetime.time,
    "timedelta": datetime.timedelta,
}
# method -> types whose values have it in a filter
_METHODS: dict[str, tuple[type[Value], ...]] = {
    "strftime": _DATES,
    "isoformat": _DATES,
    "replace": _DATES,
    "date": (datetime.datetime,),
    "to_utc": (datetime.datetime,),
}


class FilterError(ValueError):
    """A text is no filter, or a filter that is not read.

    :ivar code: "too_long", "too_many" (conditions), "too_deep", "not_list", "not_allowed" (an
        expression) or "bad_value"
    :ivar detail: the part of the text, or what Python says about it; may be empty
    """

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(code)
        self.code = code
        self.detail = detail[:DETAIL_MAX]


def parse_filter(
    text: str | None, uid: int = 0, now: datetime.datetime | None = None, tz: str = "UTC"
) -> list[Value]:
    """Return the list that a filter's text stands for.

    :param text: as Odoo's filter editor writes it; empty means ``[]``
    :param uid: the value of the name ``uid``
    :param now: the present moment (naive UTC); by default the system's
    :param tz: name of the zone whose calendar decides the date of ``context_today()``
    :return: lists, tuples and values, in the shape of an Odoo domain
    :raise FilterError: if the text is anything else
    """
    text = (text or "").strip() or "[]"
    if len(text) > TEXT_MAX:
        raise FilterError("too_long")
    try:
        node = ast.parse(text, mode="eval").body
    except (SyntaxError, RecursionError, MemoryError) as error:
        raise FilterError("not_list", text) from error
    now = now or datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)
    try:
        found = _Reader(uid, now, tz).value_of(node)
    except FilterError:
        raise
    except (TypeError, OverflowError, ValueError) as error:  # a date that does not exist
        raise FilterError("bad_value", str(error)) from error
    if not isinstance(found, list):
        raise FilterError("not_list", text)
    _check_terms(found)
    return found


def _check_terms(found: list[Value] | tuple[Value, ...]) -> None:
    """Refuse a domain, or one nested in it, with too many terms."""
    if len(found) > TERMS_MAX:
        raise FilterError("too_many")
    for term in found:
        # (field, "any", domain)
        if isinstance(term, (list, tuple)) and len(term) == 3 and str(term[1]).endswith("any"):
            _check_terms(term[2] if isinstance(term[2], (list, tuple)) else ())


class _Reader:
    """Turns a syntax tree into values, node by node; refuses nodes of any other type."""

    def __init__(self, uid: int, now: datetime.datetime, tz: str) -> None:
        self._uid = uid
        self._now = now
        self._tz = tz

    def value_of(self, node: ast.expr, depth: int = 0) -> Value:
        """Return the value of a node.

        :raise FilterError: for a node that a filter can't contain
        """
        if depth > DEPTH_MAX:
            raise FilterError("too_deep")
        match node:
            case ast.Constant(value=None | bool() | str() | float() as value):
                return value
            case ast.Constant(value=int(value)) if abs(value) <= INTEGER_MAX:
                return value
            case ast.List(elts=items):
                return [self.value_of(item, depth + 1) for item in items]
            case ast.Tuple(elts=items):
                return tuple(self.value_of(item, depth + 1) for item in items)
            case ast.Name(id="uid"):
                return self._uid
            case ast.UnaryOp(op=ast.USub() | ast.UAdd() as sign, operand=inner):
                return self._read_signed(sign, self.value_of(inner, depth + 1))
            case ast.BinOp(left=left, op=ast.Add() | ast.Sub() as sign, right=right):
                terms = self.value_of(left, depth + 1), self.value_of(right, depth + 1)
                return self._add(sign, *terms)
            case ast.Call(func=function, args=args, keywords=keywords):
                return self._call(
                    function,
                    [self.value_of(arg, depth + 1) for arg in args],
                    # `**words` has no name: the empty one is refused in _call().
                    {word.arg or "": self.value_of(word.value, depth + 1) for word in keywords},
                    depth + 1,
                )
        raise FilterError("not_allowed", ast.unparse(node))

    def _read_signed(self, sign: ast.unaryop, value: Value) -> Value:
        if isinstance(value, bool) or not isinstance(value, (int, float, *_SPANS)):
            raise FilterError("bad_value", repr(value))
        return -value if isinstance(sign, ast.USub) else value

    def _add(self, sign: ast.operator, left: Value, right: Value) -> Value:
        """Return a date moved by a span of time, or the sum of two spans; refuse other operands."""
        if not isinstance(right, _SPANS) or not isinstance(left, (*_DATES, *_SPANS)):
            raise FilterError("bad_value", f"{left!r}, {right!r}")
        move: Callable[[Value, Value], Value]
        move = operator.add if isinstance(sign, ast.Add) else operator.sub
        return move(left, right)

    def _call(
        self, function: ast.expr, args: list[Value], words: dict[str, Value], depth: int
    ) -> Value:
        name = ast.unparse(function) if _is_dotted(function) else ""
        words_ok = all(words) and all(_is_small(value) for value in words.values())
        if name == "context_today" and not args and not words:
            return local_day(self._now, self._tz)
        if name == "relativedelta" and not args and words_ok:
            return relativedelta(**words)
        if name == "time.strftime" and len(args) == 1:
            return self._format(self._now, args[0])
        module, _dot, rest = name.partition(".")
        if module == "datetime" and words_ok:
            found = self._call_datetime(rest, args, words)
            if found is not None:
                return found
        if isinstance(function, ast.Attribute) and function.attr in _METHODS and words_ok:
            value = self.value_of(function.value, depth)
            return self._call_method(value, function.attr, args, words)
        raise FilterError("not_allowed", f"{ast.unparse(function)}()")

    def _call_datetime(self, rest: str, args: list[Value], words: dict[str, Value]) -> Value:
        """Return the value of ``datetime.<rest>(...)``, or None if a filter can't contain it."""
        if rest in _CLASSES and all(map(_is_small, args)):
            return _CLASSES[rest](*args, **words)
        if rest == "datetime.combine" and len(args) == 2 and not words:
            return datetime.datetime.combine(*args)
        if words or args:
            return None
        if rest in ("datetime.now", "datetime.today", "datetime.utcnow"):
            return self._now
        return self._now.date() if rest == "date.today" else None

    def _call_method(
        self, value: Value, name: str, args: list[Value], words: dict[str, Value]
    ) -> Value:
        if not isinstance(value, _METHODS[name]):
            raise FilterError("not_allowed", f"{name}()")
        if name == "strftime" and len(args) == 1 and not words:
            return self._format(value, args[0])
        if name == "replace" and not args:
            return value.replace(**words)
        if args or words:
            raise FilterError("not_allowed", f"{name}()")
        if name == "to_utc":
            local = value.replace(tzinfo=get_zone(self._tz))
            return local.astimezone(datetime.timezone.utc).replace(tzinfo=None)
        return getattr(value, name)()

    def _format(self, value: datetime.date, pattern: Value) -> str:
        if not isinstance(pattern, str) or len(pattern) > FORMAT_MAX:
            raise FilterError("bad_value", repr(pattern))
        return value.strftime(pattern)


def _is_dotted(node: ast.expr) -> bool:
    """Tell whether a node is a name such as ``datetime.date.today``."""
    while isinstance(node, ast.Attribute):
        node = node.value
    return isinstance(node, ast.Name)


def _is_small(value: Value) -> bool:
    """Tell whether a value can be part of a date or of a span of time."""
    return isinstance(value, int) and abs(value) < 1_000_000
