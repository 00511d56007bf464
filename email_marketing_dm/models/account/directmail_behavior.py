from odoo import api, fields, models

from ...directmail.behaviors import BEHAVIOR, BEHAVIORS, STEPS

# Labels of selections, because Odoo exports these for translation; BEHAVIORS is pure code.
NAMES = [(behavior.name, behavior.question) for behavior in BEHAVIORS]
OPTIONS = [
    (f"{behavior.name}.{value}", words)
    for behavior in BEHAVIORS
    for value, words in behavior.values.items()
]


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
