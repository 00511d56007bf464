from odoo import SUPERUSER_ID, api, models

from ...clock.daily import get_region_name
from ...groups import GROUP_ADMIN, GROUP_USER


class ResUsers(models.Model):
    """People whose rights count while they are away: owners, and who opened a data table."""

    _inherit = "res.users"

    def _find_directmail_loss(self, company, group=GROUP_USER):
        """Return why a person's rights do not count (any more) in a company, or "".

        :param group: xml id of the group that the person must have
        :rtype: str
        """
        user = self.sudo()
        if not user or user.id == SUPERUSER_ID:
            # OdooBot's rights know no bounds.
            return self.env._("No person has lent their rights.")
        if not user.active or company not in user.company_ids:
            return self.env._(
                "%(user)s no longer works in %(company)s.", user=user.name, company=company.name
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
        """Return the administrators of DirectMail who work in a company."""
        users = self.env.ref(GROUP_ADMIN).sudo().all_user_ids
        return users.filtered(
            lambda user: user.active and not user.share and company in user.company_ids
        )

    def _get_directmail_env(self, company):
        """Return an environment with a person's own rights, limited to a company."""
        user = self.sudo()
        context = {
            "allowed_company_ids": company.ids,
            "lang": user.lang,
            "tz": get_region_name(user.tz),
        }
        return self.env(user=user.id, su=False, context=context)
