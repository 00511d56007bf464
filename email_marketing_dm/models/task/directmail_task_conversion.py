import logging
from datetime import timedelta

from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError
from odoo.service.model import retrying
from odoo.tools import SQL

from ...engine.clock import to_local
from ...engine.people_models import Today

_logger = logging.getLogger(__name__)

# Facts about a mail come in late (a click reported a day after), and so do orders.
FOLLOW_LONGER = timedelta(days=3)


class DirectmailTask(models.Model):
    """Conversion: what people did after the mail, as a data table tells.

    An order counts for the email task that the person last reacted to before it, so that two tasks
    never count the same order.
    """

    _inherit = "directmail.task"

    conversion_table_id = fields.Many2one(
        "directmail.data.table",
        "Counts as success",
        domain=[("usable", "=", True), ("date_field", "!=", False)],
        index="btree_not_null",
        ondelete="restrict",
        check_company=True,
        help="What you hope people do after the mail, for example place an order. Read with the"
        " rights of the email task's owner.",
    )
    conversion_from = fields.Selection(
        [("click", "after a click"), ("open", "after an opening"), ("delivery", "after delivery")],
        "When it counts",
        required=True,
        default="click",
    )
    conversion_days = fields.Integer("Within days", required=True, default=7)
    conversion_at = fields.Datetime("Successes as of", readonly=True, copy=False)
    conversion_error = fields.Text(readonly=True, copy=False)
    currency_id = fields.Many2one(related="company_id.currency_id")
    converted_count = fields.Integer("Converted", compute="_compute_converted_count")
    revenue = fields.Monetary(readonly=True, copy=False)
    revenue_per_mail = fields.Monetary(
        "Revenue per mail",
        compute="_compute_revenue_per_mail",
        help="Revenue divided by the mails that were delivered.",
    )

    _conversion_days_range = models.Constraint(
        "CHECK(conversion_days BETWEEN 1 AND 90)",
        "Count successes within 1 to 90 days after the mail.",
    )

    @api.depends("counter_ids.value")
    def _compute_converted_count(self):
        rows = (
            self.env["directmail.task.counter"]
            .sudo()
            ._read_group(
                [("task_id", "in", self.ids), ("name", "=", "converted")],
                ["task_id"],
                ["value:sum"],
            )
        )
        counts = {task.id: value for task, value in rows}
        for task in self:
            task.converted_count = counts.get(task._origin.id, 0)

    @api.depends("revenue", "counter_ids.value")
    def _compute_revenue_per_mail(self):
        for task in self:
            task.revenue_per_mail = (
                task.revenue / task.delivered_count if task.delivered_count else 0
            )

    @api.constrains("conversion_table_id", "user_id")
    def _check_conversion_table(self):
        """Refuse a table that the owner may not read: its totals would tell about it."""
        for task in self.filtered("conversion_table_id"):
            env = task._get_owner_env(to_check=True)
            task.conversion_table_id.with_env(env)._check_usable()

    def _follow_conversion(self, vals):
        """Follow a change of what counts as a conversion.

        :param dict vals: what has been written
        """
        if "conversion_table_id" in vals:
            self._check_conversion_rights()
        if {"conversion_table_id", "conversion_from", "conversion_days"} & vals.keys():
            self.filtered("conversion_table_id")._wait_for_owner()
            # What was counted by the old rule must not stay, least of all when there is none now.
            for task in self.sudo().filtered("planned_at"):
                task._count_conversions()

    def _check_conversion_rights(self):
        """Refuse a table that the current user may not read, whoever owns the task.

        :raise AccessError: naming the table
        """
        if self.env.su:
            return
        for task in self.filtered("conversion_table_id"):
            env = self.env.user._get_directmail_env(task.company_id)
            task.conversion_table_id.with_env(env)._check_usable()

    def action_count_conversions(self):
        """Count successes now instead of waiting for the next hour."""
        self.check_access("read")
        for task in self.sudo().filtered("planned_at"):
            task._count_conversions()
        return True

    @api.model
    def _cron_count_conversions(self):
        """Count what people did since, for every task whose time for that is not over."""
        tasks = self.search(
            [
                ("conversion_table_id", "!=", False),
                ("planned_at", "!=", False),
                ("details_removed_at", "=", False),
            ]
        ).filtered(lambda task: task._is_conversion_open())
        self.env["ir.cron"]._commit_progress(remaining=len(tasks))
        for task in tasks:
            # The sender and the import of results write the same people.
            retrying(task._count_conversions, self.env)
            if not self.env["ir.cron"]._commit_progress(1):
                break

    def _is_conversion_open(self):
        self.ensure_one()
        if not self.finished_at:
            return True
        # A person may open a mail, and so start their window, for as long as results come in.
        window = timedelta(days=2 * self.conversion_days) + FOLLOW_LONGER
        return self.finished_at + window > fields.Datetime.now()

    def _count_conversions(self):
        """Write down for each person of the task what they did since, in one statement.

        A failure is written on the task; the figures stay as they were, as they do once the people
        are no longer on record.
        """
        self.ensure_one()
        if self.details_removed_at:
            return
        self.env.flush_all()
        try:
            changed = self._get_conversion_update()
        except (AccessError, UserError) as error:
            self.conversion_error = error.args[0]
            return
        self.env["directmail.task.counter"]._apply(changed, "conversions", marks=("converted",))
        [(revenue,)] = self.env.execute_query(
            SQL(
                "SELECT sum(conversion_amount) FROM directmail_delivery WHERE task_id = %s", self.id
            )
        )
        self.env.invalidate_all()
        self.write(
            {
                "revenue": revenue or 0,
                "conversion_at": fields.Datetime.now(),
                "conversion_error": False,
            }
        )

    def _get_conversion_update(self):
        """Return the UPDATE that `directmail.task.counter._apply` takes.

        :raise AccessError: if the owner may not read the data table any more
        :raise UserError: if the data table can't be used any more
        """
        table = self.conversion_table_id
        nothing = SQL("SELECT NULL, NULL, NULL LIMIT 0")
        matched = self._match_conversions(table) if table and self.planned_at else nothing
        return SQL(
            """UPDATE directmail_delivery d
                  SET converted_at = done.first_at, conversion_count = COALESCE(done.number, 0),
                      conversion_amount = COALESCE(done.amount, 0)
                 FROM directmail_delivery o
                 LEFT JOIN (
                        SELECT id::int AS id, min(date)::timestamp AS first_at, count(*) AS number,
                               sum(amount::numeric) AS amount
                          FROM (%(matched)s) AS matched(id, date, amount) GROUP BY id
                      ) AS done ON done.id = o.id
                WHERE d.id = o.id AND o.task_id = %(task)s
                  AND (o.converted_at IS DISTINCT FROM done.first_at
                       OR COALESCE(o.conversion_count, 0) != COALESCE(done.number, 0)
                       OR COALESCE(o.conversion_amount, 0) != COALESCE(done.amount, 0))
            RETURNING d.task_id, d.state AS old_state, d.state AS new_state,
                      d.outcome AS old_outcome, d.outcome AS new_outcome,
                      (done.first_at IS NOT NULL)::int - (o.converted_at IS NOT NULL)::int
                          AS converted""",
            matched=matched,
            task=self.id,
        )

    def _match_conversions(self, table):
        """Return SQL that selects (delivery id, date, amount) of each success.

        Whoever was mailed as a record, say a lead, and has become a contact since, is both.
        """
        touched = self._touch_to_sql(SQL.identifier("d"), SQL("%s", self.conversion_from))
        today = Today(fields.Datetime.now(), self.account_id.tz)
        facts = table._select_facts(self._get_owner_env(), today=today)
        return SQL(
            """WITH facts AS MATERIALIZED (
                    SELECT * FROM (%(facts)s) AS fact WHERE date >= %(start)s
               ), became AS MATERIALIZED (%(became)s
               ), touches AS (
                    SELECT d.id, COALESCE(d.partner_id, b.partner_id) AS partner_id, d.res_model,
                           d.res_id, %(touched)s AS touched
                      FROM directmail_delivery d
                      LEFT JOIN became b ON d.partner_id IS NULL AND b.res_model = d.res_model
                                        AND b.res_id = d.res_id
                     WHERE d.task_id = %(task)s AND %(touched)s IS NOT NULL
               ), pairs AS (
                    SELECT t.*, f.date, f.amount
                      FROM touches t JOIN facts f ON f.partner_id = t.partner_id
                    UNION ALL
                    SELECT t.*, f.date, f.amount
                      FROM touches t JOIN facts f ON f.res_model = t.res_model
                                                 AND f.res_id = t.res_id
               )
               SELECT p.id, p.date, p.amount FROM pairs p
                WHERE %(in_window)s
                  AND NOT EXISTS (%(later)s AND o.partner_id = p.partner_id)
                  AND NOT EXISTS (%(later)s AND o.partner_id IS NULL
                                  AND o.res_model = p.res_model AND o.res_id = p.res_id)
                  AND NOT EXISTS (%(later)s AND o.partner_id IS NULL
                                  AND (o.res_model, o.res_id) IN (
                                      SELECT b.res_model, b.res_id FROM became b
                                       WHERE b.partner_id = p.partner_id))""",
            facts=facts,
            became=self._select_new_contacts(table),
            # On the calendar farthest west, the day of a touch begins 36 hours before it.
            start=self.planned_at - timedelta(days=2),
            touched=touched,
            in_window=self._get_window(table, SQL("p.touched"), SQL("%s", self.conversion_days)),
            later=self._select_later_touches(table),
            task=self.id,
        )

    def _get_window(self, table, touched, days):
        """Return SQL that tells whether the success `p` happened so many days after a touch.

        Mere dates are days of the account's calendar: the day of the touch is the first of them.

        :param SQL touched: a moment, UTC
        :param SQL days: a number
        """
        start = touched
        if table._has_mere_dates():
            touched = to_local(touched, self.account_id.tz)
            start = SQL("date_trunc('day', %s)", touched)
        return SQL("p.date >= %s AND p.date < %s + %s * interval '1 day'", start, touched, days)

    def _select_new_contacts(self, table):
        """Return SQL (res_model, res_id, partner_id) of records that were mailed as such, and have
        a contact by now that the owner may see.

        :param table: only what tasks mailed whose successes this table tells
        """
        env = self._get_owner_env()
        mailed = SQL(
            """SELECT d.res_model, d.res_id
                 FROM directmail_delivery d JOIN directmail_task t ON t.id = d.task_id
                WHERE d.partner_id IS NULL AND d.res_model IS NOT NULL
                  AND t.conversion_table_id = %s AND t.company_id = %s""",
            table.id,
            self.company_id.id,
        )
        names = self.env.execute_query(SQL("SELECT DISTINCT res_model FROM (%s) m", mailed))
        tables = self.env["directmail.data.table"].search(
            [
                ("model_name", "in", [name for (name,) in names]),
                ("partner_path", "!=", False),
                ("company_id", "in", (False, self.company_id.id)),
            ]
        )
        contacts = [
            SQL("SELECT * FROM (%s) records", records._select_contacts(env))
            for records in tables
            if records.with_env(env)._is_usable()
        ]
        contacts.append(SQL("SELECT NULL::varchar, NULL::int, NULL::int WHERE false"))
        return SQL(
            """SELECT DISTINCT ON (found.res_model, found.res_id) found.*
                 FROM (%s) AS found(res_model, res_id, partner_id) JOIN (%s) AS mailed
                   ON mailed.res_model = found.res_model AND mailed.res_id = found.res_id
                ORDER BY found.res_model, found.res_id, found.partner_id""",
            SQL(" UNION ALL ").join(contacts),
            mailed,
        )

    def _select_later_touches(self, table):
        """Return SQL of the reactions between a person's own (`p`) and their success.

        Two contacts that were merged have two mails of one task: there too, the last one counts.
        """
        touched = self._touch_to_sql(SQL.identifier("o"), SQL.identifier("ot", "conversion_from"))
        return SQL(
            """SELECT 1 FROM directmail_delivery o JOIN directmail_task ot ON ot.id = o.task_id
                WHERE ot.company_id = %(company)s AND ot.conversion_table_id = %(table)s
                  AND (%(touched)s, o.id) > (p.touched, p.id)
                  AND %(in_window)s""",
            company=self.company_id.id,
            table=table.id,
            touched=touched,
            in_window=self._get_window(table, touched, SQL.identifier("ot", "conversion_days")),
        )

    @api.model
    def _touch_to_sql(self, delivery, kind):
        """Return SQL for the moment from which on a person's success counts, or null.

        :param SQL delivery: the alias of the delivery
        :param SQL kind: a value of `conversion_from`
        """
        return SQL(
            """CASE %(kind)s
                    WHEN 'click' THEN %(d)s.clicked_at
                    WHEN 'open' THEN COALESCE(%(d)s.opened_at, %(d)s.clicked_at)
                    ELSE CASE WHEN %(d)s.outcome = 'delivered'
                              THEN COALESCE(%(d)s.sent_at, %(d)s.outcome_at) END
               END""",
            d=delivery,
            kind=kind,
        )
