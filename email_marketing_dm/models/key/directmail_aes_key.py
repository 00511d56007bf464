import logging
import secrets

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL, format_datetime

from ...engine.encrypted import AddressReader
from ...privacy.address import mask
from ...privacy.aes import AesKey, AesKeyError, list_cbc_digests, make_fingerprint
from ...privacy.keys import WrongKeyError

_logger = logging.getLogger(__name__)
CRON = "email_marketing_dm.ir_cron_directmail_aes"
BATCH = 2000  # contacts whose addresses are read in one transaction
SAMPLES = 10
KNOWN_BATCH = 10000  # values that are recorded in one statement
#: (table, column) with encrypted addresses in 19.0.1.3.0
COLUMNS = (
    ("res_partner", "email_encrypted"),
    ("directmail_upload_line", "email_encrypted"),
    ("directmail_upload_line", "value"),  # lines that found a contact have the address only here
    ("directmail_audience_member", "email_encrypted"),
    ("directmail_delivery", "email_encrypted"),
    ("directmail_optout", "email_encrypted"),
)


class DirectmailAesKey(models.Model):
    """The AES key with which a company encrypted the addresses that it hands to marketing users.

    It can't be changed, because values that are encrypted with it could no longer be read. The same
    key may be entered again: after the master key was lost, or with another mode.
    """

    _name = "directmail.aes.key"
    _description = "AES Key"
    _inherit = ["directmail.guarded", "directmail.of.company"]
    _rec_name = "company_id"
    _guarded_fields = frozenset(
        (
            "entered_at",
            "fingerprint",
            "fingerprint_salt",
            "key_sealed",
            "position",
            "reading",
            "reference",
        )
    )

    company_id = fields.Many2one(
        "res.company", required=True, default=lambda self: self.env.company, index=True
    )
    key = fields.Char(
        "AES key",
        compute="_compute_key",
        inverse="_inverse_key",
        help="Exactly 16 characters: 0-9, A-F, a-f. Stored encrypted and never shown again.",
    )
    key_sealed = fields.Char(groups=fields.NO_ACCESS)
    mode = fields.Selection(
        [
            ("gcm", "AES-128-GCM, nonce in front (recommended)"),
            ("ecb", "AES-128-ECB"),
            ("cbc", "AES-128-CBC, no longer offered"),
        ],
        required=True,
        default="ecb",
        help="How the addresses were encrypted. Quick Audience and MySQL's AES_ENCRYPT use ECB."
        " For newly encrypted addresses use GCM, which detects changed values.",
    )
    fingerprint = fields.Char(groups=fields.NO_ACCESS)
    fingerprint_salt = fields.Char(groups=fields.NO_ACCESS)
    # Marks values that were read with this key and mode; nothing about the key follows from it.
    reference = fields.Char(groups=fields.NO_ACCESS)
    entered_at = fields.Datetime("Entered on", readonly=True)
    is_usable = fields.Boolean(compute="_compute_is_usable", compute_sudo=True)
    # Id of the last contact whose address `_cron_read_addresses` has read with the key.
    position = fields.Integer(groups=fields.NO_ACCESS)
    reading = fields.Boolean("Addresses are being checked", readonly=True)
    sample = fields.Text(
        "Encrypted addresses",
        store=False,
        help="A few encrypted addresses, one per line. They are not saved.",
    )
    sample_result = fields.Text("Result", compute="_compute_sample_result")

    _company_unique = models.Constraint(
        "UNIQUE(company_id)",
        "This company already has an AES key. Open it instead of creating another one.",
    )

    def _compute_key(self):
        self.key = False

    def _inverse_key(self):
        for record in self:
            if record.key:
                record._enter(record.key.strip())
        # The cache contains the key in clear, and saving a form returns values from the cache.
        self.invalidate_recordset(["key"], flush=False)

    @api.depends("key_sealed")
    def _compute_is_usable(self):
        for record in self:
            record.is_usable = bool(record._open())

    @api.depends("key", "mode", "sample")
    def _compute_sample_result(self):
        for record in self:
            values = [line for line in (record.sample or "").splitlines() if line.strip()]
            record.sample_result = bool(values) and record._check_sample(values[:SAMPLES])

    @api.model_create_multi
    def create(self, vals_list):
        if not all(vals.get("key") for vals in vals_list):
            raise UserError(self.env._("Enter the AES key."))
        records = super().create(vals_list)
        if "cbc" in records.mapped("mode"):
            records._refuse_cbc()
        self.env["directmail.series"]._on_key_entered(records.company_id)
        return records

    def write(self, vals):
        if vals.get("mode") == "cbc" and set(self.mapped("mode")) - {"cbc"}:
            self._refuse_cbc()
        if "mode" in vals and not vals.get("key"):
            if any(record.mode != vals["mode"] for record in self):
                raise UserError(self.env._("To change the mode, enter the same AES key again."))
        # Write the mode first, because `_seal` encrypts and marks the key with the current mode.
        key = vals.get("key")
        res = super().write({name: value for name, value in vals.items() if name != "key"})
        return super().write({"key": key}) if key else res

    # === BUSINESS === #

    def _refuse_cbc(self):
        raise UserError(
            self.env._(
                "AES-128-CBC is no longer offered, because the addresses can be found out by"
                " uploading changed values. Choose AES-128-GCM."
            )
        )

    def _check_sample(self, values):
        """Return the masked address of each encrypted value, or why it can't be read, in lines."""
        # sudo(): the stored key is readable by nobody; administrators see masked addresses.
        try:
            key = AesKey(self.key.strip(), self.mode) if self.key else self._origin.sudo()._open()
        except AesKeyError:
            return self.env._("The AES key must have exactly 16 characters: 0-9, A-F, a-f.")
        if not key:
            return self.env._("Enter the AES key first.")
        is_known = self.env["directmail.aes.known"]._get_test()
        addresses = [key.read_address(value, is_known) for value in values]
        lines = [
            mask(address) if address else self.env._("can't be decrypted to an address")
            for address in addresses
        ]
        if not any(addresses):
            lines.append(
                self.env._(
                    "None of the addresses can be decrypted with this key. Try another mode."
                )
            )
        return "\n".join(lines)

    def _enter(self, text):
        """Store the AES key, and have the cron read all encrypted contacts with it.

        :raise UserError: it is not an AES key, or not the one that was entered before
        """
        self.ensure_one()
        # sudo(): `create` or `write` has checked the rights; the stored key is readable by nobody.
        record = self.sudo()
        master_key = self.env["directmail.keyring"]._get_master_key()
        record._seal(text, master_key)
        record.write({"position": 0, "reading": True})
        self.env.ref(CRON).sudo()._trigger()
        self.env["directmail.rekey"]._resolve()

    def _seal(self, text, master_key):
        """Store the AES key, encrypted with a master key.

        :raise UserError: as `_enter`
        """
        self.ensure_one()
        # sudo(): callers have checked the rights; the stored key is readable by nobody.
        record = self.sudo()
        try:
            AesKey(text, self.mode)
        except AesKeyError as error:
            raise UserError(
                self.env._("The AES key must have exactly 16 characters: 0-9, A-F, a-f.")
            ) from error
        salt = record.fingerprint_salt or secrets.token_hex(16)
        fingerprint = make_fingerprint(text, salt)
        if record.fingerprint and record.fingerprint != fingerprint:
            raise UserError(
                self.env._(
                    "This is not the key that was entered on %(date)s. The key of a company can't"
                    " be changed: addresses that are encrypted with it could no longer be read.",
                    date=format_datetime(self.env, record.entered_at, dt_format="short"),
                )
            )
        record.write(
            {
                "key_sealed": master_key.encrypt(text),
                "fingerprint": fingerprint,
                "fingerprint_salt": salt,
                "reference": master_key.address_key(f"aes/{self.mode}/{text}")[:16],
                "entered_at": record.entered_at or fields.Datetime.now(),
            }
        )

    def _open(self, master_key=None):
        """Return the `AesKey`; None if there is none or it can't be decrypted here.

        :param master_key: by default this server's, if it is the data's
        """
        # sudo(): the stored key is readable by nobody; the result is used, never shown.
        if not self.sudo().key_sealed:
            return None
        try:
            master_key = master_key or self.env["directmail.keyring"]._get_master_key()
            return AesKey(master_key.decrypt(self.sudo().key_sealed), self.mode)
        except (UserError, WrongKeyError, AesKeyError) as error:
            _logger.warning(
                "The AES key of company %s can't be used: %s", self.company_id.id, error
            )
            return None

    @api.model
    def _get_reader(self, company=None, master_key=None):
        """Return a reader of encrypted addresses with the AES key of a company, or of all.

        :param company: a `res.company` record; without one, each contact's own company decides
        :param master_key: by default this server's, if it is the data's
        :rtype: engine.encrypted.AddressReader
        """
        domain = [("company_id", "=", company.id)] if company else []
        keys = {}
        # sudo(): users may not read keys; the reader is used, never shown.
        for record in self.sudo().search(domain):
            if key := record._open(master_key):
                keys[record.company_id.id] = (record.reference, key)
        if keys and not master_key:
            master_key = self.env["directmail.keyring"]._get_master_key()
        return AddressReader(master_key, keys, self.env["directmail.aes.known"]._get_test())

    @api.model
    def _read_again(self):
        """Have the cron read all contacts with an encrypted address again."""
        # sudo(): the caller has written a contact; only the cron's position is changed.
        records = self.sudo().search([("fingerprint", "!=", False)])
        if records:
            records.write({"position": 0, "reading": True})
            self.env.ref(CRON).sudo()._trigger()

    @api.model
    def _find(self, company):
        """Return the AES key of a company as a sudo record; empty without one."""
        # sudo(): users may not read keys; callers only tell whether and how the key can be used.
        return self.sudo().search([("company_id", "=", company.id)])

    @api.model
    def _find_problem(self, company):
        """Return why a company's encrypted addresses can't be read and what to do, or None."""
        if self._find(company).is_usable:
            return None
        return self.env._(
            "Encrypted addresses can't be read because the AES key of %s is missing. Ask an"
            " administrator to enter it.",
            company.name,
        )

    @api.model
    def _is_in_use(self, company):
        """Tell whether a company has an AES key, so that it may have encrypted addresses."""
        # sudo(): users may not read keys; only whether there is one is told.
        return bool(self.sudo().search_count([("company_id", "=", company.id)], limit=1))

    @api.model
    def _get_reference(self, company):
        """Return the `reference` of the company's AES key, None without a key."""
        # The reference does not reveal the key.
        return self._find(company).reference or None

    @api.model
    def _cron_read_addresses(self):
        """Read the addresses of existing contacts with AES keys that were entered (`reading`)."""
        for record in self.search([("reading", "=", True)]):
            progress = self.env["ir.cron"]._commit_progress(remaining=1)
            while record._read_batch():
                progress = self.env["ir.cron"]._commit_progress(1, remaining=1)
                if not progress:
                    self.env.ref(CRON)._trigger()
                    return
            record.reading = False
            self.env["ir.cron"]._commit_progress(1, remaining=0)

    def _read_batch(self):
        """Read the encrypted addresses of the next BATCH contacts; return how many there were."""
        self.ensure_one()
        partners = self.env["res.partner"]
        partners.flush_model(["email_encrypted", "company_id"])
        rows = self.env.execute_query(
            SQL(
                """SELECT id, email_encrypted, company_id FROM res_partner
                    WHERE id > %(position)s AND email_encrypted IS NOT NULL
                      AND (company_id = %(company)s OR company_id IS NULL)
                    ORDER BY id LIMIT %(batch)s""",
                position=self.position,
                company=self.company_id.id,
                batch=BATCH,
            )
        )
        if rows:
            self._get_reader().write_partners(self.env, rows)
            partners.invalidate_model()
            self.position = rows[-1][0]
        return len(rows)


