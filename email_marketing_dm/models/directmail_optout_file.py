import csv

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL

from ..engine.idn import may_be_written_otherwise
from ..lists.identifiers import read_safe_cell
from ..privacy.address import normalise

#: The columns of a file of opt-outs, the same in every language: what one installation exports
#: another one imports.
COLUMNS = (
    "email", "address_key", "master_key", "encrypted_email", "company", "sender", "origin",
    "reason", "feedback", "since",
)  # fmt: skip
CHUNK = 2000
PAGE = 10_000


class DirectmailOptout(models.Model):
    """Opt-outs outlive the addon: as a file, and on Odoo's blacklist."""

    _inherit = "directmail.optout"

    # === ACTIONS === #

    @api.model
    def action_export(self):
        """Download all opt-outs of the companies that the administrator works in."""
        self.check_access("unlink")
        url = "/directmail/optouts.csv"
        return {"type": "ir.actions.act_url", "url": url, "target": "download"}

    def action_blacklist(self):
        """Put the plain addresses of these opt-outs on Odoo's blacklist."""
        self.check_access("unlink")
        count = self.sudo()._put_on_blacklist(SQL("id = ANY(%s)", self.ids))
        return {
            "type": "ir.actions.client",
            "tag": "display_notification",
            "params": {
                "type": "success",
                "message": self.env._(
                    "%s addresses are on Odoo's blacklist. They get no mailing of any company.",
                    count,
                ),
            },
        }

    # === BLACKLIST === #

    def _put_on_blacklist(self, condition):
        """Put plain addresses of opt-outs on Odoo's blacklist, in one statement.

        :param SQL condition: which opt-outs
        :return: how many addresses they have
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

    # === EXPORT === #

    @api.model
    def _export_page(self, companies, last):
        """Return the next rows of a file of opt-outs, each after its id.

        :param companies: `res.company` records whose opt-outs are wanted
        :param int last: id of the last row before
        """
        return self.env.execute_query(
            SQL(
                """SELECT o.id, o.email,
                          -- An address says it all, under whatever master key.
                          CASE WHEN o.email IS NULL
                               THEN regexp_replace(o.address_key, '^!.*:', '') END,
                          CASE WHEN o.email IS NULL THEN COALESCE(
                               substring(o.address_key FROM '^!(.*):'), k.fingerprint) END,
                          o.email_encrypted, c.name, s.email, o.origin,
                          r.name ->> 'en_US', o.feedback, o.occurred_at
                     FROM directmail_optout o
                     JOIN res_company c ON c.id = o.company_id
                     LEFT JOIN directmail_data_key k ON TRUE
                     LEFT JOIN directmail_sender s ON s.id = o.sender_id
                     LEFT JOIN mailing_subscription_optout r ON r.id = o.reason_id
                    WHERE o.company_id = ANY(%s) AND o.id > %s ORDER BY o.id LIMIT %s""",
                companies.ids,
                last,
                PAGE,
            )
        )

    # === IMPORT === #

    @api.model
    def _import_file(self, stream, companies, keep_unmatched=True):
        """Bring in a file that `action_export` made. Bringing it in again changes nothing.

        :param stream: the text of the file
        :param companies: `res.company` records that opt-outs may be brought in for
        :param bool keep_unmatched: also rows of another master key that have no address
        :return: {"read", "new", "invalid", "company", "sender", "unmatched": number of rows}
        :rtype: dict
        :raise UserError: if it is another file
        """
        rows = csv.DictReader(stream)
        if not {"company", "origin"} <= set(rows.fieldnames or ()):
            raise UserError(
                self.env._(
                    "This is not a file of opt-outs: its first line must name the columns %s.",
                    ", ".join(COLUMNS),
                )
            )
        reader = _RowReader(self.env, companies, keep_unmatched)
        chunk = []
        for row in rows:
            values = reader.parse(row)
            if values:
                chunk.append(values)
            if len(chunk) == CHUNK:
                reader.counts["new"] += self._insert_rows(chunk)
                chunk = []
        if chunk:
            reader.counts["new"] += self._insert_rows(chunk)
        self.invalidate_model()
        return reader.counts

    def _insert_rows(self, rows):
        """Insert opt-outs that are not there yet; a wish is stronger than a bounce."""
        self.flush_model()
        [(count,)] = self.env.execute_query(
            SQL(
                """WITH written AS (
                       INSERT INTO directmail_optout AS o
                              (company_id, address_key, email, email_encrypted, sender_id, origin,
                               reason_id, feedback, occurred_at, create_uid, create_date,
                               write_uid, write_date)
                       SELECT DISTINCT ON (company_id, address_key, COALESCE(sender_id, 0))
                              company_id, address_key, email, email_encrypted, sender_id, origin,
                              reason_id, feedback, occurred_at, %(uid)s, %(now)s, %(uid)s, %(now)s
                         FROM (VALUES %(rows)s) AS v (company_id, address_key, email,
                              email_encrypted, sender_id, origin, reason_id, feedback, occurred_at)
                        ORDER BY company_id, address_key, COALESCE(sender_id, 0),
                              origin IN ('directmail', 'bounce')
                           ON CONFLICT (company_id, address_key, COALESCE(sender_id, 0)) DO UPDATE
                          SET origin = EXCLUDED.origin
                        WHERE o.origin IN ('directmail', 'bounce')
                          AND EXCLUDED.origin NOT IN ('directmail', 'bounce')
                    RETURNING xmax = 0 AS is_new)
                   SELECT count(*) FILTER (WHERE is_new) FROM written""",
                uid=self.env.uid,
                now=SQL("now() AT TIME ZONE 'UTC'"),
                rows=SQL(", ").join(
                    SQL("(%s::int, %s, %s, %s, %s::int, %s, %s::int, %s, %s::timestamp)", *row)
                    for row in rows
                ),
            )
        )
        return count


class _RowReader:
    """Makes opt-outs of the rows of a file, and counts what can't be taken over."""

    def __init__(self, env, companies, keep_unmatched):
        self.keep_unmatched = keep_unmatched
        self.counts = dict.fromkeys(("read", "new", "invalid", "company", "sender", "unmatched"), 0)
        self._companies = {company.name: company.id for company in companies}
        self._senders = {
            (sender.account_id.company_id.id, sender.email): sender.id
            for sender in env["directmail.sender"].search([])
        }
        reasons = env["mailing.subscription.optout"].with_context(lang="en_US").search([])
        self._reasons = {reason.name: reason.id for reason in reasons}
        self._origins = dict(env["directmail.optout"]._fields["origin"].selection)
        self._key = env["directmail.keyring"]._get_master_key()
        self._encrypted = env["directmail.aes.key"]._get_reader()

    def parse(self, row):
        """Return the values of an opt-out in the order of `_insert_rows`, or None."""
        row = {name: read_safe_cell((row[name] or "").strip()) for name in COLUMNS if name in row}
        self.counts["read"] += 1
        company_id = self._companies.get(row["company"])
        if not company_id:
            self.counts["company"] += 1
            return None
        email, encrypted = normalise(row.get("email")), row.get("encrypted_email") or None
        key = self._find_key(row, email, encrypted, company_id)
        if not key or row["origin"] not in self._origins:
            self.counts["invalid"] += 1
            return None
        if key.startswith("!"):
            self.counts["unmatched"] += 1
            if not self.keep_unmatched:
                return None
        sender_id = self._senders.get((company_id, row.get("sender")))
        if row.get("sender") and not sender_id:
            # Its person wants less mail, not more: the whole company's is left out.
            self.counts["sender"] += 1
        return (
            company_id, key, email, encrypted, sender_id, row["origin"],
            self._reasons.get(row.get("reason")), row.get("feedback") or None,
            _read_moment(row.get("since")),
        )  # fmt: skip

    def _find_key(self, row, email, encrypted, company_id):
        """Return the address key under this server's master key, a marked one, or None."""
        if row.get("email"):
            return email and self._key.address_key(email)
        key, mark = row.get("address_key"), row.get("master_key")
        if key and mark == self._key.fingerprint:
            return key
        if encrypted and (found := self._encrypted.find_key(encrypted, company_id)[0]):
            return found
        return f"!{mark or '?'}:{key}" if key else None


def _read_moment(text):
    try:
        return fields.Datetime.to_datetime(text) or fields.Datetime.now()
    except ValueError:
        return fields.Datetime.now()
