from odoo import api, fields, models
from odoo.tools import SQL

from ...engine.installed import find_model
from ...engine.seen import seen_person


class DirectmailPerson(models.AbstractModel):
    """A person who can be mailed: a contact, a record of another model, or a bare address.

    A contact has only `partner_id`; its address is read when a task is planned. A source record
    without a contact (for example a lead) has `res_model`, `res_id` and its address. A bare address
    is in clear (`email`) or as it was uploaded (`email_encrypted`).

    The clear address of an encrypted person is stored nowhere, only its `address_key`.

    `engine.person` has the columns for SQL.
    """

    _name = "directmail.person"
    _description = "Person"
    _inherit = ["directmail.seen"]
    _rec_names_search = ("partner_id", "email")

    partner_id = fields.Many2one(
        "res.partner", "Contact", readonly=True, index="btree_not_null", ondelete="set null"
    )
    res_model = fields.Char("Source", readonly=True)
    res_id = fields.Many2oneReference("Source ID", model_field="res_model", readonly=True)
    email = fields.Char("Address", readonly=True)
    email_encrypted = fields.Char("Encrypted address", readonly=True)
    address_key = fields.Char(readonly=True, groups=fields.NO_ACCESS)

    @api.model
    def _seen_to_sql(self, alias, query=None):
        """Override: see `engine.seen.seen_person`."""
        # sudo() to read the model names of all companies' data tables only; the records themselves
        # are searched with the user's rights.
        tables = self.env["directmail.data.table"].sudo().with_context(active_test=False)
        sources = [model for (model,) in tables._read_group([], ["model_name"])]
        return seen_person(self.env, alias, self._bare_to_sql(alias), sources, query)

    @api.model
    def _bare_to_sql(self, alias):
        """Return the condition under which a row without a contact and source record is seen.

        :param SQL alias: of the table of this model
        """
        return SQL("TRUE")  # record rules limit the rows to the user's own lists

    @api.depends("partner_id", "res_model", "res_id", "email")
    def _compute_display_name(self):
        names = self._get_source_names()
        for person in self:
            # sudo(): users who see the row may read its contact (`_seen_to_sql`).
            person.display_name = (
                person.partner_id.sudo().display_name
                or names.get((person.res_model, person.res_id))
                or person.email
                or self.env._("Encrypted address")
            )

    def _get_source_names(self):
        """Return {(model, id): name} of the source records.

        Records that the current user may not read, or that are deleted, are named by model and id.
        """
        names = {}
        sources = self.filtered(lambda person: person.res_model and not person.partner_id)
        for model, people in sources.grouped("res_model").items():
            numbers = people.mapped("res_id")
            # sudo() reads the label of a model, no records.
            label = self.env["ir.model"]._get(model).sudo().name or model
            names |= {(model, number): f"{label} {number}" for number in numbers}
            source = find_model(self.env, model)
            if source is not None:
                records = source.browse(numbers).exists()._filtered_access("read")
                names |= {(model, record.id): record.display_name for record in records}
        return names
