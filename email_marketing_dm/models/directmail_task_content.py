from odoo import api, fields, models
from odoo.exceptions import UserError

from ..content.lengths import cut_units
from ..directmail import const
from .directmail_task import CONTENT
from .mail_body import MailBody


class DirectmailTask(models.Model):
    """The mail as the task's own page shows and changes it.

    A template that was chosen is never changed from here: what somebody changes becomes a new
    template, named after the task, which DirectMail reviews by itself.
    """

    _inherit = "directmail.task"

    own_content = fields.Boolean(
        "Change the content for this task",
        compute="_compute_own_content",
        readonly=False,
        help="The template stays as it is. What you change is saved as a new template, named after"
        " this task, and reviewed by DirectMail.",
    )
    template_task_id = fields.Many2one(related="template_id.task_id")
    # Written through `_change_content`.
    subject = fields.Char(compute="_compute_content", readonly=False)
    sender_name = fields.Char(
        "Sender name", size=const.SENDER_NAME_MAX, compute="_compute_content", readonly=False
    )
    preview_text = fields.Char("Preview text", compute="_compute_content", readonly=False)
    body_arch = MailBody(
        "Body", sanitize="email_outgoing", compute="_compute_content", readonly=False
    )
    body_html = MailBody(
        "Inlined body", sanitize="email_outgoing", compute="_compute_content", readonly=False
    )
    # The builder's placeholder picker reads these two.
    mailing_model_id = fields.Many2one(
        "ir.model", compute="_compute_mailing_model", compute_sudo=True
    )
    mailing_model_real = fields.Char(compute="_compute_mailing_model", compute_sudo=True)

    @api.depends("template_id.state", "template_id.task_id")
    def _compute_own_content(self):
        for task in self:
            template = task.template_id
            task.own_content = not template or (
                template.state in ("draft", "rejected")
                and bool(task._origin)
                and template.task_id == task._origin
            )

    @api.depends(*(f"template_id.{name}" for name in CONTENT))
    def _compute_content(self):
        for task in self:
            for name in CONTENT:
                task[name] = task.template_id[name]
            if not task.template_id:
                task.sender_name = task._default_sender_name()

    def _compute_mailing_model(self):
        model = self.env["ir.model"]._get("res.partner")
        self.mailing_model_id = model
        self.mailing_model_real = model.model

    # === BUSINESS === #

    def _rename_own_template(self):
        """Give the template that was made for this task the task's name."""
        template = self.template_id
        if template.task_id == self and template.name != self.name:
            template.sudo().name = self.name

    def _default_sender_name(self):
        company = self.account_id.company_id or self.env.company
        return cut_units(company.sudo().name, const.SENDER_NAME_MAX).strip()

    def _change_content(self, content):
        """Take over content from the task's page, as a template of this task's own.

        :param dict content: values of fields in `CONTENT`; those that say nothing new are ignored
        :raise UserError: if it is too late, or DirectMail has to review it at once and can't
        """
        self.ensure_one()
        template = self.template_id
        changed = template._get_changed_content(content)
        if not template:
            # The sender's name is there already, so it alone is no mail.
            changed = changed if changed.keys() - {"sender_name"} else {}
        if not changed:
            return
        self.check_access("write")
        if not self.env.su:
            self._check_editable({"template_id"})
        if template._belongs_to(self):
            # Taken back from review where it was in one: the answer would be about the old text.
            template.sudo().write({**changed, "state": "draft"})
        else:
            self.template_id = self._make_own_template(changed)
        if self.state == "pending":
            self.template_id._submit()

    def _make_own_template(self, changed):
        """Return a new template with exactly the task's name."""
        vals = {
            **changed,
            "name": self.name,
            "user_id": self.user_id.id,
            "origin_id": self.template_id.id,
            "task_id": self.id,
        }
        if self.template_id:
            return self.template_id.sudo().copy(vals).sudo(False)
        if not changed.get("subject"):
            raise UserError(self.env._("Enter the subject of the mail."))
        vals.setdefault("sender_name", self._default_sender_name())
        return (
            self.env["directmail.template"]
            .sudo()
            .create({**vals, "account_id": self.account_id.id})
            .sudo(False)
        )

    def _submits_template(self):
        """Tell whether *Send* and *Resume* hand the template to DirectMail, too.

        Not one that somebody changed or deleted there: its owner decides about that one.
        """
        template = self.template_id
        return (
            template.state in ("draft", "lapsed")
            and template.lapse_reason in (False, "freed")
            and template.has_access("write")
        )
