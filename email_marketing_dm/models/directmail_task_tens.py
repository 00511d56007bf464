from odoo import models
from odoo.fields import Domain

from ..engine.tens import in_tens


class DirectmailTask(models.Model):
    """Figures of a task whose reader may not see everybody: see `engine.tens`."""

    _inherit = "directmail.task"

    def _estimates_in_tens(self):
        """Tell whether an estimate for the current user is made in tens.

        Opt-outs and limits know an encrypted person by the address, so in a company that has such
        people even a list of guesses would find them.
        """
        self.ensure_one()
        encrypted = self.env["directmail.aes.key"]._is_in_use(self.sudo().company_id)
        return not self.planned_at and (encrypted or self._mixes_in_others())

    def _mixes_in_others(self):
        """Tell whether the task depends on people whom the user may not see, or on encrypted ones.

        :rtype: bool
        """
        self.ensure_one()
        audiences = self._get_all_audiences()
        members = self.env["directmail.audience.member"]
        here = Domain("audience_id", "in", audiences.ids)
        if self.address_form == "encrypted" or members.sudo().search_count(
            here & Domain("partner_id", "=", False) & Domain("email_encrypted", "!=", False),
            limit=1,
        ):
            return True
        if self._excludes_encrypted():
            return True
        # An audience has nobody whom its owner may not see.
        lent = audiences.filtered(lambda audience: audience.user_id != self.env.user)
        if not lent:
            return False
        hidden = Domain("audience_id", "in", lent.ids) & ~members._get_seen_domain()
        return bool(members.sudo().search_count(hidden, limit=1))

    def _excludes_encrypted(self):
        """Tell whether contacts under *Except* have an encrypted address.

        They are left out at that one too, also by a task that mails to addresses in clear.
        """
        excluded = self.sudo().exclude_audience_ids
        if not excluded or not self.env["directmail.aes.key"]._is_in_use(self.sudo().company_id):
            return False
        members = self.env["directmail.audience.member"].sudo().with_context(active_test=False)
        found = Domain("audience_id", "in", excluded.ids)
        found &= Domain("partner_id.email_encrypted_key", "!=", False)
        return bool(members.search_count(found, limit=1))

    def _count_in_tens(self, counts):
        """Return figures about why people got no mail as they may be told.

        :param counts: {reason: number of people}, or as pairs
        :return: the same, in tens and without small ones, where the task mixes in others
        :rtype: dict
        """
        self.ensure_one()
        counts = dict(counts)
        if not self.in_tens:
            return counts
        told = {
            reason: in_tens(self.env, count, self._origin.id, reason)
            for reason, count in counts.items()
        }
        return {reason: count for reason, count in told.items() if count}
