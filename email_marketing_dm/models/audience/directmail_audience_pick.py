from odoo import api, fields, models
from odoo.tools import SQL


class DirectmailAudiencePick(models.Model):
    """The id of a record that was chosen by hand for a line of an audience.

    Each refresh checks, with the rights of the audience's owner, whether its person may be seen.
    """

    _name = "directmail.audience.pick"
    _description = "Selected Record"
    _log_access = False

    line_id = fields.Many2one(
        "directmail.audience.line", required=True, readonly=True, ondelete="cascade"
    )
    res_id = fields.Integer("Record", required=True, readonly=True)

    _record_unique = models.Constraint("UNIQUE(line_id, res_id)")

    @api.ondelete(at_uninstall=False)
    def _unlink_with_owner(self):
        self.line_id.audience_id._wait_for_owner()

    def _add(self, line, records):
        """Add records to a line, except those that the line has already.

        :param SQL records: selects ids of records of the line's model
        :return: the number of records added
        :rtype: int
        """
        self.env.flush_all()
        self.env.cr.execute(
            SQL(
                """INSERT INTO directmail_audience_pick (line_id, res_id)
                   SELECT %s, id FROM (%s) AS records(id)
                       ON CONFLICT (line_id, res_id) DO NOTHING""",
                line.id,
                records,
            )
        )
        added = self.env.cr.rowcount
        line.invalidate_recordset()
        return added

    @api.model
    def _move(self, merged, kept):
        """Replace merged records in all lines by the record that they are merged into.

        :param merged: records that are about to be deleted
        :param kept: the record of the same model that remains
        """
        self.env.flush_all()
        rows = self.env.execute_query(
            SQL(
                """WITH gone AS (
                       DELETE FROM directmail_audience_pick p
                        USING directmail_audience_line r, directmail_data_table t
                        WHERE r.id = p.line_id AND t.id = r.table_id AND t.model_name = %(model)s
                          AND p.res_id = ANY(%(merged)s)
                    RETURNING p.line_id)
                   INSERT INTO directmail_audience_pick (line_id, res_id)
                   SELECT DISTINCT line_id, %(kept)s FROM gone
                       ON CONFLICT (line_id, res_id) DO NOTHING
                RETURNING id""",
                model=kept._name,
                merged=merged.ids,
                kept=kept.id,
            )
        )
        if rows:
            self.env["directmail.audience.line"].invalidate_model()
