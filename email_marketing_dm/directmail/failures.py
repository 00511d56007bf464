# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Why a mail did not arrive, in a handful of kinds that a person can act on."""

# DirectMail's error classifications, as its delivery details and events carry them. Its pages list
# none; these were seen in public code that reads them.
_KINDS = {
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


def failure_kind(code):
    """Return the kind of failure behind one of DirectMail's codes, "other" for one unknown.

    :param code: an error classification, perhaps empty or None
    """
    if code and code.startswith("SysOutSocks"):
        return "connection"
    return _BY_CODE.get(code or "", "other")
