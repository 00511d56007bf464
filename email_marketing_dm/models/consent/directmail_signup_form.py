import hashlib
import secrets

from markupsafe import Markup

from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError

from ...content.languages import choose_language

FIELDS = "email_marketing_dm.signup_fields"
BLOCK = "email_marketing_dm.signup_block"
#: The template of the blocks in the editor of `website`, and the block that ours is a variant of.
BLOCKS, VARIANT_OF = "website.snippets", "s_text_block"
THUMBNAIL = "/website/static/src/img/snippets_thumbs/s_text_block.svg"
TOKEN_BYTES = 12
VERSION_LENGTH = 8


class DirectmailSignupForm(models.Model):
    """A public form on which people sign up for topics; see `directmail.signup`."""

    _name = "directmail.signup.form"
    _description = "Sign-up Form"
    _inherit = ["directmail.of.company"]
    _order = "name, id"

    name = fields.Char(required=True, help="Only users see the name.")
    active = fields.Boolean(default=True)
    company_id = fields.Many2one(
        "res.company", required=True, index=True, default=lambda self: self.env.company
    )
    title = fields.Char(
        required=True,
        translate=True,
        default=lambda self: self.env._("Sign up for our emails"),
    )
    introduction = fields.Text(
        translate=True, help="Shown below the title, for example what people get and how often."
    )
    consent_text = fields.Text(
        "Consent",
        required=True,
        translate=True,
        default=lambda self: self.env._(
            "I would like to get emails from %s. I can withdraw my consent at any time, for"
            " example with the link in each email.",
            self.env.company.name,
        ),
        help="What people agree to, shown above the button. It is stored with each sign-up.",
    )
    thanks_text = fields.Text(
        "Thank-you text", translate=True, help="Shown when people have confirmed their sign-up."
    )
    redirect_url = fields.Char(
        "Page after confirming",
        help="Full address of a page of yours, which is shown instead of the thank-you text.",
    )
    purpose_ids = fields.Many2many(
        "directmail.purpose",
        string="Topics",
        required=True,
        check_company=True,
        help="With several topics, people choose among them. With one topic, they sign up for it.",
    )
    asks_name = fields.Boolean("Ask for the name", help="People may leave the name empty.")
    tag_ids = fields.Many2many(
        "res.partner.category",
        string="Tags of confirmed people",
        help="The contacts of people who have confirmed get these tags. Use them in audiences.",
    )
    token = fields.Char(
        readonly=True,
        required=True,
        copy=False,
        default=lambda self: secrets.token_urlsafe(TOKEN_BYTES),
    )
    page_url = fields.Char("Address of the page", compute="_compute_page_url")
    snippet = fields.Text(
        "HTML for your website",
        compute="_compute_snippet",
        help="Paste it into a page of your website. Copy it again after you change the form: until"
        " then, people who use the old form have to check and send it again.",
    )
    has_sender = fields.Boolean(compute="_compute_has_sender")
    has_failed_letters = fields.Boolean(compute="_compute_has_failed_letters")
    has_website = fields.Boolean(compute="_compute_has_website")
    # Sign-ups that were deleted because nobody confirmed them.
    expired_count = fields.Integer(readonly=True, copy=False)
    signup_count = fields.Integer("Sign-ups", compute="_compute_counts")
    confirmed_count = fields.Integer("Confirmed", compute="_compute_counts")

    _token_unique = models.UniqueIndex("(token)")

    @api.constrains("redirect_url")
    def _check_redirect_url(self):
        for form in self.filtered("redirect_url"):
            if not form.redirect_url.startswith(("https://", "http://")):
                raise ValidationError(
                    self.env._("The page after confirming must begin with https:// or http://.")
                )

    @api.depends("token")
    def _compute_page_url(self):
        for form in self:
            base_url = self.env["directmail.letter"]._get_base_url(form.company_id)
            form.page_url = f"{base_url}/directmail/signup/{form.token}"

    @api.depends_context("lang")
    @api.depends(
        "token", "title", "introduction", "consent_text", "purpose_ids", "asks_name", "company_id"
    )
    def _compute_snippet(self):
        for form in self:
            form.snippet = form._origin and form._render_fields(form.page_url, is_embedded=True)

    @api.depends("company_id")
    def _compute_has_sender(self):
        for form in self:
            form.has_sender = bool(form.company_id.email)

    @api.depends("company_id")
    def _compute_has_failed_letters(self):
        letters = self.env["directmail.letter"]
        for form in self:
            form.has_failed_letters = letters._has_failed(form.company_id)

    @api.depends_context("uid")
    def _compute_has_website(self):
        self.has_website = "website" in self.env and self.env["ir.ui.view"].has_access("create")

    @api.depends("expired_count")
    def _compute_counts(self):
        # sudo(): users may see how many people signed up, also of those whom they may not see.
        counts = dict(
            self.env["directmail.signup"]
            .sudo()
            ._read_group([("form_id", "in", self.ids)], ["form_id"], ["__count"])
        )
        confirmed = dict(
            self.env["directmail.signup"]
            .sudo()
            ._read_group(
                [("form_id", "in", self.ids), ("state", "=", "confirmed")],
                ["form_id"],
                ["__count"],
            )
        )
        for form in self:
            form.signup_count = form.expired_count + counts.get(form._origin, 0)
            form.confirmed_count = confirmed.get(form._origin, 0)

    @api.model_create_multi
    def create(self, vals_list):
        forms = super().create(vals_list)
        forms._translate_defaults()
        return forms

    def _translate_defaults(self):
        """Fill texts that are still the default in all installed languages.

        Odoo stores a default in the language of who creates the form, and visitors of all
        languages would read that one.
        """
        written = self._get_default_texts()
        for code, _name in self.env["res.lang"].get_installed():
            if code == (self.env.lang or "en_US"):
                continue
            forms = self.with_context(lang=code)
            translated = forms._get_default_texts()
            for name, text in written.items():
                forms.browse(self.filtered(lambda form, n=name, t=text: form[n] == t).ids).write(
                    {name: translated[name]}
                )

    @api.model
    def _get_default_texts(self):
        """Return {field: default} in the environment's language."""
        return {name: self._fields[name].default(self) for name in ("title", "consent_text")}

    def action_open_signups(self):
        """Open the people who have signed up, the confirmed ones first."""
        self.ensure_one()
        self.check_access("read")
        return {
            **self.env["ir.actions.actions"]._for_xml_id(
                "email_marketing_dm.directmail_signup_action"
            ),
            "domain": [("form_id", "=", self.id)],
            "context": {"search_default_confirmed": self.env.context.get("only_confirmed")},
        }

    def action_new_audience(self):
        """Open a new audience of the contacts with the tags of confirmed people.

        :raise UserError: without tags
        """
        self.ensure_one()
        self.check_access("read")
        if not self.tag_ids:
            raise UserError(
                self.env._(
                    "The form gives confirmed people no tag, so an audience can't find them. Enter"
                    " one under Tags of confirmed people first."
                )
            )
        # With all tags: people who have only one of them need not have signed up here.
        domain = [("category_id", "in", tag.ids) for tag in self.tag_ids]
        return {
            "type": "ir.actions.act_window",
            "res_model": "directmail.audience",
            "view_mode": "form",
            "views": [(False, "form")],
            "context": {
                "default_name": self.name,
                "default_company_id": self.company_id.id,
                "default_line_ids": [(0, 0, {"domain": repr(domain)})],
            },
        }

    def action_open_page(self):
        """Open the public page in a new window."""
        self.ensure_one()
        self.check_access("read")
        return {"type": "ir.actions.act_url", "url": self.page_url, "target": "new"}

    def action_add_to_website(self):
        """Add the form to the custom blocks of the website's editor, as it is now.

        :raise AccessError: without the right to change the form, or views of the website
        """
        self.ensure_one()
        self.check_access("write")
        views = self.env["ir.ui.view"]
        views.check_access("create")
        if "website" not in self.env:
            raise UserError(self.env._("Install the app Website first."))
        # sudo(): users may not read views; the template shows the form, which they may change.
        block = views.sudo()._render_template(BLOCK, {"fields": Markup(self.snippet)})
        name = views.save_snippet(self.name, block, BLOCKS, VARIANT_OF, THUMBNAIL)
        return {
            "type": "ir.actions.client",
            "tag": "display_notification",
            "params": {
                "type": "success",
                "message": self.env._(
                    "The block %s is now among the custom blocks of the website's editor.", name
                ),
            },
        }

    # === THE PUBLIC PAGE === #
    # The environment's language is that of the visitor.

    @api.model
    def _find(self, token):
        """Return the form with a token, with all rights; empty if there is none or it is closed."""
        # sudo(): who has the token may see the form.
        form = self.sudo().search([("token", "=", token)], limit=1)
        return form if form.purpose_ids.filtered("active") else form.browse()

    def _choose_lang(self, *wanted):
        """Return the code of the first installed language among the wanted ones.

        :param wanted: codes in order of preference
        """
        installed = [code for code, _name in self.env["res.lang"].get_installed()]
        company = self.company_id or self.env.company
        return choose_language((*wanted, company.partner_id.lang), installed) or "en_US"

    def _get_topics(self):
        """Return the topics that people can sign up for. :rtype: directmail.purpose"""
        # sudo(): visitors of the form may see its topics.
        return self.sudo().purpose_ids.filtered("active").sorted()

    def _get_text(self):
        """Return everything that the form says, as text, in the environment's language."""
        self.ensure_one()
        topics = self._get_topics()
        lines = [self.title, self.introduction]
        lines += [
            ": ".join(filter(None, (topic.name, topic.description)))
            for topic in topics
            if len(topics) > 1
        ]
        return "\n".join(filter(None, (*lines, self.consent_text)))

    def _get_version(self):
        """Return what identifies `_get_text`: another text has another version."""
        return hashlib.sha256(self._get_text().encode()).hexdigest()[:VERSION_LENGTH]

    def _render_fields(self, action, **values):
        """Return the form element as HTML, which works on any page and without JavaScript.

        :param str action: address that the form is sent to
        :param values: what was entered before; `error`: why it was not taken; `is_embedded`:
            whether the title and the introduction are part of it
        """
        self.ensure_one()
        # sudo(): visitors may not read views; the template shows what is meant for them.
        return (
            self.env["ir.ui.view"].sudo()._render_template(FIELDS, self._get_values(action, values))
        )

    def _get_values(self, action, values):
        """Return the values of the template `FIELDS`."""
        return {
            "form": self,
            "action": action,
            # `lang` is a name of QWeb's own.
            "form_lang": self.env.lang or "en_US",
            "is_embedded": False,
            "version": self._get_version(),
            "topics": self._get_topics(),
            "email": "",
            "name": "",
            "chosen": (),
            "error": "",
            **values,
        }
