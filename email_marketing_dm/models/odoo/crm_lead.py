from odoo import api, fields, models
from odoo.fields import Domain

from ...content.names import get_first_name
from ...engine import series_lock
from ...engine.merging import Joined, Merged, find_affected_series, join_contact, move_records
from ...groups import GROUP_USER


class CrmLead(models.Model):
    """Leads show the RFM type, AIPL stage and audiences of their contact."""

    _inherit = "crm.lead"

    directmail_first_name = fields.Char(
        "First name",
        compute="_compute_directmail_first_name",
        compute_sudo=True,
        groups=GROUP_USER,
        help="For salutations, from the contact name.",
    )
    directmail_rfm_type = fields.Selection(
        related="partner_id.directmail_rfm_type", groups=GROUP_USER
    )
    directmail_aipl_stage = fields.Selection(
        related="partner_id.directmail_aipl_stage", groups=GROUP_USER
    )
    directmail_audience_count = fields.Integer(
        "Audiences", compute="_compute_directmail_audience_count", groups=GROUP_USER
    )

    @api.depends("contact_name")
    def _compute_directmail_first_name(self):
        for lead in self:
            lead.directmail_first_name = get_first_name(lead.contact_name)

    # === MERGING === #
    # A merged lead replaces its leads in the audiences for which users picked them, and wherever
    # they are people themselves. So does a contact that they get.

    def write(self, vals):
        """Override: members of audiences that get their first contact are members as that."""
        alone = self.browse()
        if vals.get("partner_id"):
            alone = self.filtered(lambda lead: not lead.partner_id)
        res = super().write(vals)
        if alone:
            alone._join_contact()
        return res

    def _join_contact(self):
        """Let rows of audiences and snapshots follow these leads, which have got the same contact.

        No rights are needed: a refresh would find the contact in place of the leads.
        """
        self.env.flush_all()
        join_contact(self.env, Joined(self._name, self.ids, self.partner_id.id))
        self._invalidate_people()

    def _invalidate_people(self):
        for name in self.env.registry.descendants(["directmail.person"], "_inherit"):
            self.env[name].invalidate_model()

    def _merge_dependences(self, opportunities):
        """Override: move picks in audiences, and rows of people, to the merged lead.

        sudo(): users who merge leads need no right to change these audiences.
        """
        res = super()._merge_dependences(opportunities)
        self.env["directmail.audience.pick"].sudo()._move(opportunities, self)
        self.env.flush_all()
        merged = Merged(self._name, opportunities.ids, self.id)
        self._hold_series(find_affected_series(self.env, merged))
        move_records(self.env, merged)
        self._invalidate_people()
        if self.partner_id:
            self._join_contact()
        return res

    def _hold_series(self, series_ids):
        """Let nobody enter series until this transaction ends.

        An entry of a lead that is gone would be called off, and the person not come again.
        """
        if series_ids:
            # sudo(): users who merge leads need no right to these series, which are only locked.
            held = self.env["directmail.series"].sudo().browse(series_ids)
            held._lock()
            series_lock.touch(self.env, series_ids)
            held._wake()

    # === AUDIENCES === #
    # A lead is a member of an audience through its contact, or by itself.

    @api.depends("partner_id")
    def _compute_directmail_audience_count(self):
        members = self.env["directmail.audience.member"]
        of_leads = members._read_group(
            [("res_model", "=", self._name), ("res_id", "in", self.ids)],
            ["res_id"],
            ["audience_id:recordset"],
        )
        of_contacts = members._read_group(
            [("partner_id", "in", self.partner_id.ids)],
            ["partner_id"],
            ["audience_id:recordset"],
        )
        of_leads, of_contacts = dict(of_leads), dict(of_contacts)
        none = self.env["directmail.audience"]
        for lead in self:
            audiences = of_leads.get(lead.id, none) | of_contacts.get(lead.partner_id, none)
            lead.directmail_audience_count = len(audiences)

    def action_view_directmail_audiences(self):
        """Show the user's audiences that contain the lead or its contact."""
        self.ensure_one()
        person = Domain("res_model", "=", self._name) & Domain("res_id", "=", self.id)
        if self.partner_id:
            person |= Domain("partner_id", "=", self.partner_id.id)
        return self.env["directmail.audience"]._get_action_of_person(person)
