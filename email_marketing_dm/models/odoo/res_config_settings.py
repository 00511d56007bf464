from odoo import api, fields, models

from ...groups import GROUP_ADMIN, GROUP_DOWNLOAD, GROUP_USER


class ResConfigSettings(models.TransientModel):
    """The app *DirectMail* of the settings: links to all settings, and the users by right."""

    _inherit = "res.config.settings"

    directmail_account_ids = fields.Many2many(
        "directmail.account", string="DirectMail accounts", compute="_compute_directmail_accounts"
    )
    directmail_models_hour = fields.Float(
        related="company_id.directmail_models_hour", readonly=False
    )
    directmail_models_tz = fields.Selection(
        related="company_id.directmail_models_tz", readonly=False
    )
    directmail_moves_months = fields.Integer(
        related="company_id.directmail_moves_months", readonly=False
    )
    directmail_guard = fields.Boolean(related="company_id.directmail_guard", readonly=False)
    directmail_complaint_limit = fields.Float(
        related="company_id.directmail_complaint_limit", readonly=False
    )
    directmail_invalid_limit = fields.Float(
        related="company_id.directmail_invalid_limit", readonly=False
    )
    directmail_guard_minimum = fields.Integer(
        related="company_id.directmail_guard_minimum", readonly=False
    )
    directmail_measuring_default = fields.Selection(
        related="company_id.directmail_measuring_default", readonly=False
    )
    directmail_measuring_unknown = fields.Selection(
        related="company_id.directmail_measuring_unknown", readonly=False
    )
    directmail_unasked_clicks = fields.Selection(
        related="company_id.directmail_unasked_clicks", readonly=False
    )
    directmail_unmeasured_country_ids = fields.Many2many(
        "res.country",
        string="Countries without measuring",
        compute="_compute_directmail_unmeasured",
        inverse="_inverse_directmail_unmeasured",
    )
    directmail_preferences_url = fields.Char(
        "Page of preferences", compute="_compute_directmail_preferences_url"
    )
    directmail_user_ids = fields.Many2many(
        "res.users", string="DirectMail users", compute="_compute_directmail_users"
    )
    directmail_admin_ids = fields.Many2many(
        "res.users", string="DirectMail administrators", compute="_compute_directmail_users"
    )
    directmail_download_ids = fields.Many2many(
        "res.users", string="Users who may download people", compute="_compute_directmail_users"
    )

    @api.depends("company_id")
    def _compute_directmail_accounts(self):
        for settings in self:
            settings.directmail_account_ids = self.env["directmail.account"].search(
                [("company_id", "=", settings.company_id.id)]
            )

    @api.depends("company_id")
    def _compute_directmail_preferences_url(self):
        # Settings must open without the master key, too.
        is_known = not self.env["directmail.keyring"]._find_problem()
        links = self.env["directmail.preference.link"]
        for settings in self:
            settings.directmail_preferences_url = is_known and links._get_company_url(
                settings.company_id
            )

    @api.depends("company_id")
    def _compute_directmail_unmeasured(self):
        for settings in self:
            codes = (settings.company_id.directmail_unmeasured_countries or "").split(",")
            settings.directmail_unmeasured_country_ids = self.env["res.country"].search(
                [("code", "in", codes)]
            )

    def _inverse_directmail_unmeasured(self):
        for settings in self:
            codes = settings.directmail_unmeasured_country_ids.mapped("code")
            settings.company_id.directmail_unmeasured_countries = ",".join(sorted(codes)) or False

    @api.depends("company_id")
    def _compute_directmail_users(self):
        """Users of the company by their groups; administrators are not repeated among the users."""
        for settings in self:
            company = settings.company_id
            admins = settings._get_directmail_members(GROUP_ADMIN, company)
            settings.directmail_admin_ids = admins
            settings.directmail_user_ids = (
                settings._get_directmail_members(GROUP_USER, company) - admins
            )
            settings.directmail_download_ids = settings._get_directmail_members(
                GROUP_DOWNLOAD, company
            )

    def _get_directmail_members(self, group, company):
        return self.env["res.users"].search(
            [
                ("all_group_ids", "in", self.env.ref(group).ids),
                ("company_ids", "in", company.ids),
                ("share", "=", False),
            ]
        )
