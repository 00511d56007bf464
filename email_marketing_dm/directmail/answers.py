# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Turns the result of a call, an answer or an exception, into a verdict on the mail.

DirectMail has no idempotency key, so a mail that DirectMail may have accepted must not be sent
again. A verdict says "not sent" only where that is certain, else UNKNOWN.

SDK exceptions are recognized by class name and attributes, so this file imports neither the SDK
nor ``requests``. The rules were found by running SDK 1.11.1 against a local server
(tests/unit/test_send.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from fnmatch import fnmatchcase
from typing import Any, Literal

from .records import as_text

SdkError = Any  # an exception of the SDK, which has no types
Outcome = Literal["answered", "not_sent", "unknown"]


class Verdict(str, Enum):
    """What a result means for the mail, and so what the sender does next."""

    ACCEPTED = "accepted"  # DirectMail took the mail
    PERSON_REFUSED = "person_refused"  # not sent: DirectMail refuses this address only
    DOUBTFUL = "doubtful"  # not sent: DirectMail refuses this address, or every mail of the task
    UNDECIDED = "undecided"  # not sent: DOUBTFUL again, decided by calls that are in flight
    TASK_PAUSED = "task_paused"  # not sent: pause the task until a user has fixed it
    ACCOUNT_STOPPED = "account_stopped"  # not sent: no mail of this account can be sent
    RETRY_LATER = "retry_later"  # not sent: no connection, or DirectMail is out of service
    THROTTLED = "throttled"  # not sent: too many calls per second
    UNKNOWN = "unknown"  # may have been sent: resolved by events or records only


@dataclass(frozen=True)
class Answer:
    """The result of one send.

    :ivar env_id: DirectMail's id of the accepted mail, else ""
    :ivar retry_after: seconds, or None
    """

    verdict: Verdict
    code: str = ""
    message: str = ""
    env_id: str = ""
    request_id: str = ""
    retry_after: float | None = None


@dataclass(frozen=True)
class Failure:
    """What `inspect_error` finds in the exception of a failed call.

    :ivar outcome: "answered" (DirectMail answered with an error), "not_sent" (the request never
        left this machine) or "unknown" (the call may have been carried out)
    :ivar kind: one of errors.KINDS
    :ivar status: HTTP status, or 0
    :ivar retry_after: seconds, or None
    """

    outcome: Outcome
    kind: str
    code: str = ""
    message: str = ""
    status: int = 0
    request_id: str = ""
    retry_after: float | None = None


_V = Verdict

# (pattern of an error code, verdict of a send, one of errors.KINDS); the first match counts.
# Sources: help pages "error codes" of DirectMail and of the API gateway. The pages differ in the
# HTTP status of a code, so the status is not used where the code is listed here.
CODES: tuple[tuple[str, Verdict, str], ...] = (
    # Rate and quota
    ("Throttling*", _V.THROTTLED, "throttled"),
    ("*QuotaExceed*", _V.TASK_PAUSED, "quota"),
    ("InvalidQuota*", _V.TASK_PAUSED, "quota"),
    # Faults of the service
    ("ServiceUnavailable*", _V.RETRY_LATER, "server"),
    ("InternalError*", _V.UNKNOWN, "server"),
    # The nonce was used: an earlier copy of this request reached the gateway.
    ("SignatureNonceUsed", _V.UNKNOWN, "server"),
    # Credentials and permissions
    ("InvalidAccessKeyId*", _V.ACCOUNT_STOPPED, "credentials"),
    ("InvalidSecurityToken*", _V.ACCOUNT_STOPPED, "credentials"),
    ("MissingSecurityToken", _V.ACCOUNT_STOPPED, "credentials"),
    ("SignatureDoesNotMatch*", _V.ACCOUNT_STOPPED, "credentials"),
    ("Signature", _V.ACCOUNT_STOPPED, "credentials"),
    ("IncompleteSignature*", _V.ACCOUNT_STOPPED, "credentials"),
    ("InvalidCredentials", _V.ACCOUNT_STOPPED, "credentials"),
    ("InvalidTimeStamp*", _V.ACCOUNT_STOPPED, "clock"),
    ("Forbidden*", _V.ACCOUNT_STOPPED, "permission"),
    ("NoPermission*", _V.ACCOUNT_STOPPED, "permission"),
    ("InvalidIP.NotFound", _V.ACCOUNT_STOPPED, "permission"),  # the caller's IP is not allowed
    # Operation and parameters
    ("InvalidApi.NotFound", _V.ACCOUNT_STOPPED, "not_directmail"),
    ("InvalidAction.NotFound", _V.ACCOUNT_STOPPED, "not_directmail"),
    ("InvalidVersion", _V.ACCOUNT_STOPPED, "not_directmail"),
    ("InvalidProtocol.NeedSsl", _V.ACCOUNT_STOPPED, "invalid"),
    ("Missing*", _V.ACCOUNT_STOPPED, "invalid"),
    # Recipient
    ("InvalidToAddress*", _V.PERSON_REFUSED, "invalid"),
    ("EmailFormatError", _V.PERSON_REFUSED, "invalid"),
    ("EmailLengthError", _V.PERSON_REFUSED, "invalid"),
    # Recipient or task: content, account status, frequency or quota. The code doesn't tell which.
    ("InvalidSendMail.Spam", _V.DOUBTFUL, "invalid"),
    ("InvalidReceiverName.Malformed", _V.DOUBTFUL, "invalid"),
    ("InvalidBody*", _V.TASK_PAUSED, "invalid"),
    # Management calls
    ("*Duplicate*", _V.TASK_PAUSED, "duplicate"),
    ("*AlreadyExist*", _V.TASK_PAUSED, "duplicate"),
    ("*Number.Malformed", _V.TASK_PAUSED, "quota"),  # too many templates, tags, ...
    ("*.NotFound", _V.TASK_PAUSED, "not_found"),
    # Sender, subject, reply address or template
    ("*.Malformed", _V.TASK_PAUSED, "invalid"),
)


def verdict_of_code(code: str, status: int = 0) -> tuple[Verdict, str]:
    """Return (verdict, one of errors.KINDS) for an error code.

    :param status: HTTP status of the answer, 0 if not known; counts only for unlisted codes
    """
    for pattern, verdict, kind in CODES:
        if fnmatchcase(code, pattern):
            return verdict, kind
    if status == 429:
        return Verdict.THROTTLED, "throttled"
    if status == 408 or status >= 500:
        return Verdict.UNKNOWN, "server"
    # An unlisted code: DirectMail refused, so nothing was sent. It may concern one recipient only.
    kind = "permission" if status in (401, 403) else "invalid"
    return (Verdict.DOUBTFUL, kind) if code else (Verdict.TASK_PAUSED, "not_directmail")


def is_known_code(code: str) -> bool:
    """Tell whether an error code is listed in CODES; other codes get a verdict by HTTP status."""
    return any(fnmatchcase(code, pattern) for pattern, _verdict, _kind in CODES)


def classify_error(error: BaseException, outer: BaseException | None = None) -> Answer:
    """Turn the SDK's exception of a send into an Answer. Never raises.

    :param outer: see inspect_error()
    """
    failure = inspect_error(error, outer)
    if failure.outcome == "answered":
        verdict, _kind = verdict_of_code(failure.code, failure.status)
        if verdict in (Verdict.DOUBTFUL, Verdict.UNKNOWN) and _is_paced(failure):
            verdict = Verdict.THROTTLED
    elif failure.outcome == "not_sent":
        verdict = Verdict.RETRY_LATER
    else:
        verdict = Verdict.UNKNOWN
    return Answer(
        verdict,
        code=failure.code,
        message=failure.message,
        request_id=failure.request_id,
        retry_after=failure.retry_after,
    )


def classify_response(body: object) -> Answer:
    """Turn the response body of a send that did not raise into an Answer.

    The SDK takes any 200 with JSON for a success, even an error code or a list. Only an EnvId
    proves that the mail was accepted.

    :param body: the SDK's response model, a dict with the wire names, or None
    """
    request_id = _text(_field(body, "request_id", "RequestId"))
    env_id = _text(_field(body, "env_id", "EnvId"))
    if env_id:
        return Answer(Verdict.ACCEPTED, env_id=env_id, request_id=request_id)
    return Answer(
        Verdict.UNKNOWN,
        code=_text(_field(body, "code", "Code")) or "NoEnvId",
        message=_text(_field(body, "message", "Message")) or "The answer carried no EnvId.",
        request_id=request_id,
    )


def inspect_error(error: BaseException, outer: BaseException | None = None) -> Failure:
    """Return the Failure that an exception of the SDK describes. Never raises.

    :param outer: the exception that the caller was handling when the call began
        (``sys.exc_info()[1]``), or None. Python sets it as context of every exception raised
        during the call, so it is left out of the search for the cause.
    """
    names = _class_names(error)
    if "ResponseException" in names:
        return _inspect_answer(error)
    inner: BaseException = getattr(error, "inner_exception", None) or error
    if "NoCredentialError" in _class_names(inner):  # raised before anything was sent
        return Failure("not_sent", "server_credentials", "NoCredentials", _short(inner))
    if "RetryError" in _class_names(inner):
        # The SDK raises its RetryError inside "except IOError": its context is the cause.
        return _inspect_transport(inner.__context__ or inner, outer)
    if _class_names(inner) & {"InvalidURL", "InvalidSchema", "MissingSchema", "InvalidHeader"}:
        return Failure("not_sent", "unreachable", type(inner).__name__, _short(inner))
    if isinstance(inner, RuntimeError) and "json format" in str(inner):
        # An HTML page of a proxy, or an empty body. The SDK keeps no status code.
        return Failure("unknown", "not_directmail", "NotJson", "The answer was not JSON.")
    if _failed_while_connecting(inner):
        return Failure("not_sent", "unreachable", type(inner).__name__, _short(inner))
    # The exception's text may quote the request or the answer, so only its type is kept.
    return Failure("unknown", "unknown", type(inner).__name__)


def _inspect_answer(error: SdkError) -> Failure:
    """Return the Failure of a JSON answer with a status of 400 to 599."""
    data = error.data if isinstance(getattr(error, "data", None), dict) else {}
    status = getattr(error, "status_code", None) or 0
    code = _text(error.code)
    retry_after = getattr(error, "retry_after", None)
    _verdict, kind = verdict_of_code(code, status)
    failure = Failure(
        "answered",
        kind,
        code=code,
        message=_text(data.get("Message") or data.get("message") or error.message),
        status=status,
        request_id=_text(getattr(error, "request_id", "")),
        retry_after=retry_after / 1000 if retry_after else None,  # ms in the SDK
    )
    return failure


def _is_paced(failure: Failure) -> bool:
    """Tell whether an unlisted code came with Retry-After, which only flow control sends.

    Not with status 408, 500 or 504: the mail may have been accepted before such an answer.
    """
    known = is_known_code(failure.code)
    return failure.retry_after is not None and not known and failure.status not in (408, 500, 504)


def _inspect_transport(error: BaseException, outer: BaseException | None) -> Failure:
    """Return the Failure of a request without an HTTP answer: "not_sent" or "unknown"."""
    links = _linked_errors(error, outer)
    names: set[str] = set().union(*(_class_names(link) for link in links))
    before = names & {"NewConnectionError", "NameResolutionError", "ConnectTimeout"}
    if before or any(_failed_while_connecting(link) for link in links):
        code = sorted(before)[0] if before else type(links[-1]).__name__
        return Failure("not_sent", "unreachable", code, _short(links[-1]))
    return Failure("unknown", "unreachable", type(error).__name__, _short(links[-1]))


def _linked_errors(error: BaseException, outer: BaseException | None) -> list[BaseException]:
    """Return ``error`` and its causes, contexts and wrapped exceptions, without ``outer``."""
    found: list[BaseException] = []
    waiting: list[object] = [error]
    while waiting:
        current = waiting.pop(0)
        if not isinstance(current, BaseException) or current is outer or current in found:
            continue
        found.append(current)
        # urllib3 1.26 keeps the first error of a stalled handshake in __context__ only.
        waiting += [*current.args, getattr(current, "reason", None)]
        waiting += [current.__cause__, current.__context__]
    return found


def _failed_while_connecting(error: BaseException) -> bool:
    """Tell whether ``error`` rose inside urllib3's connect(): TCP, proxy tunnel, TLS handshake.

    The request is written after connect(), so it was not sent. The exception's class doesn't tell:
    a stalled handshake is a ReadTimeout, a cut one a ProtocolError.
    """
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        if code.co_name == "connect" and code.co_filename.endswith("connection.py"):
            return True
        trace = trace.tb_next
    return False


def _class_names(error: BaseException) -> set[str]:
    return {cls.__name__ for cls in type(error).__mro__}


def _field(body: object, attribute: str, wire_name: str) -> object:
    if isinstance(body, dict):
        return body.get(wire_name)
    return getattr(body, attribute, None)


def _text(value: object) -> str:
    """Return a stripped string; "None" is "", because the SDK writes a missing value so."""
    text = "" if isinstance(value, bool) else as_text(value)
    return "" if text == "None" else text


def _short(error: BaseException) -> str:
    return str(error)[:200]
