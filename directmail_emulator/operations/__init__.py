"""The operations of DirectMail, one function each.

An operation is a function (plain or async) from a `Call` to the answer's body, without the
`RequestId`, which the gateway adds. It refuses by raising `ApiError`.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import ApiError, missing_parameter

#: action -> (function, names of mandatory parameters)
REGISTRY = {}


def operation(action, *required):
    """Register a function as an operation; the gateway checks the mandatory parameters."""

    def register(function):
        REGISTRY[action] = (function, required)
        return function

    return register


@dataclass
class Call:
    """One authenticated request."""

    action: str
    params: Params
    account: object
    core: object
    request_id: str

    @property
    def store(self):
        return self.core.store

    @property
    def limits(self):
        return self.account.settings.limits

    @property
    def rules(self):
        return self.account.settings.rules

    @property
    def now(self):
        return self.core.clock.now()


class Params(dict):
    """Parameters by name; which of a request's count is decided by ``parameters.check``."""

    def text(self, name, default=""):
        return self.get(name, default)

    def require(self, names, code_pattern):
        """:raises ApiError: MissingParameter, for the first name that is not there"""
        for name in names:
            if name not in self:
                raise missing_parameter(name, code_pattern)

    def integer(self, name, default=None, low=None, high=None):
        """A whole number. :raises ApiError: InvalidParameter, when it is none or out of range"""
        text = self.get(name, "").strip()
        if not text:
            return default
        try:
            # int() alone would also take "1_0" and digits of other scripts
            if len(text) > 18 or not text.isascii() or "_" in text:
                raise ValueError
            number = int(text)
        except ValueError:
            raise ApiError("InvalidParameter", f"{name} is not a number.") from None
        if (low is not None and number < low) or (high is not None and number > high):
            raise ApiError("InvalidParameter", f"{name} is out of range.")
        return number

    def boolean(self, name, default=None):
        """true or false, in any case, as Python's SDK writes True.

        :raises ApiError: InvalidParameter, for any other value
        """
        text = self.get(name, "").strip().lower()
        if not text:
            return default
        if text not in ("true", "false"):
            raise ApiError("InvalidParameter", f"{name} is neither true nor false.")
        return text == "true"

    def page(self, size, largest=100):
        """``(PageNo, PageSize, offset)``, with the operation's default size."""
        number = self.integer("PageNo", 1, low=1, high=10**9)
        size = self.integer("PageSize", size, low=1, high=largest)
        return number, size, (number - 1) * size


def units(text):
    """The length of a text as the service counts it: UTF-16 units, so an emoji takes two."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def like(keyword):
    """A pattern for ``LIKE ... ESCAPE '\\'`` that finds the keyword anywhere."""
    for character in "\\%_":
        keyword = keyword.replace(character, "\\" + character)
    return f"%{keyword}%"


def load_all():
    """Import every module that holds operations."""
    from . import (
        account,
        senders,
        sending,
        statistics,
        suppression,
        tags,  # noqa: F401
        templates,
        tracking,
    )

    return REGISTRY
