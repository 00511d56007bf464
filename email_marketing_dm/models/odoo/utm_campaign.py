from datetime import datetime

from odoo import api, fields, models


class UtmCampaign(models.Model):
    """Campaigns show the uplift of their email tasks."""

    _inherit = "utm.campaign"

    directmail_uplift_text = fields.Char("Uplift", compute="_compute_directmail_uplift")
    directmail_uplift_advice = fields.Char("What to do", compute="_compute_directmail_uplift")
    directmail_uplift_table = fields.Html(
        "Comparison", compute="_compute_directmail_uplift", sanitize=False
    )
    directmail_test_ids = fields.Many2many(
        "directmail.task",
        string="A/B tests",
        compute="_compute_directmail_tests",
        groups="email_marketing_dm.group_user",
    )

    @api.depends_context("uid", "company")
    def _compute_directmail_tests(self):
        """Find the A/B tests of a campaign that the user may see: latest first, drafts last."""
        for campaign in self:
            tests = campaign._search_directmail_tasks([("version_ids", "!=", False)])
            campaign.directmail_test_ids = tests.sorted(
                lambda task: (task.planned_at or datetime.min, task.id), reverse=True
            )

    def _search_directmail_tasks(self, domain):
        """Return the campaign's email tasks of the current company that the user may see."""
        tasks = self.env["directmail.task"].with_context(active_test=False)
        if not self._origin or not tasks.has_access("read"):
            return tasks.browse()
        return tasks.search(
            [
                ("campaign_id", "=", self._origin.id),
                ("company_id", "=", self.env.company.id),
                *domain,
            ]
        )

    @api.depends_context("uid", "lang", "company")
    def _compute_directmail_uplift(self):
        """Tell the uplift of a campaign's email tasks that the user may see, of one company."""
        for campaign in self:
            told = campaign._tell_directmail_uplift()
            campaign.directmail_uplift_text = told.get("text")
            campaign.directmail_uplift_advice = told.get("advice")
            campaign.directmail_uplift_table = told.get("table")

    def _tell_directmail_uplift(self):
        tasks = self._search_directmail_tasks(
            [("control_share", ">", 0), ("planned_at", "!=", False)]
        )
        counted = tasks.filtered(lambda task: task._get_uplift_pair())
        if len(counted.conversion_table_id) > 1:
            return {
                "text": self.env._(
                    "The email tasks of this campaign count different conversions, so they can't be"
                    " compared together. Open each of them to see its uplift."
                )
            }
        if not counted:
            return {}
        service = self.env["directmail.uplift"]
        found = service._compare([task._get_uplift_pair() for task in counted])
        return service._describe(found, self.env.company.currency_id)
