import base64
import json

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import format_list

from ..engine.privacy import People


class DirectmailErasure(models.TransientModel):
    """Export or erase email marketing data of contacts, in the user's selected companies."""

    _name = "directmail.erasure"
    _description = "Email Marketing Data of Contacts"
    _inherit = ["directmail.links"]

    partner_ids = fields.Many2many(
        "res.partner", string="Contacts", required=True, default=lambda self: self._default_people()
    )
    company_names = fields.Char("Companies", compute="_compute_companies")
    has_other_companies = fields.Boolean(compute="_compute_companies")
    mail_count = fields.Integer("Mails on record", compute="_compute_counts")
    list_count = fields.Integer("Places in audiences and lists", compute="_compute_counts")
    optout_count = fields.Integer("Opt-outs", compute="_compute_counts")
    file = fields.Binary(readonly=True, attachment=False)
    file_name = fields.Char(default="email-marketing-data.json", readonly=True)
    done = fields.Boolean(readonly=True)

    @api.model
    def _default_people(self):
        if self.env.context.get("active_model") != "res.partner":
            return self.env["res.partner"]
        return self.env["res.partner"].browse(self.env.context.get("active_ids", []))

    @api.depends_context("allowed_company_ids")
    def _compute_companies(self):
        # sudo(): only whether there are further companies is told, and none of their data.
        everywhere = self.env["res.company"].sudo().search_count([])
        self.company_names = format_list(self.env, self.env.companies.mapped("name"))
        self.has_other_companies = everywhere > len(self.env.companies)

    @api.depends("partner_ids", "done")
    def _compute_counts(self):
        for wizard in self:
            people = wizard._get_people()
            wizard.mail_count = len(people.deliveries())
            wizard.list_count = sum(people.members().values())
            wizard.optout_count = len(people.optouts())

    def action_export(self):
        """Write all data about these contacts to `file`, as JSON."""
        self.ensure_one()
        content = json.dumps(self._get_people().export(), ensure_ascii=False, indent=2)
        self.file = base64.b64encode(content.encode())
        return self._reopen()

    def action_erase(self):
        """Erase all data about these contacts; counters of email tasks stay as they are.

        :raise UserError: if a mail to one of them is waiting or being sent
        """
        self.ensure_one()
        people = self._get_people()
        tasks = people.under_way()
        if tasks:
            raise UserError(
                self.env._(
                    "Mails to these contacts are waiting to go out: %s. Let these email tasks end,"
                    " or cancel the rest of them, then try again.",
                    ", ".join(tasks.mapped("name")),
                )
            )
        people.forget()
        self.write({"done": True, "file": False})
        return self._reopen()

    def _get_people(self):
        """Return the contacts as `engine.privacy.People`, after checking that they are readable.

        :raise AccessError: for a contact that the user may not read
        """
        self.partner_ids.check_access("read")
        return People(self.partner_ids._origin, self.env.companies)

    def _reopen(self):
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Email marketing data"),
            "res_model": self._name,
            "res_id": self.id,
            "views": [(False, "form")],
            "target": "new",
        }
