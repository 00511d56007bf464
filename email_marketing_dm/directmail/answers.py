# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What an answer of DirectMail, or its absence, means for the mail that was being sent.

The one question that matters after a call is *may DirectMail have accepted the mail?* There is
no idempotency key, so a mail whose answer never came must not be sent again on a guess.

SDK exceptions are recognised by class name and attributes, so this file needs neither the SDK nor
``requests``. The facts come from driving SDK 1.11.1 against a real server; the tests repeat that.
"""

from dataclasses import dataclass
from enum import Enum
from fnmatch import fnmatchcase

from .records import as_text


class Verdict(str, Enum):
    """What the sender does with an answer."""

    ACCEPTED = "accepted"  # DirectMail took the mail
    PERSON_REFUSED = "person_refused"  # not sent: no to this address only
    DOUBTFUL = "doubtful"  # not sent: no to this address, or to all of the task
    TASK_PAUSED = "task_paused"  # not sent: this task can't go on until somebody looks
    ACCOUNT_STOPPED = "account_stopped"  # not sent: nothing of this account can be sent
    RETRY_LATER = "retry_later"  # not sent: no connection, or out of service for a while
    THROTTLED = "throttled"  # not sent: too fast
    UNKNOWN = "unknown"  # may have been sent: only evidence may decide


@dataclass(frozen=True)
class Answer:
    """The outcome of one send. ``retry_after`` is in seconds, or None."""

    verdict: Verdict
    code: str = ""
    message: str = ""
    env_id: str = ""
    request_id: str = ""
    retry_after: float | None = None


@dataclass(frozen=True)
class Failure:
    """A failed call, taken apart.

    ``outcome`` is 'answered' (DirectMail said no), 'not_sent' (the request never left this
    machine) or 'unknown' (it may have been carried out). ``kind`` is one of errors.KINDS.
    """

    outcome: str
    kind: str
    code: str = ""
    message: str = ""
    status: int = 0
    request_id: str = ""
    retry_after: float | None = None


_V = Verdict

# Error code (first matching pattern wins) -> verdict of a send, kind of problem for a person.
# Sources: help pages "error codes" of DirectMail and of the API gateway. HTTP statuses differ
# between those pages, so the code decides.
CODES = (
    # How fast and how much
    ("Throttling*", _V.THROTTLED, "throttled"),
    ("*QuotaExceed*", _V.TASK_PAUSED, "quota"),
    ("InvalidQuota*", _V.TASK_PAUSED, "quota"),
    # The service itself
    ("ServiceUnavailable*", _V.RETRY_LATER, "server"),
    ("InternalError*", _V.UNKNOWN, "server"),
    # A used nonce: an earlier copy of this very request reached the gateway.
    ("SignatureNonceUsed", _V.UNKNOWN, "server"),
    # Who is calling
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
    ("InvalidIP.NotFound", _V.ACCOUNT_STOPPED, "permission"),  # caller's IP is not allowed
    # What is being called
    ("InvalidApi.NotFound", _V.ACCOUNT_STOPPED, "not_directmail"),
    ("InvalidAction.NotFound", _V.ACCOUNT_STOPPED, "not_directmail"),
    ("InvalidVersion", _V.ACCOUNT_STOPPED, "not_directmail"),
    ("InvalidProtocol.NeedSsl", _V.ACCOUNT_STOPPED, "invalid"),
    ("Missing*", _V.ACCOUNT_STOPPED, "invalid"),
    # The person
    ("InvalidToAddress*", _V.PERSON_REFUSED, "invalid"),
    ("EmailFormatError", _V.PERSON_REFUSED, "invalid"),
    ("EmailLengthError", _V.PERSON_REFUSED, "invalid"),
    # The person, or the task: content, account status, frequency or quota. DirectMail doesn't say.
    ("InvalidSendMail.Spam", _V.DOUBTFUL, "invalid"),
    ("InvalidReceiverName.Malformed", _V.DOUBTFUL, "invalid"),
    ("InvalidBody*", _V.TASK_PAUSED, "invalid"),
    # Management calls
    ("*Duplicate*", _V.TASK_PAUSED, "duplicate"),
    ("*AlreadyExist*", _V.TASK_PAUSED, "duplicate"),
    ("*Number.Malformed", _V.TASK_PAUSED, "quota"),  # no room for another template, tag, ...
    ("*.NotFound", _V.TASK_PAUSED, "not_found"),
    # Sender, subject, reply address or template are not as they should be.
    ("*.Malformed", _V.TASK_PAUSED, "invalid"),
)


def verdict_of_code(code, status=0):
    """Return (verdict, kind) for an error code that DirectMail answered with HTTP ``status``."""
    for pattern, verdict, kind in CODES:
        if fnmatchcase(code, pattern):
            return verdict, kind
    if status == 429:
        return Verdict.THROTTLED, "throttled"
    if status == 408 or status >= 500:
        return Verdict.UNKNOWN, "server"
    # A code we don't know: DirectMail refused, so nothing was sent. It may concern one person.
    kind = "permission" if status in (401, 403) else "invalid"
    return (Verdict.DOUBTFUL, kind) if code else (Verdict.TASK_PAUSED, "not_directmail")


def is_known_code(code):
    """Tell whether what to do about an error code was decided, not merely assumed."""
    return any(fnmatchcase(code, pattern) for pattern, _verdict, _kind in CODES)


def classify_error(error, outer=None):
    """Turn whatever the SDK raised during a send into an Answer. Never raises.

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


