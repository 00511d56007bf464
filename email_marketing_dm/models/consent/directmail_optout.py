from odoo import api, fields, models
from odoo.tools import SQL, formatLang

from ...engine.idn import may_be_written_otherwise
from ...engine.mailing_consent import AGREEMENTS
from ...engine.person import list_addresses
from ...engine.seen import seen_contact
from ...engine.sql import UNMATCHABLE
from ...engine.trial import is_real
from ...privacy.address import spell
from ..mixins.directmail_seen import is_administrator

#: The `origin` whose opt-outs a later event `subscribe` from DirectMail deletes. Others stay until
#: an administrator deletes them, or the recipient undoes them on our own pages.
REVOCABLE = "directmail"
#: Origins that a later, lasting one replaces: administrators delete "bounce" when the mailbox works
#: again, and a later event `subscribe` deletes "directmail".
REPLACED = ("directmail", "bounce")
#: The columns that an opt-out copies from a delivery.
OF_DELIVERY = ("company_id", "address_key", "email", "email_encrypted", "partner_id", "task_id")


def join_columns(columns):
    """Return SQL of a list of columns. :rtype: SQL"""
    return SQL(", ").join(map(SQL.identifier, columns))


class DirectmailOptout(models.Model):
    """A person who gets no more mail of a company, or from one of its sender addresses.

    Identified by the address key, so that it remains when the contact is deleted.
    """

    _name = "directmail.optout"
    _description = "Opt-out"
    _inherit = ["directmail.seen", "directmail.links"]
    _order = "occurred_at desc, id desc"
    _rec_name = "email"

    company_id = fields.Many2one("res.company", required=True, readonly=True, index=True)
    address_key = fields.Char(required=True, readonly=True, groups=fields.NO_ACCESS)
    email = fields.Char("Address", readonly=True)
    # The address as encrypted. After the master key is lost, it is used to recompute `address_key`.
    email_encrypted = fields.Char(readonly=True, groups=fields.NO_ACCESS)
    unmatched = fields.Boolean(
        "Can't be matched",
        compute="_compute_unmatched",
        search="_search_unmatched",
        compute_sudo=True,
        help="The master key with which this address was saved is lost, so the address can't be"
        " recognized. All people it could belong to get no mail until this opt-out is deleted.",
    )
    partner_id = fields.Many2one(
        "res.partner", "Contact", readonly=True, index="btree_not_null", ondelete="set null"
    )
    sender_id = fields.Many2one(
        "directmail.sender",
        "Sender address",
        readonly=True,
        ondelete="cascade",
        help="If it is empty, the opt-out applies to all mail of the company.",
    )
    origin = fields.Selection(
        [
            ("one_click", "Unsubscribe button of the mail program"),
            ("page", "Unsubscribe page"),
            ("directmail", "Unsubscribed at DirectMail"),
            ("complaint", "Reported as spam"),
            ("bounce", "Address does not exist"),
        ],
        required=True,
        readonly=True,
    )
    reason_id = fields.Many2one("mailing.subscription.optout", readonly=True, ondelete="set null")
    feedback = fields.Text(readonly=True)
    occurred_at = fields.Datetime("Since", readonly=True, default=fields.Datetime.now)
    task_id = fields.Many2one("directmail.task", "Email task", readonly=True, ondelete="set null")
    _address_unique = models.UniqueIndex(
        "(company_id, address_key, COALESCE(sender_id, 0))",
        "This address has already unsubscribed.",
    )
    # Each claim checks whether there are unmatched opt-outs, which hold back all people who could
    # be meant (`engine.sql.unverifiable`).
    _unmatched_index = models.Index(f"(company_id) WHERE left(address_key, 1) = '{UNMATCHABLE}'")

    @api.model
    def _seen_to_sql(self, alias, query=None):
        """Override: a contact's opt-out follows the rights to the contact.

        An opt-out without a contact is for the user whose audience brought the address into the
        email task (`lender_id`), and for administrators, who alone may delete opt-outs.
        """
        bare = SQL("TRUE")
        if not is_administrator(self.env):
            bare = SQL(
                """EXISTS (SELECT FROM directmail_delivery d
                            WHERE d.task_id = %(alias)s.task_id AND d.lender_id = %(user)s
                              AND d.address_key = %(alias)s.address_key
                              AND d.state != 'suppressed')""",
                alias=alias,
                user=self.env.uid,
            )
        return SQL(
            "CASE WHEN %s.partner_id IS NULL THEN %s ELSE %s END",
            alias,
            bare,
            seen_contact(self.env, SQL("%s.partner_id", alias)),
        )

    @api.depends("address_key")
    def _compute_unmatched(self):
        for optout in self:
            optout.unmatched = optout.address_key.startswith(UNMATCHABLE)

    def _search_unmatched(self, operator, value):
        if operator != "in":
            return NotImplemented
        return [("address_key", "=like" if True in value else "not =like", f"{UNMATCHABLE}%")]

    @api.model
    def _make_insert(self, columns, rows, conflict):
        """Return a statement that inserts opt-outs.

        :param columns: names of the columns of `rows`
        :param SQL rows: selects new opt-outs, at most one for each company, address and sender
        :param SQL conflict: what happens to an existing opt-out ``o``: DO NOTHING or DO UPDATE
        :rtype: SQL
        """
        return SQL(
            """INSERT INTO directmail_optout AS o
                      (%(columns)s, create_uid, create_date, write_uid, write_date)
               SELECT n.*, %(uid)s, %(now)s, %(uid)s, %(now)s FROM (%(rows)s) AS n
                   ON CONFLICT (company_id, address_key, COALESCE(sender_id, 0)) %(conflict)s""",
            columns=join_columns(columns),
            uid=self.env.uid,
            now=SQL("now() AT TIME ZONE 'UTC'"),
            rows=rows,
            conflict=conflict,
        )

    def _record(self, recipient, origin, sender=None):
        """Create the opt-out of a recipient, unless there is one.

        An existing opt-out is updated if its origin is "bounce", which administrators delete when
        the mailbox works again, or "directmail", which a later event `subscribe` would delete. It
        keeps its date: otherwise the link of a forwarded mail could renew the day in which it
        undoes an unsubscription (`_may_undo` of `directmail.recipient`).

        :param recipient: a `directmail.recipient`: a delivery, or a link to the preferences
        :param str origin: a value of the field `origin`
        :param sender: the `directmail.sender` to opt out from; by default the whole company
        :return: the opt-out; empty for a recipient without an address key
        """
        # sudo(): nobody has the right to create opt-outs; the event or the token proves the
        # request.
        self, recipient = self.sudo(), recipient.sudo()
        self.flush_model()
        self.env.cr.execute(
            self._make_insert(
                (*OF_DELIVERY, "sender_id", "origin", "occurred_at"),
                SQL(
                    """SELECT company_id, address_key, email, email_encrypted, partner_id, %s::int,
                              %s::int, %s, now() AT TIME ZONE 'UTC' FROM %s
                        WHERE id = %s AND address_key IS NOT NULL""",
                    recipient._get_delivery().task_id.id or None,
                    (sender and sender.id) or None,
                    origin,
                    SQL.identifier(recipient._table),
                    recipient.id,
                ),
                SQL(
                    """DO UPDATE SET origin = EXCLUDED.origin, task_id = EXCLUDED.task_id
                        WHERE o.origin IN %s""",
                    REPLACED,
                ),
            )
        )
        return self.search(
            [
                ("company_id", "=", recipient.company_id.id),
                ("address_key", "=", recipient.address_key),
                ("sender_id", "=", (sender and sender.id) or False),
            ]
        )

    def _import_facts(self, company, last):
        """Apply a company's pending events about opt-outs.

        A person's latest `unsubscribe` or `subscribe` counts, in whatever order they arrive. A
        `complaint` is never revoked, and puts the address on Odoo's blacklist. `listed` (on
        DirectMail's list of invalid addresses) creates an opt-out with the origin "bounce". Events
        of trials are left out.

        :param int last: the highest id of an event to apply, see `engine.events.find_batch`
        """
        wishes = self._select_wishes(company, last)
        rows = self.env.execute_query(
            SQL(
                """WITH wishes AS (%(wishes)s), changed AS (%(insert)s), revoked AS (
                    DELETE FROM directmail_optout o USING wishes w
                     WHERE w.kind = 'subscribe' AND o.company_id = w.company_id
                       AND o.address_key = w.address_key AND o.origin = %(revocable)s
                       AND o.occurred_at <= w.occurred_at AND NOT EXISTS (
                           SELECT 1 FROM wishes later WHERE later.address_key = w.address_key
                              AND (later.kind = 'complaint' OR later.kind = 'unsubscribe'
                                   AND later.occurred_at > w.occurred_at))
                )
                SELECT DISTINCT email FROM wishes WHERE kind = 'complaint' AND email IS NOT NULL""",
                wishes=wishes,
                insert=self._make_insert(
                    (*OF_DELIVERY, "origin", "occurred_at"),
                    self._select_lasting(),
                    SQL(
                        """DO UPDATE SET origin = EXCLUDED.origin,
                                  occurred_at = GREATEST(o.occurred_at, EXCLUDED.occurred_at)
                            WHERE EXCLUDED.origin = 'complaint' OR o.origin = %s""",
                        REVOCABLE,
                    ),
                ),
                revocable=REVOCABLE,
            )
        )
        self.env["directmail.consent"]._record_optouts(company, wishes)
        self._blacklist([email for (email,) in rows])
        self._insert_bounces(
            SQL(
                """SELECT d.*, e.occurred_at AS since
                     FROM directmail_event_pending o JOIN directmail_event e ON e.id = o.id
                     JOIN directmail_delivery d ON d.id = e.delivery_id
                     JOIN directmail_account a ON a.id = d.account_id AND a.bounce_limit > 0
                    WHERE o.company_id = %s AND o.id <= %s
                      AND e.kind = 'listed' AND %s""",
                company.id,
                last,
                is_real(SQL("a.id")),
            )
        )

    @api.model
    def _select_wishes(self, company, last):
        """Return SQL of the wishes in a company's pending events: see `_import_facts`."""
        return SQL(
            """SELECT e.kind, e.occurred_at, e.company_id, d.email, d.email_encrypted,
                      d.partner_id, d.task_id,
                      COALESCE(d.address_key, e.address_key) AS address_key
                 FROM directmail_event_pending o JOIN directmail_event e ON e.id = o.id
                 LEFT JOIN directmail_delivery d ON d.id = e.delivery_id
                WHERE o.company_id = %s AND o.id <= %s
                  AND e.source != 'own'
                  AND e.kind IN ('unsubscribe', 'subscribe', 'complaint')
                  AND COALESCE(d.address_key, e.address_key) IS NOT NULL AND %s""",
            company.id,
            last,
            is_real(SQL("e.account_id")),
        )

    @api.model
    def _select_lasting(self):
        """Return SQL of the latest of the `wishes` to get no mail, which nothing has revoked.

        Its columns are those of OF_DELIVERY, the origin and the moment.
        """
        return SQL(
            """SELECT DISTINCT ON (address_key) %s,
                      CASE kind WHEN 'complaint' THEN kind ELSE %s END, occurred_at
                 FROM wishes w
                WHERE kind = 'complaint' OR kind = 'unsubscribe' AND NOT EXISTS (
                      SELECT 1 FROM directmail_event s
                        LEFT JOIN directmail_delivery d ON d.id = s.delivery_id
                       WHERE s.company_id = w.company_id AND s.kind = 'subscribe'
                         AND COALESCE(d.address_key, s.address_key) = w.address_key
                         AND s.occurred_at >= w.occurred_at AND %s)
                ORDER BY address_key, kind, occurred_at DESC""",
            join_columns(OF_DELIVERY),
            REVOCABLE,
            is_real(SQL("s.account_id")),
        )

    def _import_bounces(self, delivery_ids):
        """Create opt-outs for addresses with `bounce_limit` invalid deliveries (account's setting).

        A delivered mail resets the count: only later invalid deliveries count. Mails of trials
        count neither way.

        :param delivery_ids: ids of deliveries whose outcome has just become "invalid"
        """
        self._insert_bounces(
            SQL(
                """SELECT d.*, d.outcome_at AS since
                     FROM directmail_delivery d JOIN directmail_account a ON a.id = d.account_id
                    WHERE d.id = ANY(%(ids)s) AND %(is_real)s
                      AND a.bounce_limit > 0 AND a.bounce_limit <= (
                          SELECT count(*) FROM directmail_delivery b
                           WHERE b.address_key = d.address_key AND b.company_id = d.company_id
                             AND b.state = 'sent' AND b.outcome = 'invalid' AND %(b_is_real)s
                             AND NOT EXISTS (
                                 SELECT 1 FROM directmail_delivery later
                                  WHERE later.address_key = b.address_key
                                    AND later.company_id = b.company_id
                                    AND later.state = 'sent' AND later.outcome = 'delivered'
                                    AND later.claimed_at > b.claimed_at AND %(later_is_real)s))""",
                ids=list(delivery_ids),
                is_real=is_real(SQL("d.account_id")),
                b_is_real=is_real(SQL("b.account_id")),
                later_is_real=is_real(SQL("later.account_id")),
            )
        )

    def _insert_bounces(self, deliveries):
        """Insert opt-outs with the origin "bounce" for the addresses of deliveries.

        :param SQL deliveries: selects columns of `directmail_delivery`, and `since`: the time (UTC)
            of the opt-out
        """
        self.env.cr.execute(
            self._make_insert(
                (*OF_DELIVERY, "origin", "occurred_at"),
                SQL(
                    """SELECT DISTINCT ON (company_id, address_key) %s, 'bounce', since
                         FROM (%s) d ORDER BY company_id, address_key, since""",
                    join_columns(OF_DELIVERY),
                    deliveries,
                ),
                SQL("DO NOTHING"),
            )
        )

    @api.model
    def _merge(self, merged, kept):
        """Make opt-outs of contacts that become one count for all of their addresses.

        Otherwise a person who has unsubscribed would get mail at the other address. Not where they
        have agreed to get mail at that address since, nor if an address just does not exist.

        :param merged: `res.partner` records that are about to be deleted
        :param kept: the `res.partner` that stays
        """
        # sudo(): merging checked the rights to the contacts; opt-outs of all companies count.
        self = self.sudo()
        self.env.flush_all()
        partners = merged | kept
        people = self.env["directmail.consent"].sudo()._find_addresses(partners)
        if not people:
            return
        copied = ("company_id", "task_id", "sender_id", "origin", "reason_id", "occurred_at")
        self.env.cr.execute(
            self._make_insert(
                ("address_key", "email", "email_encrypted", "partner_id", *copied),
                SQL(
                    """SELECT DISTINCT ON (people.address_key, o.company_id, o.sender_id)
                              people.*, %(kept)s::int, %(copied)s
                         FROM directmail_optout o
                        CROSS JOIN (VALUES %(people)s)
                              AS people (address_key, email, email_encrypted)
                        WHERE o.origin != 'bounce'
                          AND (o.partner_id = ANY(%(partners)s) OR o.address_key = ANY(%(keys)s))
                          AND NOT EXISTS (
                              SELECT FROM directmail_consent c
                               WHERE c.company_id = o.company_id AND c.purpose = 'mailing'
                                 AND c.address_key = people.address_key
                                 AND c.answer IN %(agreements)s
                                 AND c.recorded_at > o.occurred_at)
                        ORDER BY people.address_key, o.company_id, o.sender_id, o.occurred_at""",
                    kept=kept.id,
                    copied=SQL(", ").join(SQL.identifier("o", name) for name in copied),
                    people=list_addresses(people),
                    partners=partners.ids,
                    keys=list(people),
                    agreements=AGREEMENTS,
                ),
                SQL(
                    """DO UPDATE SET origin = EXCLUDED.origin, occurred_at = EXCLUDED.occurred_at
                        WHERE o.origin = 'bounce'"""
                ),
            )
        )
        self.invalidate_model()

    @api.model
    def _blacklist(self, emails):
        """Put clear addresses on Odoo's blacklist, which applies to all companies."""
        # sudo(): callers have checked the token or the right to delete opt-outs, or are the cron.
        blacklist = self.env["mail.blacklist"].sudo().with_context(tracking_disable=True)
        # Odoo's own mailings compare the address as it was typed: blacklist all its spellings.
        spellings = {spelling for email in emails for spelling in spell(email)}
        if spellings:
            blacklist.create([{"email": email} for email in sorted(spellings)]).filtered(
                lambda entry: not entry.active
            ).action_unarchive()

    # === FILES === #
    # Opt-outs can be exported to a file or put on Odoo's blacklist before the addon is uninstalled.

    @api.model
    def action_export(self):
        """Download the opt-outs of all companies of the user as a CSV file.

        :raise AccessError: except for administrators
        """
        self.check_access("unlink")
        url = "/directmail/optouts.csv"
        return {"type": "ir.actions.act_url", "url": url, "target": "download"}

    def action_blacklist(self):
        """Put the clear addresses of these opt-outs on Odoo's blacklist.

        :raise AccessError: except for administrators
        """
        self.check_access("unlink")
        # sudo(): the administrator's right was checked above, for these opt-outs.
        count = self.sudo()._put_on_blacklist(SQL("id = ANY(%s)", self.ids))
        return {
            "type": "ir.actions.client",
            "tag": "display_notification",
            "params": {
                "type": "success",
                "message": self.env._(
                    "Addresses on Odoo's blacklist: %s. They get no mailings from any company.",
                    formatLang(self.env, count, digits=0),
                ),
            },
        }

    def _put_on_blacklist(self, condition):
        """Put clear addresses of opt-outs on Odoo's blacklist, most of them in one statement.

        Only addresses with an international domain go through `_blacklist`, for their spellings.

        :param SQL condition: on rows of `directmail_optout`
        :return: the number of addresses, without further spellings
        :rtype: int
        """
        self.flush_model()
        self.env["mail.blacklist"].flush_model()
        rows = self.env.execute_query(
            SQL(
                """INSERT INTO mail_blacklist (email, active, create_uid, create_date, write_uid,
                          write_date)
                   SELECT DISTINCT email, TRUE, %(uid)s, %(now)s, %(uid)s, %(now)s
                     FROM directmail_optout WHERE email IS NOT NULL AND %(condition)s
                       ON CONFLICT (email) DO UPDATE SET active = TRUE
                RETURNING id""",
                uid=self.env.uid,
                now=SQL("now() AT TIME ZONE 'UTC'"),
                condition=condition,
            )
        )
        self.env["mail.blacklist"].invalidate_model()
        international = self.env.execute_query(
            SQL(
                "SELECT DISTINCT email FROM directmail_optout WHERE %s AND %s",
                may_be_written_otherwise(SQL("email")),
                condition,
            )
        )
        self._blacklist([email for (email,) in international])
        return len(rows)
