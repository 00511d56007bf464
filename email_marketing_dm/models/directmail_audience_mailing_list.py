from odoo import models


class DirectmailAudience(models.Model):
    """Which of Odoo's mailing lists an audience is built from: who leaves them gets no mail of it.

    The audience's filter alone can't say so: members stay on it between two refreshes, and Odoo
    keeps those who left a list on it, marked as such.
    """

    _inherit = "directmail.audience"

    def _get_mailing_lists(self, seen=()):
        """Return the mailing lists that the lines of these audiences are about.

        :param seen: ids of audiences that were looked at before
        :rtype: odoo.models.Model of `mailing.list`
        """
        lists = self.env["mailing.list"].sudo()
        for audience in self.sudo().filtered(lambda audience: audience.id not in seen):
            rules = audience.rule_ids.filtered(lambda rule: not rule.parent_id)
            lists |= rules._get_mailing_lists((*seen, audience.id))
        return lists
