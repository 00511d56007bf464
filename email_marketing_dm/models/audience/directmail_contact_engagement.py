from odoo import fields, models

from ...engine.engagement import leave_out, select_contacts


class DirectmailContactEngagement(models.Model):
    """What contacts did with the emails that they received: a data table for lines and models.

    A query, not a table. It counts mails of email tasks that the reader may read, in the current
    company, so the rows of two readers or companies must not be read in one transaction. Contacts
    whose opens may not be recorded have no row: nothing is known about them.
    """

    _name = "directmail.contact.engagement"
    _description = "Engagement of a Contact"
    _inherit = ["directmail.about.contact"]
    _auto = False
    _rec_name = "partner_id"
    _order = "id"

    partner_id = fields.Many2one("res.partner", "Contact", readonly=True)
    company_id = fields.Many2one("res.company", readonly=True)
    received_count = fields.Integer("Emails received", readonly=True)
    measured_count = fields.Integer(
        "Emails received, opens recorded",
        readonly=True,
        help="Emails whose opens and clicks may be recorded.",
    )
    opened_count = fields.Integer("Emails opened", readonly=True)
    clicked_count = fields.Integer("Emails clicked", readonly=True)
    last_received = fields.Datetime("Last email received", readonly=True)
    last_activity = fields.Datetime("Last open or click", readonly=True)

    @property
    def _table_query(self):
        lines = self.env["directmail.audience.line"]
        mails, unmeasured = lines._select_mails_of_measured(self.env)
        return leave_out(select_contacts(mails, self.env.company.id), unmeasured)
