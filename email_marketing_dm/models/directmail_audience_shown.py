from odoo import api, fields, models

from ..groups import GROUP_USER


class ResPartner(models.Model):
    _inherit = "res.partner"

    directmail_audience_count = fields.Integer(
        "Audiences", compute="_compute_directmail_audience_count", groups=GROUP_USER
    )

    def _compute_directmail_audience_count(self):
        # Only the members of own audiences are readable, so nothing is told about others'.
        counts = dict(
            self.env["directmail.audience.member"]._read_group(
                [("partner_id", "in", self.ids)], ["partner_id"], ["audience_id:count_distinct"]
            )
        )
        for partner in self:
            partner.directmail_audience_count = counts.get(partner, 0)

    def action_view_directmail_audiences(self):
        self.ensure_one()
        return self.env["directmail.audience"]._get_action_of_person([("partner_id", "=", self.id)])


class CrmLead(models.Model):
    """A lead is in an audience itself, or through its contact."""

    _inherit = "crm.lead"

    directmail_audience_count = fields.Integer(
        "Audiences", compute="_compute_directmail_audience_count", groups=GROUP_USER
    )

    @api.depends("partner_id")
    def _compute_directmail_audience_count(self):
        members = self.env["directmail.audience.member"]
        own = dict(
            members._read_group(
                [("res_model", "=", self._name), ("res_id", "in", self.ids)],
                ["res_id"],
                ["audience_id:count_distinct"],
            )
        )
        of_contacts = dict(
            members._read_group(
                [("partner_id", "in", self.partner_id.ids)],
                ["partner_id"],
                ["audience_id:count_distinct"],
            )
        )
        for lead in self:
            lead.directmail_audience_count = of_contacts.get(lead.partner_id, 0) or own.get(
                lead.id, 0
            )

    def action_view_directmail_audiences(self):
        self.ensure_one()
        person = [("res_model", "=", self._name), ("res_id", "=", self.id)]
        if self.partner_id:
            person = [("partner_id", "=", self.partner_id.id)]
        return self.env["directmail.audience"]._get_action_of_person(person)


class DirectmailAudience(models.Model):
    _inherit = "directmail.audience"

    @api.model
    def _get_action_of_person(self, person):
        """Return the action that shows the audiences with a person, given as a members' domain."""
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "email_marketing_dm.directmail_audience_action"
        )
        members = self.env["directmail.audience.member"].search(person)
        action["domain"] = [("id", "in", members.audience_id.ids)]
        return action