def classify_response(body):
    """Turn the body of a send that did not raise into an Answer.

    The SDK calls any 200 with JSON a success, even one with an error code or a list in it. Only
    an EnvId proves that the mail was accepted.

    :param body: the SDK's response body, a dict with the wire names, or None
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


def inspect_error(error, outer=None):
    """Take an exception of the SDK apart. Returns a Failure; never raises.

    :param outer: the error, if any, that the caller was handling when the call began
        (``sys.exc_info()[1]``). Python links it to every error raised meanwhile; it says nothing
        about this call.
    """
    names = _class_names(error)
    if "ResponseException" in names:
        return _inspect_answer(error)
    inner = getattr(error, "inner_exception", None) or error
    if "NoCredentialError" in _class_names(inner):  # raised before anything was sent
        return Failure("not_sent", "server_credentials", "NoCredentials", _short(inner))
    if "RetryError" in _class_names(inner):
        # The SDK raises its RetryError inside "except IOError", so that is the true reason.
        return _inspect_transport(inner.__context__ or inner, outer)
    if _class_names(inner) & {"InvalidURL", "InvalidSchema", "MissingSchema", "InvalidHeader"}:
        return Failure("not_sent", "unreachable", type(inner).__name__, _short(inner))
    if isinstance(inner, RuntimeError) and "json format" in str(inner):
        # An HTML page of a proxy, or nothing at all. The SDK keeps no status code.
        return Failure("unknown", "not_directmail", "NotJson", "The answer was not JSON.")
    if _failed_while_connecting(inner):
        return Failure("not_sent", "unreachable", type(inner).__name__, _short(inner))
    # Its text may quote the request or the answer, so only the type is kept.
    return Failure("unknown", "unknown", type(inner).__name__)


def _inspect_answer(error):
    """A JSON answer with a status of 400 to 599."""
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
        retry_after=retry_after / 1000 if retry_after else None,  # the header is in ms
    )
    return failure


def _is_paced(failure):
    """Whether an unknown code came with "come back later", which only flow control says.

    A 500 may follow an accepted mail, whatever headers it has.
    """
    known = is_known_code(failure.code)
    return failure.retry_after is not None and not known and failure.status not in (408, 500, 504)


def _inspect_transport(error, outer):
    """The request got no HTTP answer: did it leave this machine?"""
    links = _linked_errors(error, outer)
    names = set().union(*(_class_names(link) for link in links))
    before = names & {"NewConnectionError", "NameResolutionError", "ConnectTimeout"}
    if before or any(_failed_while_connecting(link) for link in links):
        code = sorted(before)[0] if before else type(links[-1]).__name__
        return Failure("not_sent", "unreachable", code, _short(links[-1]))
    return Failure("unknown", "unreachable", type(error).__name__, _short(links[-1]))


def _linked_errors(error, outer):
    """``error`` and the errors it was made from, outermost first, without ``outer``."""
    found, waiting = [], [error]
    while waiting:
        current = waiting.pop(0)
        if not isinstance(current, BaseException) or current is outer or current in found:
            continue
        found.append(current)
        # urllib3 1.26 leaves the first error of a handshake that stalls in __context__ only.
        waiting += [*current.args, getattr(current, "reason", None)]
        waiting += [current.__cause__, current.__context__]
    return found


def _failed_while_connecting(error):
    """Whether ``error`` rose inside urllib3's connect(): TCP, proxy tunnel or TLS handshake.

    Nothing of the request has been written then, whatever the error is called: a handshake that
    stalls is a ReadTimeout, and one that is cut is a ProtocolError.
    """
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        if code.co_name == "connect" and code.co_filename.endswith("connection.py"):
            return True
        trace = trace.tb_next
    return False


def _class_names(error):
    return {cls.__name__ for cls in type(error).__mro__}


def _field(body, attribute, wire_name):
    if isinstance(body, dict):
        return body.get(wire_name)
    return getattr(body, attribute, None)


def _text(value):
    """A clean string; the SDK turns a missing value into the word 'None'."""
    text = "" if isinstance(value, bool) else as_text(value)
    return "" if text == "None" else text


def _short(error):
    return str(error)[:200]
