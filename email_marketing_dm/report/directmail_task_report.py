from odoo import api, fields, models
from odoo.tools import SQL

from ..engine.tens import in_tens_to_sql
from ..engine.trial import is_real
from ..models.account.directmail_sender_guard import COMPLAINTS_WARNED, INVALID_WARNED
from ..models.delivery.directmail_delivery import OUTCOMES, REACTION_FIELDS, STATES
from ..models.mixins.directmail_seen import is_administrator
from ..models.task.directmail_task import UNMEASURED
from ..models.task.directmail_task_tens import UNTOLD

#: {rate: (field of the numerator, field of the denominator)}. The rate of several tasks is the
#: quotient of their sums, not the average of their rates.
RATES = {
    "delivery_rate": ("delivered_count", "sent_count"),
    "bounce_rate": ("invalid_count", "sent_count"),
    "open_rate": ("opened_count", "open_base"),
    "click_rate": ("clicked_count", "click_base"),
    "unsubscribe_rate": ("unsubscribed_count", "delivered_count"),
    "complaint_rate": ("complained_count", "delivered_count"),
    "conversion_rate": ("converted_count", "delivered_count"),
}
HEALTH_DAYS = 30
HEALTH_MINIMUM = 200  # sent mails; rates of fewer are not judged
TENS_HELP = (
    "If an email task includes people whom you may not see, the number of people who got no mail is"
    " rounded down to tens."
)
UPLIFT_HELP = (
    "What the people who were mailed did more than the control group leads to expect. Only of email"
    " tasks with a control group and a conversion."
)
FIGURES = (*dict(STATES + OUTCOMES), *REACTION_FIELDS, "converted", *UNMEASURED)


