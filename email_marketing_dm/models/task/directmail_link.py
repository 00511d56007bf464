import re
from urllib.parse import urlsplit

from odoo import fields, models


class DirectmailLink(models.Model):
    """A tracked link of an email task; `number` is its position in the template's text.

    Mails link to `/directmail/click/<template id>/<number>/<token>` on this server, which records
    the click and redirects to `url`, the target as DirectMail approved it. `link.tracker` only
    counts visits: its own address can be changed by users who have no right to the mail.
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
    url = fields.Char("Web address", readonly=True)

    _number_unique = models.UniqueIndex("(task_id, template_id, number)")

    # === BUSINESS === #

    def _get_target(self):
        """Return the URL to redirect a recipient to, with the email task's UTM parameters.

        :return: None if `url` is not an http or https address with a host
        :rtype: str | None
        """
        self.ensure_one()
        # Browsers ignore tabs and line breaks in an address too.
        url = re.sub(r"[\t\r\n]", "", self.url or "")
        if not _is_web_address(url):
            return None
        # An unsaved `link.tracker` applies Odoo's rules for UTM parameters to our `url`.
        utm = self.task_id._get_utm_values()
        return self.env["link.tracker"].new({"url": url, **utm}).redirected_url


def _is_web_address(url):
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)
