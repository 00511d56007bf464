from odoo import fields, models

from .directmail_rfm_customer import TYPES


class DirectmailRfmHistory(models.Model):
    """The number of customers of a type on a day, by their type on the day before."""

    _name = "directmail.rfm.history"
    _description = "RFM History"
    _inherit = ["directmail.people.history"]
    _log_access = False
    _order = "date desc, id"
    _rec_name = "date"
    _owner_field = "rfm_model_id"
    _group_field = "customer_type"

    rfm_model_id = fields.Many2one(
        "directmail.rfm.model", "RFM model", required=True, readonly=True, ondelete="cascade",
        index=True,
    )  # fmt: skip
    customer_type = fields.Selection(TYPES, readonly=True, help="Empty: no longer a customer.")
    previous_customer_type = fields.Selection(
        TYPES, "Type on the day before", readonly=True, help="Empty: a new customer."
    )
