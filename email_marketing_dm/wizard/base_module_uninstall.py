from odoo import api, fields, models
from odoo.exceptions import AccessError
from odoo.tools import SQL

from ..models.odoo.prefetch import PREFETCH

MODULE = "email_marketing_dm"


class BaseModuleUninstall(models.TransientModel):
    """Warn in the uninstall dialog which data is lost; offer to keep opt-outs on the blacklist."""

    _inherit = "base.module.uninstall"

    directmail_is_lost = fields.Boolean(compute="_compute_directmail_lost")
    directmail_optout_count = fields.Integer("Opt-outs", compute="_compute_directmail_lost")
    directmail_plain_count = fields.Integer("Addresses to add", compute="_compute_directmail_lost")
    directmail_task_count = fields.Integer(
        "Unfinished email tasks", compute="_compute_directmail_lost"
    )
    directmail_blacklist = fields.Boolean(
        "Add the addresses to Odoo's blacklist",
        help="These addresses then get no mailing of any company, even if the person unsubscribed"
        " from only one company or sender address. Encrypted addresses can't be added.",
        prefetch=PREFETCH,
    )

    @api.depends("module_ids")
    def _compute_directmail_lost(self):
        for wizard in self:
            wizard.directmail_is_lost = MODULE in wizard._get_modules().mapped("name")
            # Of all companies, because the addon is uninstalled for all of them.
            [(optouts, plain)] = self.env.execute_query(
                SQL(
                    """SELECT count(*), count(DISTINCT lower(btrim(email)))
                         FROM directmail_optout WHERE %s""",
                    wizard.directmail_is_lost,
                )
            )
            wizard.directmail_optout_count = optouts
            wizard.directmail_plain_count = plain
            # sudo(): Odoo's administrator uninstalls for all companies; only numbers are shown.
            wizard.directmail_task_count = wizard.directmail_is_lost and self.env[
                "directmail.task"
            ].sudo().search_count([("state", "in", ("pending", "sending", "paused"))])

    def _get_models(self):
        """Override: leave out our abstract models, which have no records to lose."""
        return (
            super()
            ._get_models()
            .filtered(
                lambda model: (
                    not (model.model.startswith("directmail.") and self.env[model.model]._abstract)
                )
            )
        )

    def action_uninstall(self):
        """Override: if chosen, put the addresses of opt-outs on Odoo's blacklist first.

        :raise AccessError: if the user may not uninstall apps
        """
        if self.directmail_is_lost and self.directmail_blacklist:
            if not self.env.user.has_group("base.group_system"):
                raise AccessError(self.env._("Only administrators may uninstall apps."))
            # sudo(): `base.group_system` was checked above, and may uninstall the addon anyway.
            self.env["directmail.optout"].sudo()._put_on_blacklist(SQL("TRUE"))
        return super().action_uninstall()
