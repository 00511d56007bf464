import base64
import binascii
import re

from odoo import api, models
from odoo.tools.mimetypes import guess_mimetype

# Pictures that mail programs show; an SVG is shown by few and may carry scripts.
_EMBEDDED = re.compile(r"data:image/(png|jpe?g|gif|webp);base64,([A-Za-z0-9+/=\s]+)", re.IGNORECASE)
_BODIES = ("body_arch", "body_html")


class DirectmailTemplate(models.Model):
    """Pictures in a body.

    The builder embeds those that somebody cropped, shaped or pasted. Mail programs don't show such
    pictures, and DirectMail takes only public addresses.
    """

    _inherit = "directmail.template"

    @api.model
    def _externalise_pictures(self, vals):
        """Return field values with attachments in place of embedded pictures.

        The attachments belong to no record: mails that are out, and copies of the template, show
        them after the template was deleted.
        """
        urls = {}

        def externalise(match):
            kind, data = match[1].lower(), "".join(match[2].split())
            if data not in urls:
                urls[data] = self._make_picture(kind, data) or match[0]
            return urls[data]

        bodies = {
            name: _EMBEDDED.sub(externalise, vals[name])
            for name in _BODIES
            if "data:image/" in (vals.get(name) or "")
        }
        return {**vals, **bodies}

    @api.model
    def _make_picture(self, kind, data):
        """Return the address of a public attachment with this picture, None if it is none.

        :param kind: "png", "jpeg", ...
        :param data: base64
        """
        try:
            raw = base64.b64decode(data, validate=True)
        except binascii.Error:
            return None
        if not guess_mimetype(raw).startswith("image/"):
            return None
        attachments = self.env["ir.attachment"].sudo()
        checksum = attachments._compute_checksum(raw)
        known = [("checksum", "=", checksum), ("public", "=", True), ("res_id", "=", 0)]
        name = f"picture.{kind}"
        attachment = attachments.search(known, limit=1) or attachments.create(
            {"name": name, "raw": raw, "public": True, "res_id": 0}
        )
        return f"/web/image/{attachment.id}-{checksum[:8]}/{name}"
