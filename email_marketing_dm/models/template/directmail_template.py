import base64
import binascii
import re

from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError
from odoo.tools import html2plaintext
from odoo.tools.mimetypes import guess_mimetype

from ...content.dark import darken
from ...content.filling import assemble
from ...content.identity import make_content_mark
from ...content.languages import find_script_language, is_right_to_left
from ...content.lengths import count_units, cut_units
from ...content.placeholders import OWN_VARIABLES, compile_content
from ...content.preflight_mail import ERROR
from ...directmail import const
from ...directmail.const import SENDER_NAME_MAX, SUBJECT_MAX
from ...engine.content import Person
from ...groups import GROUP_ADMIN
from .mail_body import MailBody

# Fields that determine the submitted content: see `_check_editable` and `_changes_content`.
TEMPLATE_CONTENT_FIELDS = (
    "subject", "sender_name", "preview_text", "body_arch", "body_html", "account_id",
    "lang",
)  # fmt: skip
# {link in mass_mailing's themes: path of our own page that replaces it}
SPECIAL_LINKS = {
    "/unsubscribe_from_list": "/directmail/unsubscribe/",
    "/view": "/directmail/view/",
}
# Embedded pictures of types that mail programs show. No SVG: few programs show it, and it may
# contain scripts.
_EMBEDDED = re.compile(r"data:image/(png|jpe?g|gif|webp);base64,([A-Za-z0-9+/=\s]+)", re.IGNORECASE)
# Stands for the address of a picture that saving stores.
_STORED = "/web/image/0/picture.png"
_BODIES = ("body_arch", "body_html")
# Replaces a person's token in previews and tests, so that links refer to no delivery.
PREVIEW_TOKEN = "preview"


