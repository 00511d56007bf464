from odoo import api, fields, models

#: What people need to have answered before they are mailed: see `engine.mailing_consent`.
RULES = [
    ("not_refused", "Everybody who has not refused"),
    ("opt_in", "Only people who have agreed"),
    ("confirmed", "Only people who have agreed and confirmed it by email"),
]


class DirectmailPurpose(models.Model):
    """A topic or newsletter of a company, which people agree to or refuse."""

    _name = "directmail.purpose"
    _description = "Topic"
    _inherit = ["directmail.of.company"]
    _order = "sequence, name, id"

    name = fields.Char(required=True, translate=True, help="Recipients read it on their page.")
    description = fields.Char(translate=True, help="Recipients read it below the name.")
    sequence = fields.Integer(default=10)
    active = fields.Boolean(default=True)
    company_id = fields.Many2one(
        "res.company", required=True, index=True, default=lambda self: self.env.company
    )
    is_public = fields.Boolean(
        "Recipients can choose it",
        default=True,
        help="The page behind the unsubscribe link shows the topic to all recipients.",
    )
    rule = fields.Selection(RULES, "Who may be mailed", required=True, default="not_refused")
    strict_country_ids = fields.Many2many(
        "res.country",
        string="Countries with another rule",
        help="People who live there are mailed by the rule below. People whose country is unknown"
        " are mailed by the rule above.",
    )
    strict_rule = fields.Selection(
        RULES, "Who may be mailed there", required=True, default="confirmed"
    )

    def _get_rule(self, country):
        """Return the rule for people who live in a country.

        :param country: a `res.country`, empty if it is unknown
        :return: a value of RULES
        :rtype: str
        """
        self.ensure_one()
        return self.strict_rule if country in self.strict_country_ids else self.rule

    @api.model
    def _find_only(self):
        """Return the topic of the current company if it has one only, else none."""
        topics = self.search([("company_id", "=", self.env.company.id)], limit=2)
        return topics if len(topics) == 1 else topics.browse()
