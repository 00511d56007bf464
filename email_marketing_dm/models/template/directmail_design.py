from html import escape

from odoo import api, fields, models, tools
from odoo.tools.translate import html_translate

from ...content.lengths import cut_units
from ...content.preflight_mail import BLANK, read_demo_texts
from ...directmail import const
from .mail_body import MailBody

# The address of links of a company without a website; the preflight stops it.
EXAMPLE_WEBSITE = "https://www.example.com/"


class DirectmailDesign(models.Model):
    """A design: a ready-made mail to begin a template with.

    The addon's designs pass the preflight but for their examples, which must be filled in. They
    have no company and can't be changed, because a module update rewrites them. Users make designs
    of their company from a copy or from a template; owner and administrators change them.
    """

    _name = "directmail.design"
    _description = "Email Design"
    _inherit = ["directmail.of.company", "directmail.guarded"]
    _guarded_fields = frozenset(("user_id",))
    _order = "sequence, id"

    name = fields.Char(required=True, translate=True)
    company_id = fields.Many2one(
        "res.company", index=True, default=lambda self: self.env.company, copy=False
    )
    user_id = fields.Many2one(
        "res.users", "Owner", default=lambda self: self.env.user, readonly=True, copy=False
    )
    active = fields.Boolean(default=True)
    sequence = fields.Integer(default=10)
    description = fields.Char(translate=True)
    subject = fields.Char(translate=True)
    preview_text = fields.Char("Preview text", translate=True)
    body_arch = MailBody(
        "Body",
        translate=html_translate,
        sanitize="email_outgoing",
        help="__COMPANY__, __ADDRESS__ and __WEBSITE__ are replaced by the name, address and"
        " website of the company that uses the design.",
    )

    def copy_data(self, default=None):
        vals_list = super().copy_data(default)
        if "name" not in (default or {}):
            for design, vals in zip(self, vals_list, strict=True):
                vals["name"] = self.env._("%s (copy)", design.name)
        return vals_list

    def action_use(self):
        """Open the form of a new, unsaved template with this design's content."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("New template"),
            "res_model": "directmail.template",
            "views": [(False, "form")],
            "context": {
                **{f"default_{name}": value for name, value in self.get_content().items()},
                "default_body_html": "",
            },
        }

    @api.readonly
    def get_content(self):
        """Return the values of a new template that begins with this design.

        :return: {"name", "subject", "preview_text", "sender_name", "body_arch"}
        :rtype: dict
        """
        self.ensure_one()
        self.check_access("read")
        return {
            "name": self.name,
            "sender_name": cut_units(self.env.company.name, const.SENDER_NAME_MAX).strip(),
            "subject": self.subject or "",
            "preview_text": self.preview_text or "",
            "body_arch": self._get_body(),
        }

    def _get_body(self):
        """Return the body with the current company's name, address and website filled in."""
        self.ensure_one()
        company = self.env.company
        # sudo(): users work in their company; its contact may be hidden from them by record rules.
        address = " ".join(company.partner_id.sudo()._display_address(True).split())
        body = str(self.body_arch or "")
        for word, value in (
            ("__COMPANY__", company.name),
            ("__ADDRESS__", address or self._get_example_address()),
            ("__WEBSITE__", company.website or EXAMPLE_WEBSITE),
        ):
            body = body.replace(word, escape(value))
        return body

    @api.model
    def _get_example_address(self):
        return self.env._("your street, your city")

    @api.model
    def _get_demo_phrases(self):
        """Return the texts that stand for a missing address, in every installed language."""
        languages = [code for code, _name in self.env["res.lang"].get_installed()]
        return tuple({self.with_context(lang=code)._get_example_address() for code in languages})

    @api.model
    def _get_demo_texts(self):
        """Return the example texts of the addon's designs, in every installed language.

        Designs of a company have the company's own texts.

        :rtype: frozenset
        """
        designs = self.with_context(active_test=False).search([("company_id", "=", False)])
        return frozenset(
            text
            for code, _name in self.env["res.lang"].get_installed()
            for design in designs.with_context(lang=code)
            for text in read_demo_texts(design._get_body())
        )

    @api.model
    @tools.ormcache()
    def _get_theme_blanks(self):
        """Return codes and words in brackets of Odoo's mail themes, in every installed language.

        :rtype: frozenset
        """
        # sudo(): the builder shows the themes to every user.
        themes = (
            self.env["ir.ui.view"]
            .sudo()
            .search([("type", "=", "qweb"), ("key", "=like", "mass_mailing%.theme_%_template")])
        )
        return frozenset(
            blank
            for code, _name in self.env["res.lang"].get_installed()
            for theme in themes.with_context(lang=code)
            for blank in BLANK.findall(theme.arch_db or "")
        )
