from odoo import api, fields, models

from ..directmail.behaviors import BEHAVIOR, BEHAVIORS, STEPS

# Only here are the words of the table translated: Odoo exports the labels of selections.
NAMES = [(behavior.name, behavior.question) for behavior in BEHAVIORS]
OPTIONS = [
    (f"{behavior.name}.{value}", words)
    for behavior in BEHAVIORS
    for value, words in behavior.values.items()
]


class DirectmailBehavior(models.Model):
    """How one account's DirectMail behaves where its documents leave room.

    What is assumed stands in `directmail.behaviors`. A row says what *First contact* has found.
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
        """Go back to what is assumed, for example after DirectMail has changed."""
        self.check_access("write")
        self.sudo().write({"observed": False, "observed_at": False, "step": False})
        return True

    # === BUSINESS === #

    @api.model
    def _complete(self, account):
        """Make the rows that an account lacks, so that its table shows every behavior."""
        known = set(self.sudo().search([("account_id", "=", account.id)]).mapped("name"))
        self.sudo().create(
            [
                {"account_id": account.id, "name": behavior.name, "sequence": number}
                for number, behavior in enumerate(BEHAVIORS)
                if behavior.name not in known
            ]
        )


class DirectmailAccount(models.Model):
    """What an account's DirectMail is known, or assumed, to do."""

    _inherit = "directmail.account"

    behavior_ids = fields.One2many("directmail.behavior", "account_id", "Behaviors", readonly=True)

    def _get_behaviors(self):
        """Return how this account's DirectMail behaves: what was found, else what is assumed.

        One read of the database: meant to be called once a run, not once a mail.

        :return: {name: value}, as in `directmail.behaviors`
        :rtype: dict
        """
        self.ensure_one()
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
        """Write down what a step found out, and act on it.

        :param str step: one of `directmail.behaviors.STEPS`
        :param values: {name of a behavior: value}
        """
        self.ensure_one()
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
        """Have Odoo fill in the content where DirectMail takes no templates, and as long as so.

        What an administrator chose is only changed by what was found.

        :param bool before, now: whether DirectMail takes templates
        """
        if not now and self.content_mode != "body":
            self.sudo().content_mode = "body"
            message = self.env._(
                "First contact found that DirectMail does not take approved templates from this"
                " account. The content of emails is now filled in by Odoo."
            )
        elif now and not before and self.content_mode == "body":
            self.sudo().content_mode = "template"
            message = self.env._(
                "First contact found that DirectMail now takes approved templates from this"
                " account. Emails are sent with them again."
            )
        else:
            return
        self.sudo().message_post(body=message)


def _takes_templates(behaviors):
    """Tell whether mails can be sent with approved templates.

    :param dict behaviors: of `_get_behaviors`
    """
    return (
        behaviors["template_senders"] == "all" and behaviors["template_operations"] == "available"
    )
