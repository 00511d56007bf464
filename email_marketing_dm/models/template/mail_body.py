from markupsafe import Markup

from odoo import fields

from ...content.outlook import shield, unshield


class MailBody(fields.Html):
    """The HTML of a mail. Unlike in Odoo's own field, what only Outlook reads survives."""

    def _convert(self, value, record, validate):
        if not value or not validate:
            return super()._convert(value, record, validate)
        return Markup(unshield(str(super()._convert(shield(str(value)), record, validate))))
