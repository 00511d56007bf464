from odoo.exceptions import UserError


class BusyError(UserError):
    """Somebody else is at it at this moment. It passes by itself: try again in a minute."""

    # The web client shows a subclass as a fault of the program, unless it names what it is.
    context = {"exception_class": "odoo.exceptions.UserError"}


class UninstalledError(UserError):
    """A stored record names a model whose app is not installed (any more)."""

    context = {"exception_class": "odoo.exceptions.UserError"}