class DirectmailTaskReport(models.Model):
    """The results of email tasks: one row per started task.

    It adds up `directmail.task.counter` and never counts deliveries, so that the cost does not
    depend on the number of mails. The simulated results of a trial are in it only while the trial
    is the company's only account.
    """

    _name = "directmail.task.report"
    _description = "Email Task Effectiveness"
    _auto = False
    _rec_name = "task_id"
    _order = "date desc, id desc"

    task_id = fields.Many2one("directmail.task", "Email task", readonly=True)
    date = fields.Datetime("Started", readonly=True)
    state = fields.Selection(
        selection=lambda self: (
            self.env["directmail.task"]._fields["state"]._description_selection(self.env)
        ),
        readonly=True,
    )
    company_id = fields.Many2one("res.company", readonly=True)
    account_id = fields.Many2one("directmail.account", readonly=True)
    sender_id = fields.Many2one("directmail.sender", "Sender address", readonly=True)
    template_id = fields.Many2one("directmail.template", readonly=True)
    campaign_id = fields.Many2one("utm.campaign", readonly=True)
    user_id = fields.Many2one("res.users", "Owner", readonly=True)
    # A row's id is the task's id, so this reuses the relation table of `directmail.task`.
    audience_ids = fields.Many2many(
        "directmail.audience",
        "directmail_audience_directmail_task_rel",
        "directmail_task_id",
        "directmail_audience_id",
        readonly=True,
        context={"active_test": False},
        ondelete="restrict",
    )
    people_count = fields.Integer("People", readonly=True, help=TENS_HELP)
    suppressed_count = fields.Integer("Suppressed", readonly=True, help=TENS_HELP)
    waiting_count = fields.Integer("Waiting", readonly=True, help=TENS_HELP)
    sending_count = fields.Integer("Sending", readonly=True, help=TENS_HELP)
    unknown_count = fields.Integer("Unknown", readonly=True)
    sent_count = fields.Integer("Sent", readonly=True)
    refused_count = fields.Integer("Refused", readonly=True)
    not_sent_count = fields.Integer("Not sent", readonly=True)
    cancelled_count = fields.Integer("Cancelled", readonly=True, help=TENS_HELP)
    delivered_count = fields.Integer("Delivered", readonly=True)
    failed_count = fields.Integer("Failed", readonly=True)
    invalid_count = fields.Integer("Invalid address", readonly=True)
    spam_count = fields.Integer("Spam", readonly=True)
    opened_count = fields.Integer("Opened", readonly=True)
    clicked_count = fields.Integer("Clicked", readonly=True)
    unsubscribed_count = fields.Integer("Unsubscribed", readonly=True)
    complained_count = fields.Integer("Reported as spam", readonly=True)
    converted_count = fields.Integer("Converted", readonly=True)
    unmeasured_open_count = fields.Integer("Delivered, opens not recorded", readonly=True)
    unmeasured_click_count = fields.Integer("Delivered, clicks not recorded", readonly=True)
    anonymous_open_count = fields.Integer("Anonymous opens", readonly=True)
    anonymous_click_count = fields.Integer("Anonymous clicks", readonly=True)
    open_base = fields.Integer("Delivered, opens recorded", readonly=True)
    click_base = fields.Integer("Delivered, clicks recorded", readonly=True)
    currency_id = fields.Many2one("res.currency", readonly=True)
    revenue = fields.Monetary(readonly=True)
    uplift_conversions = fields.Float(
        "Additional conversions", readonly=True, digits=(16, 1), help=UPLIFT_HELP
    )
    uplift_revenue = fields.Monetary("Additional revenue", readonly=True, help=UPLIFT_HELP)
    # With the reader's rights: `directmail.task._get_uplift_pair` tells no figures to some readers.
    uplift_range = fields.Char(related="task_id.uplift_range", related_sudo=False)
    delivery_rate = fields.Float(
        "Delivered %",
        readonly=True,
        aggregator="avg",
        help="Share of sent mails that were delivered.",
    )
    bounce_rate = fields.Float(
        "Invalid address %",
        readonly=True,
        aggregator="avg",
        help="Share of sent mails that had an invalid address.",
    )
    open_rate = fields.Float(
        "Opened %",
        readonly=True,
        aggregator="avg",
        help="Share of delivered mails that people opened. Opens by machines, and people and email"
        " tasks whose opens are not recorded, are left out.",
    )
    click_rate = fields.Float(
        "Clicked %",
        readonly=True,
        aggregator="avg",
        help="Share of delivered mails that people clicked in. Clicks by machines, and people and"
        " email tasks whose clicks are not recorded, are left out.",
    )
    unsubscribe_rate = fields.Float(
        "Unsubscribed %",
        readonly=True,
        aggregator="avg",
        help="Share of delivered mails whose recipients unsubscribed.",
    )
    complaint_rate = fields.Float(
        "Reported as spam %",
        readonly=True,
        aggregator="avg",
        help="Share of delivered mails that people reported as spam.",
    )
    conversion_rate = fields.Float(
        "Converted %",
        readonly=True,
        aggregator="avg",
        help="Share of delivered mails whose recipients converted.",
    )

    @property
    def _table_query(self):
        counts = SQL(", ").join(
            SQL("%s AS %s", self._count_to_sql(name), SQL.identifier(f"{name}_count"))
            for name in FIGURES
        )
        rates = SQL(", ").join(
            SQL(
                "COALESCE(%s::float / NULLIF(%s, 0), 0) AS %s",
                SQL.identifier(part),
                SQL.identifier(whole),
                SQL.identifier(rate),
            )
            for rate, (part, whole) in RATES.items()
        )
        people = SQL(" + ").join(SQL.identifier(f"{name}_count") for name, _label in STATES)
        return SQL(
            """SELECT figures.*, %(people)s AS people_count, %(rates)s
                 FROM (
                    SELECT t.id, t.id AS task_id, t.planned_at AS date, t.state, t.company_id,
                           t.account_id, t.sender_id, t.template_id, t.campaign_id, t.user_id,
                           t.revenue, c.currency_id, counted.*,
                           %(conversions)s AS uplift_conversions,
                           %(amount)s AS uplift_revenue,
                           CASE WHEN t.track_opens AND t.nobody_measured IS NOT TRUE
                                THEN delivered_count - unmeasured_open_count
                                ELSE 0 END AS open_base,
                           CASE WHEN t.track_clicks AND t.nobody_measured IS NOT TRUE
                                THEN delivered_count - unmeasured_click_count
                                ELSE 0 END AS click_base
                      FROM directmail_task t
                      JOIN res_company c ON c.id = t.company_id
                      JOIN LATERAL (
                            SELECT %(counts)s FROM directmail_task_counter k WHERE k.task_id = t.id
                           ) AS counted ON TRUE
                     WHERE t.planned_at IS NOT NULL AND (%(is_real)s OR NOT EXISTS (
                           SELECT FROM directmail_account other
                            WHERE other.company_id = t.company_id AND other.active
                              AND other.connection != 'trial')
                           AND (SELECT active FROM directmail_account WHERE id = t.account_id))
                 ) AS figures""",
            counts=counts,
            people=people,
            rates=rates,
            is_real=is_real(SQL("t.account_id")),
            conversions=self._uplift_to_sql(1),
            amount=self._uplift_to_sql(2),
        )

    def _uplift_to_sql(self, place):
        """Return SQL of what the people of a task `t` who were mailed did more than its control.

        Null where `directmail.task._get_uplift_pair` tells no figures.

        :param int place: of a value of `statistics.uplift.Group`
        """
        return SQL(
            """CASE WHEN %(is_told)s AND t.control_share > 0 AND t.conversion_table_id IS NOT NULL
                    THEN (t.uplift_groups -> 'mail' ->> %(place)s)::float
                         - (t.uplift_groups -> 'mail' ->> 0)::float
                         * (t.uplift_groups -> 'control' ->> %(place)s)::float
                         / NULLIF((t.uplift_groups -> 'control' ->> 0)::float, 0) END""",
            is_told=SQL("TRUE") if self._is_exact() else SQL("NOT COALESCE(t.in_tens, FALSE)"),
            place=place,
        )

    def _is_exact(self):
        """Return whether the current user sees exact figures of all email tasks."""
        return self.env.su or is_administrator(self.env)

    def _count_to_sql(self, name):
        """Return SQL of a figure of a task `t`, in tens if the current user may not see it exactly.

        :param str name: one of `FIGURES`
        :rtype: SQL
        """
        count = SQL("COALESCE(sum(value) FILTER (WHERE name = %s), 0)::int", name)
        if name not in UNTOLD or self._is_exact():
            return count
        told = in_tens_to_sql(count, SQL("t.tens_mark"), UNTOLD[name])
        return SQL("CASE WHEN t.in_tens THEN %s ELSE %s END", told, count)

    def _read_group_select(self, aggregate_spec, query):
        """Override: compute the rate of several tasks from the sums of its two counts."""
        rate = aggregate_spec.removesuffix(":avg")
        if rate not in RATES or rate == aggregate_spec:
            return super()._read_group_select(aggregate_spec, query)
        part, whole = (self._field_to_sql(self._table, name, query) for name in RATES[rate])
        return SQL("COALESCE(SUM(%s)::float / NULLIF(SUM(%s), 0), 0)", part, whole)

    def action_open_task(self):
        """Open the email task of a row."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "res_model": "directmail.task",
            "res_id": self.task_id.id,
            "views": [(False, "form")],
        }

    @api.model
    @api.readonly
    def get_overview(self, days=30):
        """Return the data of the overview page for tasks that started in the last days.

        :param int days: length of the period; limited to 1 to 366
        :return: "now" and "before" ({figure: sum} of the period and of the period before it),
            "trend" (a row per day, or per week if the period is longer than 31 days), "tasks" (the
            latest 10), "health" (see `_get_health`), "currency_id"
        :rtype: dict
        """
        days = min(max(int(days), 1), 366)
        now = fields.Datetime.now()
        start, before = (fields.Datetime.subtract(now, days=n * days) for n in (1, 2))
        domain = [("date", ">=", start)]
        return {
            "now": self._sum_figures(domain),
            "before": self._sum_figures([("date", ">=", before), ("date", "<", start)]),
            "trend": self._get_trend(domain, "day" if days <= 31 else "week"),
            "tasks": self.search_read(
                domain, ["task_id", "date", "currency_id", *self._shown_figures()], limit=10
            ),
            "health": self._get_health(),
            "currency_id": self.env.company.currency_id.id,
        }

    @api.model
    def _shown_figures(self):
        return (
            "sent_count",
            "delivered_count",
            "opened_count",
            "clicked_count",
            "unsubscribed_count",
            "complained_count",
            "converted_count",
            "revenue",
            *RATES,
        )

    def _sum_figures(self, domain):
        names = self._shown_figures()
        # Companies may use different currencies: `sum_currency` converts by today's rates.
        ways = {**dict.fromkeys(RATES, "avg"), "revenue": "sum_currency"}
        aggregates = [f"{name}:{ways.get(name, 'sum')}" for name in names]
        [values] = self._read_group(domain, [], ["__count", *aggregates])
        return dict(zip(("tasks", *names), (value or 0 for value in values), strict=True))

    def _get_trend(self, domain, step):
        figures = ["sent_count", "delivered_count", "opened_count", "clicked_count"]
        rows = self._read_group(
            domain, [f"date:{step}"], [f"{name}:sum" for name in figures], order=f"date:{step}"
        )
        return [
            {"date": fields.Date.to_string(date), **dict(zip(figures, values, strict=True))}
            for date, *values in rows
        ]

    # === HEALTH === #

    @api.model
    def _get_health(self):
        """Rate each sender address by the tasks of the last `HEALTH_DAYS` days.

        The limits are those of the company, with which `directmail.sender._guard` pauses tasks. At
        first they are those of Gmail and Yahoo for complaints (below 0.1 % is good, 0.3 % must
        never be reached), and usual ones for invalid addresses.

        :return: dicts with id, sender (its name), delivered, complaint_rate, bounce_rate, level
            ('success', 'warning', 'danger' or 'muted') and advice
        :rtype: list[dict]
        """
        since = fields.Datetime.subtract(fields.Datetime.now(), days=HEALTH_DAYS)
        rows = self._read_group(
            [("date", ">=", since), ("sent_count", ">", 0)],
            ["sender_id"],
            ["sent_count:sum", "delivered_count:sum", "complaint_rate:avg", "bounce_rate:avg"],
        )
        health = []
        for sender, sent, delivered, complaints, bounces in rows:
            level, advice = self._judge(sender.company_id, sent, complaints, bounces)
            health.append(
                {
                    "id": sender.id,
                    "sender": sender.display_name,
                    "delivered": delivered,
                    "complaint_rate": complaints,
                    "bounce_rate": bounces,
                    "level": level,
                    "advice": advice,
                }
            )
        return health

    def _judge(self, company, sent, complaints, bounces):
        """Return (level, advice) of a sender address.

        :param company: the `res.company` of the limits
        :param int sent: the number of mails sent
        :param complaints, bounces: rates, 0 to 1
        """
        if sent < HEALTH_MINIMUM:
            return "muted", self.env._("Too few mails to judge.")
        complaint_limit = company.directmail_complaint_limit / 100
        invalid_limit = company.directmail_invalid_limit / 100
        if complaints >= complaint_limit:
            return "danger", self.env._(
                "Too many people report these mails as spam, and mailbox providers may block the"
                " sender. Only mail people who asked for it and opened a mail recently."
            )
        if bounces >= invalid_limit:
            return "danger", self.env._(
                "Too many addresses do not exist. Remove them from your audiences before you send"
                " again, and check where they came from."
            )
        if complaints >= complaint_limit * COMPLAINTS_WARNED:
            return "warning", self.env._(
                "More people than usual report these mails as spam. Send less often, and make the"
                " unsubscribe link easy to find."
            )
        if bounces >= invalid_limit * INVALID_WARNED:
            return "warning", self.env._(
                "More addresses than usual do not exist. Have old lists checked before you mail"
                " them."
            )
        return "success", self.env._("No problems found.")
