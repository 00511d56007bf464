from odoo.exceptions import UserError


class BusyError(UserError):
    """Somebody else is at it at this moment. It passes by itself: try again in a minute."""
