import re

from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError

from ..directmail import const
from ..directmail.placeholders import compile_content

CONTENT_FIELDS = ("subject", "sender_name", "body_arch", "body_html", "account_id")
# What the links that mass_mailing's themes contain become in our own pages.
SPECIAL_LINKS = {
    "/unsubscribe_from_list": "/directmail/unsubscribe/",
    "/view": "/directmail/view/",
}


class DirectmailTemplate(models.Model):
    _name = "directmail.template"
    _description = "Email Template"
    _inherit = ["directmail.guarded", "mail.thread", "mail.activity.mixin"]
    _order = "write_date desc, id desc"
    _guarded_fields = frozenset(
        (
            "checked_at",
            "origin_id",
            "remote_name",
            "remote_ref",
            "review_comment",
            "reviewed_at",
            "state",
            "submitted_at",
            "submitted_subject",
            "submitted_text",
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
        help="What recipients see as the sender, at most 15 characters.",
    )
    body_arch = fields.Html("Body", sanitize="email_outgoing")
    # What the builder makes of the body when it is saved: styles inlined, ready for mail clients.
    body_html = fields.Html("Inlined body", sanitize="email_outgoing")
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
        ],
        default="draft",
        required=True,
        readonly=True,
        copy=False,
        tracking=True,
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
    task_ids = fields.One2many("directmail.task", "template_id", "Email tasks")
    is_mine = fields.Boolean(compute="_compute_is_mine")

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
        admin = self.env.user.has_group("email_marketing_dm.email_marketing_dm_group_admin")
        for template in self:
            template.is_mine = admin or template.user_id == self.env.user

    @api.constrains("subject", "sender_name")
    def _check_lengths(self):
        for template in self:
            if len(template.sender_name or "") > const.SENDER_NAME_MAX:
                raise ValidationError(
                    self.env._("The sender name may have %s characters.", const.SENDER_NAME_MAX)
                )

    def write(self, vals):
        if not self.env.su and set(CONTENT_FIELDS) & set(vals):
            locked = self.filtered(lambda template: template.state in ("in_review", "approved"))
            if locked:
                raise UserError(
                    self.env._(
                        "DirectMail has the template %(name)s: press Edit to change it. An approved"
                        " template stays as it is; you get a new version.",
                        name=locked[0].name,
                    )
                )
        return super().write(vals)

    def copy_data(self, default=None):
        default = {"user_id": self.env.uid, **(default or {})}
        vals_list = super().copy_data(default)
        if "name" not in default:
            for template, vals in zip(self, vals_list, strict=True):
                vals["name"] = self.env._("%s (copy)", template.name)
        return vals_list

    @api.ondelete(at_uninstall=False)
    def _unlink_except_needed(self):
        tasks = self.env["directmail.task"].sudo().search([("template_id", "in", self.ids)])
        if tasks:
            raise UserError(
                self.env._(
                    "These email tasks use the template: %(tasks)s. Archive it instead.",
                    tasks=", ".join(tasks.mapped("name")),
                )
            )

    # === ACTIONS === #

    def action_submit(self):
        """Hand the template to DirectMail for review."""
        for template in self:
            template._check_owner()
            if template.state not in ("draft", "rejected"):
                raise UserError(self.env._("%s was submitted already.", template.name))
            template._submit()
        return True

    def action_check_review(self):
        """Ask DirectMail now instead of waiting for the next check."""
        self._poll_review(raise_errors=True)
        return True

    def action_edit(self):
        """Make the content editable: take it back from review, or make a new version."""
        self.ensure_one()
        if self.state == "approved":
            revision = self.sudo().copy(
                {"user_id": self.env.uid, "origin_id": self.id, "name": self.name}
            )
            return {
                "type": "ir.actions.act_window",
                "res_model": self._name,
                "res_id": revision.id,
                "views": [(False, "form")],
            }
        self._check_owner()
        self.sudo().write({"state": "draft"})
        return True

    # === BUSINESS === #

    def _check_owner(self):
        self.check_access("write")

    def _compile(self):
        """Turn Odoo's content into DirectMail's.

        :rtype: directmail.placeholders.Compiled
        :raise UserError: with every finding that stands against a submission, a line each
        """
        self.ensure_one()
        compiled = compile_content(
            self.subject or "",
            self.body_html or "",
            public_url=(self.account_id.public_url or "").rstrip("/"),
            links=SPECIAL_LINKS,
        )
        findings = [self._explain_problem(*problem) for problem in compiled.problems]
        findings += self._find_unreadable(compiled.variables)
        if not re.sub(r"<[^>]*>|\s", "", compiled.text):
            findings.append(self.env._("The body is empty."))
        elif "/unsubscribe_from_list" not in compiled.links:
            findings.append(
                self.env._(
                    "There is no unsubscribe link, and DirectMail rejects templates without one."
                    " Add a footer block, or a link to /unsubscribe_from_list."
                )
            )
        if len(compiled.subject) > const.SUBJECT_MAX:
            findings.append(self.env._("The subject may have %s characters.", const.SUBJECT_MAX))
        if findings:
            raise UserError(
                "\n".join([self.env._("Before DirectMail can review this template:"), *findings])
            )
        return compiled

    def _explain_problem(self, code, detail):
        sentences = {
            "too_many_variables": self.env._(
                "There are more than %s placeholders.", const.VARIABLES_MAX
            ),
            "brace_in_subject": self.env._(
                "The subject contains %s: leave out the braces.", detail
            ),
            "condition": self.env._("DirectMail can't show parts to some people only: %s", detail),
            "inline_in_body": self.env._("Insert %s with the placeholder button instead.", detail),
        }
        return sentences.get(code) or self.env._(
            "DirectMail can't express this: %s. Remove it, or use a plain contact field.", detail
        )

    def _get_remote_name(self):
        """Return the name at DirectMail: at most 30 characters, unique there, readable.

        It depends on nothing that changes, so that a submission whose answer got lost finds its
        template again instead of making a second one.
        """
        uuid = self.env["ir.config_parameter"].sudo().get_param("database.uuid") or ""
        suffix = f"-{self.id}-{uuid[:6]}"
        return self.name[: const.TEMPLATE_NAME_MAX - len(suffix)].strip() + suffix

    def _submit(self):
        self.ensure_one()
        compiled = self._compile()
        remote_name = self.remote_name or self._get_remote_name()
        content = (remote_name, compiled.subject, self.sender_name, compiled.text)

        def push(client):
            remote_ref = self.remote_ref
            if not remote_ref:
                found = client.find_template(remote_name)
                remote_ref = found.template_id if found else None
            if remote_ref:
                client.modify_template(remote_ref, *content)
                return remote_ref
            return client.create_template(*content)

        remote_ref = self.account_id._call(push)
        self.sudo().write(
            {
                "state": "in_review",
                "remote_ref": remote_ref,
                "remote_name": remote_name,
                "submitted_subject": compiled.subject,
                "submitted_text": compiled.text,
                "variables": list(compiled.variables),
                "submitted_at": fields.Datetime.now(),
                "reviewed_at": False,
                "review_comment": False,
            }
        )
        self._schedule_review_check()
