from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError
from odoo.tools import formatLang

from odoo.addons.base.models.res_partner import _tz_get

from ...clock.spans import LONGEST
from ...directmail import const, endpoints
from ...directmail.errors import DirectMailError
from ...privacy.address import normalise

#: fields that say which DirectMail account is called; a user's write deactivates the account
_IDENTITY = frozenset(
    ("region", "connection", "endpoint", "credentials", "access_key_id", "ram_role")
)
#: fields that limit how many mails may be sent now; a write triggers the sending cron
_LIMITS = frozenset(("daily_quota", "quota_reserve", "threads"))


class DirectmailAccount(models.Model):
    """A DirectMail account of a company: how it is called, its limits, and its sending cron.

    Each account has a cron of its own (`cron_id`), so that accounts send side by side.
    """

    _name = "directmail.account"
    _description = "DirectMail Account"
    _inherit = [
        "directmail.guarded",
        "directmail.of.company",
        "directmail.key.problem",
        "mail.thread",
    ]
    _order = "name, id"
    _guarded_fields = frozenset(
        (
            "cron_id",
            "daily_quota",
            "database_identity",
            "health",
            "month_quota",
            "state",
            "state_message",
            "synchronised_at",
            "template_count",
        )
    )

    name = fields.Char(required=True, tracking=True)
    active = fields.Boolean(default=True)
    company_id = fields.Many2one(
        "res.company", required=True, index=True, default=lambda self: self.env.company
    )
    state = fields.Selection(
        [
            ("draft", "Not active"),
            ("active", "Active"),
            ("stopped", "Stopped"),
            ("disarmed", "Copied database"),
        ],
        default="draft",
        required=True,
        readonly=True,
        copy=False,
        tracking=True,
        help="Only an active account sends. It is stopped if DirectMail refuses the account. In a"
        " copied or restored database it does not send until an administrator confirms it.",
    )
    state_message = fields.Text("What happened", readonly=True, copy=False)
    region = fields.Selection(
        selection="_selection_region", required=True, default="ap-southeast-1", tracking=True
    )
    database_identity = fields.Char(groups=fields.NO_ACCESS, copy=False)
    tz = fields.Selection(
        _tz_get, "Time zone", required=True, default=lambda self: self.env.user.tz or "UTC"
    )
    public_url = fields.Char(
        "Public address",
        default=lambda self: self._default_public_url(),
        tracking=True,
        help="The address at which recipients reach this Odoo, used in unsubscribe and view-online"
        " links. It must begin with https:// and work from the internet. In test mode, any address"
        " is allowed.",
    )
    content_mode = fields.Selection(
        [("template", "Approved template"), ("body", "Approved text, filled in here")],
        string="Content",
        default="template",
        required=True,
        help="How the approved content is sent to DirectMail. Choose “Approved text, filled in"
        " here” only if DirectMail refuses templates for this account.",
    )
    template_in_body = fields.Boolean(
        "Large templates",
        help="Allows templates larger than about 80 KB, up to 1 MB. Not every DirectMail account"
        " accepts them: turn this on, submit a template, and turn it off again if DirectMail"
        " refuses it.",
    )
    unsubscribe_link = fields.Selection(
        [
            ("auto", "Only in mails without a link of their own"),
            ("default", "Always"),
            ("disabled", "Never"),
        ],
        string="DirectMail's unsubscribe link",
        default="auto",
        required=True,
        help="DirectMail can add its own unsubscribe link to the headers of each mail. Mails of"
        " email tasks already have one that leads to this Odoo, and mail programs show only one"
        " link. Change this only if Alibaba Cloud advises you to.",
    )
    unsubscribe_filter = fields.Selection(
        [
            ("mailfrom_domain", "All senders of the domain"),
            ("mailfrom", "The same sender address"),
            ("edm_id", "The whole DirectMail account"),
            ("default", "As DirectMail decides"),
            ("disabled", "Nobody"),
        ],
        string="DirectMail's unsubscribe scope",
        default="mailfrom_domain",
        required=True,
        help="Which senders' mails DirectMail itself withholds from people who unsubscribed"
        " through DirectMail's own link, for example in a mail from another system. Opt-outs known"
        " to Odoo are always respected.",
    )
    threads = fields.Integer(
        "Parallel calls",
        default=32,
        help="Maximum number of mails that are handed over to DirectMail at the same time.",
    )
    rate_limit = fields.Integer("Mails per second", default=80)
    quota_reserve = fields.Integer(
        "Reserved quota",
        default=0,
        help="Mails per day reserved for other systems that send with this DirectMail account.",
    )
    price_per_thousand = fields.Float(
        "Price per 1,000 mails",
        digits=(16, 4),
        help="Used for the cost estimate of email tasks. With 0, no cost is shown.",
    )
    currency_id = fields.Many2one(
        "res.currency", default=lambda self: self.env.company.currency_id, required=True
    )
    retention_days = fields.Integer(
        "Keep recipient details for",
        default=730,
        help="Number of days after the end of an email task. Then the data about who received the"
        " mail and what each person did is deleted; the figures stay. With 0, it is kept forever.",
    )
    daily_quota = fields.Integer("Daily quota", readonly=True, copy=False)
    month_quota = fields.Integer("Monthly quota", readonly=True, copy=False)
    health = fields.Selection(
        [
            ("ok", "Normal"),
            ("frozen", "Frozen"),
            ("overdue", "Payment overdue"),
            ("restricted", "Sending restricted"),
            ("deleted", "Deleted"),
        ],
        readonly=True,
        copy=False,
    )
    synchronised_at = fields.Datetime("Last synchronized", readonly=True, copy=False)
    sender_ids = fields.One2many("directmail.sender", "account_id", "Sender addresses")
    cron_id = fields.Many2one(
        "ir.cron", readonly=True, copy=False, ondelete="set null", groups="base.group_system"
    )
    _threads_range = models.Constraint(
        "CHECK(threads BETWEEN 1 AND 64)", "The number of parallel calls must be between 1 and 64."
    )
    # Fatigue control counts the deliveries of its longest span.
    _retention_range = models.Constraint(
        f"CHECK(retention_days = 0 OR retention_days >= {LONGEST.days + 1})",
        "Recipient details must be kept for at least 31 days, because fatigue control looks back"
        " 30 days. Enter 0 to keep them forever.",
    )
    _rate_range = models.Constraint(
        "CHECK(rate_limit BETWEEN 1 AND 100)", "Mails per second must be between 1 and 100."
    )
    _reserve_range = models.Constraint(
        "CHECK(quota_reserve >= 0)", "The reserved quota can't be negative."
    )
    _price_range = models.Constraint(
        "CHECK(price_per_thousand >= 0)", "The price can't be negative."
    )
    reply_to = fields.Char(
        "Replies go to",
        tracking=True,
        help="Address for replies if the email task has none and its sender address has no"
        " verified reply address at DirectMail.",
    )

    def _default_public_url(self):
        # sudo(): parameters are for Odoo's administrators; every visitor knows this one.
        return self.env["ir.config_parameter"].sudo().get_param("web.base.url")

    @api.model
    def _selection_region(self):
        labels = {
            "cn-hangzhou": self.env._("China (Hangzhou)"),
            "ap-southeast-1": self.env._("Singapore"),
            "us-east-1": self.env._("US (Virginia)"),
            "eu-central-1": self.env._("Germany (Frankfurt)"),
        }
        return [(code, labels.get(code, code)) for code, _endpoint in const.REGIONS]

    @api.model_create_multi
    def create(self, vals_list):
        accounts = super().create([self._prepare_vals(vals) for vals in vals_list])
        for account in accounts:
            # sudo(): super() checked the right to create the account; crons are for Odoo's
            # administrators.
            account.sudo().cron_id = account._create_cron()
        return accounts

    @api.model
    def _prepare_vals(self, vals):
        """Return the values to store: connection and endpoint agree, domains are normalised.

        :raise ValidationError: `test_domains` contains something else
        """
        return self._normalise_domains(self._complete_connection(vals))

    def write(self, vals):
        vals = self._prepare_vals(vals)
        self._check_trial(vals)
        leaving = self.filtered(lambda account: account._leaves_test_endpoint(vals))
        if leaving:
            # Without its test endpoint, a test account connects through the public endpoint.
            super(DirectmailAccount, leaving).write({**vals, "connection": endpoints.PUBLIC})
        res = super(DirectmailAccount, self - leaving).write(vals)
        if "name" in vals:
            for account in self.sudo():
                account.cron_id.name = account._cron_name()
        if _LIMITS & set(vals):
            # Tasks that wait for the next day's quota may be able to go on with the new limits.
            self._trigger_sending()
        # Templates, senders and tags exist in one DirectMail account and region only, so an
        # administrator has to activate the account again. An archived account is in no list, and
        # its results are not read, so nothing is sent through it. sudo(): `state` is guarded.
        is_archived = "active" in vals and not vals["active"]
        if is_archived or (not self.env.su and _IDENTITY & set(vals)):
            self.sudo().filtered(lambda account: account.state == "active").action_deactivate()
        return res

    @api.ondelete(at_uninstall=False)
    def _unlink_except_used(self):
        # sudo(): tasks of other users count too; only whether there is one is told.
        if self.env["directmail.task"].sudo().search_count([("account_id", "in", self.ids)], 1):
            raise UserError(
                self.env._(
                    "This account can't be deleted, because email tasks were sent with it."
                    " Archive it instead."
                )
            )

    def unlink(self):
        # sudo() reads the crons; super().unlink() checks the rights before they are deleted.
        crons = self.sudo().cron_id
        res = super().unlink()
        crons.unlink()
        return res

    # === ACTIONS === #

    def action_test_connection(self):
        """Show quota, health and permissions at DirectMail, and check the public address.

        :raise UserError: a call to DirectMail fails; the message says why and what to do
        """
        self.ensure_one()
        self.check_access("write")
        summary = self._call(lambda client: client.describe_account())
        self._read_summary(summary)
        said = self.env._(
            "The connection works. Daily quota: %(quota)s. Account status: %(health)s.",
            quota=formatLang(self.env, self.daily_quota, digits=0),
            health=dict(self._fields["health"]._description_selection(self.env))[self.health],
        )
        permissions = self._call(self._explain_permissions)
        kind, address = self._check_public_address()
        good = self.health == "ok" and self.daily_quota and kind != "problem" and not permissions
        if permissions:
            said = f"{said}\n{permissions}"
        if kind == "problem" or not self.test_mode:
            said = f"{said}\n{address}"
        return self._notify(said, "success" if good else "warning")

    def action_synchronise(self):
        """Copy quota, health and sender addresses from DirectMail."""
        self.ensure_one()
        self.check_access("write")
        self._synchronise()
        ready = len(self.sender_ids.filtered("ready"))
        return self._notify(
            self.env._("Sender addresses that can send marketing mail: %(count)s.", count=ready)
            if ready
            else self.env._(
                "No sender address can send marketing mail yet. Create a batch sender address on a"
                " verified domain in DirectMail's console, then synchronize the account again."
            ),
            "success" if ready else "warning",
        )

    def action_activate(self):
        """Let this account send from this database, which `database_identity` identifies.

        :raise UserError: the master key, the public address or the account's health rules it out,
            or a call to DirectMail fails
        """
        self.ensure_one()
        self.check_access("write")
        self._check_key()
        self._check_public_url_usable()
        self._synchronise()
        if self.health != "ok":
            raise UserError(
                self.env._(
                    "DirectMail reports a problem with the account (%(health)s). Fix it in Alibaba"
                    " Cloud's console, then activate the account again.",
                    health=dict(self._fields["health"]._description_selection(self.env))[
                        self.health
                    ],
                )
            )
        # sudo(): writing was checked above; `state` is guarded.
        self.sudo().write(
            {
                "state": "active",
                "state_message": False,
                "database_identity": self._get_database_identity(),
            }
        )
        self._trigger_sending()

    def action_open_master_key(self):
        """Open the dialog about the master keys of the server and of the data."""
        self.check_access("write")
        return self.env["directmail.rekey.start"].action_open()

    def action_deactivate(self):
        """Make the account a draft, so that nothing is sent with it until it is activated."""
        self.check_access("write")
        # sudo(): writing was checked above; `state` is guarded.
        self.sudo().write({"state": "draft", "state_message": False})

    # === BUSINESS === #

    def _cron_name(self):
        return f"DirectMail: send with {self.name}"

    def _create_cron(self):
        self.ensure_one()
        # sudo(): `create` has checked the rights; crons are for Odoo's administrators.
        return (
            self.env["ir.cron"]
            .sudo()
            .create(
                {
                    "name": self._cron_name(),
                    "model_id": self.env["ir.model"]._get_id("directmail.account"),
                    "state": "code",
                    "code": f"model._cron_send({self.id})",
                    "user_id": self.env.ref("base.user_root").id,
                    "interval_number": 10,
                    "interval_type": "minutes",
                }
            )
        )

    def _trigger_sending(self, at=None):
        """Trigger the sending cron (`cron_id`) of these accounts.

        :param at: when (naive UTC); by default now
        """
        # sudo(): users may not read crons. A run checks by itself what may be sent.
        for account in self.sudo():
            # Without its cron an account sends nothing.
            if account.cron_id:
                account.cron_id._trigger(at)

    def _notify(self, message, kind):
        return {
            "type": "ir.actions.client",
            "tag": "display_notification",
            "params": {
                "message": message,
                "type": kind,
                # A warning says what to do next: the web client would hide it after seconds.
                "sticky": kind == "warning",
                "next": {"type": "ir.actions.client", "tag": "soft_reload"},
            },
        }

    # === REPLY ADDRESS === #

    @api.constrains("reply_to")
    def _check_reply_to(self):
        self._check_reply_addresses()

    @api.model
    def _check_reply_addresses(self, records=None):
        for record in self if records is None else records:
            if record.reply_to and not normalise(record.reply_to):
                raise ValidationError(
                    self.env._(
                        "%s is not an email address, so replies could not go there.",
                        record.reply_to,
                    )
                )

    # === TEST MAILS === #

    def _ensure_test_tag(self):
        """Return the name of this database's tag for test mails, created if it is missing.

        The tag keeps test mails out of the results of email tasks.

        :return: "" if DirectMail's limit of tags is reached
        :rtype: str
        :raise UserError: the call to DirectMail fails
        """
        name = f"{self.env['directmail.task']._get_tag_prefix()}test"

        def push(client):
            if client.find_tag(name):
                return name
            try:
                client.create_tag(name, self.env._("Test mails"))
            except DirectMailError as error:
                # A mail needs no tag; with a task's tag, it would count in the task's results.
                if error.kind != "quota":
                    raise
                return ""
            return name

        return self._call(push)
