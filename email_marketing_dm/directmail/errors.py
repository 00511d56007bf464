# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The one exception that DirectMail calls other than a send can raise."""

from .answers import Verdict, inspect_error, verdict_of_code

KINDS = (
    "credentials",  # AccessKey unknown or its secret wrong
    "permission",  # the AccessKey may not do this, or not from this IP address
    "server_credentials",  # no credentials to sign with: a role or chain of this server gave none
    "clock",  # this machine's clock is more than 15 minutes off
    "unreachable",  # no connection, or it broke
    "not_directmail",  # something else answered
    "throttled",  # too many calls
    "quota",  # the daily or monthly quota, or the number of objects, is used up
    "not_found",
    "duplicate",
    "invalid",  # DirectMail did not like a value
    "server",  # DirectMail has trouble
    "unknown",
)


# What the gateway says of an operation that an account doesn't have.
_MISSING = ("InvalidApi.NotFound", "InvalidAction.NotFound")


class DirectMailError(Exception):
    """A call that failed.

    :ivar kind: one of KINDS; the caller turns it into a sentence in the user's language
    :ivar code: DirectMail's error code, or the type of the network error
    :ivar message: DirectMail's own words, in English; may be empty
    :ivar request_id: what Alibaba's support asks for
    :ivar sent_unknown: True when the call may have been carried out all the same
    :ivar retry_after: seconds to wait, or None
    :ivar action: name of the operation that was called, or an empty string
    """

    def __init__(
        self, kind, code="", message="", request_id="", sent_unknown=False, retry_after=None
    ):
        assert kind in KINDS, kind
        super().__init__(f"{code}: {message}" if code and message else code or message or kind)
        self.kind = kind
        self.code = code
        self.message = message
        self.request_id = request_id
        self.sent_unknown = sent_unknown
        self.retry_after = retry_after
        self.action = ""


def is_not_allowed(error):
    """Tell whether an account can't use an operation at all: it lacks it, or RAM denies it.

    The operations that change templates came in May and June 2026, those that read them in October
    2025; an account may lack them (SDK versions 1.7.0, 1.10.0 and 1.11.0).
    """
    if error.code == "InvalidIP.NotFound":  # this server may call nothing at all
        return False
    return error.kind == "permission" or error.code in _MISSING


def from_sdk(error, outer=None):
    """Return the DirectMailError for whatever the SDK raised.

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
