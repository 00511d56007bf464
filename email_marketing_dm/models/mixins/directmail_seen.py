import functools

from odoo import api, models
from odoo.fields import Domain
from odoo.tools import SQL

from ...engine.seen import prepare_to_look, seen_contact
from ...groups import GROUP_ADMIN


def is_administrator(env):
    """Tell whether the user may see all users' audiences, uploads and email tasks."""
    return env.user.has_group(GROUP_ADMIN)


class DirectmailSeen(models.AbstractModel):
    """Rows about people, visible only to users who may see the person.

    Other users can't find, read, count, group or export such a row. Record rules can't do this,
    because Odoo evaluates their domains without the reader's rights. The totals that tasks and
    audiences store include all rows.
    """

    _name = "directmail.seen"
    _description = "Rows about People Whom the User May See"

    @api.model
    def _seen_to_sql(self, alias, query=None):
        """Return the SQL condition that the current user may see the person of a row.

        Here: a row follows the rights to its contact (`partner_id`), and one without a contact is
        for administrators.

        :param SQL alias: of the table of this model
        :param Query query: the query with the condition, to which joins may be added; optional
        :rtype: SQL
        """
        return SQL(
            "CASE WHEN %s.partner_id IS NULL THEN %s ELSE %s END",
            alias,
            SQL("TRUE") if is_administrator(self.env) else SQL("FALSE"),
            seen_contact(self.env, SQL("%s.partner_id", alias)),
        )

    @api.model
    def _get_seen_domain(self):
        """Return `_seen_to_sql` as a domain, with the rights of this environment's user."""
        return Domain.custom(
            to_sql=lambda model, alias, query: self._seen_to_sql(SQL.identifier(alias), query)
        )

    @api.model
    def _search(self, domain, *args, bypass_access=False, **kwargs):
        if not self.env.su and not bypass_access:
            prepare_to_look(self.env)
            domain = Domain(domain) & self._get_seen_domain()
        return super()._search(domain, *args, bypass_access=bypass_access, **kwargs)

    def _check_access(self, operation):
        refused = super()._check_access(operation)
        if self.env.su or self._abstract or not any(self._ids):
            return refused
        # sudo() finds the rows; the domain is self's, so it applies the user's rights.
        everything = self.sudo().with_context(active_test=False)
        hidden = everything.search(Domain("id", "in", self.ids) & ~self._get_seen_domain())
        if not hidden:
            return refused
        forbidden = self.browse(hidden.ids) | (refused[0] if refused else self.browse())
        rules = self.env["ir.rule"]
        return forbidden, functools.partial(rules._make_access_error, operation, forbidden)
