"""DirectMail's many codes become a handful of reasons that a person understands."""

import pytest

from email_marketing_dm.directmail.failures import KINDS, failure_kind


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("SmtpNxBox", "no_mailbox"),
        ("SysOutRecipientReportedSpam", "complained"),
        ("SysOutRecipientUnsubscribed", "unsubscribed"),
        ("SmtpRcptFreq", "too_many"),
        ("SmtpSpfFail", "sender"),
        ("SmtpContSpam", "content"),
        ("SysOutSocksTimeout", "connection"),
        ("SysOutHoneypot", "trap"),
        ("SomethingNew", "other"),
        ("", "other"),
        (None, "other"),
    ],
)
def test_every_code_has_a_kind(code, kind):
    assert failure_kind(code) == kind
    assert kind in KINDS
