import logging
from datetime import timedelta

from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError
from odoo.service.model import retrying
from odoo.tools import SQL

from ...engine.clock import to_local
from ...engine.measuring import CLICKS_ONLY
from ...engine.people_models import Today
from ...engine.privacy import is_erased
from ...engine.trial import is_real
from ..mixins.directmail_conversion import CONVERSION_FIELDS

_logger = logging.getLogger(__name__)

# Conversions are counted this much longer than the window: clicks and orders are recorded late.
FOLLOW_LONGER = timedelta(days=3)


class DirectmailTask(models.Model):
    """Conversions: records of a data table, such as orders, that follow a mail.

    A conversion counts for the email task of the person's last touch before it (last-touch
    attribution): two tasks with the same data table never count the same order. A touch is the
    click, opening or delivery that `conversion_from` names.
    """

    _inherit = "directmail.task"

    conversion_at = fields.Datetime("Conversions as of", readonly=True, copy=False)
    conversion_error = fields.Text("Conversion error", readonly=True, copy=False)
    currency_id = fields.Many2one(related="company_id.currency_id")
    converted_count = fields.Integer("Converted", compute="_compute_converted_count")
    revenue = fields.Monetary(readonly=True, copy=False)
    revenue_per_mail = fields.Monetary(
        "Revenue per mail",
        compute="_compute_revenue_per_mail",
        help="Revenue divided by the number of delivered mails.",
    )

    @api.depends("counter_ids.value")
    def _compute_converted_count(self):
        # sudo(): counters of the tasks in `self`, which the reader may see.
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
        """Refuse a table that the owner may not read: the task's totals would reveal its data."""
        for task in self.filtered("conversion_table_id"):
            env = task._get_owner_env(to_check=True)
            task.conversion_table_id.with_env(env)._check_usable()

    def _follow_conversion(self, vals):
        """React to a change of the conversion settings: check rights, ask the owner, recount.

        :param dict vals: the values that have been written
        """
        if "conversion_table_id" in vals:
            self._check_conversion_rights()
        if CONVERSION_FIELDS & vals.keys():
            self._check_conversion_is_own()
            self.filtered("conversion_table_id")._wait_for_owner()
            # Replace figures counted with the old settings; without a table they become 0.
            # sudo(): `write` has checked the rights, counting writes guarded fields.
            for task in self.sudo().filtered("planned_at"):
                task._count_conversions(keep_erased=False)

    def _check_conversion_is_own(self):
        """Refuse to change what counts for one email task of a series: its figures are added up.

        :raise UserError: with where to change it
        """
        for task in () if self.env.su else self.filtered("series_step_id"):
            raise UserError(
                self.env._(
                    "%(task)s sends a step of the series %(series)s. Choose in the series what"
                    " counts as a conversion.",
                    task=task.name,
                    series=task.series_id.name,
                )
            )

    def _check_conversion_rights(self):
        """Refuse a table that the current user may not read, even if the task's owner may.

        :raise AccessError: naming the table
        """
        if self.env.su:
            return
        for task in self.filtered("conversion_table_id"):
            env = self.env.user._get_directmail_env(task.company_id)
            task.conversion_table_id.with_env(env)._check_usable()

    def action_count_conversions(self):
        """Count conversions now instead of at the hourly cron."""
        self.check_access("read")
        # sudo(): reading was checked above, counting writes guarded fields.
        for task in self.sudo().filtered("planned_at"):
            task._count_conversions()
        return True

    @api.model
    def _cron_count_conversions(self):
        """Count conversions of every planned task whose window is open, a task a transaction."""
        self.env["directmail.series"]._pass_on_conversion()
        tasks = self.search(
            [
                ("conversion_table_id", "!=", False),
                ("planned_at", "!=", False),
                ("details_removed_at", "=", False),
            ]
        ).filtered(lambda task: task._is_conversion_open())
        self.env["ir.cron"]._commit_progress(remaining=len(tasks))
        for task in tasks:
            # The sending loop and the import of results update the same deliveries.
            retrying(task._count_conversions, self.env)
            if not self.env["ir.cron"]._commit_progress(1):
                break

    def _is_conversion_open(self):
        """Return whether conversions can still be added to the task."""
        self.ensure_one()
        if not self.finished_at:
            return True
        # Time for a touch up to `conversion_days` after the last mail, and for its window.
        window = timedelta(days=2 * self.conversion_days) + FOLLOW_LONGER
        return self.finished_at + window > fields.Datetime.now()

    def _count_conversions(self, keep_erased=True):
        """Update the conversions of all deliveries of the task, in one statement.

        If the table can't be read, the reason goes to `conversion_error` and the figures stay. They
        also stay once the deliveries were removed (`details_removed_at`).

        :param bool keep_erased: keep the conversions of people who were erased since, whose records
            can't be found any more; False where they were counted by other settings
        """
        self.ensure_one()
        if self.details_removed_at:
            return
        self.env.flush_all()
        try:
            changed = self._get_conversion_update(keep_erased)
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
        self._count_uplift()
        self.write(
            {
                "revenue": revenue or 0,
                "conversion_at": fields.Datetime.now(),
                "conversion_error": False,
            }
        )
        self._store_figures()

    def _get_conversion_update(self, keep_erased=True):
        """Return the UPDATE of deliveries for `directmail.task.counter._apply`.

        Without a table, before the plan, or in a trial, whose opens and clicks are simulated,
        nothing matches: it resets all conversions.

        :raise AccessError: if the owner may not read the data table any more
        :raise UserError: if the data table can't be used any more, or the owner has not agreed yet
        """
        table = self.conversion_table_id
        nothing = SQL("SELECT NULL, NULL, NULL LIMIT 0")
        is_counted = table and self.planned_at and not self.account_id.is_trial
        if is_counted:
            # An email task of a series has no request of its own to a new owner.
            self.series_id._check_taken_over()
        matched = self._match_conversions(table) if is_counted else nothing
        kept = is_erased(SQL.identifier("o")) if keep_erased and is_counted else SQL("FALSE")
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
                WHERE d.id = o.id AND o.task_id = %(task)s AND NOT %(kept)s
                  AND (o.converted_at IS DISTINCT FROM done.first_at
                       OR COALESCE(o.conversion_count, 0) != COALESCE(done.number, 0)
                       OR COALESCE(o.conversion_amount, 0) != COALESCE(done.amount, 0))
            RETURNING d.task_id, d.state AS old_state, d.state AS new_state,
                      d.outcome AS old_outcome, d.outcome AS new_outcome,
                      (done.first_at IS NOT NULL)::int - (o.converted_at IS NOT NULL)::int
                          AS converted""",
            matched=matched,
            kept=kept,
            task=self.id,
        )

    def _match_conversions(self, table):
        """Return SQL that selects (delivery id, date, amount) of each conversion.

        A delivery to a record of another model, such as a lead, that has become a contact matches
        both as the record and as the contact.

        :param table: the task's `directmail.data.table`
        :rtype: SQL
        """
        touched = self._touch_to_sql(SQL.identifier("d"), SQL("%s", self.conversion_from))
        return SQL(
            """WITH facts AS MATERIALIZED (%(facts)s
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
            facts=self._select_conversion_facts(table),
            became=self._select_new_contacts(table),
            touched=touched,
            in_window=self._get_window(table, SQL("p.touched"), SQL("%s", self.conversion_days)),
            later=self._select_later_touches(table),
            task=self.id,
        )

    def _select_conversion_facts(self, table):
        """Return SQL of the facts of a table that may be conversions of the task.

        :param table: the task's `directmail.data.table`
        :rtype: SQL
        """
        today = Today(fields.Datetime.now(), self.account_id.tz)
        return SQL(
            "SELECT * FROM (%s) AS fact WHERE date >= %s",
            table._select_facts(self._get_owner_env(), today=today),
            # Earliest date that can match: a plain date is compared with the start of the touch's
            # day in the account's time zone, up to 36 hours before the touch in UTC.
            self.planned_at - timedelta(days=2),
        )

    def _get_window(self, table, touched, days):
        """Return the condition that the conversion `p` is at most `days` days after a touch.

        If the table has dates without a time, they are days in the account's time zone, and the
        day of the touch counts.

        :param table: a `directmail.data.table`
        :param SQL touched: the moment of the touch, UTC
        :param SQL days: a number
        :rtype: SQL
        """
        start = touched
        if table._has_mere_dates():
            touched = to_local(touched, self.account_id.tz)
            start = SQL("date_trunc('day', %s)", touched)
        return SQL("p.date >= %s AND p.date < %s + %s * interval '1 day'", start, touched, days)

    def _select_new_contacts(self, table):
        """Return SQL (res_model, res_id, partner_id) of mailed records that now have a contact.

        Only contacts that the task's owner may see; the lowest id where a record has several.

        :param table: only records mailed by tasks with this `conversion_table_id`
        :rtype: SQL
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
        """Return SQL of deliveries `o` touched after `p` and whose window has the conversion too.

        Where one exists, the conversion counts for that delivery and not for `p`. Merged contacts
        have two deliveries in one task; there too the last touch counts, then the higher id.

        :param table: only deliveries of tasks with this `conversion_table_id`
        :rtype: SQL
        """
        touched = self._touch_to_sql(SQL.identifier("o"), SQL.identifier("ot", "conversion_from"))
        return SQL(
            """SELECT 1 FROM directmail_delivery o JOIN directmail_task ot ON ot.id = o.task_id
                WHERE ot.company_id = %(company)s AND ot.conversion_table_id = %(table)s
                  AND (%(touched)s, o.id) > (p.touched, p.id)
                  AND %(is_real)s AND %(in_window)s""",
            company=self.company_id.id,
            table=table.id,
            touched=touched,
            is_real=is_real(SQL("ot.account_id")),
            in_window=self._get_window(table, touched, SQL.identifier("ot", "conversion_days")),
        )

    @api.model
    def _touch_to_sql(self, delivery, kind):
        """Return SQL for the moment of a delivery's touch; NULL if there is none.

        :param SQL delivery: the alias of the delivery
        :param SQL kind: a value of `conversion_from`
        :rtype: SQL
        """
        return SQL(
            """CASE %(kind)s
                    WHEN 'click' THEN %(d)s.clicked_at
                    WHEN 'open' THEN COALESCE(%(d)s.opened_at,
                        CASE WHEN %(d)s.measuring IS DISTINCT FROM %(clicks)s
                             THEN %(d)s.clicked_at END)
                    ELSE CASE WHEN %(d)s.outcome = 'delivered'
                              THEN COALESCE(%(d)s.sent_at, %(d)s.outcome_at) END
               END""",
            d=delivery,
            kind=kind,
            clicks=CLICKS_ONLY,
        )
