import os

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import config

from ...directmail import endpoints, trial
from ...directmail.errors import DirectMailError
from ...engine.content import get_database_uuid

#: server option: port of the emulator on this server
PORT_OPTION = "directmail_trial_port"
PORT_VARIABLE = "DIRECTMAIL_TRIAL_PORT"


class DirectmailAccount(models.Model):
    """A trial: an account whose mails go to the emulator on this server, never to DirectMail.

    `connection` is "trial" from the account's creation to its end. Only the server's configuration
    decides which port is called, so a trial can't make the server call anything else. What happens
    to its mails is simulated: results have no effect on people (`engine.trial.is_real` in SQL,
    `is_trial` elsewhere), and nobody is notified by email.
    """

    _inherit = "directmail.account"

    is_trial = fields.Boolean("Trial", compute="_compute_is_trial")

    @api.depends("connection")
    def _compute_is_trial(self):
        for account in self:
            account.is_trial = account.connection == endpoints.TRIAL

    def _check_trial(self, vals):
        """Refuse values that would make a trial a real account, or the reverse.

        :raise UserError: with what to do instead
        """
        if "connection" not in vals:
            return
        is_trial = vals["connection"] == endpoints.TRIAL
        if any(account.is_trial != is_trial for account in self):
            raise UserError(
                self.env._(
                    "A trial can't become an account that sends real mail, and such an account"
                    " can't become a trial. Create another account instead."
                )
            )

    # === ACTIONS === #

    def action_end_trial(self):
        """Archive the trial with its templates and email tasks; unfinished ones are cancelled.

        :return: the action that opens Home
        """
        self.ensure_one()
        self.check_access("write")
        if not self.is_trial:
            raise UserError(self.env._("%s is not a trial.", self.name))
        own = [("account_id", "=", self.id)]
        # sudo(): writing the account was checked above; records of all owners end with it.
        tasks = self.env["directmail.task"].sudo().search(own)
        tasks.action_cancel()
        tasks.action_archive()
        self.env["directmail.template"].sudo().search(own).action_archive()
        self.action_archive()
        return self.env["ir.actions.actions"]._for_xml_id(
            "email_marketing_dm.directmail_home_action"
        )

    # === BUSINESS === #

    @api.model
    def _start_trial(self):
        """Return the trial of the current company, which is made and activated if needed.

        :raise AccessError: if the user may not create accounts
        :raise UserError: if the emulator is not found
        """
        company = self.env.company
        self.check_access("create")
        account = self.search(
            [("company_id", "=", company.id), ("connection", "=", endpoints.TRIAL)], limit=1
        ) or self.create(
            {
                "name": self.env._("Trial"),
                "company_id": company.id,
                "connection": endpoints.TRIAL,
                "reply_to": self.env.user.email_normalized,
            }
        )
        if account.state != "active":
            account.action_activate()
        return account

    @api.model
    def _get_trial_port(self):
        """Return the port of the emulator: PORT_OPTION or PORT_VARIABLE, else the usual one."""
        setting = str(config.get(PORT_OPTION) or os.environ.get(PORT_VARIABLE) or "")
        return int(setting) if setting.isdecimal() else trial.PORT

    @api.model
    def _get_trial_endpoint(self):
        return trial.make_endpoint(self._get_trial_port())

    @api.model
    def _get_trial_key(self):
        return trial.make_key(get_database_uuid(self.env))

    @api.model
    def _get_trial_credentials(self):
        """Return the emulator's credentials as keyword arguments of `DirectMailClient`."""
        return {"access_key_id": self._get_trial_key(), "access_key_secret": trial.SECRET}

    @api.model
    def _is_emulator_running(self, public_url=None):
        """Tell whether the emulator answers on this server, and tell it where links in mails lead.

        :param str public_url: of the account; by default that of Odoo
        """
        guest = trial.Guest(
            key=self._get_trial_key(),
            public_url=(public_url or self._default_public_url() or "").rstrip("/"),
            server_url=f"http://{trial.HOST}:{config['http_port']}",
            database=self.env.cr.dbname,
        )
        return trial.greet(self._get_trial_port(), guest)

    def _check_emulator(self):
        """Make sure that a trial calls the emulator and no other service on its port.

        :raise UserError: for a trial without an emulator, from a DirectMailError ("unreachable")
        """
        if self.is_trial and not self._is_emulator_running(self.public_url):
            raise UserError(self._explain_no_emulator()) from DirectMailError("unreachable")

    def _find_emulator(self):
        """Tell whether the account can send now: for a trial, whether the emulator is running.

        If unfinished email tasks wait for it, `state_message` says so, and the account's cron looks
        again in a minute.
        """
        self.ensure_one()
        if not self.is_trial:
            return True
        is_running = self._is_emulator_running(self.public_url)
        unfinished = [
            ("account_id", "=", self.id),
            ("state", "in", ("pending", "sending")),
            ("send_type", "!=", "repeat"),
        ]
        is_awaited = not is_running and self.env["directmail.task"].search_count(unfinished, 1)
        account = self.with_context(lang=self.company_id.partner_id.lang)
        message = account._explain_no_emulator() if is_awaited else False
        # Write only a change: a write may conflict with a user's.
        if self.state_message != message:
            # sudo(): the sending cron calls this, not a user; `state_message` is guarded.
            self.sudo().state_message = message
        if is_awaited:
            self._trigger_sending(fields.Datetime.add(fields.Datetime.now(), minutes=1))
        return is_running

    @api.model
    def _explain_no_emulator(self):
        return self.env._(
            "The emulator of the trial is not running on this server, port %(port)s. Start it with"
            " the command %(command)s, then try again.",
            port=str(self._get_trial_port()),
            command=trial.make_command(self._get_trial_port()),
        )
