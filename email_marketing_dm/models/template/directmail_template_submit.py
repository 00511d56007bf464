import re
from dataclasses import replace

from lxml import html

from odoo import api, fields, models
from odoo.exceptions import UserError

from ...content.lengths import cut_units
from ...content.mail_links import get_title, iter_links
from ...content.placeholders import CLICK_TOKEN, OPEN_TOKEN, TOKEN
from ...content.sameness import is_same
from ...directmail import const
from ...directmail.errors import DirectMailError
from ...engine.content import get_database_uuid
from .directmail_template import SPECIAL_LINKS
from .directmail_template_comparison import describe

PIXEL = '<img src="%s/directmail/open/{%s}" width="1" height="1" alt="">'
# The pixel and tracked links of a text that was compiled before 19.0.1.9.0.
_OLD_TRACKING = re.compile(r"(/directmail/(?:(open/)|click/\d+/\d+/)){%s}" % TOKEN)
# Number of links that are tracked in one mail; further links stay as they are.
LINKS_MAX = 100


class DirectmailTemplate(models.Model):
    """Submission of a template, and its tracked links."""

    _inherit = "directmail.template"
    _guarded_fields = frozenset(
        ("stored_subject", "stored_text", "submitted_links", "submitted_sender_name")
    )

    needs_new_review = fields.Boolean(
        "To be submitted again",
        compute="_compute_needs_new_review",
        store=True,
        help="Links and tracking pixel were approved without variables of their own, so that they"
        " identify each recipient.",
    )
    open_task_ids = fields.Many2many(
        "directmail.task", compute="_compute_open_tasks", string="Email tasks with this template"
    )
    # Number of submissions: `_apply_listing` ignores listings from before the last one.
    submission = fields.Integer(readonly=True, copy=False)
    submitted_by_id = fields.Many2one("res.users", "Submitted by", readonly=True, copy=False)
    # [{"url": "https://...", "title": "..."}]; the index is the link's number in `submitted_text`.
    submitted_links = fields.Json(readonly=True, copy=False)
    stored_subject = fields.Char(readonly=True, copy=False)
    stored_text = fields.Text(readonly=True, copy=False)
    submitted_sender_name = fields.Char(readonly=True, copy=False)

    @api.depends("submitted_text")
    def _compute_needs_new_review(self):
        for template in self:
            template.needs_new_review = bool(_OLD_TRACKING.search(template.submitted_text or ""))

    @api.depends("needs_new_review", "state")
    @api.depends_context("uid")
    def _compute_open_tasks(self):
        """Find the user's open tasks of templates that have to be submitted again."""
        for template in self:
            tasks = self.env["directmail.task"]
            if template.needs_new_review and template.state == "approved" and template._origin:
                open_states = ("draft", "pending", "sending", "paused")
                tasks = tasks.search(
                    [("state", "in", open_states), *template._origin._get_use_domain()]
                )
            template.open_task_ids = tasks

    # === ACTIONS === #

    def action_submit(self, confirmed=False):
        """Submit the templates to DirectMail for review.

        :param bool confirmed: also if a page that the mail links to does not exist
        :return: True, or the dialog that asks for this confirmation
        """
        for template in self:
            template.check_access("write")
            if template.state not in ("draft", "rejected", "lapsed"):
                raise UserError(
                    self.env._("%s has already been submitted for review.", template.name)
                )
            if not confirmed and (dialog := template._open_gone()):
                return dialog
            template._submit()
        return True

    def action_submit_again(self):
        """Submit approved templates for another review, with variables for links and pixel.

        The content stays the same. Email tasks that are pending wait for the review; templates
        of email tasks that are sending or paused are left as they are until these have ended.

        :raise UserError: if none of them can be submitted
        """
        is_busy = False
        todo = self.filtered(lambda one: one.needs_new_review and one.state == "approved")
        for template in todo:
            template.check_access("write")
            if template._get_tasks("sending", "paused"):
                is_busy = True
                todo -= template
                continue
            template._get_tasks("done", "cancelled", "failed")._keep_unmeasured()
            template._submit()
        if is_busy and not todo:
            raise UserError(
                self.env._(
                    "Email tasks with this template are being sent or paused. Submit the template"
                    " again when they have ended."
                )
            )
        return True

    def action_edit(self):
        """Make the content editable: take it back from review, or open a copy.

        An approved or lapsed template, or one with mails out, is copied (`origin_id`).
        """
        self.ensure_one()
        self.check_access("read")
        if self.state in ("approved", "lapsed") or self._is_used():
            # sudo(): reading was checked above; the copy is the user's own, its state is guarded.
            revision = self.sudo().copy(
                {"user_id": self.env.uid, "origin_id": self.id, "name": self.name}
            )
            return {
                "type": "ir.actions.act_window",
                "res_model": self._name,
                "res_id": revision.id,
                "views": [(False, "form")],
            }
        self.check_access("write")
        self._take_back()
        return True

    # === BUSINESS === #

    def _take_back(self):
        """Set a template in review back to draft; `_follow` then ignores DirectMail's decision."""
        # sudo(): `action_edit` has checked that the user may write; `state` is guarded.
        self.sudo().write({"state": "draft", "review_comment": False})

    def _is_used(self):
        """Return whether a planned task uses the template: the mails' online view shows it."""
        # sudo(): tasks of all users count; only whether there is one is told.
        return bool(
            self.env["directmail.task"]
            .sudo()
            .with_context(active_test=False)
            .search_count([("planned_at", "!=", False), *self._get_use_domain()], limit=1)
        )

    def _check_editable(self, vals):
        """Refuse to change content that DirectMail has or that was sent, or to move it.

        :param dict vals: the new values; `account_id` can't change while DirectMail has a copy
        :raise UserError: with what to do instead
        """
        self.ensure_one()
        if self.state in ("in_review", "approved", "lapsed") or self._is_used():
            raise UserError(
                self.env._(
                    "%s has been submitted to DirectMail, so its content can't be changed. Press"
                    " Edit to change it, or New version if it was approved.",
                    self.name,
                )
            )
        if self.remote_ref and vals.get("account_id", self.account_id.id) != self.account_id.id:
            raise UserError(
                self.env._(
                    "%(name)s belongs to the account %(account)s at DirectMail. To use another"
                    " account, duplicate the template, choose the account in the copy and submit"
                    " the copy for review.",
                    name=self.name,
                    account=self.account_id.name,
                )
            )

    def _submit(self):
        """Hand the template to DirectMail for review.

        :raise UserError: a setting or DirectMail rules it out; the message says what to do
        :raise RedirectWarning: the account may not create templates, see `_offer_link`
        """
        self.ensure_one()
        account = self.account_id
        account._check_can_call()
        vals = self._get_submitted_vals()
        known_ref = self.remote_ref
        renamed = self.submitted_sender_name and self.submitted_sender_name != self.sender_name
        remote_name = self.remote_name or self._get_remote_name()
        try:
            remote_ref = account._call(
                lambda client: self._push(
                    client,
                    remote_name,
                    vals["submitted_subject"],
                    self.sender_name,
                    vals["submitted_text"],
                    replace=renamed,
                )
            )
        except UserError as error:
            self._offer_link(error)
            raise
        # sudo(): callers have checked write access to the template or its task; fields are guarded.
        self.sudo().write(
            {
                **vals,
                "state": "in_review",
                "submission": self.submission + 1,
                "remote_ref": remote_ref,
                "remote_name": remote_name,
                "submitted_at": fields.Datetime.now(),
                "submitted_by_id": self.env.uid,
                "reviewed_at": False,
                "review_comment": False,
                "lapse_reason": False,
                "submitted_sender_name": self.sender_name,
                "stored_subject": False,
                "stored_text": False,
            }
        )
        self._take_reference()
        self._post_note(
            self.env._(
                "Submitted to DirectMail for review as %s. DirectMail no longer had the template"
                " that was submitted before.",
                remote_name,
            )
            if known_ref and known_ref != remote_ref
            else self.env._("Submitted to DirectMail for review as %s.", remote_name)
        )
        self._close_activities()
        self._schedule_review_check()

    def _get_submitted_vals(self):
        """Return the content to submit, as values of the fields that store it.

        :rtype: dict
        :raise UserError: with all findings of level ERROR, a line each
        """
        if self.state in ("lapsed", "approved"):
            # Exactly the approved text, because the online view of sent mails shows it; but links
            # and pixel get the variables that tell who may be measured.
            text = _OLD_TRACKING.sub(_name_variable, self.submitted_text or "")
            return {
                "submitted_subject": self.submitted_subject,
                "submitted_text": text,
                "variables": self.variables,
            }
        compiled = self._compile()
        return {
            "submitted_subject": compiled.subject,
            "submitted_text": compiled.text,
            "variables": list(compiled.variables),
            "submitted_links": self._get_submitted_links(),
        }

    def _push(self, client, *content, replace=False):
        """Create or modify the template at DirectMail; return its id there.

        First looks for the template among DirectMail's: it exists if an answer got lost or the
        transaction of an earlier submission failed. A second one would be reviewed and use a slot
        as well.

        :param client: a `directmail.client.DirectMailClient`
        :param content: name, subject, sender name and text
        :param bool replace: modify a template even if it has the same subject and text, because the
            sender name has changed, which DirectMail does not return
        :rtype: str
        :raise DirectMailError: if DirectMail refuses, or it stays unknown whether it has it
        """
        lost = None
        while True:
            row = self._find_row(client.list_templates())
            if row and (lost or not replace):
                remote = describe(client, row.template_id)
                if remote and _has_content(remote, content):
                    return row.template_id
            if lost:
                raise lost
            try:
                if row:
                    client.modify_template(
                        row.template_id, *content, in_body=self.account_id.template_in_body
                    )
                    return row.template_id
                return self._create_remote(client, content)
            except DirectMailError as error:
                # "duplicate": a concurrent submission created the template. After it, and after a
                # lost answer, look again; if the content is not there, raise this error.
                if not error.sent_unknown and error.kind != "duplicate":
                    raise
                lost = error

    def _create_remote(self, client, content):
        """Create the template at DirectMail; if all slots are taken, free one first."""
        try:
            return client.create_template(*content, in_body=self.account_id.template_in_body)
        except DirectMailError as error:
            if not error.code.startswith("InvalidTemplateNumber"):
                raise
        self.account_id._make_room(client)
        return client.create_template(*content, in_body=self.account_id.template_in_body)

    def _find_row(self, rows):
        """Return the row of this template in DirectMail's list, or None.

        Matched by `remote_ref`, else by `_get_name_suffix`, which never changes.

        :param rows: iterable of `directmail.client.TemplateRow`
        """
        suffix = self._get_name_suffix()
        rows = list(rows)
        return next(
            (row for row in rows if row.template_id == self.remote_ref),
            next((row for row in rows if row.name.endswith(suffix)), None),
        )

    def _get_remote_name(self):
        """Return the name at DirectMail: at most TEMPLATE_NAME_MAX characters, unique there."""
        suffix = self._get_name_suffix()
        # Without characters beyond the Basic Multilingual Plane, such as emoji: some systems can't
        # store them.
        name = "".join(char for char in self.name if char.isprintable() and ord(char) < 0x10000)
        return cut_units(name, const.TEMPLATE_NAME_MAX - len(suffix)).strip() + suffix

    def _get_name_suffix(self):
        return f"-{self.id}-{get_database_uuid(self.env)[:6]}"

    # === LINKS AND PIXEL === #
    # Tracked links and the pixel are part of every submitted text, because it is approved as it
    # is. `track_opens` and `track_clicks` of a task only switch recording off.

    def _get_tracked_links(self):
        """Return {href in the body: path of the redirect on this server} of the tracked links."""
        return {
            link["href"]: f"/directmail/click/{self._origin.id}/{number}/"
            for number, link in enumerate(self._find_links())
        }

    def _get_submitted_links(self):
        """Return url and title of the tracked links, as stored in `submitted_links`."""
        return [{"url": link["url"], "title": link["title"]} for link in self._find_links()]

    def _add_pixel(self, compiled):
        """Return compiled content with the tracking pixel at the end of its body."""
        pixel = PIXEL % (self._get_public_url(), OPEN_TOKEN)
        text, end, rest = compiled.text.rpartition("</body>")
        return replace(compiled, text=text + pixel + end + rest if end else compiled.text + pixel)

    def _find_links(self):
        """Return the links of `body_html` to track, each address once, at most LINKS_MAX.

        :return: [{"href": as written, "url": absolute, "title": text}]
        :rtype: list[dict]
        """
        self.ensure_one()
        if not (self.body_html or "").strip():
            return []
        base = (self.account_id.public_url or "").rstrip("/")
        root = html.fromstring(f"<div>{self.body_html}</div>")
        # An address that is also a picture's `src` can't be replaced by a redirect.
        pictures = {node.get("src", "").strip() for node in root.iter("img")}
        links = {}
        for node in iter_links(root):
            href = (node.get("href") or "").strip()
            special = href in SPECIAL_LINKS or href.removeprefix(base) in SPECIAL_LINKS
            if not href or special or href in links or href in pictures:
                continue
            if href.startswith("/") and not href.startswith("//"):
                url = base + href
            elif href.lower().startswith(("http://", "https://")):
                url = href
            else:  # mailto:, tel:, anchors
                continue
            links[href] = {"href": href, "url": url, "title": get_title(node) or url}
        return list(links.values())[:LINKS_MAX]


def _name_variable(match):
    """Return the address of a pixel or link (`_OLD_TRACKING`) with its own variable."""
    return "%s{%s}" % (match[1], OPEN_TOKEN if match[2] else CLICK_TOKEN)


def _has_content(remote, content):
    """Return whether DirectMail has this subject and text, in review or approved.

    The sender name is not compared: "TemplateNickName" of DescTemplate is deprecated and may be
    empty.

    :param remote: a `directmail.records.Template`
    :param content: name, subject, sender name and text
    """
    _name, subject, _sender_name, text = content
    return (
        remote.status in ("in_review", "approved")
        and remote.subject == subject
        and is_same(remote.text, text)
    )
