from odoo import fields, models
from odoo.tools import SQL

from ...engine.trial import is_real
from .prefetch import PREFETCH


class LinkTrackerClick(models.Model):
    """Copies of clicks in email tasks, so that Odoo's Link Tracker and campaigns count them.

    Only clicks by people are copied: machines follow so many links that theirs would hide these.
    Clicks in a trial are simulated, so they are not copied either.
    """

    _inherit = "link.tracker.click"

    directmail_event_id = fields.Integer(
        "DirectMail event",
        readonly=True,
        prefetch=PREFETCH,
        help="The event that this click was copied from.",
    )

    _directmail_event_unique = models.UniqueIndex("(directmail_event_id)")

    def _copy_events(self, company, last):
        """Copy the clicks among a company's pending events, and delete copies of machines' clicks.

        It can be repeated, because `directmail_event_id` is unique.

        :param int last: id of the last event to read: see `engine.events.find_batch`
        """
        self.env.cr.execute(
            SQL(
                """WITH seen AS (
                    SELECT e.id, e.delivery_id, e.occurred_at, e.machine, l.tracker_id
                      FROM directmail_event_pending o JOIN directmail_event e ON e.id = o.id
                      JOIN directmail_link l ON l.id = e.link_id
                     WHERE o.company_id = %(company)s AND o.id <= %(last)s AND e.kind = 'click'
                       AND e.delivery_id IS NOT NULL AND l.tracker_id IS NOT NULL
                       AND %(is_real)s
                ), added AS (
                    INSERT INTO link_tracker_click (link_id, campaign_id, directmail_event_id,
                           create_uid, create_date, write_uid, write_date)
                    SELECT t.id, t.campaign_id, s.id, %(uid)s, s.occurred_at, %(uid)s, s.occurred_at
                      FROM seen s JOIN link_tracker t ON t.id = s.tracker_id
                     WHERE s.machine IS NOT TRUE
                        ON CONFLICT (directmail_event_id) DO NOTHING
                 RETURNING link_id
                ), removed AS (
                    DELETE FROM link_tracker_click c USING directmail_event e
                     WHERE e.id = c.directmail_event_id AND e.machine
                       AND e.delivery_id IN (SELECT delivery_id FROM seen)
                 RETURNING c.link_id
                ), changed AS (
                    SELECT link_id, sum(change) AS change
                      FROM (SELECT link_id, 1 AS change FROM added UNION ALL
                            SELECT link_id, -1 FROM removed) changes
                     GROUP BY link_id HAVING sum(change) != 0
                )
                UPDATE link_tracker t SET count = COALESCE(t.count, 0) + c.change
                  FROM changed c WHERE t.id = c.link_id""",
                company=company.id,
                last=last,
                uid=self.env.uid,
                is_real=is_real(SQL("e.account_id")),
            )
        )
