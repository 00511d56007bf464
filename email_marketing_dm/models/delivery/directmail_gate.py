from odoo import models


class DirectmailGate(models.Model):
    """An empty table that serves as a lock.

    Odoo's cursors run at REPEATABLE READ: a transaction that claims deliveries does not see claims
    that others commit after its first read, and could exceed a limit. So it locks this table
    *before its first read* (`engine.claim.lock_gate`). So do all other transactions that must not
    run beside a claim: answers, test mails, First contact, the start of a recomputation of keys.
    """

    _name = "directmail.gate"
    _description = "DirectMail Sending Lock"
    _log_access = False
