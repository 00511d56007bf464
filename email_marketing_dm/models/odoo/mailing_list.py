from odoo import models

from ..mixins.directmail_used import OVER


class MailingList(models.Model):
    """A list can't be deleted while an open email task leaves out people who opted out of it."""

    _name = "mailing.list"
    _inherit = ["mailing.list", "directmail.used"]
    _marks_archived = False

    def _get_using(self):
        """Override: email tasks that are not over and leave out the lists' opt-outs."""
        # sudo(): tasks of other users use the lists too; `unlink` checks the rights to the lists.
        tasks = self.env["directmail.task"].sudo().with_context(active_test=False)
        return [
            *super()._get_using(),
            tasks.search([("mailing_list_ids", "in", self.ids), ("state", "not in", OVER)]),
        ]
