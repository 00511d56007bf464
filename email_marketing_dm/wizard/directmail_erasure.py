import base64
import json

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import format_list

from ..engine.privacy import People, PersonTable
from ..privacy.address import normalise

PERSON = "directmail.person"
DELIVERY = "directmail.delivery"
# Results per contact, which RFM and AIPL models compute again from Odoo's records, and their moves.
MOVES = ("directmail.rfm.move", "directmail.aipl.move")
SCORES = ("directmail.rfm.customer", "directmail.aipl.contact", *MOVES)
# Contacts who were put into a series and have not entered yet.
REQUESTS = ("directmail.series.request",)
# Fields that lead to the record with the company, in models without a stored company_id.
PARENTS = ("audience_id", "upload_id", "rfm_model_id", "aipl_model_id", "series_id")
UNDER_WAY = ("waiting", "sending")
MOMENTS = (
    "sent_at",
    "outcome_at",
    "opened_at",
    "clicked_at",
    "unsubscribed_at",
    "complained_at",
    "converted_at",
)


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
    mail_count = fields.Integer("Recorded mails", compute="_compute_counts")
    list_count = fields.Integer("Entries in audiences and lists", compute="_compute_counts")
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
            wizard.mail_count = len(people.find_deliveries(wizard.env))
            wizard.list_count = people.count_members(wizard.env)
            wizard.optout_count = len(people.find_optouts(wizard.env))

    def action_export(self):
        """Write all data about these contacts to `file`, as JSON."""
        self.ensure_one()
        content = json.dumps(self._export(), ensure_ascii=False, indent=2)
        self.file = base64.b64encode(content.encode())
        return self._reopen()

    def action_erase(self):
        """Erase all data about these contacts; counters of email tasks stay as they are.

        :raise UserError: if a mail to one of them is waiting or being sent
        """
        self.ensure_one()
        people = self._get_people()
        tasks = self._get_deliveries(people).filtered(lambda d: d.state in UNDER_WAY).task_id
        if tasks:
            raise UserError(
                self.env._(
                    "Mails to these contacts are still waiting in these email tasks: %s. Wait"
                    " until the tasks have ended, or cancel the rest of them, then try again.",
                    format_list(self.env, tasks.mapped("name")),
                )
            )
        # Pending events find their delivery by the address key that is erased.
        for company in self.env.companies:
            self.env["directmail.event"]._apply_all(company)
        # sudo(): so do requests to unsubscribe that waited for the master key; the cron that
        # applies them has all rights, too.
        requests = self.env["directmail.unsubscribe.request"].sudo()
        while requests._apply_some():
            continue
        # The uploaded files contain these people, too.
        self._get_rows(people).upload_id._forget_content()
        self.env.flush_all()
        self._get_letters(people).unlink()
        people.erase(self.env)
        self._get_signups().unlink()
        self.env.invalidate_all()
        self.write({"done": True, "file": False})
        return self._reopen()

    def _get_people(self):
        """Return the contacts as `engine.privacy.People`, after checking that they are readable.

        :raise AccessError: for a contact that the user may not read
        """
        self.partner_ids.check_access("read")
        # sudo() to compute the address keys: the contacts' own rights were checked above.
        partners = self.partner_ids._origin.sudo()
        master_key = self.env["directmail.keyring"]._get_master_key()
        emails = filter(None, map(normalise, partners.mapped("email_normalized")))
        keys = {master_key.address_key(email) for email in emails}
        keys.update(filter(None, partners.mapped("email_encrypted_key")))
        return People(
            partners.ids,
            sorted(keys),
            self.env.companies.ids,
            members=[self._get_table(name) for name in self._get_member_models()],
            scores=[self._get_table(name) for name in (*SCORES, *REQUESTS)],
        )

    def _get_member_models(self):
        """Return the names of the models that inherit `directmail.person`, except deliveries."""
        return sorted(
            name
            for name in self.env.registry.descendants([PERSON], "_inherit")
            if name != DELIVERY and not self.env[name]._abstract
        )

    def _get_table(self, name):
        """Return a model's table as `engine.privacy.PersonTable`."""
        model = self.env[name]
        if (company := model._fields.get("company_id")) and company.store:
            return PersonTable(model._table)
        parent = next(field for field in map(model._fields.get, PARENTS) if field)
        return PersonTable(model._table, (parent.name, self.env[parent.comodel_name]._table))

    def _get_deliveries(self, people):
        # sudo(): `_get_people` checked the right to read the contacts.
        return self.env[DELIVERY].sudo().browse(sorted(people.find_deliveries(self.env)))

    def _get_rows(self, people):
        # sudo(): `_get_people` checked the right to read the contacts.
        rows = self.env["directmail.upload.line"].sudo()
        return rows.browse(sorted(people.find_rows(self.env)))

    def _get_signups(self):
        # `_get_people` checked the right to read the contacts.
        signups = self.env["directmail.signup"]
        return signups._find_of(self.partner_ids._origin, self.env.companies)

    def _get_letters(self, people):
        """Return the app's own emails to these contacts that wait in Odoo's queue or failed."""
        # sudo(): `_get_people` checked the right to read the contacts.
        emails = self.partner_ids._origin.sudo().mapped("email_normalized")
        emails = {email for email in map(normalise, filter(None, emails)) if email}
        emails.update(filter(None, self._get_signups().mapped("email")))
        emails.update(people.find_emails(self.env))
        return self.env["directmail.letter"]._find_to(emails, self.env.companies)

    def _export(self):
        """Return the stored data as a dict of JSON types; moments are in UTC."""
        people = self._get_people()
        # sudo(): `_get_people` checked the right to read the contacts.
        optouts = self.env["directmail.optout"].sudo().browse(sorted(people.find_optouts(self.env)))
        consents = self.env["directmail.consent"].sudo()
        consents = consents.browse(sorted(people.find_consents(self.env)))
        preferences = self.env["directmail.preference"].sudo()
        preferences = preferences.browse(sorted(people.find_preferences(self.env)))
        members = self.env["directmail.audience.member"].sudo()
        audiences = members.search([("partner_id", "in", people.partner_ids)]).audience_id
        # sudo(): `_get_people` checked the right to read the contacts.
        stays = self.env["directmail.audience.stay"].sudo()
        audiences |= stays.search([("partner_id", "in", people.partner_ids)]).audience_id
        return {
            "people": [
                {"name": partner.display_name, "email": partner.email or ""}
                for partner in self.partner_ids._origin.sudo()
            ],
            "mails": [self._export_delivery(row) for row in self._get_deliveries(people)],
            "opt_outs": [
                {
                    "since": str(optout.create_date),
                    "sender": optout.sender_id.email or "",
                    "origin": optout.origin,
                    "reason": optout.reason_id.name or "",
                    "feedback": optout.feedback or "",
                }
                for optout in optouts
            ],
            "consents": consents._export_proof(),
            "sign_ups": self._get_signups()._export_data(),
            "preferences": preferences._export(),
            "series": [self._export_entry(row) for row in self._get_entries(people)],
            "moves": [
                self._export_move(move) for name in MOVES for move in self._get_moves(name, people)
            ],
            "uploaded_lists": [self._export_row(row) for row in self._get_rows(people)],
            "audiences": sorted(
                set(audiences.filtered(lambda a: a.company_id in self.env.companies).mapped("name"))
            ),
        }

    def _get_entries(self, people):
        # sudo(): `_get_people` checked the right to read the contacts.
        entries = self.env["directmail.series.entry"].sudo()
        return entries.search(
            [
                "|",
                ("partner_id", "in", people.partner_ids),
                ("address_key", "in", people.keys),
                ("company_id", "in", people.company_ids),
            ]
        )

    def _get_moves(self, name, people):
        # sudo(): `_get_people` checked the right to read the contacts.
        moves = self.env[name].sudo()
        return moves.search(
            [
                ("partner_id", "in", people.partner_ids),
                (f"{moves._owner_field}.company_id", "in", people.company_ids),
            ]
        )

    @api.model
    def _export_move(self, move):
        groups = dict(move._fields[move._group_field]._description_selection(self.env))
        return {
            "model": move[move._owner_field].name,
            "day": str(move.date),
            "before": groups.get(move[f"previous_{move._group_field}"], ""),
            "after": groups.get(move[move._group_field], ""),
        }

    @api.model
    def _export_entry(self, entry):
        return {
            "series": entry.series_id.name,
            "entered": str(entry.entered_at),
            "state": entry.state,
            "reason": entry.reason or "",
            "conditions": entry.checks or [],
            "ended": str(entry.ended_at or ""),
        }

    @api.model
    def _export_row(self, row):
        upload = row.upload_id
        return {
            "list": upload.name,
            "row": row.number,
            "id": row.value,
            "values": {**(row.contact_values or {}), **(row.kept_values or {})},
            "where_from": upload.consent_text or "",
            "where_from_details": upload.consent_note or "",
            "where_from_answered_on": str(upload.consent_at or ""),
        }

    @api.model
    def _export_delivery(self, delivery):
        return {
            "email_task": delivery.task_id.name,
            "subject": delivery.task_id._get_version_template(delivery.version).subject or "",
            "state": delivery.state,
            "reason": delivery.reason or "",
            "outcome": delivery.outcome or "",
            **{name: str(delivery[name]) if delivery[name] else "" for name in MOMENTS},
            "what_happened": [
                {
                    "what": event.kind,
                    "when": str(event.occurred_at),
                    "by_a_machine": event.machine,
                    "link": event.link_id.url or "",
                }
                for event in delivery.event_ids
            ],
        }

    def _reopen(self):
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Email marketing data"),
            "res_model": self._name,
            "res_id": self.id,
            "views": [(False, "form")],
            "target": "new",
        }
