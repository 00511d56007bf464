import base64
import re
from html import unescape
from io import BytesIO

from PIL import Image

from odoo import models
from odoo.tools.image import ImageProcess

from ...content.preflight_look import PICTURE_MAX, PICTURES_MAX

# The path of an attachment, up to the end of the address.
_PATH = r"""/web/(?:image|content)/(?P<id>\d+)(?![\w.])[^"'\s)<>]*"""
# Widths in px and qualities to try, the best first. Mails are at most 600 px wide, and many screens
# show two pixels for one.
_TRIALS = ((1200, 85), (1200, 70), (900, 70), (600, 70), (600, 50))


class DirectmailTemplate(models.Model):
    """Weight of the pictures in a mail."""

    _inherit = "directmail.template"

    def shrink_pictures(self, values):
        """Replace heavy pictures of unsaved content by smaller copies of them.

        The originals stay: other mails may show them.

        :param dict values: as in `check_content`, with `body_arch`
        :return: {"body_arch": new value}; empty if no picture could be made smaller
        :rtype: dict
        :raise AccessError: for a template that the user may not read
        """
        # For unsaved content, the right to the model.
        self.check_access("read")
        body = str(values.get("body_arch") or values.get("body_html") or "")
        draft = self._make_draft(values)
        pictures = draft._find_pictures(body)
        limit = min(PICTURE_MAX, PICTURES_MAX // max(1, len(pictures)))
        urls = {}
        for picture in pictures.filtered(lambda picture: picture.file_size > limit):
            if found := _shrink(picture.raw, limit):
                kind, data = found
                urls[picture.id] = self._make_picture(kind, base64.b64encode(data).decode())
        if not urls:
            return {}

        def replace(match):
            url = urls.get(int(match["id"]))
            return (match["host"] or "") + url if url else match[0]

        return {"body_arch": draft._get_pattern().sub(replace, body)}

    def _get_picture_sizes(self, body):
        """Return {address in a body: bytes} of the pictures that this server stores.

        :param str body: HTML
        """
        sizes = {picture.id: picture.file_size for picture in self._find_pictures(body)}
        return {
            unescape(match[0]): sizes[number]
            for match in self._get_pattern().finditer(body)
            if (number := int(match["id"])) in sizes
        }

    def _get_pattern(self):
        """Return the pattern of addresses of attachments of this server: groups `host` and `id`.

        Pictures of another Odoo, whose ids mean nothing here, do not match it.
        """
        urls = {self._get_public_url(), self.get_base_url()}
        hosts = "|".join(re.escape(url.rstrip("/")) for url in urls if url)
        return re.compile(rf"(?<![\w.:/\]-])(?P<host>{hosts})?{_PATH}")

    def _find_pictures(self, body):
        """Return the attachments that a body shows and the user may read."""
        numbers = {int(match["id"]) for match in self._get_pattern().finditer(body)}
        found = self.env["ir.attachment"].browse(numbers).exists()._filtered_access("read")
        return found.filtered(
            lambda each: each.type == "binary" and (each.mimetype or "").startswith("image/")
        )


def _shrink(raw, limit):
    """Return (kind, bytes) of a smaller copy of a picture, at most ``limit`` if that can be done.

    None if the picture can't be made smaller: a drawing of vectors, or an animation.
    """
    best, kind = raw, ""
    for width, quality in _TRIALS:
        process = ImageProcess(raw)
        if not process.image or getattr(process.image, "is_animated", False):
            return None
        kind = "jpeg" if _is_opaque(process.image) else "png"
        process.resize(width, 0)
        small = process.image_quality(quality, "JPEG") if kind == "jpeg" else _write_png(process)
        best = min(best, small, key=len)
        if len(best) <= limit:
            break
    return (kind, best) if best is not raw else None


def _write_png(process):
    """Return a PNG with the 256 colors that fit best; Odoo's own palette is the same for all."""
    stream = BytesIO()
    image = process.image.convert("RGBA").quantize(256, method=Image.Quantize.FASTOCTREE)
    image.save(stream, "PNG", optimize=True)
    return stream.getvalue()


def _is_opaque(image):
    if image.mode in ("RGB", "L", "CMYK"):
        return True
    return image.convert("RGBA").getchannel("A").getextrema()[0] == 255
