from odoo.exceptions import UserError


class BusyError(UserError):
    """Another transaction is working on the same record; trying again in a minute helps."""

    # The web client shows an exception class that it does not know as a server error. It reads
    # the class from `exception_class`, so name the base class there.
    context = {"exception_class": "odoo.exceptions.UserError"}


class UninstalledError(UserError):
    """A stored record names a model whose app is not installed (any more)."""

    context = {"exception_class": "odoo.exceptions.UserError"}


class MasterKeyProblem(UserError):
    """This server may not use its master key with this database, so it must not send.

    ``kind``: "mismatch" (the data were made with another key), "missing" (no usable key on this
    server), or "rekeying" (the address keys in the database are being recomputed).

    The message may be raised, stored and shown anywhere. ``details`` may name a file or a setting
    of the server: show them to administrators and in the server's log only.
    """

    context = {"exception_class": "odoo.exceptions.UserError"}

    def __init__(self, kind, message, details=""):
        super().__init__(message)
        self.kind = kind
        self.details = details

    @property
    def full_text(self):
        """Return the message, and on the next line the details if there are any."""
        return "\n".join(filter(None, (self.args[0], self.details)))
