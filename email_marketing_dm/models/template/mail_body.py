from markupsafe import Markup

from odoo import fields

from ...content.outlook import shield, unshield


class MailBody(fields.Html):
    """Html field that keeps markup for Outlook, which Odoo's sanitizer would remove.

    This is: "o:" elements, and conditional comments before the first element.
    """

    def _convert(self, value, record, validate):
        if not value or not validate:
            return super()._convert(value, record, validate)
        return Markup(unshield(str(super()._convert(shield(str(value)), record, validate))))
