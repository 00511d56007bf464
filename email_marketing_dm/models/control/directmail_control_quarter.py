from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError
from odoo.service.model import retrying
from odoo.tools import SQL, date_utils, format_datetime

from ...engine import uplift
from ...engine.people_models import Today
from ...engine.trial import is_real
from ...groups import GROUP_ADMIN
from ..task.directmail_task_conversion import FOLLOW_LONGER


class DirectmailControl(models.Model):
    """Uplift of all email tasks of a company, by quarter, against the global control group."""

    _inherit = "directmail.control"
    _guarded_fields = frozenset(("conversion_error", "quarter_ids"))

    conversion_table_id = fields.Many2one(
        "directmail.data.table",
        "Counts as conversion",
        domain=[("usable", "=", True), ("date_field", "!=", False)],
        index="btree_not_null",
        ondelete="restrict",
        check_company=True,
        tracking=True,
        help="What people should do, for example place an order. The records are read with the"
        " access rights of the owner.",
    )
    conversion_error = fields.Text("Conversion error", readonly=True, copy=False)
    quarter_ids = fields.One2many(
        "directmail.control.quarter", "control_id", "Quarters", groups=GROUP_ADMIN
    )
    currency_id = fields.Many2one(related="company_id.currency_id")

    @api.constrains("conversion_table_id", "user_id")
    def _check_conversion_table(self):
        """Refuse a table that the owner may not read: the figures would reveal its data."""
        for control in self.filtered("conversion_table_id"):
            env = control._get_owner_env(to_check=True)
            control.conversion_table_id.with_env(env)._check_usable()

    def _check_conversion_rights(self):
        """Refuse a table that the current user may not read, even if the owner may.

        :raise AccessError: naming the table
        """
        if self.env.su:
            return
        for control in self.filtered("conversion_table_id"):
            env = self.env.user._get_directmail_env(control.company_id)
            control.conversion_table_id.with_env(env)._check_usable()

    def action_count(self):
        """Count the present quarter now instead of at the daily cron."""
        self.ensure_one()
        self.check_access("write")
        # sudo(): writing was checked above; quarters are written by the addon only.
        self.sudo()._count_quarters()

    @api.model
    def _cron_count_quarters(self):
        """Count the quarters that are not final, a company a transaction."""
        controls = self.search([("conversion_table_id", "!=", False), ("shuffle", ">", 0)])
        self.env["ir.cron"]._commit_progress(remaining=len(controls))
        for control in controls:
            retrying(control._count_quarters, self.env)
            if not self.env["ir.cron"]._commit_progress(1):
                break

    def _count_quarters(self):
        """Count the present quarter, and the one before while late conversions may come.

        If the table can't be read, the reason goes to `conversion_error` and the figures stay.
        """
        self.ensure_one()
        if not self.conversion_table_id:
            return
        self.env.flush_all()
        now = fields.Datetime.now()
        present = date_utils.start_of(now, "quarter")
        starts = [present]
        if present + FOLLOW_LONGER > now:
            starts.append(date_utils.subtract(present, months=3))
        try:
            self.conversion_table_id.with_env(self._get_owner_env())._check_usable()
            counted = {start: self._read_quarter(start) for start in starts}
        except (AccessError, UserError) as error:
            self.conversion_error = error.args[0]
            return
        quarters = self.quarter_ids
        known = quarters.grouped("begin")
        for start, groups in counted.items():
            begin, vals = start.date(), {"groups": groups, "counted_at": now}
            if begin in known:
                known[begin].write(vals)
            elif groups:
                quarters.create({"control_id": self.id, "begin": begin, **vals})
        self.conversion_error = False

    def _read_quarter(self, start):
        """Return the groups of a quarter by draw.

        :param datetime start: its first moment (UTC)
        :return: {draw as text: groups as of `engine.uplift.read_groups`}
        :rtype: dict
        :raise AccessError: if the owner may not read the data table any more
        :raise UserError: if the data table can't be used any more
        """
        end = date_utils.add(start, months=3)
        draws = self.env.execute_query(
            SQL(
                """SELECT DISTINCT control_shuffle FROM directmail_task
                    WHERE company_id = %s AND control_shuffle > 0
                      AND planned_at >= %s AND planned_at < %s ORDER BY 1""",
                self.company_id.id,
                start,
                end,
            )
        )
        return {
            str(draw): self._read_draw(draw, start, self._get_draw_end(draw, end))
            for (draw,) in draws
        }

    def _get_draw_end(self, draw, end):
        """Return until when a draw is compared (naive UTC), at most until `end`.

        From the first email task on that held back other people, or nobody, both groups are mailed.
        """
        tasks = SQL(
            """FROM directmail_task t
              WHERE t.company_id = %s AND t.is_notification IS NOT TRUE AND %s""",
            self.company_id.id,
            is_real(SQL("t.account_id")),
        )
        [(other,)] = self.env.execute_query(
            SQL(
                """SELECT min(planned_at) %(tasks)s AND control_shuffle IS DISTINCT FROM %(draw)s
                      AND planned_at > (SELECT max(planned_at) %(tasks)s
                                           AND control_shuffle = %(draw)s)""",
                tasks=tasks,
                draw=draw,
            )
        )
        return min(other, end) if other else end

    def _read_draw(self, draw, start, end):
        """Return the groups of a draw, with their conversions from `start` to `end`."""
        table = self.conversion_table_id
        facts = table._select_facts(
            self._get_owner_env(), today=Today(fields.Datetime.now(), "UTC")
        )
        begin = SQL("p.begin")
        if table._has_mere_dates():
            begin = SQL("date_trunc('day', p.begin)")
        return uplift.read_groups(
            self.env,
            uplift.select_drawn(self.company_id.id, draw, start, end),
            SQL("SELECT * FROM (%s) AS fact WHERE date >= %s AND date < %s", facts, start, end),
            SQL("p.date >= %s", begin),
        )


