from dataclasses import replace

from lxml import etree, html

from odoo import fields, models

from ..content.outlook import is_conditional, is_link, read_links
from ..content.placeholders import TOKEN
from .directmail_template import SPECIAL_LINKS

PIXEL = '<img src="%s/directmail/open/{%s}" width="1" height="1" alt="">'
TITLE_MAX = 100
LINKS_MAX = 100


class DirectmailTemplate(models.Model):
    """Our own links and pixel in what is submitted. A task can only switch recording off."""

    _inherit = "directmail.template"
    _guarded_fields = frozenset(("submitted_links",))

    # [{"url": "https://…", "title": "…"}] by their numbers in the submitted text.
    submitted_links = fields.Json(readonly=True, copy=False)

    def _get_tracked_links(self):
        """Return {address as written: path} of the links that are followed by way of us."""
        return {
            link["href"]: f"/directmail/click/{self._origin.id}/{number}/"
            for number, link in enumerate(self._find_links())
        }

    def _get_submitted_links(self):
        """Return url and title of the links by their numbers in the text, as it is submitted."""
        return [{"url": link["url"], "title": link["title"]} for link in self._find_links()]

    def _add_pixel(self, compiled):
        """Return compiled content with the picture by which opens are recorded."""
        pixel = PIXEL % (self._get_public_url(), TOKEN)
        text, end, rest = compiled.text.rpartition("</body>")
        return replace(compiled, text=text + pixel + end + rest if end else compiled.text + pixel)

    def _find_links(self):
        """Return the links of the body that are followed by way of us, each address once.

        :return: dicts with href (as written), url (absolute) and title
        :rtype: list[dict]
        """
        self.ensure_one()
        if not (self.body_html or "").strip():
            return []
        base = (self.account_id.public_url or "").rstrip("/")
        root = html.fromstring(f"<div>{self.body_html}</div>")
        # An address that is a picture too must stay what it is.
        pictures = {node.get("src", "").strip() for node in root.iter("img")}
        links = {}
        for node in _iter_links(root):
            href = (node.get("href") or "").strip()
            special = href in SPECIAL_LINKS or href.removeprefix(base) in SPECIAL_LINKS
            if not href or special or href in links or href in pictures:
                continue
            if href.startswith("/") and not href.startswith("//"):
                url = base + href
            elif href.lower().startswith(("http://", "https://")):
                url = href
            else:  # mail, phone, places within the mail
                continue
            links[href] = {"href": href, "url": url, "title": _title(node) or url}
        return list(links.values())[:LINKS_MAX]


def _iter_links(root):
    """Iterate over the links of a mail in its order, those for Outlook only included.

    A button for Outlook and its twin for all others have the same address, so they are one link.
    """
    for node in root.iter():
        if node.tag is etree.Comment:
            if is_conditional(node.text):
                yield from read_links(node.text)
        elif is_link(node):
            yield node


def _title(node):
    """Return what a link is called: its text, else that of its picture."""
    words = etree.tostring(node, method="text", encoding="unicode", with_tail=False).split()
    alt = next((image.get("alt") for image in node.iter("img") if image.get("alt")), "")
    return (" ".join(words) or alt).strip()[:TITLE_MAX]
