"""Faults on request: what goes wrong, for which calls, how often."""

from __future__ import annotations

import itertools
from dataclasses import asdict, dataclass, field, fields
from fnmatch import fnmatchcase

from .outcomes import seeded
from .settings import ConfigError

#: kind -> (accepted by default, what it does). "Accepted" calls are carried out first: a mail is
#: then in the ledger although the client learns nothing.
KINDS = {
    "hang": (True, "never answer; the connection stays open"),
    "close": (True, "close the connection without an answer"),
    "reset": (True, "reset the connection without an answer"),
    "truncated": (True, "cut the connection in the middle of the answer"),
    "slow": (True, "answer after delay seconds"),
    "trickle": (True, "send the answer byte by byte, delay seconds apart"),
    "html": (True, "a proxy's HTML page, 502 or status"),
    "empty": (True, "200 without a body"),
    "no_env_id": (True, "200 without EnvId"),
    "blank": (True, "200 with {}"),
    "list": (True, "200 with []"),
    "code_in_200": (True, "200 whose body holds an error code"),
    "odd_rows": (True, "200 whose lists hold texts in place of objects"),
    "odd_data": (True, "200 with a text in place of each object and list"),
    "odd_values": (True, "200 with a list in place of each text and number"),
    "odd_numbers": (True, "200 with a number in place of each value, larger than any machine's"),
    "error": (False, "an error answer: status, code, message; 500 InternalError if not set"),
    "unavailable": (False, "503 ServiceUnavailable"),
    "throttle": (False, "Throttling.User; with retry_after (milliseconds) the header too"),
    "expired_token": (False, "InvalidSecurityToken.Expired"),
    "clock_skew": (False, "InvalidTimeStamp.Expired"),
    "idle_reset": (False, "reset a connection that was used before as the next call arrives"),
    "die": (True, "kill the emulator itself (SIGKILL) before it answers"),
    "refuse": (False, "refuse new connections for delay seconds"),
    "connect_stall": (False, "let new connections wait unanswered for delay seconds"),
}

#: kinds that act on the listening socket and not on calls
LISTENER_KINDS = ("refuse", "connect_stall")


@dataclass
class Fault:
    """One rule. A call has to match everything that is set."""

    kind: str = ""
    action: str = "*"  # operation, with * and ?
    account: str = "*"  # AccessKey id
    to: str = "*"  # recipient
    tag: str = "*"
    after: int = 0  # let so many matching calls pass first
    times: int = 0  # then act on so many; 0: on all until it is cleared
    rate: float = 1.0  # share of the matching calls, drawn with the seed
    seed: int = 1
    accept: str = ""  # "yes" or "no" to override the kind's default
    delay: float = 1.0
    status: int = 0
    code: str = ""
    message: str = ""
    retry_after: int = 0
    id: int = 0
    seen: int = field(default=0)
    hits: int = field(default=0)

    @classmethod
    def from_dict(cls, data):
        """:raises ConfigError: naming the entry that is unknown or of a wrong type"""
        if not isinstance(data, dict):
            raise ConfigError(f"a fault is a table, not {data!r}")
        fault = cls()
        settable = {item.name for item in fields(cls)} - {"id", "seen", "hits"}
        for name, value in data.items():
            if name not in settable:
                raise ConfigError(f"fault: {name!r} is unknown; known: {sorted(settable)}")
            if name == "accept" and isinstance(value, bool):
                value = "yes" if value else "no"
            kind = type(getattr(fault, name))
            good = isinstance(value, (int, float) if kind is float else kind)
            if not good or isinstance(value, bool):
                raise ConfigError(f"fault: {name} = {value!r} is not a {kind.__name__}")
            setattr(fault, name, value)
        if fault.kind not in KINDS:
            raise ConfigError(
                f"fault: there is no kind {fault.kind!r}; there are {', '.join(sorted(KINDS))}"
            )
        if fault.accept not in ("", "yes", "no"):
            raise ConfigError("fault: accept is yes or no")
        return fault

    @property
    def accepts(self):
        """Whether a call is carried out before the fault strikes."""
        return self.accept == "yes" if self.accept else KINDS[self.kind][0]

    def matches(self, action, access_key_id, recipients, tag):
        return (
            fnmatchcase(action, self.action)
            and fnmatchcase(access_key_id, self.account)
            and fnmatchcase(tag, self.tag)
            and (
                self.to == "*"
                or any(fnmatchcase(one.lower(), self.to.lower()) for one in recipients)
            )
        )

    def strikes(self):
        """Count a matching call and say whether the fault acts on it."""
        self.seen += 1
        if self.seen <= self.after or (self.times and self.hits >= self.times):
            return False
        if self.rate < 1 and seeded(self.seed, self.id, self.seen) >= self.rate:
            return False
        self.hits += 1
        return True

    def describe(self):
        return {**asdict(self), "does": KINDS[self.kind][1], "accepts": self.accepts}


class Faults:
    """The rules in force, in the order in which they were added."""

    def __init__(self, rules=()):
        self._numbers = itertools.count(1)
        self.rules = []
        for rule in rules:
            self.add(Fault.from_dict(rule))

    def add(self, fault):
        fault.id = next(self._numbers)
        self.rules.append(fault)
        return fault

    def clear(self, number=None):
        """Remove one rule or all; returns how many."""
        before = len(self.rules)
        self.rules = [rule for rule in self.rules if number not in (None, rule.id)]
        return before - len(self.rules)

    def find(self, accepts, action, access_key_id, params, reused):
        """The first rule that strikes a call.

        :param accepts: True for the faults that come after a call was carried out
        :param reused: whether the connection carried a call before
        """
        recipients = None
        for rule in self.rules:
            if rule.accepts is not accepts or rule.kind in LISTENER_KINDS:
                continue
            if rule.kind == "idle_reset" and not reused:
                continue
            if recipients is None:
                address = params.get("ToAddress") or params.get("Email") or ""
                recipients = [part.strip() for part in address.split(",")]
            if (
                rule.matches(action, access_key_id, recipients, params.get("TagName") or "")
                and rule.strikes()
            ):
                return rule
        return None
