import hashlib

from odoo import api, fields, models
from odoo.tools import SQL

from .directmail_delivery import OUTCOMES


class DirectmailEvent(models.Model):
    """The inbox of facts that DirectMail reports. Receiving only inserts; one job applies them.

    An event carries an address key, never an address, and may arrive twice or in any order.
    """

    _name = "directmail.event"
    _description = "DirectMail Event"
    _log_access = False
    _order = "id"

    task_id = fields.Many2one("directmail.task", required=True, readonly=True, ondelete="cascade")
    address_key = fields.Char(required=True, readonly=True, groups=fields.NO_ACCESS)
    outcome = fields.Selection(OUTCOMES, required=True, readonly=True)
    occurred_at = fields.Datetime(required=True, readonly=True)
    code = fields.Char(readonly=True)
    message = fields.Char(readonly=True)
    fingerprint = fields.Char(required=True, readonly=True, groups=fields.NO_ACCESS)
    applied = fields.Boolean(readonly=True)

    _fingerprint_unique = models.UniqueIndex("(fingerprint)")
    _open_index = models.Index("(task_id) WHERE applied IS NOT TRUE")

    @api.private
    def _receive(self, rows):
        """Insert events that are not there yet.

        :param rows: dicts with task_id, address_key, outcome, occurred_at (naive UTC), code,
            message
        :return: how many were new
        :rtype: int
        """
        values = [
            SQL(
                "(%s, %s, %s, %s::timestamp, %s, %s, %s)",
                row["task_id"],
                row["address_key"],
                row["outcome"],
                row["occurred_at"],
                row["code"] or None,
                (row["message"] or "")[:250] or None,
                hashlib.sha256(
                    "|".join(
                        str(row[key])
                        for key in ("task_id", "address_key", "outcome", "occurred_at")
                    ).encode()
                ).hexdigest(),
            )
            for row in rows
        ]
        if not values:
            return 0
        return len(
            self.env.execute_query(
                SQL(
                    """INSERT INTO directmail_event
                            (task_id, address_key, outcome, occurred_at, code, message, fingerprint)
                       VALUES %s ON CONFLICT (fingerprint) DO NOTHING RETURNING id""",
                    SQL(", ").join(values),
                )
            )
        )

    @api.private
    def _apply_open(self, task):
        """Apply a task's new events to its deliveries, all at once.

        The latest fact about a person wins. A fact about an *unknown* mail proves that it was
        sent; one about a mail still *sending* waits in its outcome for the answer itself.

        :param task: a `directmail.task` record
        :return: how many deliveries changed
        :rtype: int
        """
        counter = self.env["directmail.task.counter"]
        [(changed,)] = counter._apply(
            SQL(
                """UPDATE directmail_delivery d
                      SET outcome = fact.outcome, outcome_at = fact.occurred_at,
                          code = fact.code, message = fact.message,
                          state = CASE WHEN d.state IN ('unknown', 'not_sent') THEN 'sent'
                                       ELSE d.state END,
                          sent_at = COALESCE(d.sent_at, d.claimed_at)
                     FROM (SELECT DISTINCT ON (o.id) o.id AS delivery_id, o.state AS old_state,
                                  o.outcome AS old_outcome, e.outcome, e.occurred_at, e.code,
                                  e.message
                             FROM directmail_event e
                             JOIN directmail_delivery o
                               ON o.task_id = e.task_id AND o.address_key = e.address_key
                              AND o.state IN ('sending', 'unknown', 'sent', 'not_sent')
                            WHERE e.task_id = %(task)s AND e.applied IS NOT TRUE
                            ORDER BY o.id, e.occurred_at DESC, e.id DESC
                          ) AS fact
                    WHERE d.id = fact.delivery_id
                      AND (d.outcome_at IS NULL OR d.outcome_at <= fact.occurred_at)
                RETURNING d.task_id, fact.old_state, d.state AS new_state,
                          fact.old_outcome, d.outcome AS new_outcome""",
                task=task.id,
            ),
            "events",
        )
        self.env.execute_query(
            SQL(
                """UPDATE directmail_event SET applied = TRUE
                    WHERE task_id = %s AND applied IS NOT TRUE RETURNING id""",
                task.id,
            )
        )
        return changed
