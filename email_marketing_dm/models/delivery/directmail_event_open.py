from odoo import fields, models


class DirectmailEventOpen(models.Model):
    """The facts that wait to be applied: their ids, and whose they are.

    A flag on each fact would cost a new version of its row, in all of its indexes.
    """

    _name = "directmail.event.open"
    _description = "DirectMail Event to Apply"
    _log_access = False
    _order = "id"

    # The id is the fact's own; the fact vouches for the company.
    company_id = fields.Integer(required=True, readonly=True)

    _fact_exists = models.Constraint(
        "FOREIGN KEY (id) REFERENCES directmail_event (id) ON DELETE CASCADE"
    )
    _company_index = models.Index("(company_id, id)")