class DirectmailControlQuarter(models.Model):
    """What all email tasks of a company brought about in a quarter."""

    _name = "directmail.control.quarter"
    _description = "Uplift of a Quarter"
    _order = "begin desc, id desc"
    _log_access = False

    control_id = fields.Many2one(
        "directmail.control", required=True, readonly=True, index=True, ondelete="cascade"
    )
    company_id = fields.Many2one(related="control_id.company_id")
    begin = fields.Date("First day", required=True, readonly=True)
    # {draw: {"mail": values of `statistics.uplift.Group`, "control": the same}}
    groups = fields.Json(readonly=True, groups=fields.NO_ACCESS)
    counted_at = fields.Datetime("Counted", readonly=True)
    uplift_text = fields.Char("Uplift", compute="_compute_uplift")
    uplift_advice = fields.Char("What to do", compute="_compute_uplift")
    uplift_table = fields.Html("Comparison", compute="_compute_uplift", sanitize=False)

    _quarter_unique = models.UniqueIndex("(control_id, begin)")

    @api.depends("begin")
    def _compute_display_name(self):
        for quarter in self:
            quarter.display_name = self.env._(
                "Quarter %(number)s of %(year)s",
                number=(quarter.begin.month + 2) // 3,
                year=quarter.begin.year,
            )

    @api.depends("groups")
    @api.depends_context("lang", "tz")
    def _compute_uplift(self):
        service = self.env["directmail.uplift"]
        for quarter in self:
            # sudo(): `groups` is readable by nobody; administrators may see its exact figures.
            pairs = (quarter.sudo().groups or {}).values()
            found = service._compare(pairs)
            told = service._describe(found, quarter.control_id.currency_id)
            end = quarter._get_end()
            if end > fields.Datetime.now():
                told["advice"] = self.env._(
                    "These figures are not final: conversions count until %s.",
                    format_datetime(self.env, end, dt_format="short"),
                )
            quarter.uplift_text = told["text"]
            quarter.uplift_advice = told["advice"]
            quarter.uplift_table = told["table"]

    def _get_end(self):
        """Return the moment from which conversions don't count any more (naive UTC)."""
        self.ensure_one()
        return date_utils.add(fields.Datetime.to_datetime(self.begin), months=3)
