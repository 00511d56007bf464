from odoo import api, fields, models
from odoo.exceptions import AccessError
from odoo.fields import Domain
from odoo.tools import SQL

from ...engine import measuring
from ...engine.consent_import import UploadedPeople, import_agreements, import_measuring
from ...engine.person import list_addresses
from ...engine.sql import UNMATCHABLE, address_key
from ...groups import GROUP_USER
from ...privacy.address import normalise
from ..mixins.directmail_seen import is_administrator

#: Version of the text that recipients see beside the answers, to be raised with each change of it.
TEXT_VERSION = "1"
AGENT_MAX = 250
#: The latest answer counts for each combination of these.
SUBJECT = ("company_id", "purpose", "purpose_id")
#: Who answered; the other columns are copied to another address of the same person.
PERSON = ("address_key", "email", "email_encrypted", "partner_id")


class DirectmailConsent(models.Model):
    """An answer of a person to the question what a company may do; rows are only added.

    A person's latest answer counts, per company and purpose. People are identified by their address
    key, so that the answer remains when the contact is deleted. Erasure takes out everything that
    names the person, but keeps the answer under the key: without it, a person who refused would be
    measured again.
    """

    _name = "directmail.consent"
    _description = "Consent"
    _inherit = ["directmail.seen", "directmail.guarded"]
    _log_access = False
    _order = "recorded_at desc, id desc"
    _rec_name = "email"
    _guarded_fields = frozenset(
        (
            "company_id",
            "address_key",
            "email",
            "email_encrypted",
            "partner_id",
            "purpose",
            "purpose_id",
            "answer",
            "value",
            "recorded_at",
            "origin",
            "user_id",
            "delivery_id",
            "note",
            "text",
            "text_version",
            "lang",
            "ip",
            "user_agent",
            "asked_at",
            "confirmation_ip",
        )
    )

    company_id = fields.Many2one("res.company", required=True, readonly=True)
    address_key = fields.Char(required=True, readonly=True, groups=fields.NO_ACCESS)
    # Only of people who are mailed at an address in clear.
    email = fields.Char("Address", readonly=True)
    # The address as encrypted. After the master key is lost, it is used to recompute `address_key`.
    email_encrypted = fields.Char(readonly=True, groups=fields.NO_ACCESS)
    partner_id = fields.Many2one(
        "res.partner", "Contact", readonly=True, index="btree_not_null", ondelete="set null"
    )
    purpose = fields.Selection(
        [
            ("measuring", "Measuring opens and clicks"),
            ("mailing", "Getting mail"),
            # Changes of `directmail.preference`.
            ("frequency", "Number of emails"),
            ("pause", "Pause of emails"),
            ("language", "Language of emails"),
        ],
        "About",
        required=True,
        readonly=True,
    )
    purpose_id = fields.Many2one(
        "directmail.purpose",
        "Topic",
        readonly=True,
        index="btree_not_null",
        ondelete="restrict",
        help="If it is empty, an answer about getting mail is about all mail of the company.",
    )
    answer = fields.Selection(
        [("yes", "Yes"), ("no", "No"), ("withdrawn", "Withdrawn"), ("confirmed", "Confirmed")],
        required=True,
        readonly=True,
    )
    # What was chosen, of answers with more than yes and no; withdrawn: the choice ended.
    value = fields.Char(readonly=True)
    choice = fields.Char(compute="_compute_choice")
    recorded_at = fields.Datetime("Answered on", required=True, readonly=True)
    origin = fields.Selection(
        [
            ("page", "Recipient's page"),
            ("form", "Sign-up form"),
            ("one_click", "Unsubscribe button of the mail program"),
            ("directmail", "Unsubscribed at DirectMail"),
            ("complaint", "Reported as spam"),
            ("contact", "Entered on the contact"),
            ("import", "Import"),
            ("order", "Order"),
            ("api", "Other program"),
        ],
        required=True,
        readonly=True,
    )
    user_id = fields.Many2one("res.users", "Entered by", readonly=True, ondelete="set null")
    delivery_id = fields.Many2one(
        "directmail.delivery", readonly=True, index="btree_not_null", ondelete="set null"
    )
    note = fields.Char("Where it comes from", readonly=True)
    text = fields.Text("Text shown", readonly=True)
    text_version = fields.Char("Version of the text", readonly=True)
    lang = fields.Char("Language", readonly=True)
    ip = fields.Char("IP address", readonly=True)
    user_agent = fields.Char("Program", readonly=True)
    # Of an agreement that was confirmed by mail: the columns above are of the request.
    asked_at = fields.Datetime("Signed up on", readonly=True)
    confirmation_ip = fields.Char("IP address of the confirmation", readonly=True)

    # The latest answer of a person, read from the index only.
    _latest_index = models.Index(
        "(company_id, purpose, address_key, recorded_at DESC, id DESC) INCLUDE (answer)"
    )
    # The same about being mailed for a purpose, as `engine.mailing_consent` reads it.
    _mailing_index = models.Index(
        "(company_id, COALESCE(purpose_id, 0), address_key, recorded_at DESC, id DESC)"
        " INCLUDE (answer) WHERE purpose = 'mailing'"
    )

    @api.depends("purpose", "value")
    @api.depends_context("lang", "tz")
    def _compute_choice(self):
        preferences = self.env["directmail.preference"]
        for consent in self:
            consent.choice = preferences._describe_value(consent.purpose, consent.value)

    def _add(self, company, person, answer, origin, **proof):
        """Add an answer about measuring; it counts at once, also for mails that were sent before.

        :param company: the `res.company` that asked
        :param dict person: values of address_key, email, email_encrypted and partner_id
        :param str answer: a value of the field `answer`
        :param str origin: a value of the field `origin`
        :param proof: values of further fields
        :return: the new record
        """
        consent = self._insert(
            company, person, measuring.PURPOSE, answer=answer, origin=origin, **proof
        )
        keys = SQL("%s", (person["address_key"],))
        measuring.record_withdrawal(consent.env, company.id, keys, answer)
        self.env["directmail.delivery"].invalidate_model(["measuring"])
        return consent

    def _insert(self, company, person, purpose, **values):
        """Add an answer, at the current time unless `values` has `recorded_at`.

        :param company: the `res.company` that asked
        :param dict person: values of address_key, email, email_encrypted and partner_id
        :param str purpose: a value of the field `purpose`
        :param values: values of further fields
        :return: the new record, with all rights
        """
        # sudo(): nobody may create answers; callers have checked the token or the rights to the
        # contact.
        self = self.sudo()
        self.env.flush_all()
        [(moment,)] = self.env.execute_query(SQL("SELECT clock_timestamp() AT TIME ZONE 'UTC'"))
        consent = self.create(
            {
                **person,
                "recorded_at": moment.replace(microsecond=0),
                **values,
                "company_id": company.id,
                "purpose": purpose,
            }
        )
        consent.flush_recordset()
        return consent

    @api.model
    def _get_answer(self, company, key):
        """Return the latest answer of a person about measuring: "yes", "no", or False.

        :param str key: address key
        """
        # sudo(): the caller has proved the right to know this person's answer.
        latest = self.sudo().search(
            [
                ("company_id", "=", company.id),
                ("purpose", "=", measuring.PURPOSE),
                ("address_key", "=", key),
            ],
            limit=1,
        )
        return latest.answer

    @api.model
    def _find_person(self, partner):
        """Return a contact's values of address_key, email, email_encrypted and partner_id.

        :return: [{...}], one for each of the contact's addresses: in clear and encrypted
        :rtype: list[dict]
        """
        # sudo() to compute the address key: callers have checked the rights to the contact.
        partner = partner.sudo()
        people = []
        if email := normalise(partner.email_normalized or ""):
            key = self.env["directmail.keyring"]._get_master_key().address_key(email)
            people.append({"address_key": key, "email": email})
        if key := partner.email_encrypted_key:
            people.append({"address_key": key, "email_encrypted": partner.email_encrypted})
        return [{**person, "partner_id": partner.id} for person in people]

    @api.model
    def _import_answers(self, upload, contacts, answer, purpose=None, **proof):
        """Add an answer for each person of an uploaded list, in one statement.

        None is added for people who have this answer already, nor an agreement for those who have
        refused: the list may be older than their refusal.

        :param upload: a `directmail.upload` that is matched
        :param contacts: query of the `res.partner` whom the uploader may change
        :param str answer: a value of the field `answer`
        :param purpose: the `directmail.purpose` that the answer is about; measuring by default
        :param proof: values of further fields
        :return: (number of answers added, number of people who have refused)
        :rtype: tuple[int, int]
        """
        # sudo(): nobody may create answers; the caller selects the contacts by the owner's rights.
        self = self.sudo()
        self.env.flush_all()
        master_key = self.env["directmail.keyring"]._get_master_key()
        people = UploadedPeople(
            upload.id,
            upload.company_id.id,
            address_key(master_key, SQL("p.email_normalized")),
            contacts.subselect(),
        )
        if purpose:
            result = import_agreements(self.env, people, purpose.id, answer, proof)
        else:
            result = import_measuring(self.env, people, answer, proof)
        self.env.invalidate_all()
        return result

    @api.model
    def _merge(self, merged, kept):
        """Make the latest answer of contacts that become one count for all of their addresses.

        The answer is copied with its time and proof to each address whose own latest answer is
        another one, or that has none: otherwise a person who refused would be measured again at
        the other address. Called before the rows of merged contacts are moved to the kept one.

        :param merged: `res.partner` records that are about to be deleted
        :param kept: the `res.partner` that stays
        """
        # sudo(): merging checked the rights to the contacts; answers of all companies count.
        self = self.sudo()
        self.env.flush_all()
        partners = merged | kept
        people = self._find_addresses(partners)
        if not people:
            return
        rows = self._copy_answers(people, partners, kept)
        self.invalidate_model()
        for company_id, purpose, key, answer in rows:
            if purpose == measuring.PURPOSE:
                measuring.record_withdrawal(self.env, company_id, SQL("%s", (key,)), answer)
        self.env["directmail.delivery"].invalidate_model(["measuring"])

    def _copy_answers(self, people, partners, kept):
        """Copy the latest answers of contacts to those of their addresses that lack them.

        :param dict people: as of `_find_addresses`
        :param partners: the `res.partner` records whose answers are copied
        :param kept: the `res.partner` that the copies are about
        :return: [(company id, purpose, address key, answer)] of the copies
        """
        copied = [
            field.name
            for field in self._fields.values()
            if field.store and field.column_type and field.name not in ("id", *PERSON)
        ]
        return self.env.execute_query(
            SQL(
                """WITH people (address_key, email, email_encrypted) AS (VALUES %(people)s),
                   answers AS MATERIALIZED (
                       SELECT * FROM directmail_consent
                        -- Other purposes follow `directmail.preference`, see its `_merge`.
                        WHERE purpose IN ('measuring', 'mailing')
                          AND (partner_id = ANY(%(partners)s)
                               OR address_key IN (SELECT address_key FROM people))
                   ), latest AS (
                       SELECT DISTINCT ON (%(subject)s) * FROM answers
                        ORDER BY %(subject)s, recorded_at DESC, id DESC
                   ), own AS (
                       SELECT DISTINCT ON (%(subject)s, address_key) * FROM answers
                        ORDER BY %(subject)s, address_key, recorded_at DESC, id DESC
                   )
                   INSERT INTO directmail_consent (%(person)s, %(copied)s)
                   SELECT people.address_key, people.email, people.email_encrypted, %(kept)s,
                          %(values)s
                     FROM latest CROSS JOIN people
                    CROSS JOIN LATERAL (SELECT CASE
                          -- Confirmed is what a mailbox has confirmed itself.
                          WHEN latest.answer = 'confirmed'
                           AND latest.address_key != people.address_key
                          THEN 'yes' ELSE latest.answer END AS answer) AS said
                    WHERE NOT EXISTS (
                          SELECT FROM own
                           WHERE own.address_key = people.address_key AND %(same)s
                             AND (own.answer = said.answer
                                  OR own.answer = 'confirmed' AND said.answer = 'yes'))
                RETURNING company_id, purpose, address_key, answer""",
                people=list_addresses(people),
                partners=partners.ids,
                subject=SQL(", ").join(map(SQL.identifier, SUBJECT)),
                same=SQL(" AND ").join(
                    SQL(
                        "%s IS NOT DISTINCT FROM %s",
                        SQL.identifier("own", name),
                        SQL.identifier("latest", name),
                    )
                    for name in SUBJECT
                ),
                person=SQL(", ").join(map(SQL.identifier, PERSON)),
                copied=SQL(", ").join(map(SQL.identifier, copied)),
                kept=kept.id,
                values=SQL(", ").join(
                    SQL.identifier("said" if name == "answer" else "latest", name)
                    for name in copied
                ),
            )
        )

    @api.model
    def _adopt(self, partner, companies):
        """Give a contact the answers of its addresses that were given before it was a contact.

        They came with an uploaded list, for example. Not what an erasure has left of answers, nor
        those of an encrypted address for a contact in clear: who guesses it must not learn of it.
        For the same reason, users give a contact nothing, unless they are administrators.

        :param partner: the `res.partner`; the caller has checked the right to read it
        :param companies: the `res.company` records whose answers are meant
        :raise AccessError: without the right to this app
        """
        self.check_access("read")
        if not (self.env.su or is_administrator(self.env)):
            return
        if self.env["directmail.keyring"]._find_problem():
            return
        # sudo(): see above; the address, by which they are found, is the contact's own.
        consents = self.sudo()
        theirs = Domain.OR(
            Domain("address_key", "=", person["address_key"])
            & Domain("email" if "email" in person else "email_encrypted", "!=", False)
            for person in consents._find_person(partner)
        )
        consents.search(
            theirs
            & Domain("partner_id", "=", False)
            & Domain("company_id", "in", (partner.sudo().company_id or companies).ids)
        ).write({"partner_id": partner.id})

    @api.model
    def _find_addresses(self, partners):
        """Return {address key: values as of `_find_person`} of contacts, also of their answers.

        Without the master key, which it takes to compute keys, only those of their answers.
        """
        people = {}
        if not self.env["directmail.keyring"]._find_problem():
            for partner in partners:
                for person in self._find_person(partner):
                    people[person["address_key"]] = person
        for consent in self.search([("partner_id", "in", partners.ids)]):
            if not consent.address_key.startswith(UNMATCHABLE):
                people.setdefault(
                    consent.address_key, {name: consent[name] or None for name in PERSON}
                )
        return people

    @api.model
    def _answer_for(self, partner, answer):
        """Add a contact's answer that a user was told.

        :param partner: a `res.partner` that the user may change
        :param str answer: a value of the field `answer`
        :raise AccessError: without the right to change the contact, or to this app
        """
        if not self.env.user.has_group(GROUP_USER):
            raise AccessError(
                self.env._("Only users of Email Marketing with DirectMail can record consents.")
            )
        partner.check_access("write")
        consents = self.sudo()
        for person in self._find_person(partner):
            consents |= self._add(
                self.env.company, person, answer, "contact", user_id=self.env.user.id
            )
        return consents


class DirectmailAnonymousHit(models.Model):
    """An open or click of nobody in particular, until `engine.measuring` adds it to the counters.

    Without a time: the order of rows would tell of a task with few mails who opened it when.
    """

    _name = "directmail.anonymous.hit"
    _description = "Anonymous Open or Click"
    _log_access = False

    task_id = fields.Many2one("directmail.task", required=True, readonly=True, ondelete="cascade")
    kind = fields.Selection(
        [("open", "Opened"), ("click", "Clicked")], required=True, readonly=True
    )
    machine = fields.Boolean(readonly=True)

    def _record(self, task, kind, machine):
        """Insert a hit that named the task only.

        :param str kind: "open" or "click"
        :param bool machine: whether it looks like a machine's
        """
        self.env.cr.execute(
            SQL(
                "INSERT INTO directmail_anonymous_hit (task_id, kind, machine) VALUES (%s, %s, %s)",
                task.id,
                kind,
                machine,
            )
        )
        self.env["directmail.event"]._wake_cron(task.account_id.is_trial)
