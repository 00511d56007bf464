from odoo import api, fields, models
from odoo.tools import SQL

from ..clock.spans import SPANS
from ..engine.fatigue import select_history
from ..engine.fatigue_rules import read_rules
from ..models.consent.directmail_preference import CAP_LABELS
from ..models.fatigue.directmail_fatigue import SPAN_LABELS
from ..models.people_context import PEOPLE_CONTEXT
from ..privacy.address import normalise

HISTORY_MAX = 200


class DirectmailFatigueStatus(models.TransientModel):
    """Number of messages that a contact got in each span, with the company's limits."""

    _name = "directmail.fatigue.status"
    _description = "Recent Emails of a Contact"
    _rec_name = "partner_id"

    partner_id = fields.Many2one("res.partner", "Contact", required=True, readonly=True)
    company_id = fields.Many2one("res.company", required=True, readonly=True)
    # What the contact asked for on the recipients' page.
    cap = fields.Selection(CAP_LABELS, "Wants", readonly=True)
    paused_until = fields.Datetime("Emails paused until", readonly=True)
    line_ids = fields.One2many("directmail.fatigue.status.line", "status_id", readonly=True)
    history_ids = fields.One2many("directmail.fatigue.status.history", "status_id", readonly=True)

    @api.model
    def _make(self, partner):
        """Create the status of a contact in the current company.

        :param partner: a `res.partner`
        :rtype: directmail.fatigue.status
        """
        company = self.env.company
        self.env.flush_all()
        # sudo(): limits, not people. `action_directmail_fatigue` has checked access to the contact.
        rules, at = read_rules(self.sudo().env, PEOPLE_CONTEXT, company.id)
        history = self._read_history(partner, rules, at)
        fatigue = self.env["directmail.fatigue"]._get_for(company)
        limits = {rule.span: (rule.email_limit, rule.global_limit) for rule in fatigue.rule_ids}
        lines = []
        for span in SPANS:
            recent = [row for row in history if row[0] > at - SPANS[span].length]
            emails = sum(row[1] == "email" for row in recent)
            email_limit, global_limit = limits.get(span, (0, 0))
            lines.append(
                {
                    "span": span,
                    "email_count": emails,
                    "email_limit": email_limit,
                    "global_count": len(recent),
                    "global_limit": global_limit,
                }
            )
        # sudo(): nobody may create a status; its rows were read with the user's rights.
        status = self.sudo().create(
            {
                "partner_id": partner.id,
                "company_id": company.id,
                **self._read_preference(partner, company, at),
                "line_ids": [fields.Command.create(line) for line in lines],
                "history_ids": [
                    fields.Command.create({"at": when, "kind": kind, "name": name})
                    for when, kind, name in history[:HISTORY_MAX]
                ],
            }
        )
        return status.with_env(self.env)

    def _read_preference(self, partner, company, at):
        """Return {"cap", "paused_until"} of a contact's addresses, in clear or encrypted.

        :param datetime at: only pauses that last longer count (naive UTC)
        """
        # sudo(): `_make` has checked the right to read the contact.
        found = self.env["directmail.preference"].sudo()
        for person in self.env["directmail.consent"]._find_person(partner):
            found |= found._find(company, person["address_key"])
        pauses = [until for until in found.mapped("paused_until") if until and until > at]
        return {
            "cap": next(filter(None, found.mapped("cap")), False),
            "paused_until": max(pauses, default=False),
        }

    def _read_history(self, partner, rules, at):
        """Return [(moment, kind, name)] of the messages of the longest span, latest first.

        Messages of all users are included; the name is None if the user may not read the task or
        mailing. Deliveries to other people at the same address are included only if the user may
        see these people.

        :param partner: a `res.partner`
        :param rules: as read by `engine.fatigue_rules.read_rules`
        :param datetime at: end of the period (naive UTC)
        """
        key = self.env["directmail.keyring"]._get_master_key()
        address = normalise(partner.email_normalized)
        # A task mails a contact at the plain or the encrypted address: see `address_form`.
        # sudo(): the key of the encrypted address is only compared.
        addresses = {(address, address and key.address_key(address))}
        if encrypted := partner.sudo().email_encrypted_key:
            addresses.add((None, encrypted))
        seen = self.env["directmail.delivery"]._seen_to_sql(SQL.identifier("directmail_delivery"))
        rows = self.env.execute_query(
            SQL(
                """SELECT DISTINCT h.at, h.kind, h.source
                     FROM (VALUES %s) AS person (partner_id, email, address_key)
                    CROSS JOIN LATERAL (%s) AS h ORDER BY h.at DESC""",
                SQL(", ").join(
                    SQL("(%s::int, %s::text, %s::text)", partner.id, *found) for found in addresses
                ),
                select_history(self.sudo().env, rules, SQL("person"), at, seen),
            )
        )
        names = self._get_names(rows)
        return [(when, kind, names.get((kind, source))) for when, kind, source in rows]

    def _get_names(self, rows):
        names = {}
        for kinds, model in (
            (("email",), "directmail.task"),
            (("mailing", "sms"), "mailing.mailing"),
        ):
            for kind in kinds:
                ids = {source for _when, found, source in rows if found == kind and source}
                records = self.env[model].browse(ids).exists()
                if model == "directmail.task":
                    records = records.with_context(active_test=False)
                for record in records._filtered_access("read"):
                    names[kind, record.id] = record.display_name
        return names


class DirectmailFatigueStatusLine(models.TransientModel):
    """The number of messages in one span, with its limits."""

    _name = "directmail.fatigue.status.line"
    _description = "Messages to a Contact in a Time Span"

    status_id = fields.Many2one(
        "directmail.fatigue.status", required=True, index=True, ondelete="cascade"
    )
    span = fields.Selection(SPAN_LABELS, "Within", readonly=True)
    email_count = fields.Integer("Emails", readonly=True)
    email_limit = fields.Integer("Email limit", readonly=True)
    global_count = fields.Integer("All messages", readonly=True)
    global_limit = fields.Integer("Limit for all messages", readonly=True)


class DirectmailFatigueStatusHistory(models.TransientModel):
    """One of the latest messages to the contact."""

    _name = "directmail.fatigue.status.history"
    _description = "Message to a Contact"
    _order = "at desc, id"

    status_id = fields.Many2one(
        "directmail.fatigue.status", required=True, index=True, ondelete="cascade"
    )
    at = fields.Datetime("Sent on", readonly=True)
    kind = fields.Selection(
        [("email", "Email task"), ("mailing", "Odoo mailing"), ("sms", "SMS")], readonly=True
    )
    name = fields.Char(readonly=True)
