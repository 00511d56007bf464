from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError
from odoo.fields import Command
from odoo.tools import format_list

from ..engine.keyed import UNKNOWN
from ..engine.rekey import count_rows, count_unmatched_optouts
from ..privacy.keys import WrongKeyError


class DirectmailRekeyStart(models.TransientModel):
    """Dialog *Master key*: fingerprints of the keys, and recomputation if the old key is lost."""

    _name = "directmail.rekey.start"
    _description = "Master Key"
    _inherit = ["directmail.links"]

    server_key = fields.Char("Master key of this server", readonly=True)
    data_key = fields.Char("Master key of the data", readonly=True)
    problem = fields.Text(readonly=True)
    may_start = fields.Boolean(readonly=True)
    run_id = fields.Many2one("directmail.rekey", "Last recomputation", readonly=True)
    run_progress = fields.Char(related="run_id.progress")
    run_unmatched_count = fields.Integer(related="run_id.unmatched_count")
    count_ids = fields.One2many("directmail.rekey.count", "start_id", readonly=True)
    unmatched_count = fields.Integer(
        "Opt-outs without a known address",
        readonly=True,
        help="These opt-outs can't be recomputed. Nobody to whom they may belong gets mail until"
        " an administrator deletes them.",
    )
    aes_ids = fields.One2many("directmail.rekey.aes", "start_id", "AES keys")
    account_names = fields.Char("Accounts to set up again", readonly=True)
    understood = fields.Boolean("The old master key is lost for good")

    @api.model
    def action_open(self):
        """Open the dialog with the current state of the keys."""
        self.env["directmail.account"].check_access("write")
        # sudo(): writing accounts was checked above. All companies share the master key, so the
        # dialog refers to AES keys of other companies too.
        start = self.sudo().create(self._read_state()).sudo(False)
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Master key"),
            "res_model": self._name,
            "res_id": start.id,
            "views": [(False, "form")],
            "target": "new",
        }

    def _read_state(self):
        keyring = self.env["directmail.keyring"]
        problem, host = keyring._find_problem(), keyring._find_host_key()
        row = self.env["directmail.data.key"]._read_key()
        data_key = row[0] if row else False
        values = {
            "server_key": host.fingerprint if host else self.env._("None"),
            "data_key": self.env._("Unknown, or several keys") if data_key == UNKNOWN else data_key,
            "problem": problem and problem.full_text,
            "run_id": self.env["directmail.rekey"].search([], limit=1).id,
        }
        if problem and problem.kind == "mismatch" and self._find_strange_companies():
            values["problem"] += "\n" + self._explain_strange_companies()
        elif problem and problem.kind == "mismatch":
            # sudo(): the recomputation needs the AES keys of all companies; the user works in all
            # of them, else `_find_strange_companies` would have found one.
            aes_keys = self.env["directmail.aes.key"].sudo().search([("fingerprint", "!=", False)])
            values |= {
                "may_start": True,
                "count_ids": [Command.create(count) for count in self._count()],
                "unmatched_count": count_unmatched_optouts(self.env),
                "aes_ids": [Command.create({"aes_key_id": key.id}) for key in aes_keys],
                "account_names": format_list(
                    self.env, self._get_sealed_accounts(host).mapped("name")
                ),
            }
        return values

    def _find_strange_companies(self):
        """Return companies with an account or AES key in which the user does not work."""
        # sudo() finds companies in which the user has no rights, to refuse the start.
        return (
            self.env["res.company"]
            .sudo()
            .union(
                *(
                    self.env[model].sudo().with_context(active_test=False).search([]).company_id
                    for model in ("directmail.account", "directmail.aes.key")
                )
            )
        ) - self.env.user.company_ids

    def _explain_strange_companies(self):
        return self.env._(
            "Recomputing changes the keys of all companies that use DirectMail, and you do not"
            " have access to all of them. If the old master key is lost for good, ask an"
            " administrator who has access to all of them."
        )

    def _count(self):
        labels = {
            "directmail_optout": self.env._("Opt-outs"),
            "directmail_consent": self.env._("Consents"),
            "directmail_preference": self.env._("Preferences of recipients"),
            "directmail_delivery": self.env._("Mails"),
            "directmail_audience_member": self.env._("People in audiences without a contact"),
            "directmail_upload_line": self.env._("Rows of uploads without a contact"),
            "mail_blacklist": self.env._("Blacklisted addresses"),
            "res_partner": self.env._("Contacts with an encrypted address"),
        }
        return [
            {"name": labels[table], "plain": plain, "encrypted": encrypted, "absent": absent}
            for table, plain, encrypted, absent in count_rows(self.env)
            if table in labels and plain + encrypted + absent
        ]

    def _get_sealed_accounts(self, key):
        """Return the accounts whose AccessKey secret can't be decrypted with a master key.

        :param key: a `privacy.keys.MasterKey`
        """
        # sudo(): `action_start` has checked the rights in all companies; secrets are not shown.
        accounts = self.env["directmail.account"].sudo().with_context(active_test=False)
        sealed = accounts.search([("access_key_secret_sealed", "!=", False)])
        return sealed.filtered(lambda a: not _opens(key, a.access_key_secret_sealed))

    def action_start(self):
        """Stop sending and start the recomputation of address keys with this server's master key.

        :raise AccessError: if the user does not work in all companies concerned
        :raise UserError: if the keys match, the box was not ticked, or an AES key is wrong
        """
        self.ensure_one()
        self.env["directmail.account"].check_access("write")
        if self._find_strange_companies():
            raise AccessError(self._explain_strange_companies())
        if not self.understood:
            raise UserError(
                self.env._(
                    "First look for the old master key: with it, nothing has to be recomputed. If"
                    " it is lost for good, tick the box and press Recompute the keys again."
                )
            )
        keyring = self.env["directmail.keyring"]
        problem = keyring._find_problem()
        if not problem or problem.kind != "mismatch":
            right = self.env._(
                "This server already has the right master key. Nothing has to be recomputed."
            )
            raise UserError(problem.full_text if problem else right)
        key = keyring._get_host_key()
        self._seal_again(key)
        # sudo(): write access and the companies were checked above.
        self.env["directmail.rekey"].sudo()._start(key)
        return self.action_open()

    def action_view_unmatched(self):
        """Open the opt-outs whose address key could not be recomputed."""
        return self.run_id.action_view_unmatched()

    def _seal_again(self, key):
        """Encrypt the entered AES keys with the new master key; clear what it can't decrypt.

        Accounts whose secret is cleared become drafts.

        :param key: this server's `privacy.keys.MasterKey`
        """
        for line in self.aes_ids:
            # sudo(): `action_start` has checked the rights; stored keys are readable by nobody.
            aes_key = line.aes_key_id.sudo()
            sealed = line.sudo().key_sealed
            if sealed:
                aes_key._seal(key.decrypt(sealed), key)
            elif aes_key.key_sealed and not _opens(key, aes_key.key_sealed):
                aes_key.key_sealed = False
        message = self.env._(
            "The master key was replaced. Enter the AccessKey secret again, then activate the"
            " account."
        )
        for account in self._get_sealed_accounts(key):
            account.write(
                {
                    "access_key_secret_sealed": False,
                    "security_token_sealed": False,
                    "master_key_fingerprint": False,
                    "state": "draft",
                    "state_message": message,
                }
            )


