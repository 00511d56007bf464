import functools

from odoo import api, models
from odoo.fields import Domain
from odoo.tools import SQL

from ...engine.seen import prepare_to_look
from ...groups import GROUP_ADMIN


def is_administrator(env):
    """Tell whether the user sees everybody's audiences, uploads and email tasks."""
    return env.user.has_group(GROUP_ADMIN)


class DirectmailSeen(models.AbstractModel):
    """Rows about people, which are there only for users who may see the person.

    A row that somebody may not see is not found, read, counted, grouped or exported. Record rules
    can't say that: their domains are evaluated without the reader's rights. The totals that tasks
    and audiences keep include everybody.
    """

    _name = "directmail.seen"
    _description = "Rows about People Whom the User May See"

    @api.model
    def _seen_to_sql(self, alias, query=None):
        """Return the condition on a row that the current user may see the person it is about.

        :param SQL alias: of the table of this model
        :param Query query: what the condition is for, which it may add joins to; may be left out
        :rtype: SQL
        """
        raise NotImplementedError

    @api.model
    def _get_seen_domain(self):
        """Return `_seen_to_sql` as a domain. The rights are those of this environment's user."""
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
        # As superuser only to find the rows: the condition itself has the user's rights.
        everything = self.sudo().with_context(active_test=False)
        hidden = everything.search(Domain("id", "in", self.ids) & ~self._get_seen_domain())
        if not hidden:
            return refused
        forbidden = self.browse(hidden.ids) | (refused[0] if refused else self.browse())
        rules = self.env["ir.rule"]
        return forbidden, functools.partial(rules._make_access_error, operation, forbidden)
