from odoo import api, fields, models

from ...directmail.behaviors import BEHAVIOR, BEHAVIORS, STEPS
from ...groups import GROUP_ADMIN

# Labels of selections, because Odoo exports these for translation; BEHAVIORS is pure code.
NAMES = [(behavior.name, behavior.question) for behavior in BEHAVIORS]
OPTIONS = [
    (f"{behavior.name}.{value}", words)
    for behavior in BEHAVIORS
    for value, words in behavior.values.items()
]


class DirectmailAccount(models.Model):
    """Behaviors of DirectMail for an account: observed by First contact, or else assumed."""

    _inherit = "directmail.account"
    _guarded_fields = frozenset(("first_contact_offered",))

    behavior_ids = fields.One2many("directmail.behavior", "account_id", "Behaviors", readonly=True)
    first_contact_ids = fields.One2many(
        "directmail.first.contact", "account_id", readonly=True, groups=GROUP_ADMIN
    )
    first_contact_state = fields.Selection(
        selection="_selection_first_contact", compute="_compute_first_contact_state"
    )
    # Set when First contact was recommended: once, before the account's first email task.
    first_contact_offered = fields.Boolean(readonly=True, copy=False)

    def _get_behaviors(self):
        """Return the observed value of each behavior, or else its assumed value.

        It takes one SELECT, so call it once a run, not once a mail.

        :return: {name: value}, as in `directmail.behaviors`
        :rtype: dict
        """
        self.ensure_one()
        # sudo(): users who send may not read behaviors; the caller's account decides which.
        rows = (
            self.env["directmail.behavior"]
            .sudo()
            .search_fetch(
                [("account_id", "=", self.id), ("observed", "!=", False)], ["name", "observed"]
            )
        )
        found = {row.name: row.observed for row in rows}
        return {
            name: found[name] if found.get(name) in behavior.values else behavior.assumed
            for name, behavior in BEHAVIOR.items()
        }

    def _get_behavior(self, name):
        """Return the value of one behavior: see `_get_behaviors`."""
        return self._get_behaviors()[name]

    def _observe(self, step, **values):
        """Store what a step of First contact observed, and adapt `content_mode`.

        :param str step: one of `directmail.behaviors.STEPS`
        :param values: {name of a behavior: value}
        """
        self.ensure_one()
        # sudo(): First contact records them; its actions check the right to write the account.
        behaviors = self.env["directmail.behavior"].sudo()
        behaviors._complete(self)
        before = self._get_behaviors()
        rows = behaviors.search([("account_id", "=", self.id)]).grouped("name")
        for name, value in values.items():
            assert value in BEHAVIOR[name].values, (name, value)
            rows[name].write(
                {"observed": value, "observed_at": fields.Datetime.now(), "step": step}
            )
        self._adapt_content_mode(_takes_templates(before), _takes_templates(self._get_behaviors()))

    def _adapt_content_mode(self, before, now):
        """Set `content_mode` to "body" if DirectMail takes no templates, back if it does again.

        It is set back only if `before` is False: otherwise an administrator has chosen "body".

        :param bool before, now: whether DirectMail takes templates
        """
        # sudo(): as in `_observe`, which calls this.
        if not now and self.content_mode != "body":
            self.sudo().content_mode = "body"
            message = self.env._(
                "First contact found that DirectMail does not accept approved templates from this"
                " account. Odoo now fills in the content of emails itself."
            )
        elif now and not before and self.content_mode == "body":
            self.sudo().content_mode = "template"
            message = self.env._(
                "First contact found that DirectMail now accepts approved templates from this"
                " account. Emails are sent with them again."
            )
        else:
            return
        self.sudo().message_post(body=message)

    # === FIRST CONTACT === #
    # Fields and buttons of an account about its `directmail.first.contact`.

    @api.model
    def _selection_first_contact(self):
        state = self.env["directmail.first.contact"]._fields["state"]
        return state._description_selection(self.env)

    @api.depends("first_contact_ids.state")
    def _compute_first_contact_state(self):
        for account in self:
            # sudo(): only the state is shown, to users who may read the account.
            account.first_contact_state = account.sudo().first_contact_ids.state or "todo"

    def action_first_contact(self):
        """Open the account's First contact, created if it has none."""
        self.ensure_one()
        self.check_access("write")
        contact = self.env["directmail.first.contact"]._open(self)
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("First contact"),
            "res_model": contact._name,
            "res_id": contact.id,
            "views": [(False, "form")],
        }

    def _offers_first_contact(self):
        """Tell whether to recommend First contact now, and remember that it was recommended.

        It is recommended once, before the first planned task of an account that sends real mail.
        """
        self.ensure_one()
        # sudo(): whether First contact is offered says nothing about tasks of other users.
        account = self.sudo()
        if account.test_mode or account.first_contact_offered or account.first_contact_ids:
            return False
        tasks = self.env["directmail.task"].sudo().with_context(active_test=False)
        if tasks.search_count([("account_id", "=", self.id), ("planned_at", "!=", False)], limit=1):
            return False
        account.first_contact_offered = True
        return True


