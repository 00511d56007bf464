from odoo import api, fields, models

from ..directmail.trial import make_command

#: how the emulator gets onto the server, from the folder of this repository
INSTALL_COMMAND = "pip install ./directmail_emulator"


class DirectmailTrial(models.TransientModel):
    """The dialog *Try it out*: it finds the emulator on this server and starts a trial with it."""

    _name = "directmail.trial"
    _description = "Trial"

    company_id = fields.Many2one(
        "res.company", required=True, readonly=True, default=lambda self: self.env.company
    )
    is_found = fields.Boolean("Emulator found", compute="_compute_is_found")
    command = fields.Char(compute="_compute_command")
    install_command = fields.Char("Installation command", compute="_compute_command")

    @api.depends_context("company")
    def _compute_is_found(self):
        self.is_found = self.env["directmail.account"]._is_emulator_running()

    def _compute_command(self):
        self.command = make_command(self.env["directmail.account"]._get_trial_port())
        self.install_command = INSTALL_COMMAND

    def action_look_again(self):
        """Open the dialog again, which looks for the emulator."""
        self.check_access("write")
        return self.env["ir.actions.actions"]._for_xml_id(
            "email_marketing_dm.directmail_trial_action"
        )

    def action_start(self):
        """Make and activate the trial of the company for which the dialog was opened.

        :return: the action that opens Home
        :raise UserError: if the emulator is not found any more
        """
        self.check_access("write")
        self.env["directmail.account"].with_company(self.company_id)._start_trial()
        action = self.env["ir.actions.actions"]._for_xml_id(
            "email_marketing_dm.directmail_home_action"
        )
        return {**action, "target": "main"}  # Replace the Home that the dialog was opened on.
