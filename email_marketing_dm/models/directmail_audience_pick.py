from odoo import fields, models
from odoo.tools import SQL


class DirectmailAudiencePick(models.Model):
    """A record chosen one by one for a line of an audience: just its number.

    Whether its person may be seen is decided at each refresh, with the owner's rights.
    """

    _name = "directmail.audience.pick"
    _description = "Chosen Record"
    _log_access = False

    rule_id = fields.Many2one(
        "directmail.audience.rule", required=True, readonly=True, ondelete="cascade"
    )
    res_id = fields.Integer("Record", required=True, readonly=True)

    _record_unique = models.Constraint("UNIQUE(rule_id, res_id)")

    def _add(self, rule, records):
        """Add records to a line; those in it already stay once.

        :param SQL records: selects ids of the line's model
        :return: how many are new
        :rtype: int
        """
        self.env.flush_all()
        self.env.cr.execute(
            SQL(
                """INSERT INTO directmail_audience_pick (rule_id, res_id)
                   SELECT %s, id FROM (%s) AS records(id)
                       ON CONFLICT (rule_id, res_id) DO NOTHING""",
                rule.id,
                records,
            )
        )
        added = self.env.cr.rowcount
        rule.invalidate_recordset()
        return added
