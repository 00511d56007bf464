# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Maps DirectMail's error classifications to a few kinds of failure that a user can act on."""

from __future__ import annotations

# Error classifications in DirectMail's delivery details and events. The help pages list none; these
# are from public code that reads them.
_KINDS: dict[str, tuple[str, ...]] = {
    "no_mailbox": (
        "SmtpNxBox",
        "SysOutInvRcpt",
        "SysIncomingInvRcpt",
        "SysOutRcptOnAccountLevelBounceList",
        "SmtpZPermErr",
        "SysOutDnsResolveFail",
    ),
    "complained": ("SysOutRecipientReportedSpam",),
    "unsubscribed": ("SysOutRecipientUnsubscribed",),
    "too_many": (
        "SmtpMfFreq",
        "SmtpMfdFreq",
        "SmtpIPFreq",
        "SmtpRcptFreq",
        "SmtpMfLimit",
        "SysOutConnTooMuch",
    ),
    "sender": ("SmtpAuthFail", "SmtpSpfFail", "SmtpDmaFail", "SmtpMfBad", "SmtpDbl"),
    "content": ("SmtpContSpam", "SmtpMiscSpam"),
    "connection": ("SysOutConnError",),
    "trap": ("SysOutHoneypot",),
}
_BY_CODE = {code: kind for kind, codes in _KINDS.items() for code in codes}
KINDS = (*_KINDS, "other")
# Kinds that may pass by themselves. "other" may as well, since nothing is known of its codes.
_TEMPORARY = ("too_many", "connection")
#: Classifications of mails that would fail again.
PERMANENT_CODES = tuple(code for code, kind in _BY_CODE.items() if kind not in _TEMPORARY)


def failure_kind(code: str | None) -> str:
    """Return the kind of failure, one of KINDS, of an error classification."""
    if code and code.startswith("SysOutSocks"):
        return "connection"
    return _BY_CODE.get(code or "", "other")
