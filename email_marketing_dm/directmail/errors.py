# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""DirectMailError, which all calls but `DirectMailClient.send` raise."""

from __future__ import annotations

from .answers import Verdict, inspect_error, verdict_of_code

KINDS = (
    "credentials",  # AccessKey unknown or its secret wrong
    "permission",  # the AccessKey lacks a right, or this IP address is not allowed
    "server_credentials",  # the server's own role or credential chain gave no keys
    "clock",  # this machine's clock is more than 15 minutes off
    "unreachable",  # no connection, or it broke
    "not_directmail",  # the answer is not DirectMail's
    "throttled",  # too many calls
    "quota",  # the daily or monthly quota, or the number of objects, is used up
    "not_found",
    "duplicate",
    "invalid",  # DirectMail refused a value
    "server",  # a fault at DirectMail
    "unknown",
)

# Error codes of the gateway for an operation that an account doesn't have.
_MISSING = ("InvalidApi.NotFound", "InvalidAction.NotFound")


class DirectMailError(Exception):
    """A call that failed.

    :ivar kind: one of KINDS; the caller turns it into a sentence in the user's language
    :ivar code: DirectMail's error code, or the type of the network error
    :ivar message: DirectMail's message, in English; may be empty
    :ivar request_id: id of the call at DirectMail, for Alibaba's support
    :ivar sent_unknown: True when the call may have been carried out despite the error
    :ivar retry_after: seconds to wait, or None
    :ivar action: name of the operation that was called, or ""
    """

    def __init__(
        self,
        kind: str,
        code: str = "",
        message: str = "",
        request_id: str = "",
        sent_unknown: bool = False,
        retry_after: float | None = None,
    ) -> None:
        assert kind in KINDS, kind
        super().__init__(f"{code}: {message}" if code and message else code or message or kind)
        self.kind = kind
        self.code = code
        self.message = message
        self.request_id = request_id
        self.sent_unknown = sent_unknown
        self.retry_after = retry_after
        self.action = ""


def is_not_allowed(error: DirectMailError) -> bool:
    """Tell whether an account can't use an operation: it lacks it, or RAM denies it.

    The operations that change templates came in May and June 2026, those that read them in October
    2025; an account may lack them (SDK versions 1.7.0, 1.10.0 and 1.11.0).
    """
    if error.code == "InvalidIP.NotFound":  # refuses every operation
        return False
    return error.kind == "permission" or error.code in _MISSING


def from_sdk(error: BaseException, outer: BaseException | None = None) -> DirectMailError:
    """Return the DirectMailError for an exception of the SDK.

    :param outer: see answers.inspect_error()
    """
    failure = inspect_error(error, outer)
    verdict, _kind = verdict_of_code(failure.code, failure.status)
    unknown = failure.outcome == "unknown" or (
        failure.outcome == "answered" and verdict is Verdict.UNKNOWN
    )
    return DirectMailError(
        failure.kind,
        failure.code,
        failure.message,
        failure.request_id,
        sent_unknown=unknown,
        retry_after=failure.retry_after,
    )
