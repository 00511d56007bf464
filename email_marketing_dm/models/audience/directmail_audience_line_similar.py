from psycopg2.errors import QueryCanceled

from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError
from odoo.fields import Domain
from odoo.tools import SQL, format_list, formatLang

from ...engine.audience_count import limited
from ...engine.paths import check_readable
from ...engine.similar import select_similar, select_traits

#: how many countries, tags and types the form names
NAMES_MAX = 3


class DirectmailAudienceLine(models.Model):
    """The kind `similar`: contacts who are like the people of an audience.

    The score is explained in `engine/similar.py`. The audience is `source_id`, the number of people
    `limit_count`; customer types count if the line has an RFM model.
    """

    _inherit = "directmail.audience.line"

    kind = fields.Selection(
        selection_add=[("similar", "Similar to an audience"), ("group",)],
        ondelete={"similar": "cascade"},
    )
    similar_traits = fields.Char("What they have in common", compute="_compute_similar_traits")

    @api.depends("kind", "source_id", "rfm_model_id")
    @api.depends_context("uid", "lang")
    def _compute_similar_traits(self):
        """Name the most frequent countries, tags and types of the audience's people.

        Counted with the current user's rights, so it tells nothing that the user may not see.
        """
        for line in self:
            source = line.source_id
            shown = line.kind == "similar" and source and source.has_access("read")
            line.similar_traits = shown and line._describe_traits()

    def _describe_traits(self):
        env = self.env.user._get_directmail_env(self.company_id or self.env.company)
        try:
            self._check_traits(env)
            types = self._select_types(env)
        except AccessError:
            return False
        self.env.flush_all()
        traits = select_traits(self.source_id._origin.id, self._select_compared(env), types)
        timeout = self.env["directmail.audience"]._get_count_timeout()
        try:
            with env.cr.savepoint(flush=False), limited(env, timeout):
                env.cr.execute(traits, log_exceptions=False)
                rows = env.cr.fetchall()
        except QueryCanceled:
            return self.env._("Counting took too long.")
        rows.sort(key=lambda row: (-row[3], row[1] or 0, row[2] or ""))
        words = []
        for wanted in ("country", "type", "tag"):
            found = [row for row in rows if row[0] == wanted]
            for trait, number, name, people in found[:NAMES_MAX]:
                label = self._get_trait_label(env, trait, number, name)
                words.append(f"{label} ({formatLang(self.env, people, digits=0)})")
        if not words:
            return self.env._("Nothing: no country, tag or customer type is known.")
        return format_list(self.env, words)

    @api.model
    def _get_trait_label(self, env, trait, number, name):
        """Return the name of a trait, as `engine.similar.select_traits` selects it."""
        if trait == "type":
            field = env["directmail.rfm.customer"]._fields["customer_type"]
            return dict(field._description_selection(self.env)).get(name, name)
        model = "res.country" if trait == "country" else "res.partner.category"
        return env[model].browse(number).display_name

    @api.model
    def _check_traits(self, env):
        """Check that the user of ``env`` may read the fields that are compared.

        :raise AccessError: naming the field
        """
        check_readable(
            env["res.partner"],
            Domain("country_id", "!=", False) & Domain("category_id", "!=", False),
        )

    @api.model
    def _select_compared(self, env):
        """Return SQL (id, country_id) of the unarchived contacts that the user may see."""
        query = env["res.partner"]._search(Domain.TRUE)
        return query.select(
            SQL.identifier(query.table, "id"), SQL.identifier(query.table, "country_id")
        )

    def _select_types(self, env):
        """Return SQL (partner_id, customer_type) of the line's RFM model; None without a model."""
        model = self.rfm_model_id
        if not model:
            return None
        model._origin.with_env(env).check_access("read")
        return SQL(
            "SELECT partner_id, customer_type FROM directmail_rfm_customer WHERE rfm_model_id = %s",
            model._origin.id,
        )

    def _select_similar(self, env):
        source = self._get_source(env)
        if self.limit_count < 1:
            raise UserError(env._("Enter how many people the line “Similar to an audience” takes."))
        self._check_traits(env)
        return select_similar(
            source.id,
            self.limit_count,
            self._get_salt(),
            self._select_compared(env),
            self._select_types(env),
        )

    def _finds_once_similar(self):
        return True

    def _describe_similar(self):
        source = self.source_id
        if not source:
            return self.env._("Deleted audience")
        if not source.has_access("read"):
            return self.env._("Similar to a private audience of another user")
        return self.env._(
            "The %(count)s contacts most similar to the audience %(audience)s",
            count=formatLang(self.env, self.limit_count, digits=0),
            audience=source.display_name,
        )
