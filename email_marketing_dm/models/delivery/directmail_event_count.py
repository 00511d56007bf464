from odoo import fields, models
from odoo.tools import SQL

from ...engine import events


class DirectmailEventCount(models.Model):
    """Number of facts per account and name, and the moment of the last one (`last_at`).

    Names are the sources of facts, "stray" for facts without a delivery, and others that callers of
    `_add` count.
    """

    _name = "directmail.event.count"
    _description = "Count of Events"
    _log_access = False

    account_id = fields.Many2one(
        "directmail.account", required=True, readonly=True, ondelete="cascade"
    )
    name = fields.Char(required=True, readonly=True)
    value = fields.Integer(required=True, readonly=True)
    last_at = fields.Datetime(readonly=True)

    _name_unique = models.UniqueIndex("(account_id, name)")

    def _add(self, account, name, value=1):
        self.env.cr.execute(
            SQL(
                """INSERT INTO directmail_event_count AS c (account_id, name, value, last_at)
                   VALUES (%s, %s, %s, now() AT TIME ZONE 'UTC')
                       ON CONFLICT (account_id, name) DO UPDATE
                      SET value = c.value + EXCLUDED.value, last_at = EXCLUDED.last_at""",
                account.id,
                name,
                value,
            )
        )

    def _count_facts(self, company, last):
        """Add the facts that are about to be applied, by source, and those without a delivery.

        :param company: a `res.company`
        :param int last: id of the last `directmail.event` of the batch
        """
        facts = events.open_facts(SQL("e.account_id, e.source, e.delivery_id"), company.id, last)
        self.env.cr.execute(
            SQL(
                """INSERT INTO directmail_event_count AS c (account_id, name, value, last_at)
                   SELECT account_id, name, count(*), now() AT TIME ZONE 'UTC'
                     FROM (%s) f CROSS JOIN LATERAL (VALUES
                          (source), (CASE WHEN delivery_id IS NULL THEN 'stray' END)) n (name)
                    WHERE account_id IS NOT NULL AND name IS NOT NULL
                    GROUP BY account_id, name
                       ON CONFLICT (account_id, name) DO UPDATE
                      SET value = c.value + EXCLUDED.value, last_at = EXCLUDED.last_at""",
                facts,
            )
        )
