from odoo import SUPERUSER_ID, api, models

from ...clock.daily import get_region_name
from ...groups import GROUP_ADMIN, GROUP_USER


class ResUsers(models.Model):
    """Users whose rights other users' work depends on: owners, and openers of data tables."""

    _inherit = "res.users"

    def _find_directmail_loss(self, company, group=GROUP_USER):
        """Return why this user's rights don't count (any more) in a company, or "".

        Without a user, and for the superuser, they never count.

        :param group: XML id of the group in which the user must be
        :rtype: str
        """
        user = self.sudo()
        if not user or user.id == SUPERUSER_ID:
            # The superuser's rights are unlimited, so nothing may be read with them.
            return self.env._("No user is set whose access rights are used to read the data.")
        if not user.active or company not in user.company_ids:
            return self.env._(
                "%(user)s no longer has access to the company %(company)s.",
                user=user.name,
                company=company.name,
            )
        if not user.has_group(group):
            return self.env._(
                "%(user)s is no longer in the group %(group)s.",
                user=user.name,
                group=self.env.ref(group).sudo().full_name,
            )
        return ""

    @api.model
    def _get_directmail_admins(self, company):
        """Return the active internal users in GROUP_ADMIN who may work in a company."""
        # sudo(): users may not read who is in a group; callers show names of colleagues only.
        users = self.env.ref(GROUP_ADMIN).sudo().all_user_ids
        return users.filtered(
            lambda user: user.active and not user.share and company in user.company_ids
        )

    def _get_directmail_env(self, company):
        """Return an environment with this user's own rights, limited to a company."""
        user = self.sudo()
        context = {
            "allowed_company_ids": company.ids,
            "lang": user.lang,
            "tz": get_region_name(user.tz),
        }
        return self.env(user=user.id, su=False, context=context)
