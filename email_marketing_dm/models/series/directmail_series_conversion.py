from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL

from ..mixins.directmail_conversion import CONVERSION_FIELDS


class DirectmailSeries(models.Model):
    """What counts as a conversion after the mails of a series.

    The email tasks of the steps take the settings over and count, like all email tasks
    (`directmail_task_conversion.py`). So a record counts for the last mail before it only.
    """

    _inherit = "directmail.series"

    currency_id = fields.Many2one(related="company_id.currency_id")
    conversion_at = fields.Datetime("Conversions as of", compute="_compute_conversion")
    converted_count = fields.Integer(
        "Converted",
        compute="_compute_conversion",
        help="People who converted after a mail of the series. Somebody who converted after two"
        " mails counts twice.",
    )
    revenue = fields.Monetary(compute="_compute_conversion")
    conversion_problem = fields.Text("Conversion error", compute="_compute_conversion_problem")
    mail_step_ids = fields.Many2many(
        "directmail.series.step",
        string="Mails",
        compute="_compute_mail_step_ids",
        # Removed steps, too.
        context={"active_test": False},
    )

    # === COMPUTE === #

    @api.depends("state", "step_ids.kind")
    def _compute_mail_step_ids(self):
        """Find the steps that send mails; removed ones too, because their figures count."""
        for series in self:
            steps = series._origin._get_all_steps()
            series.mail_step_ids = steps.filtered(lambda step: step.kind == "mail")

    @api.depends("step_ids.converted_count", "step_ids.revenue")
    def _compute_conversion(self):
        for series in self:
            steps = series.mail_step_ids
            series.converted_count = sum(steps.mapped("converted_count"))
            series.revenue = sum(steps.mapped("revenue"))
            series.conversion_at = max(filter(None, steps.mapped("conversion_at")), default=False)

    @api.depends("conversion_table_id", "state", "user_id")
    @api.depends_context("lang")
    def _compute_conversion_problem(self):
        for series in self:
            is_counted = series.conversion_table_id and series.state != "draft"
            series.conversion_problem = is_counted and series._find_conversion_problem()

    # === CHECKS === #

    @api.constrains("conversion_table_id", "user_id")
    def _check_conversion_table(self):
        """Refuse a table that the owner may not read: the totals would reveal its data."""
        for series in self.filtered("conversion_table_id"):
            env = series._get_owner_env(to_check=True)
            series.conversion_table_id.with_env(env)._check_usable()

    def _follow_conversion(self, vals):
        """React to changed settings: check rights, ask the owner, and let the email tasks recount.

        :param vals: names of the fields that were written
        :raise UserError: (or a subclass) if the user may not change them
        """
        if not CONVERSION_FIELDS & vals.keys():
            return
        if not self.env.su:
            self._check_conversion_rights()
        for series in self.filtered(lambda series: series.state != "draft"):
            values = series._prepare_conversion()
            if not series.conversion_table_id:
                values = {"conversion_table_id": False}
            # sudo(): the right to write the series was checked; it has the settings of its tasks.
            tasks = series._get_all_steps().sudo().task_ids
            tasks.filtered(lambda task: not task.details_removed_at).write(values)

    def _check_conversion_rights(self):
        """Check the rights of the user who changes what counts, and ask the owner to agree.

        :raise AccessError: if the user may not read the table, even if the owner may
        :raise UserError: for another user's series that was started: its owner can't be asked,
            because the series sends mails meanwhile
        """
        for series in self:
            if series.state != "draft" and series.user_id != self.env.user:
                raise UserError(
                    self.env._(
                        "%s was started. Only its owner can change what counts as a conversion,"
                        " because the records are read with the owner's rights.",
                        series.name,
                    )
                )
            if series.state != "draft":
                # Nothing is read with the rights of an owner who has not agreed.
                series._check_taken_over()
            if series.conversion_table_id:
                env = self.env.user._get_directmail_env(series.company_id)
                series.conversion_table_id.with_env(env)._check_usable()
                series._wait_for_owner()

    # === ACTIONS === #

    def action_count_conversions(self):
        """Count conversions now instead of at the hourly cron."""
        self.check_access("read")
        # sudo(): reading was checked above; counting writes guarded fields.
        tasks = self._get_all_steps().sudo().task_ids
        for task in tasks.filtered("planned_at"):
            task._count_conversions()
        return True

    def action_view_converted(self):
        """Open the people who converted after a mail of the series."""
        self.ensure_one()
        self.check_access("read")
        return self._get_all_steps()._open_converted(self.env._("Converted"))

    # === BUSINESS === #

    def _prepare_conversion(self):
        """Return the settings for email tasks; none while the table can't be read.

        `_pass_on_conversion` brings them later: mails need not wait for figures.
        """
        self.ensure_one()
        if not self.conversion_table_id or self._find_table_problem():
            return {}
        return {
            "conversion_table_id": self.conversion_table_id.id,
            "conversion_from": self.conversion_from,
            "conversion_days": self.conversion_days,
        }

    def _find_table_problem(self):
        """Return why the table can't be read with the owner's rights, or None."""
        try:
            self.conversion_table_id.with_env(self._get_owner_env())._check_usable()
        except UserError as error:
            return error.args[0]
        return None

    def _find_conversion_problem(self):
        """Return why conversions are not counted; False if they are."""
        # sudo(): readers of the series see what is wrong with its figures.
        tasks = self._get_all_steps().sudo().task_ids
        errors = tasks.filtered("conversion_error").sorted("id").mapped("conversion_error")
        return self._find_table_problem() or next(reversed(errors), False)

    @api.model
    def _pass_on_conversion(self):
        """Let email tasks count that began while the table of their series could not be read.

        Those whose month is over, too. One that can't be counted does not keep others from it.
        """
        tasks = self.env["directmail.task"].search(
            [
                ("series_step_id.series_id.conversion_table_id", "!=", False),
                ("conversion_table_id", "=", False),
                ("planned_at", "!=", False),
                ("details_removed_at", "=", False),
            ]
        )
        for task in tasks:
            if values := task.series_id._prepare_conversion():
                try:
                    with self.env.cr.savepoint():
                        task.write(values)
                except UserError as error:
                    task.conversion_error = error.args[0]