def _takes_templates(behaviors):
    """Tell whether mails can be sent with approved templates.

    :param dict behaviors: from `_get_behaviors`
    """
    return (
        behaviors["template_senders"] == "all" and behaviors["template_operations"] == "available"
    )


class DirectmailBehavior(models.Model):
    """A behavior that DirectMail's documents leave open, for one account.

    `observed` is the value that First contact has found. Until then the assumed value counts, which
    `directmail.behaviors` defines.
    """

    _name = "directmail.behavior"
    _description = "DirectMail Behavior"
    _inherit = ["directmail.guarded", "directmail.of.company"]
    _order = "account_id, sequence, id"
    _rec_name = "name"
    _guarded_fields = frozenset(
        ("account_id", "name", "observed", "observed_at", "sequence", "step")
    )

    account_id = fields.Many2one(
        "directmail.account", required=True, readonly=True, ondelete="cascade"
    )
    company_id = fields.Many2one(related="account_id.company_id", store=True, index=True)
    sequence = fields.Integer(readonly=True)
    name = fields.Selection(NAMES, "Question", required=True, readonly=True)
    observed = fields.Char(readonly=True)
    assumed_option = fields.Selection(OPTIONS, "Assumed", compute="_compute_options")
    observed_option = fields.Selection(OPTIONS, "Found", compute="_compute_options")
    observed_at = fields.Datetime("When", readonly=True)
    step = fields.Selection("_selection_step", "Found by", readonly=True)

    _account_name_unique = models.UniqueIndex("(account_id, name)")

    @api.model
    def _selection_step(self):
        steps = self.env["directmail.first.contact.step"]._fields["name"]
        names = dict(steps._description_selection(self.env))
        return [(step, names[step]) for step in STEPS]

    @api.depends("name", "observed")
    def _compute_options(self):
        for behavior in self:
            known = BEHAVIOR[behavior.name]
            behavior.assumed_option = f"{known.name}.{known.assumed}"
            behavior.observed_option = (
                f"{known.name}.{behavior.observed}" if behavior.observed in known.values else False
            )

    # === ACTIONS === #

    def action_forget(self):
        """Clear the observed value, for example after DirectMail has changed."""
        self.check_access("write")
        # sudo(): writing was checked above; the fields are guarded.
        self.sudo().write({"observed": False, "observed_at": False, "step": False})
        return True

    # === BUSINESS === #

    @api.model
    def _complete(self, account):
        """Create the missing rows of an account, so that its table shows every behavior."""
        # sudo(): callers have checked the right to write the account, see `_observe`.
        known = set(self.sudo().search([("account_id", "=", account.id)]).mapped("name"))
        self.sudo().create(
            [
                {"account_id": account.id, "name": behavior.name, "sequence": number}
                for number, behavior in enumerate(BEHAVIORS)
                if behavior.name not in known
            ]
        )