class DirectmailAesKnown(models.Model):
    """A CBC value that was in the database when it was upgraded to 19.0.1.4.0.

    Only these CBC values are still decrypted. Otherwise a user could change the IV of a value, see
    whether it can still be decrypted, and find out the address step by step.
    """

    _name = "directmail.aes.known"
    _description = "Known CBC Value"
    _log_access = False

    digest = fields.Char("SHA-256 of the value", required=True)

    _digest_unique = models.Constraint("UNIQUE(digest)", "This value is known already.")

    @api.model
    def _get_test(self):
        """Return the function that tells whether a digest is known; None if no digest is known.

        :return: as `is_known` of `privacy.aes.AesKey.read_address`
        """
        # None saves a query for each value that can't be decrypted: most databases never had a CBC
        # key.
        if not self.env.execute_query(SQL("SELECT 1 FROM directmail_aes_known LIMIT 1")):
            return None
        return self._is_known

    def _is_known(self, digest):
        return bool(
            self.env.execute_query(
                SQL("SELECT 1 FROM directmail_aes_known WHERE digest = %s", digest)
            )
        )

    @api.model
    def _remember_all(self):
        """Store the digests of all CBC values in the database. Called once, by the upgrade."""
        for table, column in COLUMNS:
            position = 0
            while rows := self.env.execute_query(
                SQL(
                    """SELECT id, %(column)s FROM %(table)s
                        WHERE id > %(position)s AND %(column)s IS NOT NULL
                        ORDER BY id LIMIT %(batch)s""",
                    table=SQL.identifier(table),
                    column=SQL.identifier(column),
                    position=position,
                    batch=KNOWN_BATCH,
                )
            ):
                position = rows[-1][0]
                self._remember(value for _id, value in rows)

    def _remember(self, values):
        digests = {digest for value in values for digest in list_cbc_digests(value)}
        self.env.cr.execute(
            SQL(
                """INSERT INTO directmail_aes_known (digest) SELECT unnest(%s::text[])
                       ON CONFLICT DO NOTHING""",
                list(digests),
            )
        )
