from odoo import api, fields, models
from odoo.exceptions import RedirectWarning, UserError
from odoo.tools import format_list

from ..content.sameness import find_difference
from ..directmail.errors import DirectMailError, is_not_allowed
from ..groups import GROUP_ADMIN


class DirectmailTemplate(models.Model):
    """Offer the dialog below for a template that DirectMail's API does not accept."""

    _inherit = "directmail.template"

    def _offer_link(self, error):
        """Offer `directmail.template.link` if the account may not create templates.

        :param error: the UserError of the refused call
        :raise RedirectWarning: if DirectMail does not allow it; otherwise nothing is raised
        """
        cause = error.__cause__
        if isinstance(cause, DirectMailError) and is_not_allowed(cause):
            raise RedirectWarning(
                self._explain_not_allowed(cause),
                self._get_link_action(),
                self.env._("Link to a template in the console"),
            ) from error

    def _explain_not_allowed(self, cause):
        """Return why the account may not create templates, and what to do instead.

        :param cause: a `DirectMailError` of which `is_not_allowed` is true
        """
        if cause.kind == "permission":
            return self.env._(
                "The AccessKey may not create or change templates at DirectMail. Ask your Alibaba"
                " Cloud administrator to grant it dm:CreateTemplate and dm:ModifyTemplate, then"
                " submit again. Or create the template in DirectMail's console and link it here:"
                " the next page shows the text to copy.\n(DirectMail: %s)",
                cause.code,
            )
        return self.env._(
            "DirectMail does not let this account create templates from other programs yet. Create"
            " the template in DirectMail's console and link it here: the next page shows the text"
            " to copy.\n(DirectMail: %s)",
            cause.code,
        )

    def _get_link_action(self):
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "email_marketing_dm.directmail_template_link_action"
        )
        # The button of a RedirectWarning does not pass `active_id`.
        return {**action, "context": {"default_template_id": self.id}}

    def _link(self, remote, vals):
        """Link a template that was created in DirectMail's console to this one.

        :param remote: a `directmail.records.Template` with this template's content
        :param dict vals: values of `_get_submitted_vals`, with which `remote` was compared
        """
        # sudo(): `action_link` checked that the user may write the template; fields are guarded.
        self.sudo().write(
            {
                **vals,
                "state": "in_review",
                "submission": self.submission + 1,
                "remote_ref": remote.template_id,
                "remote_name": remote.name,
                "submitted_at": fields.Datetime.now(),
                "submitted_by_id": self.env.uid,
                "submitted_sender_name": self.sender_name,
                "reviewed_at": False,
                "review_comment": False,
                "lapse_reason": False,
            }
        )
        self._keep_reference(remote)
        self._post_note(
            self.env._("Linked to the template %s in DirectMail's console.", remote.name)
        )
        self._close_activities()
        if remote.status == "approved":
            now = fields.Datetime.now()
            self.sudo().write({"state": "approved", "reviewed_at": now, "checked_at": now})
            self._get_tasks("pending")._on_review(self)
        else:
            self._schedule_review_check()


