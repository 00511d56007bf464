from odoo import api, fields, models

from ...directmail import const
from .mail_body import MailBody

#: fields of the template that a form shows and changes
CONTENT = ("subject", "sender_name", "preview_text", "body_arch", "body_html")


def split_content(vals):
    """Split vals into two dicts: fields in CONTENT, and all other fields."""
    content = {name: vals[name] for name in CONTENT if name in vals}
    return content, {name: value for name, value in vals.items() if name not in content}


class DirectmailMailBuilder(models.AbstractModel):
    """Records with a mail builder on their form, whose placeholder picker reads these fields."""

    _name = "directmail.mail.builder"
    _description = "Mail Builder"

    mailing_model_id = fields.Many2one(
        "ir.model", compute="_compute_mailing_model", compute_sudo=True
    )
    mailing_model_real = fields.Char(compute="_compute_mailing_model", compute_sudo=True)

    def _compute_mailing_model(self):
        model = self.env["ir.model"]._get("res.partner")
        self.mailing_model_id = model
        self.mailing_model_real = model.model


class DirectmailTemplateContent(models.AbstractModel):
    """Records whose form shows the content of a template and changes it.

    `create` and `write` take the fields in CONTENT out of vals (`split_content`) and hand them to
    `_change_content`, which writes to a template of the record's own.
    """

    _name = "directmail.template.content"
    _description = "Content of a Template"
    _inherit = ["directmail.mail.builder"]
    #: paths to the template that is shown: the first one that leads to a template
    _template_paths = ("template_id",)

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

    @api.depends(lambda self: [f"{path}.{n}" for path in self._template_paths for n in CONTENT])
    def _compute_content(self):
        for record in self:
            template = record._get_shown_template()
            for name in CONTENT:
                record[name] = template[name]
            if not template:
                record.sender_name = record._default_sender_name()

    def _get_shown_template(self):
        """Return the template whose content the form shows; empty if there is none."""
        self.ensure_one()
        found = (self.mapped(path) for path in self._template_paths)
        return next(filter(None, found), self.env["directmail.template"])

    def _default_sender_name(self):
        """Hook: return the sender name that the form shows without a template."""
        return False

    def _change_content(self, content):
        """Write content to the record's own template, or to a new one.

        :param dict content: values of fields in CONTENT; unchanged values are ignored
        :raise UserError: if the content is locked, or the template can't be submitted
        """
        raise NotImplementedError
