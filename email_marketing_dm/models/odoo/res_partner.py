from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError
from odoo.fields import Domain
from odoo.tools import SQL
from odoo.tools.sql import column_exists, create_column

from ...content.names import get_first_name
from ...engine.idn import create_function, international_index
from ...engine.sql import usable_contacts_index
from ...groups import GROUP_USER
from ...privacy.entered import clean_line
from ..mixins.directmail_recipient_topics import PROOF
from ..segmentation.directmail_aipl_model import STAGES
from ..segmentation.directmail_rfm_model import TYPES
from .prefetch import PREFETCH

#: field of the contact -> the model of which it shows the contact's group (type or stage)
GROUPS = {
    "directmail_rfm_type": "directmail.rfm.model",
    "directmail_aipl_stage": "directmail.aipl.model",
}
#: characters of the note with an answer that another program records
NOTE_MAX = 250


class ResPartner(models.Model):
    """Contacts: an encrypted address that only the sending code reads, and what marketing shows."""

    _inherit = "res.partner"

    email_encrypted = fields.Char(
        "Encrypted email",
        copy=False,
        prefetch=PREFETCH,
        help="An address that was encrypted with the company's AES key, as hex digits or Base64."
        " Odoo can send mail to it, but nobody sees the address itself.",
    )
    email_encrypted_key = fields.Char(
        compute="_compute_email_encrypted_key",
        store=True,
        copy=False,
        groups=fields.NO_ACCESS,
        prefetch=PREFETCH,
    )
    email_encrypted_aes = fields.Char(
        compute="_compute_email_encrypted_key",
        store=True,
        copy=False,
        groups=fields.NO_ACCESS,
        prefetch=PREFETCH,
    )
    email_encrypted_valid = fields.Boolean(
        "Encrypted email is readable",
        compute="_compute_email_encrypted_key",
        store=True,
        copy=False,
        prefetch=PREFETCH,
        help="Whether the encrypted email can be decrypted to an address.",
    )
    _directmail_usable_index = models.Index(usable_contacts_index())
    # Claims look up recipients by address among the contacts that must not be mailed.
    _directmail_email_index = models.Index("(email_normalized) WHERE email_normalized IS NOT NULL")
    _directmail_encrypted_index = models.Index(
        "(email_encrypted_key) WHERE email_encrypted_key IS NOT NULL"
    )
    _directmail_international_index = models.Index(international_index("email_normalized"))
    directmail_first_name = fields.Char(
        "First name",
        compute="_compute_directmail_first_name",
        compute_sudo=True,
        groups=GROUP_USER,
        help="For salutations, taken from the name. Empty for companies and unclear names.",
    )
    directmail_rfm_type = fields.Selection(
        TYPES,
        "RFM type",
        compute="_compute_directmail_rfm_type",
        search="_search_directmail_rfm_type",
        groups=GROUP_USER,
        help="The contact's type in the company's first RFM model. It is empty if the contact"
        " bought nothing in the period of the model.",
    )
    directmail_aipl_stage = fields.Selection(
        STAGES,
        "AIPL stage",
        compute="_compute_directmail_aipl_stage",
        search="_search_directmail_aipl_stage",
        groups=GROUP_USER,
        help="The contact's stage in the company's first AIPL model. It is empty if the contact is"
        " in none of its stages.",
    )
    directmail_measuring = fields.Selection(
        [("yes", "Yes"), ("no", "No"), ("not_asked", "Not asked")],
        "Opens and clicks may be recorded",
        compute="_compute_directmail_measuring",
        groups=GROUP_USER,
    )
    directmail_audience_count = fields.Integer(
        "Audiences", compute="_compute_directmail_audience_count", groups=GROUP_USER
    )

    def _auto_init(self):
        create_function(self.env.cr)
        # Create the columns empty. No contact has an encrypted address yet, and Odoo would compute
        # the fields contact by contact, which takes minutes for a million.
        for name, kind in (
            ("email_encrypted_key", "varchar"),
            ("email_encrypted_aes", "varchar"),
            ("email_encrypted_valid", "bool"),
        ):
            if not column_exists(self.env.cr, self._table, name):
                create_column(self.env.cr, self._table, name, kind)
        return super()._auto_init()

    @api.depends("email_encrypted", "company_id")
    def _compute_email_encrypted_key(self):
        encrypted = self.filtered("email_encrypted")
        (self - encrypted).update(
            {
                "email_encrypted_key": False,
                "email_encrypted_aes": False,
                "email_encrypted_valid": False,
            }
        )
        aes_keys = self.env["directmail.aes.key"]
        if encrypted and self.env["directmail.keyring"]._find_problem():
            # Contacts can be saved without the data's master key; a cron on the server that has it
            # reads their addresses later.
            encrypted.update({"email_encrypted_key": False, "email_encrypted_aes": False})
            encrypted.email_encrypted_valid = False
            aes_keys._read_again()
            return
        reader = encrypted and aes_keys._get_reader()
        for partner in encrypted:
            key, reference = reader.find_key(partner.email_encrypted, partner.company_id.id)
            partner.email_encrypted_key = key
            partner.email_encrypted_aes = reference
            partner.email_encrypted_valid = bool(key)

    # === FATIGUE CONTROL === #
    # The recent mails of a contact, compared with the limits.

    def action_view_directmail_fatigue(self):
        """Open how many mails this contact had in each window, against each limit.

        :raise AccessError: the current user is not in GROUP_USER
        """
        self.ensure_one()
        self.check_access("read")
        if not self.env.user.has_group(GROUP_USER):
            raise AccessError(
                self.env._(
                    "Only users of Email Marketing with DirectMail can see the recent emails of a"
                    " contact. Ask an administrator for access."
                )
            )
        status = self.env["directmail.fatigue.status"]._make(self)
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Recent emails"),
            "res_model": status._name,
            "res_id": status.id,
            "view_mode": "form",
            "target": "new",
        }

    # === PLACEHOLDERS === #

    @api.depends("name", "is_company")
    def _compute_directmail_first_name(self):
        for partner in self:
            name = "" if partner.is_company else partner.name
            partner.directmail_first_name = get_first_name(name)

    # === RFM AND AIPL === #
    # A contact's type and stage in the first RFM and the first AIPL model of the company.
    #
    # Not stored on the contact, so that a million contacts are not rewritten every night.

    @api.depends_context("company")
    def _compute_directmail_rfm_type(self):
        self._compute_directmail_group("directmail_rfm_type")

    @api.depends_context("company")
    def _compute_directmail_aipl_stage(self):
        self._compute_directmail_group("directmail_aipl_stage")

    def _compute_directmail_group(self, name):
        owner = self.env[GROUPS[name]]._get_shown(self.env.company)
        # sudo(): only of contacts that the reader may see, as `self`; results are per company.
        results = self.env[owner._result_model].sudo()
        found = results.search_fetch(
            Domain(results._owner_field, "=", owner.id)
            & Domain("partner_id", "in", self._origin.ids),
            ["partner_id", results._group_field],
        )
        group = {result.partner_id.id: result[results._group_field] for result in found}
        for partner in self:
            partner[name] = group.get(partner._origin.id, False)

    def _search_directmail_rfm_type(self, operator, value):
        return self._search_directmail_group("directmail_rfm_type", operator, value)

    def _search_directmail_aipl_stage(self, operator, value):
        return self._search_directmail_group("directmail_aipl_stage", operator, value)

    def _search_directmail_group(self, name, operator, value):
        if operator != "in":
            return NotImplemented
        owner = self.env[GROUPS[name]]._get_shown(self.env.company)
        # sudo(): the search of contacts, which uses this domain, applies the user's rights.
        results = self.env[owner._result_model].sudo()
        mine = Domain(results._owner_field, "=", owner.id)
        wanted = [group for group in value if group]
        domain = Domain(
            "id", "in", results._search(mine & Domain(results._group_field, "in", wanted))
            .subselect("partner_id"),
        )  # fmt: skip
        if False in value:
            domain |= Domain("id", "not in", results._search(mine).subselect("partner_id"))
        return domain

    def _field_to_sql(self, alias, field_expr, query=None):
        if field_expr not in GROUPS or query is None:
            return super()._field_to_sql(alias, field_expr, query)
        self._check_field_access(self._fields[field_expr], "read")
        owner = self.env[GROUPS[field_expr]]._get_shown(self.env.company)
        results = self.env[owner._result_model]
        result_alias = query.make_alias(alias, field_expr)
        query.add_join(
            "LEFT JOIN",
            result_alias,
            results._table,
            SQL(
                "%s = %s AND %s = %s",
                SQL.identifier(result_alias, results._owner_field),
                owner.id or 0,
                SQL.identifier(result_alias, "partner_id"),
                SQL.identifier(alias, "id"),
            ),
        )
        return SQL.identifier(result_alias, results._group_field)

    # === CONSENT === #

    @api.depends_context("company")
    def _compute_directmail_measuring(self):
        if self.env["directmail.keyring"]._find_problem():
            # Answers are found by address keys. Contacts must open without the master key, too.
            self.directmail_measuring = False
            return
        consents = self.env["directmail.consent"]
        for partner in self:
            answers = {
                consents._get_answer(self.env.company, person["address_key"])
                for person in consents._find_person(partner._origin)
            }
            # Of several addresses, a refusal counts for what is shown.
            partner.directmail_measuring = next(
                (answer for answer in ("no", "yes") if answer in answers), "not_asked"
            )

    def action_directmail_measuring_yes(self):
        """Record that these people have consented to being measured."""
        return self._answer_directmail_measuring("yes")

    def action_directmail_measuring_no(self):
        """Record that these people refuse to be measured."""
        return self._answer_directmail_measuring("no")

    def _answer_directmail_measuring(self, answer):
        for partner in self:
            self.env["directmail.consent"]._answer_for(partner, answer)
        self.invalidate_recordset(["directmail_measuring"])
        return True

    def action_view_directmail_consents(self):
        """Open the answers of the contact."""
        self.ensure_one()
        self.check_access("read")
        self.env["directmail.consent"]._adopt(self, self.env.company)
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "email_marketing_dm.directmail_consent_action"
        )
        return {
            **action,
            "domain": [("partner_id", "=", self.id), ("company_id", "=", self.env.company.id)],
        }

    def action_export_directmail_consents(self):
        """Download the answers of the contact with their proof."""
        self.ensure_one()
        self.check_access("read")
        # The page behind the address is read-only.
        self.env["directmail.consent"]._adopt(self, self.env.companies)
        url = f"/directmail/consents/{self.id}.json"
        return {"type": "ir.actions.act_url", "url": url, "target": "download"}

    def directmail_record_answer(self, topic, answer, note, source="api", proof=None):
        """Record what these contacts answered about a topic to another program.

        For calls from outside, and for server actions, for example when an order is confirmed.

        :param int topic: id of a `directmail.purpose`
        :param str answer: "yes", "no", or "confirmed": by email, and `note` says where the proof is
        :param str note: where the answer comes from, for example the number of the order
        :param str source: "api" or "order"
        :param dict proof: what is known of the request: text, text_version, lang, ip, user_agent
        :return: the number of answers that were recorded; none of *yes* after *confirmed*
        :rtype: int
        :raise AccessError: without the right to change the contacts, or to this app
        :raise UserError: an argument is invalid, or a contact has no address
        """
        consents = self.env["directmail.consent"]
        consents.check_access("read")
        self.check_access("write")
        proof = proof or {}
        if (
            not isinstance(proof, dict)
            or not set(proof) <= set(PROOF)
            or answer not in ("yes", "no", "confirmed")
            or source not in ("api", "order")
            or not (isinstance(note, str) and note.strip())
            or not all(isinstance(value, str) for value in proof.values())
        ):
            raise UserError(
                self.env._(
                    "The answer must be yes, no or confirmed, and the source api or order. A note"
                    " must say where the answer comes from. The proof may only contain the texts"
                    " %s.",
                    ", ".join(PROOF),
                )
            )
        purpose = self.env["directmail.purpose"]
        if isinstance(topic, int):
            purpose = purpose.search([("id", "=", topic)])
        if not purpose:
            raise UserError(self.env._("This topic does not exist."))
        count = 0
        for partner in self:
            if not consents._find_person(partner):
                raise UserError(self.env._("%s has no email address.", partner.display_name))
            count += len(
                consents._answer_mailing_for(
                    partner,
                    purpose,
                    answer,
                    clean_line(note, NOTE_MAX),
                    source,
                    **{name: value.replace("\0", "") for name, value in proof.items()},
                )
            )
        return count

    # === AUDIENCES === #

    def _compute_directmail_audience_count(self):
        # No sudo(): users can read members of their own audiences only, so others don't count.
        counts = dict(
            self.env["directmail.audience.member"]._read_group(
                [("partner_id", "in", self.ids)], ["partner_id"], ["audience_id:count_distinct"]
            )
        )
        for partner in self:
            partner.directmail_audience_count = counts.get(partner, 0)

    def action_view_directmail_audiences(self):
        """Show the user's audiences that contain the contact."""
        self.ensure_one()
        return self.env["directmail.audience"]._get_action_of_person([("partner_id", "=", self.id)])
