from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.fields import Domain

#: Records on one page of a list view; maximal number of `active_ids` that the web client sends.
PAGE, SELECTED_MAX = 80, 20000


class DirectmailAudienceAdd(models.TransientModel):
    """*Add to audience* and *New audience* in list views of models that have a data table."""

    _name = "directmail.audience.add"
    _description = "Add to Audience"
    _inherit = ["directmail.links"]

    table_id = fields.Many2one(
        "directmail.data.table", "Data table", required=True, readonly=True, ondelete="cascade"
    )
    target = fields.Selection(
        [("existing", "One of my audiences"), ("new", "A new audience")],
        "Add to",
        required=True,
        default="new",
    )
    audience_id = fields.Many2one(
        "directmail.audience", domain="[('user_id', '=', uid), ('company_id', '=', company_id)]"
    )
    company_id = fields.Many2one("res.company", default=lambda self: self.env.company)
    name = fields.Char()
    whom = fields.Selection(
        [
            ("selected", "The selected records"),
            ("matching", "All records that match the filters now"),
            ("always", "All records that match the filters, updated at each refresh"),
        ],
        "Records to add",
        required=True,
        default="selected",
    )
    selected_count = fields.Integer("Selected records", compute="_compute_counts")
    matching_count = fields.Integer("Matching records", compute="_compute_counts")

    @api.model
    def default_get(self, fields):
        values = super().default_get(fields)
        model = self.env.context.get("active_model")
        tables = self.env["directmail.data.table"].search(
            [("model_name", "=", model), ("usable", "=", True)]
        )
        if not tables:
            raise UserError(
                self.env._(
                    "There is no data table for these records. Ask an administrator to add one"
                    " under Configuration › Data tables."
                )
            )
        # Of several data tables, the one with the shortest domain: it excludes the least.
        # sudo(): only the length of the domain is used; the search applied the user's rights.
        table = tables.sorted(lambda table: len(table.sudo().domain or ""))[0]
        values["table_id"] = table.id
        selected = len(self.env.context.get("active_ids") or ())
        if selected > PAGE and selected in (
            SELECTED_MAX, self.env[model].search_count(self._get_matching())
        ):  # fmt: skip
            # The user pressed "Select all": `active_ids` may be cut off at SELECTED_MAX.
            values["whom"] = "matching"
        return values

    @api.depends("table_id")
    @api.depends_context("active_ids", "active_domain")
    def _compute_counts(self):
        for wizard in self:
            wizard.selected_count = len(self.env.context.get("active_ids") or ())
            records = wizard.table_id._get_model(wizard.env)
            wizard.matching_count = records.search_count(wizard._get_matching())

    def _get_matching(self):
        return Domain(self.env.context.get("active_domain") or Domain.TRUE)

    def action_add(self):
        """Add the people and open the audience."""
        self.ensure_one()
        audience = self._get_audience()
        if self.whom == "always":
            # A line with the list's domain, which each refresh evaluates again.
            filters = repr(self.env.context.get("active_domain") or [])
            audience.write({"line_ids": [self._make_line(domain=filters)]})
        else:
            self._pick(audience)
        return {
            "type": "ir.actions.act_window",
            "res_model": "directmail.audience",
            "res_id": audience.id,
            "view_mode": "form",
            "views": [[False, "form"]],
        }

    def _get_audience(self):
        if self.target == "existing":
            if not self.audience_id:
                raise UserError(self.env._("Choose an audience."))
            self.audience_id.check_access("write")
            return self.audience_id
        if not (self.name or "").strip():
            raise UserError(self.env._("Enter a name for the new audience."))
        return self.env["directmail.audience"].create({"name": self.name})

    def _make_line(self, **vals):
        lines = self.audience_id.line_ids if self.target == "existing" else []
        last = max((line.sequence for line in lines), default=0)
        return fields.Command.create(
            {"operator": "or", "table_id": self.table_id.id, "sequence": last + 1, **vals}
        )

    def _pick(self, audience):
        """Add the records to the audience's last line, if it is a list of picks, or to a new one.

        The last line is used if its kind is "list", its operator "or" and its table the same.

        :param audience: a `directmail.audience` that the user may write
        :raise UserError: if there is no record to add
        """
        line = audience.line_ids.sorted("sequence")[-1:]
        if not (line.kind == "list" and line.operator == "or" and line.table_id == self.table_id):
            audience.write({"line_ids": [self._make_line(kind="list")]})
            line = audience.line_ids.sorted("sequence")[-1:]
        records = self.table_id._get_model(self.env)
        if self.whom == "matching":
            picked = records._search(self._get_matching()).select()
        else:
            ids = self.env.context.get("active_ids") or []
            # `_search` applies the user's rights: ids of hidden records can't be picked.
            found = records.with_context(active_test=False)._search([("id", "in", ids)])
            picked = found.select()
        # sudo(): users may not create picks. Writing the audience was checked, and `picked` is a
        # query with the user's rights.
        added = line.env["directmail.audience.pick"].sudo()._add(line.sudo(), picked)
        if not added and not line.pick_count:
            raise UserError(self.env._("No records are selected. Select some records first."))
        if added:
            audience._wait_for_owner()
