from datetime import timedelta

from odoo import api, fields, models
from odoo.tools import SQL, format_datetime

#: How often a recipient wants mail; the codes are those of `clock.spans.CAPS`.
CAP_LABELS = [
    ("week", "At most one email a week"),
    ("fortnight", "At most one email every two weeks"),
    ("month", "At most one email every four weeks"),
]
#: {field: `directmail.consent.purpose` of the record of its changes}
PURPOSES = {"cap": "frequency", "paused_until": "pause", "lang": "language"}
PERSON = ("address_key", "email", "email_encrypted", "partner_id")


class DirectmailPreference(models.Model):
    """What a recipient wants of one company: fewer mails, none until a day, a language.

    One row per company and address key, with what counts now. Each change is recorded in
    `directmail.consent`, too, as the proof. `engine.preferences` has the fragment that holds back
    mails. Unlike an opt-out, a preference is deleted by erasure, and one whose key can't be matched
    after the loss of the master key holds back nobody else.
    """

    _name = "directmail.preference"
    _description = "Preference of a Recipient"
    _inherit = ["directmail.seen", "directmail.guarded"]
    _order = "id desc"
    _rec_name = "email"
    _guarded_fields = frozenset(
        (
            "company_id",
            "address_key",
            "email",
            "email_encrypted",
            "partner_id",
            "cap",
            "paused_until",
            "lang",
        )
    )

    company_id = fields.Many2one("res.company", required=True, readonly=True, index=True)
    address_key = fields.Char(required=True, readonly=True, groups=fields.NO_ACCESS)
    # Only of people who are mailed at an address in clear.
    email = fields.Char("Address", readonly=True)
    # The address as encrypted. After the master key is lost, it is used to recompute `address_key`.
    email_encrypted = fields.Char(readonly=True, groups=fields.NO_ACCESS)
    partner_id = fields.Many2one(
        "res.partner", "Contact", readonly=True, index="btree_not_null", ondelete="set null"
    )
    cap = fields.Selection(CAP_LABELS, "Number of emails", readonly=True)
    paused_until = fields.Datetime(readonly=True)
    lang = fields.Char("Language", readonly=True)

    _address_unique = models.UniqueIndex(
        "(company_id, address_key)", "The preferences of this address are stored already."
    )
    # Tells each claim at once that nobody wants fewer mails.
    _wish_index = models.Index("(company_id) WHERE cap IS NOT NULL OR paused_until IS NOT NULL")

    @api.model
    def _find(self, company, key):
        """Return the preference of an address, with all rights; empty if there is none.

        The caller has proved the right to know it.

        :param str key: address key, or empty
        """
        # sudo(): see above.
        preferences = self.sudo()
        if not key:
            return preferences.browse()
        return preferences.search([("company_id", "=", company.id), ("address_key", "=", key)])

    @api.model
    def _set(self, company, person, name, value, **proof):
        """Set one preference of a person, effective at once, in running tasks too.

        :param company: the `res.company` that mails the person
        :param dict person: values of address_key, email, email_encrypted and partner_id
        :param str name: a key of PURPOSES
        :param value: of the field; None or False to end it
        :param proof: values of further fields of `directmail.consent`
        """
        value = value or None
        if (self._find(company, person["address_key"])[name] or None) == value:
            return
        self.env.flush_all()
        # Two requests at the same time must not insert two rows.
        self.env.cr.execute(
            SQL(
                """INSERT INTO directmail_preference AS w (company_id, address_key, email,
                          email_encrypted, partner_id, %(name)s, create_uid, create_date,
                          write_uid, write_date)
                   VALUES (%(company)s, %(person)s, %(value)s, %(uid)s, %(now)s, %(uid)s, %(now)s)
                       ON CONFLICT (company_id, address_key) DO UPDATE
                      SET %(name)s = EXCLUDED.%(name)s, write_date = EXCLUDED.write_date,
                          partner_id = COALESCE(EXCLUDED.partner_id, w.partner_id)""",
                name=SQL.identifier(name),
                company=company.id,
                person=SQL(", ").join(SQL("%s", person.get(column) or None) for column in PERSON),
                value=value,
                uid=self.env.uid,
                now=SQL("now() AT TIME ZONE 'UTC'"),
            )
        )
        self.env["directmail.preference"].invalidate_model()
        self.env["directmail.consent"]._insert(
            company,
            person,
            PURPOSES[name],
            answer="yes" if value else "withdrawn",
            value=value and str(value),
            origin="page",
            **proof,
        )

    def _export(self):
        """Return the preferences as values for JSON; times are UTC. :rtype: list"""
        return [
            {
                "number_of_emails": preference.cap or "",
                "paused_until": str(preference.paused_until or ""),
                "language": preference.lang or "",
            }
            for preference in self
        ]

    @api.model
    def _describe_value(self, purpose, value):
        """Return a stored choice as text, in the reader's language.

        :param str purpose: of `directmail.consent`
        :param str value: of `directmail.consent`, or empty
        :rtype: str or bool
        """
        if not value:
            return False
        if purpose == "frequency":
            return dict(self._fields["cap"]._description_selection(self.env)).get(value, value)
        if purpose == "pause":
            until = format_datetime(self.env, fields.Datetime.to_datetime(value), dt_format="short")
            return self.env._("Until %s", until)
        return dict(self.env["res.lang"].get_installed()).get(value, value)

    @api.model
    def _merge(self, merged, kept):
        """Carry the preferences of contacts that become one to the addresses of the kept contact.

        Per company and preference the latest one counts, unless an address has its own. The rows
        of the merged contacts stay with their addresses.

        :param merged: `res.partner` records that are about to be deleted
        :param kept: the `res.partner` that stays
        """
        # sudo(): merging checked the rights to the contacts; preferences of all companies count.
        self = self.sudo()
        if self.env["directmail.keyring"]._find_problem():
            return
        consents = self.env["directmail.consent"]
        # A row of an address that became a contact later has no contact.
        keys = [
            person["address_key"] for partner in merged for person in consents._find_person(partner)
        ]
        found = self.search(
            ["|", ("partner_id", "in", merged.ids), ("address_key", "in", keys)],
            order="write_date desc, id desc",
        )
        for person in found and consents._find_person(kept):
            for company in found.company_id:
                own = self._find(company, person["address_key"])
                rows = found.filtered(lambda row, company=company: row.company_id == company)
                values = {}
                for name in PURPOSES:
                    if not own[name] and (latest := rows.filtered(name)[:1]):
                        values[name] = latest[name]
                if own:
                    own.write(values)
                else:
                    self.create({**person, "company_id": company.id, **values})

    @api.autovacuum
    def _gc_ended(self):
        """Forget pauses that ended, and preferences that say nothing."""
        if not self.env["ir.module.module"]._is_directmail_upgraded():
            return
        # A day later: the page then offers no *Undo* any more.
        ended = fields.Datetime.now() - timedelta(days=1)
        self.search([("paused_until", "<", ended)]).write({"paused_until": False})
        empty = [(name, "=", False) for name in PURPOSES]
        self.search([*empty, ("write_date", "<", ended)]).unlink()
