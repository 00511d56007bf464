from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError
from odoo.tools import formatLang

from ...engine.audience import visible_contacts
from ...engine.limit import take_at_random, take_highest

#: kinds whose lines can't be limited: a group has no people of its own, and `similar` has a limit
UNLIMITED = ("group", "similar")


class DirectmailAudienceLine(models.Model):
    """Lines that take only some of their people: at random, or those with the highest amounts."""

    _inherit = "directmail.audience.line"

    limit_count = fields.Integer(
        "At most (people)",
        help="How many of these people the line takes at most. With 0, it takes all of them.",
    )
    limit_by = fields.Selection(
        [("random", "At random"), ("amount", "With the highest total amount")],
        "Choose them",
        default="random",
        help="At random: each refresh takes the same people as long as the same people match."
        " A person who matches for the first time may take the place of another one.",
    )

    @api.constrains("limit_count")
    def _check_limit(self):
        for line in self:
            if line.limit_count < 0:
                raise ValidationError(self.env._("The number of people can't be negative."))

    def _is_limited(self):
        """Tell whether the line takes only some of its people."""
        return self.limit_count > 0 and self.kind not in UNLIMITED

    def _get_salt(self):
        """Return the salt of the line's random order: other lines take other people."""
        return f"line/{self._origin.id or 0}"

    def _select_limited(self, env):
        """Return SQL that selects the line's people up to the limit, each once.

        Only contacts that the owner may see are counted: taken out later, they would leave fewer
        people than the limit.

        :param env: as for `_select_<kind>`
        """
        visible = visible_contacts(env)
        if self.limit_by == "amount":
            return self._select_highest(env, visible)
        people = getattr(self, f"_select_{self.kind}")(env)
        contacts_only = self._get_sorts() == {"contact"}
        if contacts_only and self._finds_visible_only(env) and self._finds_each_once():
            visible = None
        return take_at_random(people, self.limit_count, self._get_salt(), visible, contacts_only)

    def _select_highest(self, env, visible):
        if self.kind != "table" or not self.table_id:
            raise UserError(
                env._(
                    "Only people of a data table can be chosen by their total amount. Choose “At"
                    " random”, or take the people from a data table."
                )
            )
        self._check_amount(env)
        facts = self.table_id._select_facts(
            env, self._get_table_domain(env), visible_only=False, future=self._takes_out()
        )
        return take_highest(
            facts,
            self.limit_count,
            self._get_salt(),
            visible,
            self._get_having(env),
            "record" in self._get_sorts(),
        )

    def _describe_limit(self, words):
        """Return the sentence of a line with its limit.

        :param str words: the sentence without it
        """
        if not self._is_limited():
            return words
        values = {"people": words, "count": formatLang(self.env, self.limit_count, digits=0)}
        if self.limit_by == "amount":
            return self.env._("%(people)s: the %(count)s with the highest total amount", **values)
        return self.env._("%(people)s: %(count)s at random", **values)
