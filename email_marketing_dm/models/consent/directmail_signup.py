import re
import secrets
from datetime import timedelta

from odoo import api, fields, models
from odoo.fields import Domain
from odoo.tools import SQL, format_list

from ...engine.mailing_consent import AGREEMENTS
from ...privacy.address import normalise, spell
from ...privacy.entered import clean_line
from ...privacy.networks import find_network

CRON = "email_marketing_dm.ir_cron_directmail_signup"
KEEP = timedelta(days=7)  # until an unconfirmed sign-up is deleted
NAME_MAX = 100
TOKEN_BYTES = 24
BATCH = 100
# Anybody can send the form, with anybody's address: limit what it stores and which mails it sends.
PER_HOUR = 1000  # sign-ups of one form
PER_HOUR_AND_NETWORK = 60  # sign-ups that come from one place, see `find_network`
PAUSE = timedelta(minutes=10)  # between two mails of a company to one address
PER_DAY = 3  # mails of a company to one address that nobody confirms
# An address with a tag ("zoe+x@example.com") counts as the one without: many providers deliver
# both to the same mailbox.
#: What is only needed until `directmail.consent` has it.
PROOF = ("name", "text", "text_version", "ip", "user_agent", "network")


class DirectmailSignup(models.Model):
    """A person who has filled in a sign-up form, and confirms it with the link in a mail.

    Only the confirmation adds answers to `directmail.consent`. What was entered before is not
    proved by anybody: it creates no contact, changes none, and is deleted after `KEEP`.
    """

    _name = "directmail.signup"
    _description = "Sign-up"
    _inherit = ["directmail.seen", "directmail.guarded"]
    _log_access = False
    _order = "confirmed_at desc nulls last, id desc"
    _rec_name = "email"
    _guarded_fields = frozenset(
        (
            "form_id",
            "company_id",
            "email",
            "partner_id",
            "state",
            "purpose_ids",
            "name",
            "lang",
            "text",
            "text_version",
            "ip",
            "network",
            "user_agent",
            "asked_at",
            "mailed_at",
            "confirmed_at",
            "token",
        )
    )

    form_id = fields.Many2one(
        "directmail.signup.form", "Sign-up form", required=True, readonly=True, ondelete="cascade"
    )
    company_id = fields.Many2one("res.company", required=True, readonly=True)
    email = fields.Char("Address", readonly=True)
    partner_id = fields.Many2one(
        "res.partner", "Contact", readonly=True, index="btree_not_null", ondelete="set null"
    )
    state = fields.Selection(
        [
            ("new", "Not mailed yet"),
            ("asked", "Asked to confirm"),
            ("skipped", "Not asked again"),
            ("confirmed", "Confirmed"),
        ],
        required=True,
        readonly=True,
        default="new",
        help="Not asked again: the address has got the maximum number of emails that ask for a"
        " confirmation.",
    )
    purpose_ids = fields.Many2many("directmail.purpose", string="Topics", readonly=True)
    name = fields.Char(readonly=True)
    lang = fields.Selection("_selection_lang", "Language", readonly=True)
    text = fields.Text("Text shown", readonly=True)
    text_version = fields.Char("Version of the text", readonly=True)
    ip = fields.Char("IP address", readonly=True)
    network = fields.Char(readonly=True, groups=fields.NO_ACCESS)
    user_agent = fields.Char("Program", readonly=True)
    asked_at = fields.Datetime("Signed up on", required=True, readonly=True)
    mailed_at = fields.Datetime("Asked to confirm on", readonly=True)
    confirmed_at = fields.Datetime("Confirmed on", readonly=True)
    token = fields.Char(required=True, readonly=True, groups=fields.NO_ACCESS)

    _token_unique = models.UniqueIndex("(token)")
    _form_index = models.Index("(form_id, asked_at)")
    _network_index = models.Index("(network, asked_at) WHERE network IS NOT NULL")
    _email_index = models.Index("(email, mailed_at) WHERE email IS NOT NULL")
    _asked_index = models.Index("(company_id, mailed_at) WHERE state = 'asked'")
    _new_index = models.Index("(id) WHERE state = 'new'")

    @api.model
    def _selection_lang(self):
        return self.env["directmail.template"]._selection_lang()

    # === SIGNING UP === #

    @api.model
    def _sign_up(self, form, email, name, purposes, **proof):
        """Store a sign-up; the scheduled action `_cron_ask` then mails the link to confirm it.

        Nothing is looked up about the address, so that the visitor learns nothing about it, from
        the time that the answer takes either.

        :param form: a `directmail.signup.form`
        :param str email: normalised address
        :param str name: as entered
        :param purposes: `directmail.purpose` records of the form
        :param proof: lang, ip, user_agent, text and text_version
        :return: whether it is stored; False if there are too many
        :rtype: bool
        """
        # sudo(): visitors may sign up without any right.
        self = self.sudo()
        network = find_network(proof.get("ip"))
        if self._is_flooded(form, network):
            return False
        self.create(
            {
                "form_id": form.id,
                "company_id": form.company_id.id,
                "email": email,
                "name": clean_line(name, NAME_MAX),
                "purpose_ids": purposes.ids,
                "asked_at": fields.Datetime.now(),
                "token": secrets.token_urlsafe(TOKEN_BYTES),
                "network": network,
                **proof,
            }
        )
        self.env.ref(CRON)._trigger()
        return True

    def _is_flooded(self, form, network):
        """Return whether a form, or a network, has used up its sign-ups of this hour.

        Concurrent requests don't see each other, so that a few more than the limit may be stored.
        """
        lately = Domain("asked_at", ">", fields.Datetime.now() - timedelta(hours=1))
        of_form = lately & Domain("form_id", "=", form.id)
        if self.search_count(of_form, limit=PER_HOUR) >= PER_HOUR:
            return True
        here = lately & Domain("network", "=", network)
        return bool(network) and (
            self.search_count(here, limit=PER_HOUR_AND_NETWORK) >= PER_HOUR_AND_NETWORK
        )

    @api.model
    def _cron_ask(self):
        """Put the mails that ask for confirmation into Odoo's queue."""
        while signups := self.search([("state", "=", "new")], order="id", limit=BATCH):
            for signup in signups:
                signup._ask()
            left = self.search_count([("state", "=", "new")], limit=1)
            if not self.env["ir.cron"]._commit_progress(len(signups), remaining=left):
                return

    def _ask(self):
        """Mail the link to confirm a sign-up, unless the address got enough of these mails."""
        self.ensure_one()
        now = fields.Datetime.now()
        before = self.search(
            Domain("company_id", "=", self.company_id.id)
            & Domain("state", "=", "asked")
            & Domain("mailed_at", ">", now - timedelta(days=1))
            & self._of_same_mailbox(),
            order="mailed_at desc",
            limit=PER_DAY,
        )
        if len(before) >= PER_DAY or (before and before[0].mailed_at > now - PAUSE):
            self.state = "skipped"
            return
        # Its language may have been switched off since.
        signup = self.with_context(lang=self.form_id._choose_lang(self.lang))
        company = signup.company_id
        # No text that a visitor entered is in this mail: others could be made to get it.
        signup.env["directmail.letter"]._queue(
            company,
            signup.email,
            signup.env._("Please confirm: emails from %s", company.name),
            [
                signup.env._(
                    "Somebody signed up with this address for emails from %(company)s: %(topics)s."
                    " If it was you, please confirm it.",
                    company=company.name,
                    topics=format_list(signup.env, signup.purpose_ids.mapped("name")),
                )
            ],
            (signup.env._("Confirm"), self._get_confirm_url()),
            [
                signup.env._(
                    "The link works for 7 days. If it was not you, you don't have to do anything:"
                    " without a confirmation, you will get no emails."
                )
            ],
        )
        self.write({"state": "asked", "mailed_at": now})

    def _of_same_mailbox(self):
        """Return the domain of sign-ups whose address differs in its tag only."""
        local, _at, host = self.email.partition("@")
        name = local.partition("+")[0] or local
        escaped = re.sub(r"([\\%_])", r"\\\1", name)
        return Domain("email", "=", f"{name}@{host}") | Domain(
            "email", "=like", f"{escaped}+%@{host}"
        )

    def _get_confirm_url(self):
        base_url = self.env["directmail.letter"]._get_base_url(self.company_id)
        return f"{base_url}/directmail/signup/confirm/{self.token}"

    # === CONFIRMING === #

    @api.model
    def _find(self, token):
        """Return the sign-up that a link is made for, with all rights.

        Empty for a link that this database did not make, or that is no longer valid.
        """
        # sudo(): the token proves that the address is the caller's.
        return self.sudo().search(
            Domain("token", "=", token)
            & (
                Domain("state", "=", "confirmed")
                | Domain("asked_at", ">", fields.Datetime.now() - KEEP)
            ),
            limit=1,
        )

    def _confirm(self, ip):
        """Record that the owner of the address agrees; doing so again changes nothing.

        The person becomes a contact of the company, unless there is one with this address.

        :param str ip: address of the request that confirms
        :return: see `_find_outcome`
        :rtype: str
        """
        self.ensure_one()
        self._lock_mailbox()
        if self.state == "confirmed":
            return self._find_outcome()
        key = self.env["directmail.keyring"]._get_master_key().address_key(self.email)
        partner = self._find_partner(key) or self._make_partner()
        partner.category_id |= self.form_id.tag_ids
        person = {"address_key": key, "partner_id": partner.id}
        if normalise(partner.email_normalized or "") == self.email:
            person["email"] = self.email
        else:
            person["email_encrypted"] = partner.email_encrypted
        self._lift_optouts(key)
        self.env["directmail.consent"]._adopt(partner, self.company_id)
        for purpose in self._get_agreed():
            self.env["directmail.consent"]._add_mailing(
                purpose,
                person,
                "confirmed",
                "form",
                asked_at=self.asked_at,
                confirmation_ip=ip,
                note=self.form_id.name,
                **{
                    name: self[name]
                    for name in ("lang", "ip", "user_agent", "text", "text_version")
                },
            )
        self.write(
            {
                **dict.fromkeys(PROOF, False),
                "partner_id": partner.id,
                # An encrypted person's address is stored nowhere in clear.
                "email": person.get("email", False),
                "state": "confirmed",
                "confirmed_at": fields.Datetime.now(),
            }
        )
        return self._find_outcome()

    def _find_outcome(self):
        """Return whether the person of a confirmed sign-up gets mail.

        :return: "confirmed": the person gets mail; "blocked": not, for another reason than an
            unsubscription on our own pages; "left": the person unsubscribed or refused the topics
            since, or the address is not stored any more
        :rtype: str
        :raise MasterKeyProblem: if this server has not the master key of the data
        """
        self.ensure_one()
        key = self.partner_id.email_encrypted_key
        if self.email:
            key = self.env["directmail.keyring"]._get_master_key().address_key(self.email)
        if not key:
            return "left"
        recipient = self._get_recipient(key)
        if not recipient._can_undo():
            return "blocked"
        consents = self.env["directmail.consent"]
        agreed = any(
            consents._get_mailing_answer(purpose, key) in AGREEMENTS
            for purpose in self._get_agreed()
        )
        return "left" if recipient._has_left_all() or not agreed else "confirmed"

    def _get_agreed(self):
        """Return the topics that the person ticked, also those that were archived since."""
        return self.with_context(active_test=False).purpose_ids

    def _lock_mailbox(self):
        """Make confirmations of one address wait for each other; those that waited are retried.

        Who clicks twice would get an error from `lock_for_update`, and who confirms two sign-ups
        at the same time would become two contacts.
        """
        self.env.cr.execute(
            SQL(
                """SELECT id FROM directmail_signup
                    WHERE id = %s OR company_id = %s AND email = %s ORDER BY id FOR UPDATE""",
                self.id,
                self.company_id.id,
                self.email or None,
            )
        )

    def _find_partner(self, key):
        """Return the contact of the company, or of all companies, with the address.

        :param str key: address key
        """
        address = Domain("email_normalized", "in", list(spell(self.email)))
        companies = Domain("company_id", "in", (self.company_id.id, False))
        partners = self.env["res.partner"]
        return partners.search(
            companies & address, order="company_id, id", limit=1
        ) or partners.search(
            companies & Domain("email_encrypted_key", "=", key), order="company_id, id", limit=1
        )

    def _make_partner(self):
        values = {
            "name": self.name or self.email,
            "email": self.email,
            "lang": self.form_id._choose_lang(self.lang),
            "company_id": self.company_id.id,
        }
        return self.env["res.partner"].with_context(mail_create_nosubscribe=True).create(values)

    def _lift_optouts(self, key):
        """Delete opt-outs from our own pages: the person wants to get mail again.

        None if that would bring no mail, see `_can_undo` of `directmail.recipient`.
        """
        recipient = self._get_recipient(key)
        if recipient._can_undo():
            recipient._get_own_optouts().unlink()

    def _get_recipient(self, key):
        """Return a `directmail.recipient` without a mail: nothing is stored of it."""
        return self.env["directmail.delivery"].new(
            {"company_id": self.company_id.id, "address_key": key, "email": self.email}
        )

    # === DELETION === #

    @api.autovacuum
    def _gc_unconfirmed(self):
        """Delete sign-ups that nobody confirmed in time; their forms keep the number."""
        if not self.env["ir.module.module"]._is_directmail_upgraded():
            return
        self.flush_model()
        self.env["directmail.signup.form"].flush_model(["expired_count"])
        self.env.cr.execute(
            SQL(
                """WITH expired AS (
                       DELETE FROM directmail_signup
                        WHERE state != 'confirmed' AND asked_at <= %s RETURNING form_id
                   ), counts AS (SELECT form_id, count(*) AS number FROM expired GROUP BY form_id)
                   UPDATE directmail_signup_form f
                      SET expired_count = COALESCE(f.expired_count, 0) + counts.number
                     FROM counts WHERE counts.form_id = f.id""",
                fields.Datetime.now() - KEEP,
            )
        )
        self.env.invalidate_all()

    @api.model
    def _find_of(self, partners, companies):
        """Return the sign-ups of contacts and of their addresses, with all rights.

        :param partners: `res.partner` records that the user may read
        :param companies: only sign-ups of these `res.company` records
        """
        # sudo(): the caller has checked the right to read the contacts.
        emails = filter(None, map(normalise, partners.sudo().mapped("email_normalized")))
        people = Domain("partner_id", "in", partners.ids) | Domain("email", "in", list(emails))
        return self.sudo().search(people & Domain("company_id", "in", companies.ids))

    def _export_data(self):
        """Return the sign-ups as values for JSON; times are UTC. :rtype: list"""
        return [
            {
                "form": signup.form_id.name,
                "address": signup.email or "",
                "name": signup.name or "",
                "topics": signup.purpose_ids.mapped("name"),
                "state": signup.state,
                "signed_up_on": str(signup.asked_at),
                "confirmed_on": str(signup.confirmed_at or ""),
                "language": signup.lang or "",
                "ip_address": signup.ip or "",
                "program": signup.user_agent or "",
            }
            for signup in self
        ]