def _opens(key, sealed):
    try:
        key.decrypt(sealed)
    except WrongKeyError:
        return False
    return True


class DirectmailRekeyCount(models.TransientModel):
    """Numbers of rows to recompute in one table, by what is known of the address."""

    _name = "directmail.rekey.count"
    _description = "Keys to Recompute"
    _inherit = ["directmail.links"]

    start_id = fields.Many2one("directmail.rekey.start", required=True, ondelete="cascade")
    name = fields.Char("Records", readonly=True)
    plain = fields.Integer("Address known", readonly=True)
    encrypted = fields.Integer("Encrypted address", readonly=True)
    absent = fields.Integer("No address", readonly=True)


class DirectmailRekeyAes(models.TransientModel):
    """Input of a company's AES key, to recompute the address keys of encrypted addresses."""

    _name = "directmail.rekey.aes"
    _description = "AES Key to Recompute With"
    _inherit = ["directmail.links"]

    start_id = fields.Many2one("directmail.rekey.start", required=True, ondelete="cascade")
    aes_key_id = fields.Many2one("directmail.aes.key", readonly=True, ondelete="cascade")
    company_name = fields.Char(related="aes_key_id.company_id.name", related_sudo=True)
    # A button saves the form first, so the key is written encrypted (`key_sealed`) here as well.
    key = fields.Char("AES key", compute="_compute_key", inverse="_inverse_key")
    key_sealed = fields.Char(groups=fields.NO_ACCESS)

    def _compute_key(self):
        self.key = False

    def _inverse_key(self):
        master_key = self.env["directmail.keyring"]._get_host_key()
        for line in self:
            # sudo(): `create` or `write` has checked the rights; nobody may read stored keys.
            line.sudo().key_sealed = line.key and master_key.encrypt(line.key.strip())
