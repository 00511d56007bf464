from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError
from odoo.tools import html2plaintext

from ..content.languages import find_script_language, is_right_to_left
from ..content.lengths import count_units, cut_units
from ..content.placeholders import compile_content
from ..content.preflight import ERROR
from ..directmail import const
from ..groups import GROUP_ADMIN
from .mail_body import MailBody

CONTENT_FIELDS = (
    "subject", "sender_name", "preview_text", "body_arch", "body_html", "account_id",
    "lang",
)  # fmt: skip
# What the links that mass_mailing's themes contain become in our own pages.
SPECIAL_LINKS = {
    "/unsubscribe_from_list": "/directmail/unsubscribe/",
    "/view": "/directmail/view/",
}


class DirectmailTemplate(models.Model):
    _name = "directmail.template"
    _description = "Email Template"
    _inherit = ["directmail.owned", "directmail.of.company", "mail.thread"]
    _order = "write_date desc, id desc"
    _guarded_fields = frozenset(
        (
            "checked_at",
            "lapse_reason",
            "origin_id",
            "remote_name",
            "remote_ref",
            "review_comment",
            "reviewed_at",
            "state",
            "submission",
            "submitted_at",
            "submitted_by_id",
            "submitted_subject",
            "submitted_text",
            "task_id",
            "variables",
        )
    )

    name = fields.Char(required=True, tracking=True)
    active = fields.Boolean(default=True)
    account_id = fields.Many2one(
        "directmail.account",
        required=True,
        index=True,
        default=lambda self: self._default_account(),
        check_company=True,
    )
    company_id = fields.Many2one(related="account_id.company_id", store=True, index=True)
    user_id = fields.Many2one(
        "res.users", "Owner", required=True, index=True, default=lambda self: self.env.user
    )
    subject = fields.Char(required=True)
    sender_name = fields.Char(
        "Sender name",
        required=True,
        size=const.SENDER_NAME_MAX,
        help="What recipients see as the sender, at most 14 characters. An emoji counts as two or"
        " more.",
    )
    preview_text = fields.Char(
        "Preview text",
        help="What mail programs show beside the subject; without it, how the mail begins.",
    )
    lang = fields.Selection(
        "_selection_lang",
        "Language",
        help="Tells mail programs and screen readers in which language the mail is written, and"
        " shows Arabic, Hebrew, Persian and Urdu from right to left. Empty: the owner's language.",
    )
    body_arch = MailBody("Body", sanitize="email_outgoing")
    # What the builder makes of the body when it is saved: styles inlined, ready for mail clients.
    body_html = MailBody("Inlined body", sanitize="email_outgoing")
    # The builder's placeholder picker reads these two.
    mailing_model_id = fields.Many2one(
        "ir.model", compute="_compute_mailing_model", compute_sudo=True
    )
    mailing_model_real = fields.Char(compute="_compute_mailing_model", compute_sudo=True)
    state = fields.Selection(
        [
            ("draft", "Draft"),
            ("in_review", "In review"),
            ("approved", "Approved"),
            ("rejected", "Rejected"),
            ("lapsed", "Lapsed"),
        ],
        default="draft",
        required=True,
        readonly=True,
        copy=False,
        tracking=True,
        help="Lapsed: DirectMail approved it, and has it no longer as it was approved.",
    )
    review_comment = fields.Text("DirectMail's comment", readonly=True, copy=False)
    submitted_at = fields.Datetime(readonly=True, copy=False)
    reviewed_at = fields.Datetime(readonly=True, copy=False)
    checked_at = fields.Datetime("Last checked", readonly=True, copy=False)
    remote_ref = fields.Char("DirectMail ID", readonly=True, copy=False, index=True)
    remote_name = fields.Char("Name at DirectMail", readonly=True, copy=False)
    submitted_subject = fields.Char(readonly=True, copy=False)
    submitted_text = fields.Text(readonly=True, copy=False)
    variables = fields.Json(readonly=True, copy=False)
    origin_id = fields.Many2one("directmail.template", "Made from", readonly=True, copy=False)
    task_id = fields.Many2one(
        "directmail.task", "Written for", readonly=True, copy=False, index="btree_not_null"
    )
    task_ids = fields.One2many("directmail.task", "template_id", "Email tasks")
    is_mine = fields.Boolean(compute="_compute_is_mine")

    @api.model
    def _selection_lang(self):
        langs = self.env["res.lang"].search([("active", "in", (True, False))])
        return [(lang.code, lang.name) for lang in langs.sorted("name")]

    @api.model
    def _default_account(self):
        return self.env["directmail.account"].search(
            [("company_id", "=", self.env.company.id), ("state", "=", "active")], limit=1
        )

    def _compute_mailing_model(self):
        model = self.env["ir.model"]._get("res.partner")
        self.mailing_model_id = model
        self.mailing_model_real = model.model

    @api.depends("user_id")
    @api.depends_context("uid")
    def _compute_is_mine(self):
        admin = self.env.user.has_group(GROUP_ADMIN)
        for template in self:
            template.is_mine = admin or template.user_id == self.env.user

    @api.constrains("subject", "sender_name")
    def _check_one_line(self):
        for template in self:
            # A browser enters none; what is imported or written by programs may have some.
            texts = (template.subject, template.sender_name)
            if any(text.splitlines() != [text] for text in texts):
                raise ValidationError(
                    self.env._("Write the subject and the sender name on one line each.")
                )

    @api.constrains("sender_name")
    def _check_lengths(self):
        for template in self:
            if count_units(template.sender_name) > const.SENDER_NAME_MAX:
                raise ValidationError(
                    self.env._(
                        "The sender name is too long. It may have %s characters; an emoji counts as"
                        " two or more.",
                        const.SENDER_NAME_MAX,
                    )
                )

    def copy_data(self, default=None):
        default = default or {}
        vals_list = super().copy_data(default)
        if "sender_name" not in default:
            for vals in vals_list:
                # Older templates may have one more character than DirectMail takes.
                vals["sender_name"] = cut_units(vals["sender_name"], const.SENDER_NAME_MAX)
        if "name" not in default:
            for template, vals in zip(self, vals_list, strict=True):
                vals["name"] = self.env._("%s (copy)", template.name)
        return vals_list

    @api.model_create_multi
    def create(self, vals_list):
        return super().create([self._externalise_pictures(vals) for vals in vals_list])

    def write(self, vals):
        is_archived = "active" in vals and not vals["active"]
        if is_archived:
            self._check_archivable()
        if not self.env.su and set(CONTENT_FIELDS) & set(vals):
            for template in self:
                template._check_editable(vals)
        rewritten = self._find_rewritten(vals)
        res = super().write(self._externalise_pictures(vals))
        rewritten.sudo().content_user_id = self.env.user
        if is_archived:
            self._give_back_places()
        return res

    # === BUSINESS === #

    def _compile(self):
        """Turn Odoo's content into DirectMail's.

        :rtype: content.placeholders.Compiled
        :raise UserError: with every finding that stands against a submission, a line each
        """
        compiled = self._compile_content(self.body_html)
        errors = [finding for finding in self._find(compiled) if finding["level"] == ERROR]
        if errors:
            raise UserError(
                "\n".join(
                    [
                        self.env._("Before DirectMail can review this template:"),
                        *(" ".join([error["title"], *error["details"]]) for error in errors),
                    ]
                )
            )
        return compiled

    def _compile_content(self, body):
        """Return the content in DirectMail's terms together with what stands against it.

        :param body: HTML, of the builder or inlined
        :rtype: content.placeholders.Compiled
        """
        compiled = compile_content(
            self.subject or "",
            body or "",
            preview_text=self.preview_text or "",
            framed=True,
            compacted=True,
            public_url=self._get_public_url(),
            links=self._get_links(),
            language=self._get_language(body),
        )
        return self._add_pixel(compiled)

    def _get_language(self, body):
        """Return the code of the text's language, "" if it is not known.

        The owner's own unless another one was chosen, or the letters say that it is another.

        :param body: HTML
        :rtype: str
        """
        text = html2plaintext(body or "", include_references=False)
        by_letters = find_script_language(f"{self.subject or ''} {text}")
        for code in (self.lang, self.user_id.lang, by_letters):
            if code and (code == self.lang or is_right_to_left(code) == bool(by_letters)):
                return code
        return ""

    def _get_links(self):
        """Return {address as written: path}: links that lead to us, with the person's token."""
        return SPECIAL_LINKS | self._get_tracked_links()

    def _get_public_url(self):
        return (self.account_id.public_url or "").rstrip("/")
