import itertools

from odoo import api, fields, models
from odoo.tools import SQL, formatLang

#: {rate: fields of the numerator and of the denominator}, as for the decision of a test
RATES = {
    "open_rate": ("opened_count", "open_base"),
    "click_rate": ("clicked_count", "click_base"),
    "conversion_rate": ("converted_count", "mailed_count"),
}
#: {criterion of a test: rate}
RATE_OF = {"clicks": "click_rate", "conversions": "conversion_rate", "opens": "open_rate"}


class DirectmailTaskVersion(models.Model):
    """Versions as rows of a report: by what they can be grouped, and rates over several of them."""

    _inherit = "directmail.task.version"

    campaign_id = fields.Many2one(related="task_id.campaign_id")
    user_id = fields.Many2one(related="task_id.user_id", string="Owner")
    started_at = fields.Datetime("Started", related="task_id.planned_at")
    criterion = fields.Selection(related="task_id.test_criterion")
    has_results = fields.Boolean(related="task_id.has_results")
    conversion_at = fields.Datetime(related="task_id.conversion_at")
    assigned_text = fields.Char(
        "Assigned",
        compute="_compute_assigned_text",
        help="People of the test group who were assigned to the version, also those who got no mail"
        " later. It is not shown for an email task with rounded figures: it would tell how many"
        " people of the audience the owner may not see.",
    )
    open_rate = fields.Float("Opened %", compute="_compute_rates", store=True, aggregator="avg")
    click_rate = fields.Float("Clicked %", compute="_compute_rates", store=True, aggregator="avg")
    conversion_rate = fields.Float(
        "Converted %", compute="_compute_rates", store=True, aggregator="avg"
    )

    @api.depends("assigned_count", "task_id.in_tens")
    @api.depends_context("lang")
    def _compute_assigned_text(self):
        for version in self:
            version.assigned_text = (
                self.env._("not shown")
                if version.task_id.in_tens
                else formatLang(self.env, version.assigned_count, digits=0)
            )

    @api.depends(*itertools.chain(*RATES.values()))
    def _compute_rates(self):
        for version in self:
            # Tests that were counted before 19.0.1.9.0 have no bases.
            is_old = not (version.open_base or version.click_base)
            for rate, (part, base) in RATES.items():
                # Who clicked before a refusal counts, but is not in the base any more.
                whole = max(version["mailed_count" if is_old else base], version[part])
                version[rate] = version[part] / whole if whole else 0

    def _get_stored_rate(self, criterion):
        """Return the rate by the stored figures; of "revenue", the amount per mail.

        :param str criterion: a value of `directmail.task.test_criterion`
        """
        self.ensure_one()
        if criterion == "revenue":
            return self.revenue / self.mailed_count if self.mailed_count else 0
        return self[RATE_OF[criterion]]

    def _read_group_select(self, aggregate_spec, query):
        """Override: compute the rate of several versions from the sums of its two counts."""
        rate = aggregate_spec.removesuffix(":avg")
        if rate not in RATES or rate == aggregate_spec:
            return super()._read_group_select(aggregate_spec, query)
        names = (*RATES[rate], "mailed_count", "open_base", "click_base")
        part, base, mailed, *bases = (
            self._field_to_sql(self._table, name, query) for name in names
        )
        is_old = SQL("COALESCE(NULLIF(%s, 0), NULLIF(%s, 0)) IS NULL", *bases)
        whole = SQL("GREATEST(CASE WHEN %s THEN %s ELSE %s END, %s)", is_old, mailed, base, part)
        return SQL("COALESCE(SUM(%s)::float / NULLIF(SUM(%s), 0), 0)", part, whole)
