from odoo import models


class DirectmailGate(models.Model):
    """An empty table that is only ever locked.

    Odoo's cursors run at REPEATABLE READ, so a limit that is checked inside the transaction that
    claims deliveries is blind to claims made at the same moment. Every claim therefore locks this
    table *before its first read*, and nothing else does.
    """

    _name = "directmail.gate"
    _description = "DirectMail Claim Gate"
    _log_access = False
