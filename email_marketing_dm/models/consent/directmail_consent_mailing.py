from odoo import api, models
from odoo.exceptions import AccessError
from odoo.tools import SQL

from ...engine import mailing_consent
from ...engine.sql import UNMATCHABLE
from ...groups import GROUP_USER

#: Version of the text of the topics' form, to be raised with each change of it.
TOPICS_VERSION = "2"
#: The same of the texts with which recipients unsubscribe and undo it.
OPTOUT_VERSION = "1"
#: Origins of opt-outs that are recorded, under the same names. An address that does not exist says
#: nothing about what a person wants.
ORIGINS = ("one_click", "page", "directmail", "complaint")


class DirectmailConsent(models.Model):
    """Answers about being mailed: for a topic, or for all mail of a company."""

    _inherit = "directmail.consent"

    def _add_mailing(self, purpose, person, answer, origin, **proof):
        """Add an answer about being mailed for a topic; it counts at once, in running tasks too.

        Who has confirmed and says *yes* once more has still confirmed: nothing is added then.

        :param purpose: a `directmail.purpose`
        :param dict person: values of address_key, email, email_encrypted and partner_id
        :param str answer: a value of the field `answer`
        :param str origin: a value of the field `origin`
        :param proof: values of further fields
        :return: the new record, or none
        """
        purpose.ensure_one()
        if answer == "yes" and self._get_mailing_answer(purpose, person["address_key"]) == (
            "confirmed"
        ):
            return self.browse()
        return self._insert_mailing(
            purpose.company_id, person, answer, origin, purpose_id=purpose.id, **proof
        )

    def _insert_mailing(self, company, person, answer, origin, **values):
        return self._insert(
            company, person, mailing_consent.PURPOSE, answer=answer, origin=origin, **values
        )

    @api.model
    def _get_mailing_answer(self, purpose, key):
        """Return a person's answer about a topic that counts now: a value of `answer`, or False.

        :param purpose: a `directmail.purpose`
        :param str key: address key
        """
        # The caller has proved the right to know this person's answer.
        self.env["directmail.consent"].flush_model()
        [(answer,)] = self.env.execute_query(
            SQL(
                "SELECT %s",
                mailing_consent.find_answer(
                    SQL("%s", purpose.sudo().company_id.id), SQL("%s", purpose.id), SQL("%s", key)
                ),
            )
        )
        return answer or False

    @api.model
    def _find_mailing(self, purpose, key):
        """Return the latest answer of a person about a topic, with all rights; empty without one.

        :param purpose: a `directmail.purpose`
        :param str key: address key
        """
        # sudo(): the caller has proved the right to know this person's answer.
        return self.sudo().search(
            [
                ("company_id", "=", purpose.sudo().company_id.id),
                ("purpose", "=", mailing_consent.PURPOSE),
                ("purpose_id", "=", purpose.id),
                ("address_key", "=", key),
            ],
            limit=1,
        )

    @api.model
    def _answer_mailing_for(self, partner, purpose, answer, note, origin="contact", **proof):
        """Add a contact's answer about a topic that a user or another program was given.

        :param partner: a `res.partner` that the user may change
        :param purpose: a `directmail.purpose` that the user may read
        :param str answer: "yes", "confirmed" or "no"; a *no* after an agreement is stored as
            "withdrawn"
        :param str note: where the answer comes from
        :param str origin: a value of the field `origin`
        :param proof: values of further fields
        :return: the new records
        :raise AccessError: without the right to change the contact, or to this app
        """
        # Automation rules run with all rights, as the salesperson or customer of an order, say.
        if not (self.env.su or self.env.user.has_group(GROUP_USER)):
            raise AccessError(
                self.env._("Only users of Email Marketing with DirectMail can record consents.")
            )
        partner.check_access("write")
        purpose.check_access("read")
        consents = self.sudo()
        for person in self._find_person(partner):
            consents |= self._add_mailing(
                purpose,
                person,
                self._say_withdrawn(purpose, person["address_key"], answer),
                origin,
                user_id=self.env.user.id,
                note=note,
                **proof,
            )
        return consents

    @api.model
    def _say_withdrawn(self, purpose, key, answer):
        """Return "withdrawn" for a *no* of a person who has agreed; else the answer itself."""
        before = self._get_mailing_answer(purpose, key)
        agreed = before in mailing_consent.AGREEMENTS
        return "withdrawn" if answer == "no" and agreed else answer

    # === OPT-OUTS === #
    # An opt-out from all mail of a company is a record, too; `directmail.optout` is what stops the
    # mails.

    def _record_optout(self, recipient, origin, answer="withdrawn", **proof):
        """Add that a recipient leaves all mail of the company, or undoes it ("yes").

        Asking twice changes nothing. Who has agreed to a topic in between, on a sign-up form, and
        leaves again has said something new.

        :param recipient: a `directmail.recipient` with an address key
        :param str origin: of the opt-out
        :param proof: values of further fields
        """
        # sudo(): the token or the event proves the request.
        recipient = recipient.sudo()
        if origin not in ORIGINS or not recipient.address_key:
            return
        answers = self.sudo().search(
            [
                ("company_id", "=", recipient.company_id.id),
                ("purpose", "=", mailing_consent.PURPOSE),
                ("address_key", "=", recipient.address_key),
            ]
        )
        # The latest answers about all mail and about topics, the newest first.
        whole = answers.filtered(lambda consent: not consent.purpose_id)[:1]
        newer = answers[: answers.ids.index(whole.id)] if whole else answers
        agreed = newer.filtered(lambda consent: consent.answer in mailing_consent.AGREEMENTS)
        if whole.answer != answer or (agreed and answer == "withdrawn"):
            self._insert_mailing(
                recipient.company_id,
                recipient._get_consent_person(),
                answer,
                origin,
                delivery_id=recipient._get_delivery().id,
                **proof,
            )

    @api.model
    def _record_optouts(self, company, wishes):
        """Add what events tell about leaving all mail of a company, after the opt-outs changed.

        A later `subscribe` undoes what an earlier `unsubscribe` recorded, as for opt-outs.

        :param SQL wishes: selects kind, occurred_at and address_key of the events
        """
        self.flush_model()
        self.env.cr.execute(
            SQL(
                """WITH wishes AS (%(wishes)s)
                   INSERT INTO directmail_consent (company_id, address_key, email,
                          email_encrypted, partner_id, purpose, answer, recorded_at, origin)
                   SELECT %(company)s, w.address_key, COALESCE(o.email, latest.email),
                          COALESCE(o.email_encrypted, latest.email_encrypted),
                          COALESCE(o.partner_id, latest.partner_id), 'mailing',
                          CASE WHEN o.id IS NULL THEN 'yes' ELSE 'withdrawn' END,
                          date_trunc('second', COALESCE(o.occurred_at, w.subscribed_at)),
                          COALESCE(o.origin, 'directmail')
                     FROM (SELECT address_key, max(occurred_at)
                                  FILTER (WHERE kind = 'subscribe') AS subscribed_at
                             FROM wishes GROUP BY address_key) AS w
                LEFT JOIN directmail_optout o ON o.company_id = %(company)s
                      AND o.address_key = w.address_key AND o.sender_id IS NULL
                LEFT JOIN LATERAL (
                          SELECT c.* FROM directmail_consent c
                           WHERE c.company_id = %(company)s AND c.purpose = 'mailing'
                             AND COALESCE(c.purpose_id, 0) = 0 AND c.address_key = w.address_key
                           ORDER BY c.recorded_at DESC, c.id DESC LIMIT 1) AS latest ON TRUE
                    WHERE CASE WHEN o.id IS NULL
                               THEN w.subscribed_at IS NOT NULL AND latest.answer = 'withdrawn'
                                AND latest.origin = 'directmail'
                               ELSE o.origin IN ('directmail', 'complaint')
                                AND (latest.answer IS DISTINCT FROM 'withdrawn'
                                     -- As in `_record_optout`.
                                     OR EXISTS (
                                        SELECT FROM directmail_consent c
                                         WHERE c.company_id = %(company)s
                                           AND c.purpose = 'mailing'
                                           AND c.address_key = w.address_key
                                           AND c.answer IN %(agreements)s
                                           AND c.recorded_at > latest.recorded_at
                                           AND c.recorded_at <= o.occurred_at)) END""",
                wishes=wishes,
                company=company.id,
                agreements=mailing_consent.AGREEMENTS,
            )
        )
        self.invalidate_model()

    @api.model
    def _record_imported_optouts(self, companies):
        """Add those opt-outs from all mail that this transaction imported, dated as in the file.

        An agreement that is younger still counts.

        :param companies: the `res.company` records whose opt-outs were imported
        """
        self.flush_model()
        self.env.cr.execute(
            SQL(
                """INSERT INTO directmail_consent (company_id, address_key, email,
                          email_encrypted, partner_id, purpose, answer, recorded_at, origin,
                          user_id)
                   SELECT o.company_id, o.address_key, o.email, o.email_encrypted, o.partner_id,
                          'mailing', 'withdrawn', date_trunc('second', o.occurred_at), o.origin,
                          %(user)s
                     FROM directmail_optout o
                    WHERE o.company_id = ANY(%(companies)s) AND o.sender_id IS NULL
                      -- Others were not entered by this user.
                      AND o.write_date = now() AT TIME ZONE 'UTC'
                      AND o.origin IN %(origins)s AND left(o.address_key, 1) != %(unmatchable)s
                      AND NOT EXISTS (
                          SELECT FROM directmail_consent c
                           WHERE c.company_id = o.company_id AND c.purpose = 'mailing'
                             AND COALESCE(c.purpose_id, 0) = 0
                             AND c.address_key = o.address_key
                             AND c.recorded_at >= date_trunc('second', o.occurred_at))
                    ORDER BY o.id""",
                user=self.env.uid,
                companies=companies.ids,
                origins=ORIGINS,
                unmatchable=UNMATCHABLE,
            )
        )
        self.invalidate_model()
