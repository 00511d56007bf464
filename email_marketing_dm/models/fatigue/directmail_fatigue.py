from odoo import api, fields, models
from odoo.exceptions import ValidationError

from ...clock.spans import SPANS
from ...engine.fatigue_rules import count_exempt

EXEMPT_MAX = 100
PERIODS_MAX = 20
SPAN_LABELS = [(code, span.label) for code, span in SPANS.items()]
ACTIONS = [("hold", "Hold until it ends"), ("drop", "Do not send")]
DAY_MINUTES = 24 * 60


class DirectmailFatigue(models.Model):
    """The fatigue control of one company: limits on messages per person, and quiet times.

    Nothing is limited until an administrator sets it.
    """

    _name = "directmail.fatigue"
    _description = "Fatigue Control"
    _inherit = ["directmail.guarded", "directmail.of.company", "directmail.notifying"]
    _rec_name = "company_id"
    _ask_type = "mail.mail_activity_data_warning"
    _guarded_fields = frozenset(("exempt_count", "exempt_suspended"))

    company_id = fields.Many2one(
        "res.company", required=True, readonly=True, default=lambda self: self.env.company
    )
    rule_ids = fields.One2many(
        "directmail.fatigue.rule",
        "fatigue_id",
        "Limits",
        default=lambda self: [fields.Command.create({"span": span}) for span in SPANS],
    )
    identity = fields.Selection(
        [("address", "By email address"), ("contact", "By contact")],
        "Identify people",
        required=True,
        default="address",
        tracking=True,
    )
    zone = fields.Selection(
        [("account", "The account's time zone"), ("recipient", "Each recipient's time zone")],
        "Time zone of quiet times",
        required=True,
        default="account",
        tracking=True,
    )
    trust_contact_tz = fields.Boolean(
        "Use the contact's own time zone",
        tracking=True,
        help="Quiet times then follow the time zone on the contact. Odoo fills it with the time"
        " zone of the user who created the contact, so select this only if someone keeps it"
        " correct.",
    )
    hours_ids = fields.One2many("directmail.quiet.hours", "fatigue_id", "Do-not-disturb hours")
    period_ids = fields.One2many("directmail.quiet.period", "fatigue_id", "Quiet periods")
    exempt_audience_ids = fields.Many2many(
        "directmail.audience",
        "directmail_fatigue_exempt_rel",
        "fatigue_id",
        "audience_id",
        "Exempt audiences",
        context={"active_test": False},
        ondelete="restrict",
        check_company=True,
    )
    exempt_count = fields.Integer("Exempt people", readonly=True, copy=False)
    exempt_suspended = fields.Boolean("Exemption suspended", readonly=True, copy=False)

    _company_unique = models.UniqueIndex(
        "(company_id)", "This company already has its own fatigue control."
    )

    @api.constrains("rule_ids")
    def _check_spans(self):
        for fatigue in self:
            spans = fatigue.rule_ids.mapped("span")
            if len(set(spans)) != len(spans):
                raise ValidationError(
                    self.env._("There can be only one row of limits for each time span.")
                )

    @api.constrains("period_ids")
    def _check_periods(self):
        for fatigue in self:
            if len(fatigue.period_ids) > PERIODS_MAX:
                raise ValidationError(
                    self.env._(
                        "There can be at most %(max)s quiet periods, but there are %(number)s."
                        " Remove those that are over.",
                        max=PERIODS_MAX,
                        number=len(fatigue.period_ids),
                    )
                )

    @api.constrains("hours_ids")
    def _check_hours(self):
        for fatigue in self:
            quiet = set()
            for hours in fatigue.hours_ids:
                quiet.update(hours._get_minutes())
            if len(quiet) == 24 * 60:
                raise ValidationError(
                    self.env._(
                        "The do-not-disturb hours cover the whole day, so no mail could be sent."
                        " Shorten them."
                    )
                )

    @api.constrains("exempt_audience_ids")
    def _check_exempt(self):
        for fatigue in self:
            # sudo(): only the number of people is told, to administrators who may write it.
            number = fatigue.sudo()._count_exempt()
            if number > EXEMPT_MAX:
                raise ValidationError(
                    self.env._(
                        "At most %(max)s people can be exempt, but these audiences have %(number)s."
                        " Choose smaller audiences.",
                        max=EXEMPT_MAX,
                        number=number,
                    )
                )

    @api.model_create_multi
    def create(self, vals_list):
        records = super().create(vals_list)
        # sudo(): super() checked the right to create; members of all owners' audiences count.
        records.sudo()._update_exemption()
        return records

    def write(self, vals):
        res = super().write(vals)
        # sudo(): super() checked the right to write; deliveries of all owners are updated.
        if "exempt_audience_ids" in vals:
            self.sudo()._update_exemption()
        self.sudo()._release_held()
        return res

    @api.model
    def action_open(self):
        """Open the settings of the current company, which are created on first use."""
        self.check_access("write")
        company = self.env.company
        record = self.search([("company_id", "=", company.id)]) or self.create(
            {"company_id": company.id}
        )
        # Add rows for spans that were added to `clock.spans` after the settings were created.
        missing = [span for span in SPANS if span not in record.rule_ids.mapped("span")]
        self.env["directmail.fatigue.rule"].create(
            [{"fatigue_id": record.id, "span": span} for span in missing]
        )
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "email_marketing_dm.directmail_fatigue_action"
        )
        return {**action, "res_id": record.id}

    @api.model
    def _get_for(self, company):
        """Return the company's settings; empty if they were never opened."""
        # sudo(): claims and pages of any user need the settings of a company; they name no people.
        return self.sudo().search([("company_id", "=", company.id)])

    def _count_exempt(self):
        """Return the number of people in the exempt audiences, each counted once."""
        self.ensure_one()
        self.env.flush_all()
        return count_exempt(self.env, self.id)

    def _update_exemption(self):
        """Suspend the exemption if its audiences have more than `EXEMPT_MAX` people, or restore it.

        Administrators are notified by an activity. A suspended exemption exempts nobody, because it
        is not known which `EXEMPT_MAX` of the people are meant.
        """
        for fatigue in self:
            number = fatigue._count_exempt()
            suspended = number > EXEMPT_MAX
            if suspended and not fatigue.exempt_suspended:
                fatigue._tell_administrators(number)
            elif fatigue.exempt_suspended and not suspended:
                fatigue._close_activities()
            if (number, suspended) != (fatigue.exempt_count, fatigue.exempt_suspended):
                fatigue.write({"exempt_count": number, "exempt_suspended": suspended})

    def _tell_administrators(self, number):
        for user in self.env["res.users"]._get_directmail_admins(self.company_id):
            here = self.with_context(lang=user.lang)
            here._ask_user(
                user,
                here.env._("Exemption suspended: too many people"),
                here.env._(
                    "The exempt audiences have grown to %(number)s people, but at most %(max)s"
                    " people can be exempt. Until you choose smaller audiences, limits and quiet"
                    " times apply to everyone.",
                    number=number,
                    max=EXEMPT_MAX,
                ),
            )

    def _release_held(self):
        """Release the mails that fatigue control holds: sending checks them by the new settings."""
        self.env["directmail.task"].search(
            [("company_id", "in", self.company_id.ids), ("state", "not in", ("done", "cancelled"))]
        )._release_held()


