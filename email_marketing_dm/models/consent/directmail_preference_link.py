from datetime import timedelta

from odoo import api, fields, models
from odoo.tools import SQL, format_list

from ...content.languages import choose_language
from ...engine.content import get_database_uuid
from ...engine.trial import is_real
from ...privacy.address import normalise
from ...privacy.networks import find_network
from ...privacy.tokens import make_token, read_token

CRON = "email_marketing_dm.ir_cron_directmail_preference_link"
#: Kinds of the tokens of a link, and of a company's page that asks for an address.
LINK_KIND, COMPANY_KIND = "p", "c"
VALID = timedelta(days=1)
# Anybody can make `_request` write rows: limit them.
EACH_MINUTES = 10  # one link for an address in this time
PER_DAY = 5  # links for an address
PER_NETWORK, PER_COMPANY = 20, 1000  # requests in an hour; see `find_network`


class DirectmailPreferenceLink(models.Model):
    """A link to the recipients' page that somebody asked for without a mail.

    The request is stored under the address key only, whether the address is known or not, so that
    the answer tells nothing, by its words or by its time. A cron writes to the address if the
    company has mailed it, or holds an answer of it, in clear. Encrypted people use the link in a
    mail: their address must not stand in Odoo's outgoing mail.
    """

    _name = "directmail.preference.link"
    _description = "Link to a Recipient's Preferences"
    _inherit = ["directmail.recipient"]
    _log_access = False

    company_id = fields.Many2one(
        "res.company", required=True, readonly=True, index=True, ondelete="cascade"
    )
    address_key = fields.Char(required=True, readonly=True, index=True, groups=fields.NO_ACCESS)
    # Set once the letter is in Odoo's queue.
    email = fields.Char("Address", readonly=True)
    # Of no link: see above. The recipients' pages read it.
    email_encrypted = fields.Char(readonly=True, groups=fields.NO_ACCESS)
    partner_id = fields.Many2one(
        "res.partner", "Contact", readonly=True, index="btree_not_null", ondelete="set null"
    )
    lang = fields.Char("Language", readonly=True)
    network = fields.Char(readonly=True, groups=fields.NO_ACCESS)
    requested_at = fields.Datetime(required=True, readonly=True)
    handled = fields.Boolean(readonly=True)
    # Asked for by a tick of a topic that needs a confirmation, and not by a person.
    confirms = fields.Boolean(readonly=True)

    _open_index = models.Index("(id) WHERE handled IS NOT TRUE")

    @api.model
    def _get_company_url(self, company):
        """Return the address of the page on which people of a company ask for their link."""
        token = self._make_token(COMPANY_KIND, company.id)
        base = self.env["directmail.letter"]._get_base_url(company)
        return f"{base}/directmail/preferences/{token}"

    @api.model
    def _make_token(self, kind, number):
        key = self.env["directmail.keyring"]._get_master_key()
        return make_token(key, get_database_uuid(self.env), kind, number)

    @api.model
    def _read_token(self, kind, token):
        """Return the number in a token, or None if this database's key did not make it."""
        key = self.env["directmail.keyring"]._get_master_key()
        return read_token(key, get_database_uuid(self.env), kind, token)

    def _reads_mailbox(self):
        """Override: the link is mailed to the address on request, and valid for a day only."""
        return self._is_valid()

    def _lock_for_confirming(self):
        """Override: no-op UPDATE, with which a concurrent one conflicts, so that it is retried."""
        self.env.cr.execute(
            SQL("UPDATE directmail_preference_link SET handled = handled WHERE id = %s", self.id)
        )

    def _is_valid(self):
        """Return whether the link can still be used."""
        return bool(self.email and self.requested_at > fields.Datetime.now() - VALID)

    @api.model
    def _request(self, company, email, lang, ip, confirms=False):
        """Store that somebody asked for a link; the cron writes to the address if it is known.

        Nothing is stored for what can't be an address, or above one of the limits.

        :param company: the `res.company` whose page it is
        :param str email: as typed
        :param str lang: code of the language of the page
        :param str ip: address of the request
        :param bool confirms: whether the link is for confirming topics
        """
        # sudo(): a visitor calls this, who may neither write nor read crons.
        self = self.sudo()
        address = normalise(email)
        if not address:
            return
        self.env.cr.execute(
            SQL(
                """INSERT INTO directmail_preference_link
                          (company_id, address_key, lang, network, confirms, requested_at)
                   SELECT %(company)s, %(key)s, %(lang)s, %(network)s, %(confirms)s,
                          now() AT TIME ZONE 'UTC'
                    WHERE NOT EXISTS (
                          SELECT FROM directmail_preference_link
                           WHERE company_id = %(company)s AND address_key = %(key)s
                             AND requested_at > now() AT TIME ZONE 'UTC' - %(each)s)
                      AND %(per_day)s > (
                          SELECT count(*) FROM directmail_preference_link
                           WHERE company_id = %(company)s AND address_key = %(key)s
                             AND requested_at > now() AT TIME ZONE 'UTC' - interval '1 day')
                      AND %(per_network)s > (
                          SELECT count(*) FROM directmail_preference_link
                           WHERE network = %(network)s
                             AND requested_at > now() AT TIME ZONE 'UTC' - interval '1 hour')
                      AND %(per_company)s > (
                          SELECT count(*) FROM directmail_preference_link
                           WHERE company_id = %(company)s
                             AND requested_at > now() AT TIME ZONE 'UTC' - interval '1 hour')""",
                company=company.id,
                key=self.env["directmail.keyring"]._get_master_key().address_key(address),
                lang=lang,
                network=find_network(ip),
                confirms=confirms,
                each=timedelta(minutes=EACH_MINUTES),
                per_day=PER_DAY,
                per_network=PER_NETWORK,
                per_company=PER_COMPANY,
            )
        )
        self.env.ref(CRON)._trigger()

    @api.model
    def _cron_write(self):
        """Write to the addresses that are known."""
        links = self.search([("handled", "=", False)], order="id", limit=200)
        for link in links:
            link._write_letter()
        left = self.search_count([("handled", "=", False)])
        self.env["ir.cron"]._commit_progress(len(links), remaining=left)

    def _write_letter(self):
        self.ensure_one()
        self.handled = True
        self.flush_recordset()
        found = self._find_known()
        if not found or self._is_repeated():
            return
        email, self.partner_id = found
        topics = self.confirms and self._find_unconfirmed()
        if self.confirms and not topics:  # They were refused meanwhile, or confirmed.
            return
        self.email = email
        installed = [code for code, _name in self.env["res.lang"].get_installed()]
        wanted = (self._get_preference().lang, self.partner_id.lang, self.lang)
        env = self.with_context(lang=choose_language(wanted, installed)).env
        company = self.company_id
        base = env["directmail.letter"]._get_base_url(company)
        url = f"{base}/directmail/preferences/{self._make_token(LINK_KIND, self.id)}"
        valid = env._(
            "The link is valid for 24 hours. Anybody who has it can change your choices and"
            " see what is stored about you, so please don't forward it."
        )
        if topics:
            names = format_list(env, topics.with_env(env).mapped("name"))
            self._queue_question(env, names, url, valid)
            return
        env["directmail.letter"]._queue(
            company,
            self.email,
            env._("Your email preferences at %s", company.name),
            [
                env._(
                    "You asked for the link to your email preferences at %s. You can choose which"
                    " emails you get and how often, take a break, unsubscribe, and see what is"
                    " stored about you.",
                    company.name,
                )
            ],
            (env._("Open my preferences"), url),
            [
                valid,
                env._("If you did not ask for this email, you can ignore it. Nothing has changed."),
            ],
        )

    def _queue_question(self, env, topics, url, valid):
        """Put the email into Odoo's queue that asks to confirm topics.

        :param env: with the language of the person
        :param str topics: their names in this language
        :param str valid: sentence about how long the link is valid
        """
        company = self.company_id
        env["directmail.letter"]._queue(
            company,
            self.email,
            env._("Please confirm: emails from %s", company.name),
            [
                env._(
                    "Somebody chose emails from %(company)s about %(topics)s, on the page behind"
                    " the link in an email to this address. If it was you, please confirm it.",
                    company=company.name,
                    topics=topics,
                )
            ],
            (env._("Confirm"), url),
            [
                valid,
                env._(
                    "If it was not you, you don't have to do anything: without a confirmation, you"
                    " will get no emails about this."
                ),
            ],
        )

    def _is_repeated(self):
        """Return whether the address got a link just before.

        Concurrent requests don't see each other in `_request`; the cron writes one after the other.
        """
        just_before = self.requested_at - timedelta(minutes=EACH_MINUTES)
        return bool(
            self.search_count(
                [
                    ("company_id", "=", self.company_id.id),
                    ("address_key", "=", self.address_key),
                    ("email", "!=", False),
                    ("requested_at", ">", just_before),
                ],
                limit=1,
            )
        )

    def _find_known(self):
        """Return (address, contact id or False) if the company knows the address in clear."""
        whose = SQL(
            "company_id = %s AND address_key = %s AND email IS NOT NULL"
            " AND email_encrypted IS NULL",
            self.company_id.id,
            self.address_key,
        )
        rows = self.env.execute_query(
            SQL(
                """SELECT email, partner_id FROM (
                       (SELECT email, partner_id FROM directmail_delivery
                         WHERE %(whose)s AND state IN ('sending', 'unknown', 'sent') AND %(is_real)s
                         ORDER BY claimed_at DESC LIMIT 1)
                       UNION ALL (SELECT email, partner_id FROM directmail_consent WHERE %(whose)s
                                   ORDER BY recorded_at DESC LIMIT 1)
                       UNION ALL (SELECT email, partner_id FROM directmail_optout WHERE %(whose)s
                                   LIMIT 1)
                       UNION ALL SELECT email, partner_id FROM directmail_preference
                         WHERE %(whose)s
                   ) AS known ORDER BY partner_id NULLS LAST LIMIT 1""",
                whose=whose,
                is_real=is_real(SQL("account_id")),
            )
        )
        return rows and (rows[0][0], rows[0][1] or False)

    @api.autovacuum
    def _gc_links(self):
        """Delete the links that are no longer valid."""
        if not self.env["ir.module.module"]._is_directmail_upgraded():
            return
        self.search([("requested_at", "<", fields.Datetime.now() - VALID)]).unlink()
