import re
from urllib.parse import urlsplit

from odoo import fields, models


class DirectmailLink(models.Model):
    """A link in the mails of one email task, at its place in the template that was sent.

    What recipients follow is ours, so that each click is seen. Where it leads is written here, as
    it was when DirectMail approved the text. Odoo's link tracker only counts: people who have
    nothing to do with the mail may change its address.
    """

    _name = "directmail.link"
    _description = "Tracked Link"
    _inherit = ["directmail.guarded"]
    _log_access = False
    _order = "task_id, number"
    _rec_name = "title"
    _guarded_fields = frozenset(("task_id", "template_id", "number", "title", "tracker_id", "url"))

    task_id = fields.Many2one(
        "directmail.task", "Email task", required=True, readonly=True, ondelete="cascade"
    )
    template_id = fields.Many2one(
        "directmail.template", required=True, readonly=True, ondelete="restrict"
    )
    number = fields.Integer(required=True, readonly=True)
    title = fields.Char("Link", readonly=True)
    tracker_id = fields.Many2one("link.tracker", readonly=True, ondelete="restrict")
    url = fields.Char("Leads to", readonly=True)

    _number_unique = models.UniqueIndex("(task_id, template_id, number)")

    # === BUSINESS === #

    def _get_target(self):
        """Return the address to which a recipient is sent, with the email task's UTM parameters.

        :return: None for anything but a web address
        :rtype: str | None
        """
        self.ensure_one()
        # As browsers do: an address may be broken over lines in the HTML.
        url = re.sub(r"[\t\r\n]", "", self.url or "")
        if not _is_web_address(url):
            return None
        # A tracker that is not stored: Odoo's rules for UTM parameters, with our address.
        utm = self.task_id._get_utm_values()
        return self.env["link.tracker"].new({"url": url, **utm}).redirected_url


def _is_web_address(url):
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)