class DirectmailTemplate(models.Model):
    """A mail that DirectMail has to approve before email tasks can send it.

    This file has the content and its compilation. Each other file
    `directmail_template_<concern>.py` extends the model by one concern.
    """

    _name = "directmail.template"
    _description = "Email Template"
    _inherit = [
        "directmail.owned",
        "directmail.of.company",
        "directmail.needs.account",
        "directmail.mail.builder",
        "mail.thread",
    ]
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
    is_trial = fields.Boolean(related="account_id.is_trial")
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
        help="Mail programs show it beside the subject. If it is empty, they show how the mail"
        " begins.",
    )
    lang = fields.Selection(
        "_selection_lang",
        "Language",
        help="Tells mail programs and screen readers in which language the mail is written, and"
        " shows Arabic, Hebrew, Persian and Urdu from right to left. If it is empty, the owner's"
        " language is used.",
    )
    body_arch = MailBody("Body", sanitize="email_outgoing")
    # `body_arch` with inlined styles for mail programs; the builder writes it on saving.
    body_html = MailBody("Inlined body", sanitize="email_outgoing")
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
        help="Lapsed: DirectMail approved the template, but no longer has the approved version.",
    )
    review_comment = fields.Text("DirectMail's comment", readonly=True, copy=False)
    submitted_at = fields.Datetime("Submitted on", readonly=True, copy=False)
    reviewed_at = fields.Datetime("Reviewed on", readonly=True, copy=False)
    checked_at = fields.Datetime("Last checked", readonly=True, copy=False)
    remote_ref = fields.Char("DirectMail ID", readonly=True, copy=False, index=True)
    remote_name = fields.Char("Name at DirectMail", readonly=True, copy=False)
    submitted_subject = fields.Char(readonly=True, copy=False)
    submitted_text = fields.Text(readonly=True, copy=False)
    variables = fields.Json(readonly=True, copy=False)
    origin_id = fields.Many2one("directmail.template", "New version of", readonly=True, copy=False)
    task_id = fields.Many2one(
        "directmail.task", "Created for", readonly=True, copy=False, index="btree_not_null"
    )
    task_ids = fields.One2many("directmail.task", "template_id", "Email tasks")
    version_ids = fields.One2many("directmail.task.version", "template_id", "Versions")
    is_mine = fields.Boolean(compute="_compute_is_mine")

    @api.model
    def _selection_lang(self):
        langs = self.env["res.lang"].search([("active", "in", (True, False))])
        return [(lang.code, lang.name) for lang in langs.sorted("name")]

    @api.model
    def _default_account(self):
        accounts = self.env["directmail.account"].search(
            [("company_id", "=", self.env.company.id), ("state", "=", "active")]
        )
        return accounts.sorted("is_trial")[:1]

    @api.depends("user_id")
    @api.depends_context("uid")
    def _compute_is_mine(self):
        admin = self.env.user.has_group(GROUP_ADMIN)
        for template in self:
            template.is_mine = admin or template.user_id == self.env.user

    @api.constrains("subject", "sender_name")
    def _check_one_line(self):
        for template in self:
            # Line breaks come from imports and API calls; browsers enter none.
            texts = (template.subject, template.sender_name)
            if any(text.splitlines() != [text] for text in texts):
                raise ValidationError(
                    self.env._("The subject and the sender name can't contain line breaks.")
                )

    @api.constrains("sender_name")
    def _check_lengths(self):
        for template in self:
            if count_units(template.sender_name) > const.SENDER_NAME_MAX:
                raise ValidationError(
                    self.env._(
                        "The sender name is too long. It can have at most %s characters; an emoji"
                        " counts as two or more.",
                        const.SENDER_NAME_MAX,
                    )
                )

    def copy_data(self, default=None):
        default = default or {}
        vals_list = super().copy_data(default)
        if "sender_name" not in default:
            for vals in vals_list:
                # Templates of older versions may exceed DirectMail's limit by one character.
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
        if not self.env.su and set(TEMPLATE_CONTENT_FIELDS) & set(vals):
            for template in self:
                template._check_editable(vals)
        rewritten = self._find_rewritten(vals)
        res = super().write(self._externalise_pictures(vals))
        # sudo(): super() checked the right to write; `content_user_id` is guarded.
        rewritten.sudo().content_user_id = self.env.user
        if is_archived:
            self._trigger_slot_release()
        return res

    # === ACTIONS === #

    def action_save_as_design(self):
        """Make a design of the company from this template; it belongs to the current user."""
        self.ensure_one()
        self.check_access("write")
        design = self.env["directmail.design"].create(
            {
                "name": self.name,
                "company_id": self.company_id.id,
                "subject": self.subject,
                "preview_text": self.preview_text,
                "body_arch": self.body_arch or self.body_html,
            }
        )
        return {
            "type": "ir.actions.client",
            "tag": "display_notification",
            "params": {
                "type": "success",
                "message": self.env._(
                    "%s is now a design. New templates and email tasks offer it.", design.name
                ),
            },
        }

    # === BUSINESS === #

    def _compile(self):
        """Compile the inlined body to DirectMail's syntax.

        :rtype: content.placeholders.Compiled
        :raise UserError: with all findings of level ERROR, a line each
        """
        compiled = self._compile_content(self.body_html)
        errors = [finding for finding in self._find(compiled) if finding["level"] == ERROR]
        if errors:
            raise UserError(
                "\n".join(
                    [
                        self.env._("Fix these issues before DirectMail can review the template:"),
                        *(" ".join([error["title"], *error["details"]]) for error in errors),
                    ]
                )
            )
        return compiled

    def _compile_content(self, body):
        """Compile subject, preview text and a body to DirectMail's syntax, with findings.

        :param body: HTML, as `body_arch` or `body_html`
        :rtype: content.placeholders.Compiled
        """
        compiled = compile_content(
            self.subject or "",
            body or "",
            preview_text=self.preview_text or "",
            framed=True,
            compacted=True,
            public_url=self._get_public_url(),
            links=SPECIAL_LINKS,
            tracked=self._get_tracked_links(),
            has_pixel=True,
            language=self._get_language(body),
        )
        return self._add_pixel(compiled)

    def _get_language(self, body):
        """Return the language code of the text, "" if it is unknown.

        The chosen `lang`; else the owner's language, if its script has the same direction as the
        text; else the language that the text's script suggests.

        :param body: HTML
        :rtype: str
        """
        text = html2plaintext(body or "", include_references=False)
        by_letters = find_script_language(f"{self.subject or ''} {text}")
        for code in (self.lang, self.user_id.lang, by_letters):
            if code and (code == self.lang or is_right_to_left(code) == bool(by_letters)):
                return code
        return ""

    def _get_public_url(self):
        return (self.account_id.public_url or "").rstrip("/")

    # === TEMPLATES OF ONE TASK === #
    # Content changed on a task's form: see `directmail.task._change_content`.

    def _get_changed_content(self, content):
        """Return the values that differ from the template's; of an empty recordset, from "".

        :param dict content: values of fields in `directmail_template_content.CONTENT`
        :rtype: dict
        """
        changed = {
            name: value
            for name, value in content.items()
            if (self._fields[name].convert_to_cache(value, self) or "") != (self[name] or "")
        }
        if "body_arch" in content and "body_arch" not in changed:
            # The builder may inline an unchanged body slightly differently when it saves.
            changed.pop("body_html", None)
        elif "body_arch" in changed:
            changed.setdefault("body_html", changed["body_arch"])
        return changed

    def _belongs_to(self, task):
        """Return whether the template was made for this task and may be changed from its form.

        Not if it is approved or lapsed, mails with it are out, or another task or another version
        of the task uses it.
        """
        places = [task.template_id, *(version.template_id for version in task.version_ids)]
        return (
            bool(self)
            and self.task_id == task
            and self.state in ("draft", "in_review", "rejected")
            and not self._is_used()
            and places.count(self) < 2
            and self._get_tasks(*dict(task._fields["state"].selection)) <= task
        )

    def _get_content_mark(self, subject=None):
        """Return a mark that is equal for templates with the same content.

        :param str subject: to use instead of the template's
        :rtype: str
        """
        return make_content_mark(subject or self.subject, self.body_html)

    # === PICTURES === #
    # The builder embeds pictures that a user cropped, shaped or pasted, as data: URLs. Mail
    # programs don't show these, and DirectMail accepts only public addresses.

    @api.model
    def _externalise_pictures(self, vals):
        """Return vals with embedded pictures of the bodies replaced by public attachments.

        The attachments belong to no record (`res_id` 0), so that sent mails and copies of the
        template still show them after the template is deleted.
        """
        urls = {}

        def externalise(match):
            kind, data = match[1].lower(), match[2]
            if data not in urls:
                urls[data] = self._make_picture(kind, data) or match[0]
            return urls[data]

        bodies = {
            name: _EMBEDDED.sub(externalise, vals[name])
            for name in _BODIES
            if "data:image/" in (vals.get(name) or "")
        }
        return {**vals, **bodies}

    @api.model
    def _make_picture(self, kind, data):
        """Return the path of a public attachment with this picture; None if it is no picture.

        :param str kind: "png", "jpeg", ...
        :param str data: base64
        """
        raw = self._read_picture(data)
        if not raw:
            return None
        # sudo(): a user may not create public attachments; the data is checked to be a picture.
        attachments = self.env["ir.attachment"].sudo()
        checksum = attachments._compute_checksum(raw)
        known = [("checksum", "=", checksum), ("public", "=", True), ("res_id", "=", 0)]
        name = f"picture.{kind}"
        attachment = attachments.search(known, limit=1) or attachments.create(
            {"name": name, "raw": raw, "public": True, "res_id": 0}
        )
        return f"/web/image/{attachment.id}-{checksum[:8]}/{name}"

    @api.model
    def _read_picture(self, data):
        """Return the bytes of a picture in base64, None if it is none."""
        try:
            raw = base64.b64decode("".join(data.split()), validate=True)
        except binascii.Error:
            return None
        return raw if guess_mimetype(raw).startswith("image/") else None

    @api.model
    def _replace_embedded(self, body):
        """Return an unsaved body with the addresses that its embedded pictures will have.

        Saving stores them, so the checks need not warn of them, nor count their data.
        """
        return _EMBEDDED.sub(
            lambda match: _STORED if self._read_picture(match[2]) else match[0], body or ""
        )

    # === PREVIEW === #

    @api.readonly
    def preview_content(self, values, partner_id, is_dark=False):
        """Return the mail that a contact would get, of unsaved or submitted content.

        :param values: as in `check_content`; empty for the submitted content
        :param int partner_id: a contact that the user may read; False: placeholders' defaults
        :param bool is_dark: give "html" the colors of dark mode
        :return: {"subject", "sender_name", "html", "public_url"}; links to pictures of this server
            begin with `public_url`
        :rtype: dict
        :raise AccessError: for a contact that the user may not read, or of another company than
            the account's
        """
        template, subject, text, filled = self._fill_content(values, partner_id)
        html = assemble(text or "", filled)
        return {
            "subject": cut_units(assemble(subject or "", filled), SUBJECT_MAX),
            "sender_name": cut_units(template.sender_name or "", SENDER_NAME_MAX),
            "html": darken(html) if is_dark else html,
            "public_url": template._get_public_url(),
        }

    def _fill_content(self, values, partner_id):
        """Return content with its variables, and a contact's value for each variable.

        :param values, partner_id: as in `preview_content`
        :return: (template, subject, text, {variable: value}); an unsaved template for `values`
        :rtype: tuple
        :raise AccessError: as `preview_content`
        """
        if values:
            template = self._make_draft(values)
            compiled = template._compile_content(template.body_html)
            subject, text, variables = compiled.subject, compiled.text, compiled.variables
        else:
            self.ensure_one()
            self.check_access("read")
            template, variables = self, self.variables or []
            subject, text = self.submitted_subject, self.submitted_text
        company = template.account_id.company_id
        partner = self.env["res.partner"].browse(partner_id or [])
        partner.with_context(allowed_company_ids=company.ids).check_access("read")
        person = Person(partner.id or 0, partner.id, None, None)
        vals = {
            "user_id": template.user_id.id,
            "content_user_id": template.content_user_id.id,
            "account_id": template.account_id.id,
            "variables": variables,
        }
        # `reader`: the preview shows only values that the current user may read.
        uploads = self.env["directmail.upload"]._get_shown(company)
        records = self._find_samples(variables, person, company)
        filled = template.new(vals)._get_values([person], self.env.user, uploads, records)[
            person.id
        ]
        own = {name: PREVIEW_TOKEN for name in OWN_VARIABLES if "{%s}" % name in (text or "")}
        return template, subject, text, {**filled, **own}
