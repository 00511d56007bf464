from odoo import fields, models
from odoo.tools import SQL


class DirectmailSeriesRequest(models.Model):
    """A contact who is put into a series by hand or by a server action, until the cron sees it.

    A table of its own: with a row of the series locked or changed, a transaction of a user (an
    order, say) would wait for the cron, or fail.
    """

    _name = "directmail.series.request"
    _description = "Contact to Put Into a Series"
    _log_access = False

    series_id = fields.Many2one(
        "directmail.series", required=True, readonly=True, index=True, ondelete="cascade"
    )
    partner_id = fields.Many2one(
        "res.partner", "Contact", required=True, readonly=True, index=True, ondelete="cascade"
    )

    def _add(self, series, partners):
        """Insert a request for each of some contacts.

        :param series: a `directmail.series`; the caller has checked who may put people into it
        :param partners: `res.partner` records that the acting user may read
        """
        self.env.execute_query(
            SQL(
                """INSERT INTO directmail_series_request (series_id, partner_id)
                   SELECT %s, unnest(%s) RETURNING id""",
                series.id,
                partners.ids,
            )
        )
