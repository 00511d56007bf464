import json

from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError
from odoo.fields import Domain
from odoo.tools import SQL

from .traits import TAGS, TRAIT_OF


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


class DirectmailAudience(models.Model):
    """Contacts of an audience who have a value of a trait."""

    _inherit = "directmail.audience"

    def _read_value(self, trait, value):
        """Return a value as the statement has it, from the JSON of `get_composition`.

        :raise UserError: for a value that the trait can't have
        """
        if value is False or value is None:
            return None
        if not isinstance(value, TRAIT_OF[trait].type):
            raise UserError(self.env._("Nobody has this value any more. Open the page again."))
        return value

    def _select_with_trait(self, snapshot, name, value):
        """Return SQL of the ids of the contacts whom the reader sees and who have a value.

        :param snapshot, name, value: as in `action_view_trait`
        :raise AccessError: if the reader may not read the audience
        """
        first = self._get_side(snapshot)
        env = self._get_company_env(self.env)
        trait, wanted = TRAIT_OF[name], self._read_value(name, value)
        contacts, query = self._query_contacts(env, first, None, compare=False)
        number = SQL.identifier(query.table, "id")
        may_read = trait.may_read(contacts)
        if name == "tags" and may_read:
            # Not NOT IN: see `engine.traits.count_links`.
            tags = SQL.identifier(TAGS)
            linked = SQL("SELECT FROM %s link WHERE link.partner_id = %s", tags, number)
            if wanted is None:
                query.add_where(SQL("NOT EXISTS (%s)", linked))
            else:
                query.add_where(SQL("EXISTS (%s AND link.category_id = %s)", linked, wanted))
            return query.select(number)
        column = trait.to_sql(contacts, query) if may_read else None
        if column is None:
            raise AccessError(self.env._("You may not see this property of contacts."))
        query.add_where(SQL("(%s)::text IS NOT DISTINCT FROM %s", column, _to_text(wanted)))
        return query.select(number)


def _to_text(value):
    return None if value is None else str(value)
