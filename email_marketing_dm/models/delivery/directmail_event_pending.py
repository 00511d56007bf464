from odoo import fields, models


class DirectmailEventPending(models.Model):
    """Queue of facts to apply: a row per `directmail.event`, deleted once the fact is applied.

    A flag on `directmail.event` would need an UPDATE of each fact: a new version of its row and
    entries in all of its indexes.
    """

    _name = "directmail.event.pending"
    _description = "Pending DirectMail Event"
    _log_access = False
    _order = "id"

    # Shares its id with `directmail.event`; company_id is a plain copy, no foreign key needed.
    company_id = fields.Integer(required=True, readonly=True)

    _fact_exists = models.Constraint(
        "FOREIGN KEY (id) REFERENCES directmail_event (id) ON DELETE CASCADE"
    )
    _company_index = models.Index("(company_id, id)")