class DirectmailSeriesStep(models.Model):
    """Conversions after the mails of a step: the sums of its email tasks."""

    _inherit = "directmail.series.step"

    currency_id = fields.Many2one(related="company_id.currency_id")
    converted_count = fields.Integer("Converted", compute="_compute_conversion")
    revenue = fields.Monetary(compute="_compute_conversion")
    conversion_at = fields.Datetime("Conversions as of", compute="_compute_conversion")

    @api.depends("task_ids.counter_ids.value", "task_ids.revenue", "task_ids.conversion_at")
    def _compute_conversion(self):
        """Add up the figures of email tasks that count the series' present conversions.

        Others were counted before their details were removed, by an earlier data table.
        """
        self.env["directmail.series"].flush_model(["conversion_table_id"])
        self.env["directmail.task"].flush_model(
            ["conversion_at", "conversion_table_id", "revenue", "series_step_id"]
        )
        self.env["directmail.task.counter"].flush_model(["name", "task_id", "value"])
        rows = self.env.execute_query(
            SQL(
                """SELECT t.series_step_id, sum(c.value)::bigint, sum(t.revenue),
                          max(t.conversion_at)
                     FROM directmail_task t
                     JOIN directmail_series_step p ON p.id = t.series_step_id
                     JOIN directmail_series s ON s.id = p.series_id
                                             AND s.conversion_table_id = t.conversion_table_id
                     LEFT JOIN LATERAL (
                            SELECT sum(value) AS value FROM directmail_task_counter
                             WHERE task_id = t.id AND name = 'converted'
                          ) AS c ON TRUE
                    WHERE t.series_step_id = ANY(%s) GROUP BY 1""",
                self.ids,
            )
        )
        found = {step_id: figures for step_id, *figures in rows}
        for step in self:
            count, revenue, at = found.get(step._origin.id, (0, 0, False))
            step.converted_count = count or 0
            step.revenue = revenue or 0
            step.conversion_at = at

    def action_view_converted(self):
        """Open the people who converted after a mail of the step."""
        self.ensure_one()
        self.check_access("read")
        return self._open_converted(self.env._("Converted: %s", self.display_name))

    def _open_converted(self, title):
        """Open the people who converted after a mail of these steps.

        :param str title: of the list
        """
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "email_marketing_dm.directmail_delivery_action"
        )
        domain = [
            ("task_id.series_step_id", "in", self.ids),
            ("converted_at", "!=", False),
        ]
        return {**action, "display_name": title, "domain": domain, "context": {}}
