from odoo import api, fields, models
from odoo.fields import Domain
from odoo.tools import SQL

from ..groups import GROUP_USER
from .directmail_aipl_stage import STAGES
from .directmail_rfm_score import TYPES

#: field of the contact -> the models whose groups it shows
GROUPS = {
    "directmail_rfm_type": "directmail.rfm.model",
    "directmail_aipl_stage": "directmail.aipl.model",
}


class ResPartner(models.Model):
    """Contacts show their groups in the first RFM and the first AIPL model of the company.

    Nothing is stored with the contact: a million contacts are not rewritten every night.
    """

    _inherit = "res.partner"

    directmail_rfm_type = fields.Selection(
        TYPES,
        "RFM type",
        compute="_compute_directmail_rfm_type",
        search="_search_directmail_rfm_type",
        groups=GROUP_USER,
        help="In the company's first RFM model. Empty: bought nothing in its period.",
    )
    directmail_aipl_stage = fields.Selection(
        STAGES,
        "AIPL stage",
        compute="_compute_directmail_aipl_stage",
        search="_search_directmail_aipl_stage",
        groups=GROUP_USER,
        help="In the company's first AIPL model. Empty: in none of its stages.",
    )

    @api.depends_context("company")
    def _compute_directmail_rfm_type(self):
        self._compute_directmail_group("directmail_rfm_type")

    @api.depends_context("company")
    def _compute_directmail_aipl_stage(self):
        self._compute_directmail_group("directmail_aipl_stage")

    def _compute_directmail_group(self, name):
        owner = self.env[GROUPS[name]]._get_shown(self.env.company)
        results = self.env[owner._result_model].sudo()
        found = results.search_fetch(
            Domain(results._owner_field, "=", owner.id)
            & Domain("partner_id", "in", self._origin.ids),
            ["partner_id", results._group_field],
        )
        group = {result.partner_id.id: result[results._group_field] for result in found}
        for partner in self:
            partner[name] = group.get(partner._origin.id, False)

    def _search_directmail_rfm_type(self, operator, value):
        return self._search_directmail_group("directmail_rfm_type", operator, value)

    def _search_directmail_aipl_stage(self, operator, value):
        return self._search_directmail_group("directmail_aipl_stage", operator, value)

    def _search_directmail_group(self, name, operator, value):
        if operator != "in":
            return NotImplemented
        owner = self.env[GROUPS[name]]._get_shown(self.env.company)
        results = self.env[owner._result_model].sudo()
        mine = Domain(results._owner_field, "=", owner.id)
        wanted = [group for group in value if group]
        domain = Domain(
            "id", "in", results._search(mine & Domain(results._group_field, "in", wanted))
            .subselect("partner_id"),
        )  # fmt: skip
        if False in value:
            domain |= Domain("id", "not in", results._search(mine).subselect("partner_id"))
        return domain

    def _field_to_sql(self, alias, field_expr, query=None):
        if field_expr not in GROUPS or query is None:
            return super()._field_to_sql(alias, field_expr, query)
        self._check_field_access(self._fields[field_expr], "read")
        owner = self.env[GROUPS[field_expr]]._get_shown(self.env.company)
        results = self.env[owner._result_model]
        result_alias = query.make_alias(alias, field_expr)
        query.add_join(
            "LEFT JOIN",
            result_alias,
            results._table,
            SQL(
                "%s = %s AND %s = %s",
                SQL.identifier(result_alias, results._owner_field),
                owner.id or 0,
                SQL.identifier(result_alias, "partner_id"),
                SQL.identifier(alias, "id"),
            ),
        )
        return SQL.identifier(result_alias, results._group_field)
