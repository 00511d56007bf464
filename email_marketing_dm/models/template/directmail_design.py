from html import escape

from odoo import fields, models
from odoo.tools.translate import html_translate

from ...content.lengths import cut_units
from ...directmail import const
from .mail_body import MailBody


class DirectmailDesign(models.Model):
    """A mail to start from. Those that come with the addon pass the checks as they are.

    They have no company and nobody changes them: a module update brings their newest text. Whoever
    wants another one makes a copy, which belongs to their company.
    """

    _name = "directmail.design"
    _description = "Email Design"
    _inherit = ["directmail.of.company"]
    _order = "sequence, id"

    name = fields.Char(required=True, translate=True)
    company_id = fields.Many2one(
        "res.company", index=True, default=lambda self: self.env.company, copy=False
    )
    active = fields.Boolean(default=True)
    sequence = fields.Integer(default=10)
    description = fields.Char(translate=True)
    subject = fields.Char(translate=True)
    preview_text = fields.Char(translate=True)
    body_arch = MailBody(
        "Body",
        translate=html_translate,
        sanitize="email_outgoing",
        help="__COMPANY__, __ADDRESS__ and __WEBSITE__ stand for those of whoever uses it.",
    )

    def copy_data(self, default=None):
        vals_list = super().copy_data(default)
        if "name" not in (default or {}):
            for design, vals in zip(self, vals_list, strict=True):
                vals["name"] = self.env._("%s (copy)", design.name)
        return vals_list

    def action_use(self):
        """Open a new template with this design; nothing is saved before the user does."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("New template"),
            "res_model": "directmail.template",
            "views": [(False, "form")],
            "context": {
                "default_name": self.name,
                "default_subject": self.subject,
                "default_preview_text": self.preview_text,
                "default_sender_name": cut_units(
                    self.env.company.name, const.SENDER_NAME_MAX
                ).strip(),
                "default_body_arch": self._get_body(),
                "default_body_html": "",
            },
        }

    def _get_body(self):
        """Return the body with what the current company is called and where it is."""
        self.ensure_one()
        company = self.env.company
        address = " ".join(company.partner_id.sudo()._display_address(True).split())
        body = str(self.body_arch or "")
        for word, value in (
            ("__COMPANY__", company.name),
            ("__ADDRESS__", address or self.env._("your street, your city")),
            ("__WEBSITE__", company.website or company.get_base_url()),
        ):
            body = body.replace(word, escape(value))
        return body
