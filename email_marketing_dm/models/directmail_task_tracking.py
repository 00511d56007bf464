from odoo import fields, models


class DirectmailTask(models.Model):
    """Where the links of a task's mails lead, and where visitors came from."""

    _inherit = "directmail.task"
    _guarded_fields = frozenset(("link_ids", "source_id"))

    link_ids = fields.One2many("directmail.link", "task_id", "Links", readonly=True, copy=False)
    source_id = fields.Many2one(
        "utm.source",
        readonly=True,
        copy=False,
        ondelete="restrict",
        index="btree_not_null",
        help="Visits, leads and orders that come from this email task carry it.",
    )

    def _is_recording(self, what):
        """Tell whether "opens" or "clicks" of this task are recorded."""
        self.ensure_one()
        return bool(self[f"track_{what}"])

    def _make_links(self):
        """Keep where each link of the approved text leads, and make link trackers that count.

        A task that was corrected half-way has those of both templates.
        """
        self.ensure_one()
        template = self.template_id
        links = template.submitted_links or []
        if not self.source_id:
            self.source_id = self.env["utm.source"].sudo().create({"name": self.name})
        if not links or self.link_ids.filtered(lambda link: link.template_id == template):
            return
        shared = self._get_utm_values()
        # With a title given, Odoo doesn't fetch the page to find one.
        trackers = (
            self.env["link.tracker"]
            .sudo()
            .search_or_create(
                [{"url": link["url"], "title": link["title"], **shared} for link in links]
            )
        )
        self.env["directmail.link"].create(
            [
                {
                    "task_id": self.id,
                    "template_id": template.id,
                    "number": number,
                    "title": link["title"],
                    "url": link["url"],
                    "tracker_id": tracker.id,
                }
                for number, (link, tracker) in enumerate(zip(links, trackers, strict=True))
            ]
        )

    def _get_utm_values(self):
        """Return what tells visitors of this task from others, as values of `utm.mixin`."""
        self.ensure_one()
        return {
            "campaign_id": self.campaign_id.id,
            "medium_id": self.env["utm.medium"]._fetch_or_create_utm_medium("email").id,
            "source_id": self.source_id.id,
        }
