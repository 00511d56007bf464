from odoo import api, fields, models

from ..engine.values import has_left, needs_rights
from .directmail_template import CONTENT_FIELDS


class DirectmailTemplate(models.Model):
    """Whose rights a mail uses: of its owners, and of whoever last changed what it says.

    Otherwise somebody could write a placeholder into a mail that goes out with a colleague's
    rights, and read in their own mailbox what only the colleague may read.
    """

    _inherit = "directmail.template"
    _guarded_fields = frozenset(("content_user_id",))

    content_user_id = fields.Many2one(
        "res.users",
        "Content by",
        required=True,
        readonly=True,
        copy=False,
        index=True,
        ondelete="restrict",
        default=lambda self: self.env.user,
        help="Who last changed what the mail says. Placeholders show only what this person, the"
        " owner and the owner of the email task may all read.",
    )
    is_author = fields.Boolean(compute="_compute_is_author")

    @api.depends("content_user_id")
    @api.depends_context("uid")
    def _compute_is_author(self):
        for template in self:
            template.is_author = template.content_user_id == self.env.user

    def copy(self, default=None):
        copies = super().copy(default)
        if not set(CONTENT_FIELDS) & set(default or {}):
            for template, copied in zip(self, copies, strict=True):
                copied.sudo().content_user_id = template.content_user_id
        return copies

    # === ACTIONS === #

    def action_take_over_content(self):
        """Answer for the content as it is: its placeholders use the current user's rights."""
        self.check_access("write")
        for template in self:
            before = template.content_user_id
            template.sudo().content_user_id = self.env.user
            template._post_note(
                self.env._(
                    "%(user)s took over the content, which %(author)s last changed.",
                    user=self.env.user.name,
                    author=before.sudo().name,
                )
            )
        return True

    # === BUSINESS === #

    def _find_rewritten(self, vals):
        """Return those templates that values make say something else, by the current user.

        The server itself, as in the job that follows the reviews, lends no rights.
        """
        if self.env.user._is_superuser():
            return self.browse()
        return self.filtered(lambda template: template._says_anew(vals))

    def _says_anew(self, vals):
        """Tell whether values are other content than the template's.

        :param vals: {field: value}, of any fields
        """
        return any(
            self._fields[name].convert_to_cache(vals[name], self)
            != self._fields[name].convert_to_cache(self[name], self)
            for name in set(CONTENT_FIELDS) & set(vals)
        )

    def _get_lenders(self, reader=None):
        """Return those who must all be allowed to read what a mail says, the reader last.

        :param reader: the `res.users` for whom it is done, besides the template's own people
        """
        return self.user_id | self.content_user_id | (reader or self.user_id.browse())

    def _explain_missing_lender(self, sender):
        """Say whose rights are missing because they have left, and what to do about it.

        :param sender: the `res.users` who owns the email task
        :return: a sentence; "" if nobody has left, or the mail needs nobody's rights
        :rtype: str
        """
        self.ensure_one()
        template, company = self.sudo(), self.sudo().company_id
        contacts = self.env["res.partner"]
        if not any(needs_rights(contacts, each["path"]) for each in template.variables or ()):
            return ""
        names = {"template": template.name, "company": company.name}
        if has_left(template.content_user_id, company):
            return self.env._(
                "%(user)s, who last changed the content of %(template)s, no longer works for"
                " %(company)s. Open the template, check what it says, and press Take over content.",
                user=template.content_user_id.name,
                **names,
            )
        if has_left(template.user_id, company):
            return self.env._(
                "%(user)s, the owner of the template %(template)s, no longer works for"
                " %(company)s. Ask an administrator to choose a new owner of the template.",
                user=template.user_id.name,
                **names,
            )
        if has_left(sender, company):
            return self.env._(
                "%(user)s, the owner of the email task, no longer works for %(company)s. Ask an"
                " administrator to choose a new owner of the email task.",
                user=sender.sudo().name,
                company=company.name,
            )
        return ""