class DirectmailFatigueRule(models.Model):
    """The number of messages that a person may get within a span of time that ends now."""

    _name = "directmail.fatigue.rule"
    _description = "Fatigue Limit"
    _inherit = ["directmail.of.company"]
    _company_path = "fatigue_id.company_id"
    _order = "id"
    _rec_name = "span"

    fatigue_id = fields.Many2one(
        "directmail.fatigue", required=True, index=True, ondelete="cascade"
    )
    span = fields.Selection(SPAN_LABELS, "Within", required=True, readonly=True)
    # Floats without decimals, so that 2.5 is rounded to a whole number. An Integer would cut it.
    email_limit = fields.Float("Emails", digits=(6, 0))
    global_limit = fields.Float("All messages", digits=(6, 0))

    _limits_positive = models.Constraint(
        "CHECK(email_limit >= 0 AND global_limit >= 0)",
        "A limit can't be negative. Leave it empty to switch it off.",
    )

    def write(self, vals):
        before = {rule: (rule.email_limit, rule.global_limit) for rule in self}
        res = super().write(vals)
        for rule in self:
            rule._log_change(before[rule])
        return res

    def _log_change(self, before):
        """Log changed limits in the chatter of the settings.

        :param before: (`email_limit`, `global_limit`) before the change
        """
        span = dict(self._fields["span"]._description_selection(self.env))[self.span]
        for name, old in zip(("email_limit", "global_limit"), before, strict=True):
            if old != self[name]:
                self.fatigue_id._message_log(
                    body=self.env._(
                        "%(limit)s in %(span)s: %(old)s → %(new)s",
                        limit=self._fields[name]._description_string(self.env),
                        span=span,
                        old=int(old) or self.env._("no limit"),
                        new=int(self[name]) or self.env._("no limit"),
                    )
                )


class DirectmailQuietHours(models.Model):
    """A part of each day, in hours from midnight, in which no mails are sent."""

    _name = "directmail.quiet.hours"
    _description = "Do-not-disturb Hours"
    _inherit = ["directmail.of.company"]
    _company_path = "fatigue_id.company_id"
    _order = "begin, id"
    _rec_name = "begin"

    fatigue_id = fields.Many2one(
        "directmail.fatigue", required=True, index=True, ondelete="cascade"
    )
    begin = fields.Float("From", required=True, default=22.0)
    finish = fields.Float("To", required=True, default=8.0, help="The end can be on the next day.")
    action = fields.Selection(ACTIONS, "Mails during this time", required=True, default="hold")

    @api.constrains("begin", "finish")
    def _check_hours(self):
        for hours in self:
            if not (0 <= hours.begin < 24 and 0 <= hours.finish <= 24):
                raise ValidationError(self.env._("Enter times between 00:00 and 24:00."))
            if not hours._get_minutes():
                raise ValidationError(
                    self.env._("The start and the end of do-not-disturb hours must differ.")
                )

    def _get_minutes(self):
        """Return the minutes of the day, 0 to 1439, that these hours cover."""
        begin, finish = (round(value * 60) % DAY_MINUTES for value in (self.begin, self.finish))
        if begin <= finish:
            return range(begin, finish)
        return [*range(begin, DAY_MINUTES), *range(finish)]


class DirectmailQuietPeriod(models.Model):
    """A range of days, both included, on which no mails are sent."""

    _name = "directmail.quiet.period"
    _description = "Quiet Period"
    _inherit = ["directmail.of.company"]
    _company_path = "fatigue_id.company_id"
    _order = "first_day, id"

    fatigue_id = fields.Many2one(
        "directmail.fatigue", required=True, index=True, ondelete="cascade"
    )
    name = fields.Char(required=True)
    first_day = fields.Date("First day", required=True)
    last_day = fields.Date("Last day", required=True)
    action = fields.Selection(ACTIONS, "Mails during this time", required=True, default="hold")

    _days_ordered = models.Constraint(
        "CHECK(first_day <= last_day)", "A quiet period can't end before it begins."
    )
