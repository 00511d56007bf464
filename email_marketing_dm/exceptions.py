from odoo.exceptions import UserError


class BusyError(UserError):
    """Somebody else is at it at this moment. It passes by itself: try again in a minute."""

    # The web client shows a subclass as a fault of the program, unless it names what it is.
    context = {"exception_class": "odoo.exceptions.UserError"}


class UninstalledError(UserError):
    """A stored record names a model whose app is not installed (any more)."""

    context = {"exception_class": "odoo.exceptions.UserError"}


class MasterKeyProblem(UserError):
    """This server may not use its master key with this database, so it must not send.

    ``kind``: "mismatch" (another key than the data's), "missing" (no usable key here), or
    "rekeying" (the keys of the data are being recomputed).

    The message may be raised, stored and shown anywhere. ``details`` may name a file or a setting
    of the server: they are for administrators and the server's log.
    """

    context = {"exception_class": "odoo.exceptions.UserError"}

    def __init__(self, kind, message, details=""):
        super().__init__(message)
        self.kind = kind
        self.details = details

    @property
    def full_text(self):
        """The message with the details."""
        return "\n".join(filter(None, (self.args[0], self.details)))
