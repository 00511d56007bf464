import json

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.fields import Domain

from .traits import TRAIT_OF


class DirectmailAudienceTrait(models.AbstractModel):
    """Rows of people that are searched by what the composition of their audience shows."""

    _name = "directmail.audience.trait"
    _description = "People with Properties"

    trait = fields.Char(
        compute="_compute_trait",
        search="_search_trait",
        help="Only for searches: the people with a value of a property that the composition of"
        " their audience shows.",
    )

    def _compute_trait(self):
        self.trait = False

    @api.model
    def _search_trait(self, operator, value):
        """Find people by [id of their audience, of a snapshot or false, name of a trait, value].

        The list is written as JSON.
        """
        if operator != "in":
            return NotImplemented
        found = Domain.FALSE
        for text in value:
            try:
                number, snapshot, name, wanted = json.loads(text)
                audience = self.env["directmail.audience"].browse(int(number))
                if name not in TRAIT_OF:
                    raise ValueError(name)
            except (TypeError, ValueError) as error:
                raise UserError(
                    self.env._("Nobody has this value any more. Open the page again.")
                ) from error
            found |= Domain("partner_id", "in", audience._select_with_trait(snapshot, name, wanted))
        return found


class DirectmailAudienceMember(models.Model):
    _name = "directmail.audience.member"
    _inherit = ["directmail.audience.member", "directmail.audience.trait"]
