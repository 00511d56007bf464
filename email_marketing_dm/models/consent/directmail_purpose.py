from odoo import api, fields, models
from odoo.exceptions import ValidationError

from ...engine.mailing_consent import STRICTEST_FIRST

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
    rule = fields.Selection(
        RULES,
        "Who may be mailed",
        required=True,
        default="not_refused",
        help="For people in countries without another rule, and people whose country is unknown.",
    )
    country_rule_ids = fields.One2many(
        "directmail.purpose.rule", "purpose_id", "Countries with another rule", copy=True
    )

    def _get_rule(self, country):
        """Return the rule for people who live in a country.

        :param country: a `res.country`, empty if it is unknown
        :return: a value of RULES
        :rtype: str
        """
        self.ensure_one()
        found = self.country_rule_ids.filtered(lambda rule: country in rule._get_countries())
        rules = found.mapped("rule")
        return next((code for code in STRICTEST_FIRST if code in rules), self.rule)

    @api.model
    def _find_only(self):
        """Return the topic of the current company if it has one only, else none."""
        topics = self.search([("company_id", "=", self.env.company.id)], limit=2)
        return topics if len(topics) == 1 else topics.browse()


class DirectmailPurposeRule(models.Model):
    """Who may be mailed for a topic in some countries; of several rules, the strictest counts."""

    _name = "directmail.purpose.rule"
    _description = "Rule of a Topic for Countries"
    _inherit = ["directmail.of.company"]
    _company_path = "purpose_id.company_id"
    _order = "id"
    _rec_name = "rule"

    purpose_id = fields.Many2one(
        "directmail.purpose", required=True, index=True, ondelete="cascade"
    )
    # restrict: a rule that lost its countries would let people be mailed by the topic's own rule.
    country_ids = fields.Many2many("res.country", string="Countries", ondelete="restrict")
    country_group_ids = fields.Many2many(
        "res.country.group",
        string="Country groups",
        ondelete="restrict",
        help="The rule is for the countries that are in the group at the moment of the decision.",
    )
    rule = fields.Selection(RULES, "Who may be mailed there", required=True, default="confirmed")

    # With `purpose_id`, which each new rule has: Odoo checks only fields that are given.
    @api.constrains("purpose_id", "country_ids", "country_group_ids")
    def _check_countries(self):
        if any(not (rule.country_ids or rule.country_group_ids) for rule in self):
            raise ValidationError(
                self.env._(
                    "A rule for countries needs at least one country or country group. Enter one,"
                    " or delete the rule."
                )
            )

    def _get_countries(self):
        """Return the `res.country` records that the rule is for."""
        return self.country_ids | self.country_group_ids.country_ids
