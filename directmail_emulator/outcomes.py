"""What becomes of a mail: behaviours, and which address shows which."""

from __future__ import annotations

import hashlib

#: behaviour -> the steps it goes through, in order
BEHAVIOURS = {
    "delivered": ("delivered",),
    "bounce": ("bounced",),
    "spam": ("spam",),
    "fail": ("failed",),
    "soft": ("deferred", "after_deferred"),
    "open": ("delivered", "open"),
    "click": ("delivered", "open", "click"),
    "unsubscribe": ("delivered", "open", "unsubscribe"),
    "resubscribe": ("delivered", "unsubscribe", "subscribe"),
    "complain": ("delivered", "complain"),
    "machine": ("delivered", "machine_open"),
    "scanner": ("delivered", "machine_open", "machine_click"),
    "unseen": ("unseen",),
    "silent": (),
}

#: the steps that have a delay of their own
DELAYS = frozenset(step for steps in BEHAVIOURS.values() for step in steps)

#: start of an address's local part -> behaviour; the longest that fits wins
PATTERNS = {
    "bounce": "bounce",
    "spam": "spam",
    "fail": "fail",
    "soft": "soft",
    "open": "open",
    "click": "click",
    "unsub": "unsubscribe",
    "resub": "resubscribe",
    "complain": "complain",
    "machine": "machine",
    "scanner": "scanner",
    "unseen": "unseen",
    "silent": "silent",
}

#: step -> (status, error classification, SMTP code, message); the status is what
#: SenderStatisticsDetailByParam and the events call 0 delivered, 2 invalid address, 3 spam,
#: 4 failed; the classifications are those seen in public code that reads DirectMail's events
RESULTS = {
    "delivered": (0, "SendOk", "250", "250 Send Mail OK"),
    "bounced": (2, "SmtpNxBox", "554", "554 RCPT ({rcpt}) dosn't exist"),
    "spam": (3, "SmtpContSpam", "554", "554 Reject by content spam at {domain}"),
    "failed": (4, "SysOutConnError", "451", "451 Can't connect to the mail server of {domain}"),
    "deferred": (4, "SmtpRcptFreq", "451", "451 {rcpt} receives too many mails, try later"),
    "invalid": (
        2,
        "SysOutRcptOnAccountLevelBounceList",
        "563",
        "563 invalid rcpt, {rcpt} is on the account's list",
    ),
    "unsubscribed": (4, "SysOutRecipientUnsubscribed", "554", "554 {rcpt} has unsubscribed"),
    "reported": (4, "SysOutRecipientReportedSpam", "554", "554 {rcpt} has reported spam before"),
}
RESULTS["after_deferred"] = RESULTS["unseen"] = RESULTS["delivered"]

#: when an outcome that statistics never show becomes visible
NEVER = 1e15


def seeded(seed, *parts):
    """A number from 0 to 1 that is the same whenever seed and parts are."""
    text = "\0".join([str(seed), *map(str, parts)])
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


def delay_of(step, seq, settings):
    """Seconds from the step before until a step of one mail.

    :param seq: number of the mail in the ledger; the same mail always takes the same time
    :param settings: the account's `Outcomes`
    """
    change = settings.spread * (2 * seeded(settings.seed, step, seq) - 1) if settings.spread else 0
    return settings.delays[step] * (1 + change)


def behaviour_of(address, tag, settings):
    """The behaviour of one address for mail with one tag.

    A pattern decides when one fits. Otherwise the seed, the address and the tag do, so a run
    gives the same answers again, in whatever order the mails arrive.

    :param settings: the account's `Outcomes`
    :returns: a key of ``BEHAVIOURS``
    """
    local = address.partition("@")[0].lower()
    patterns = {**PATTERNS, **settings.patterns} if settings.patterns else PATTERNS
    fitting = [start for start in patterns if local.startswith(start)]
    if fitting:
        return patterns[max(fitting, key=len)]
    if settings.share:
        draw = seeded(settings.seed, address.lower(), tag)
        for behaviour, share in sorted(settings.share.items()):
            if draw < share:
                return behaviour
            draw -= share
    return "delivered"