class DirectmailTemplateLink(models.TransientModel):
    """Link a template to one created in DirectMail's console.

    For accounts that may not create templates by the API. DirectMail's template is read and
    compared, so that only approved content is sent.
    """

    _name = "directmail.template.link"
    _description = "Link an Email Template to One in the Console"
    _inherit = ["directmail.links"]
    _rec_name = "template_id"

    template_id = fields.Many2one(
        "directmail.template", required=True, readonly=True, ondelete="cascade"
    )
    content_mode = fields.Selection(related="template_id.account_id.content_mode")
    subject = fields.Char(compute="_compute_content")
    sender_name = fields.Char(related="template_id.sender_name")
    text = fields.Char("HTML text", compute="_compute_content")
    reference = fields.Char(
        "Name or number",
        help="The name or number that DirectMail's console shows in the list of templates.",
    )
    confirmed = fields.Boolean(
        "DirectMail approved exactly this sender name, subject and text",
        help="Only needed where DirectMail does not let this account read templates. Only an"
        " administrator can confirm it.",
    )
    shown = fields.Text(
        readonly=True,
        help="Sender name, subject and text that the administrator was asked to compare.",
    )

    @api.depends("template_id")
    def _compute_content(self):
        for link in self:
            vals = link.template_id._get_submitted_vals()
            link.subject, link.text = vals["submitted_subject"], vals["submitted_text"]

    def action_link(self):
        """Find the template in the console, compare it, and link it.

        :raise UserError: if it is not found, has other content, or is not in review or approved
        """
        self.ensure_one()
        template = self.template_id
        template.check_access("write")
        if template.state not in ("draft", "rejected", "lapsed"):
            raise UserError(self.env._("%s has already been submitted for review.", template.name))
        template.account_id._check_can_call()
        reference = (self.reference or "").strip()
        if not reference:
            raise UserError(self.env._("Enter the name or the number of the template."))
        vals = template._get_submitted_vals()
        try:
            remote = template.account_id._call(lambda client: _find_remote(client, reference))
        except UserError as error:
            cause = error.__cause__
            if not (isinstance(cause, DirectMailError) and is_not_allowed(cause)):
                raise
            if self._may_read_templates():
                raise self._explain_unfound(error) from error
            return self._link_unread(reference, vals)
        self._check(remote, reference, vals)
        template._link(remote, vals)
        return {"type": "ir.actions.act_window_close"}

    def _check(self, remote, reference, vals):
        """Refuse a template in the console with other content or status, or linked already.

        :param remote: a `directmail.records.Template`, or None
        :param str reference: the name or number that the user entered
        :param dict vals: values of `_get_submitted_vals`
        :raise UserError: with what to do in the console
        """
        if remote is None:
            raise UserError(
                self.env._(
                    "DirectMail has no template with the name or number %s. Copy it from the list"
                    " of templates in DirectMail's console.",
                    reference,
                )
            )
        # sudo(): archived or private templates count too; templates are read by their company.
        templates = self.env["directmail.template"].sudo().with_context(active_test=False)
        other = templates.search(
            [
                ("account_id", "=", self.template_id.account_id.id),
                ("remote_ref", "=", remote.template_id),
                ("id", "!=", self.template_id.id),
            ],
            limit=1,
        )
        if other:
            raise UserError(
                self.env._("That template is already linked to %s.", other.display_name)
            )
        found = find_difference(vals["submitted_text"] or "", remote.text)
        if " ".join(remote.subject.split()) != " ".join((vals["submitted_subject"] or "").split()):
            found = [("-", vals["submitted_subject"]), ("+", remote.subject), *found]
        if found:
            labels = {"-": self.env._("Here:"), "+": self.env._("In the console:")}
            raise UserError(
                self.env._(
                    "The template in the console differs from this mail. Copy subject and text from"
                    " this page into the console, submit the template there, then link again.\n%s",
                    "\n".join(f"{labels[sign]} {piece}" for sign, piece in found),
                )
            )
        if remote.status not in ("in_review", "approved"):
            raise UserError(
                self.env._(
                    "DirectMail rejected the template in the console. Correct the mail, copy it to"
                    " the console again and submit it there."
                )
                if remote.status == "rejected"
                else self.env._(
                    "The template in the console is a draft. Submit it for review there, then link"
                    " again."
                )
            )

    def _may_read_templates(self):
        """Return whether the AccessKey may read templates at all.

        Checked without `reference`: a user could enter one that is never found, to be asked for a
        confirmation instead of being compared.

        :rtype: bool
        """
        may = self.template_id.account_id._call(lambda client: client.check_action("DescTemplate"))
        return may == "yes"

    def _explain_unfound(self, error):
        """Return the error to raise if a lookup was not allowed, although templates can be read.

        :param UserError error: raised from a `DirectMailError`
        :rtype: UserError
        """
        if error.__cause__.action != "QueryTemplateByParam":
            return error
        return UserError(
            self.env._(
                "DirectMail does not let this account search templates by name. Enter the number of"
                " the template, which DirectMail's console shows in the list of templates."
            )
        )

    def _link_unread(self, reference, vals):
        """Link a template that the account may not read, after an administrator has confirmed it.

        Only if `content_mode` is "body": mails then contain the text from Odoo, whatever the
        console has. With "template", DirectMail would send a text that nobody has compared. The
        administrator sees sender name, subject and text (`shown`), and confirms that they were
        approved.

        :param str reference: the name or number that the user entered
        :param dict vals: values of `_get_submitted_vals`
        :return: an action
        :rtype: dict
        :raise UserError: with what to do
        """
        if self.content_mode != "body":
            raise UserError(
                self.env._(
                    "DirectMail does not let this account read templates, so the template in the"
                    " console can't be compared with this mail. Ask your Alibaba Cloud"
                    " administrator to grant dm:QueryTemplateByParam and dm:DescTemplate. Or ask an"
                    " administrator to set Content on the account to Approved text, filled in here:"
                    " then an administrator can link the template by its number and confirm that it"
                    " was approved."
                )
            )
        if not self.env.user.has_group(GROUP_ADMIN):
            return self._ask_administrators(reference)
        content = "\n".join(
            [self.template_id.sender_name, vals["submitted_subject"], vals["submitted_text"]]
        )
        if not self.confirmed or not self.shown:
            self.shown, self.confirmed = content, False
            return {
                "type": "ir.actions.act_window",
                "res_model": self._name,
                "res_id": self.id,
                "views": [(False, "form")],
                "target": "new",
            }
        if self.shown != content:
            raise UserError(
                self.env._(
                    "%s was changed while this page was open. Close the page, open it again and"
                    " compare the new text.",
                    self.template_id.name,
                )
            )
        self._approve_unread(reference, vals)
        return {"type": "ir.actions.act_window_close"}

    def _ask_administrators(self, reference):
        """Schedule an activity for the company's administrators; return a notification."""
        template = self.template_id
        admins = self.env["res.users"]._get_directmail_admins(template.company_id)
        template._close_activities()
        for admin in admins:
            here = template.with_context(lang=admin.lang)
            here._ask_user(
                admin,
                here.env._("Confirm that DirectMail approved this template"),
                here.env._(
                    "DirectMail does not let this account read templates. %(user)s asks you to"
                    " compare the template %(reference)s in DirectMail's console with this one and"
                    " to confirm that it was approved: choose Link to a template in the console.",
                    user=self.env.user.name,
                    reference=reference,
                ),
            )
        message = self.env._(
            "DirectMail does not let this account read templates, so the template in the console"
            " can't be compared with this mail. Only an administrator can confirm that it was"
            " approved. These administrators have been asked: %s.",
            format_list(self.env, admins.mapped("name")) or "-",
        )
        return {
            "type": "ir.actions.client",
            "tag": "display_notification",
            "params": {
                "type": "warning",
                "message": message,
                "sticky": True,
                "next": {"type": "ir.actions.act_window_close"},
            },
        }

    def _approve_unread(self, reference, vals):
        """Set the template to approved, as the administrator has confirmed."""
        template = self.template_id
        now = fields.Datetime.now()
        # sudo(): writing the template was checked before; only an administrator gets here.
        template.sudo().write(
            {
                **vals,
                "state": "approved",
                "submission": template.submission + 1,
                # No `remote_ref`: the template is not polled, as DirectMail would refuse.
                "remote_ref": False,
                "remote_name": reference,
                "submitted_at": now,
                "submitted_by_id": self.env.uid,
                "submitted_sender_name": template.sender_name,
                "reviewed_at": now,
                "review_comment": False,
                "lapse_reason": False,
            }
        )
        template._post_note(
            self.env._(
                "%(user)s confirmed that DirectMail approved this subject and text in the console"
                " as %(reference)s. Odoo could not read the template to compare it.",
                user=self.env.user.name,
                reference=reference,
            )
        )
        template._close_activities()
        template._get_tasks("pending")._on_review(template)


def _find_remote(client, reference):
    """Return DirectMail's `directmail.records.Template` by number or name, or None.

    :raise DirectMailError: if the account may not read or search templates
    """
    if reference.isascii() and reference.isdigit():
        try:
            return client.describe_template(reference)
        except DirectMailError as error:
            if error.kind != "not_found" or is_not_allowed(error):
                raise
    row = client.find_template(reference)
    return client.describe_template(row.template_id) if row else None
