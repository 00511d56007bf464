import re
from datetime import timedelta
from urllib.parse import urlsplit

from odoo import api, fields, models
from odoo.exceptions import UserError

from ...content.lengths import cut_units
from ...directmail import const
from ...directmail.errors import DirectMailError
from ...engine.content import get_database_uuid
from .directmail_task_results import FOLLOW_DAYS

# `_free_tags` deletes up to this many tags at once, so that the next tasks find room as well.
FREED_AT_ONCE = 10


class DirectmailTask(models.Model):
    """The mail's content on the task's form, reply address, tag at DirectMail, and links.

    Changing the content on the form never changes a template that was chosen. `_change_content`
    writes to a template of the task's own (`directmail.template.task_id`), which has the task's
    name and a review of its own at DirectMail.
    """

    _inherit = "directmail.task"
    _guarded_fields = frozenset(
        (
            "link_ids",
            "source_id",
        )
    )

    own_content = fields.Boolean(
        "Change the content for this task",
        compute="_compute_own_content",
        readonly=False,
        help="The template is not changed. Your changes are saved as a new template with the name"
        " of this email task, and DirectMail reviews it.",
    )
    template_task_id = fields.Many2one(related="template_id.task_id")
    reply_to = fields.Char(
        "Replies go to",
        help="If it is empty, replies go to the reply address of the sender address at DirectMail,"
        " or to that of the account.",
    )
    reply_default = fields.Char(compute="_compute_reply_default")
    reply_warning = fields.Char(compute="_compute_reply_warning")
    link_ids = fields.One2many("directmail.link", "task_id", "Links", readonly=True, copy=False)
    source_id = fields.Many2one(
        "utm.source",
        readonly=True,
        copy=False,
        ondelete="restrict",
        index="btree_not_null",
        help="The source of visits, leads and orders that come from this email task.",
    )

    @api.depends("template_id.state", "template_id.task_id")
    def _compute_own_content(self):
        for task in self:
            template = task.template_id
            task.own_content = not template or (
                template.state in ("draft", "rejected")
                and bool(task._origin)
                and template.task_id == task._origin
            )

    # === BUSINESS === #

    def _rename_own_template(self):
        """Give the own templates of the task and its versions the new name of the task."""
        names = {self.template_id: self.name}
        names |= {v.template_id: v._get_own_name() for v in self.version_ids if v.template_id}
        for template, name in names.items():
            if template.task_id == self and template.name != name:
                # sudo(): `write` has checked the rights to the task, which owns the template.
                template.sudo().name = name

    def _default_sender_name(self):
        """Override: the name of the company, cut to the characters that DirectMail takes."""
        company = self.account_id.company_id or self.env.company
        # sudo(): only the company's name is read.
        return cut_units(company.sudo().name, const.SENDER_NAME_MAX).strip()

    def _change_content(self, content):
        """Override: submit the template at once if the task is pending."""
        self.ensure_one()
        template = self.template_id
        changed = template._get_changed_content(content)
        if not template:
            # The form sends the default `sender_name`: alone, it makes no new template.
            changed = changed if changed.keys() - {"sender_name"} else {}
        if not changed:
            return
        self.check_access("write")
        if not self.env.su:
            self._check_editable({"template_id"})
        # sudo(): write access to the task was checked above; the template is its own.
        if template._belongs_to(self):
            # Also ends a review: DirectMail's decision would be about the old text.
            template.sudo().write({**changed, "state": "draft"})
        else:
            self.template_id = self._make_own_template(template, self.name, changed)
        if self.state == "pending":
            self.template_id._submit()

    def _make_own_template(self, template, name, changed):
        """Return a new template for this task, with the task's owner.

        :param template: to copy; if it is empty, the new template is made of the changes
        :param str name: of the new template
        :param dict changed: values of fields in `CONTENT`
        :raise UserError: if there is neither a template nor a subject
        """
        vals = {
            **changed,
            "name": name,
            "user_id": self.user_id.id,
            "origin_id": template.id,
            "task_id": self.id,
        }
        # sudo(): `_change_content` has checked the rights; the template belongs to the task.
        if template:
            return template.sudo().copy(vals).sudo(False)
        if not changed.get("subject"):
            raise UserError(self.env._("Enter the subject of the mail."))
        vals.setdefault("sender_name", self._default_sender_name())
        return (
            self.env["directmail.template"]
            .sudo()
            .create({**vals, "account_id": self.account_id.id})
            .sudo(False)
        )

    def _submits_template(self, template):
        """Return whether *Send* and *Resume* also submit a template of the task.

        A draft, or one that lapsed because its slot at DirectMail was freed. Not one that was
        changed or deleted in DirectMail's console (`lapse_reason`): its owner decides about it.
        """
        return (
            template.state in ("draft", "lapsed")
            and template.lapse_reason in (False, "freed")
            and template.has_access("write")
        )

    # === REPLY ADDRESS === #

    @api.depends("sender_id", "account_id.reply_to")
    def _compute_reply_default(self):
        for task in self:
            task.reply_default = task.sender_id._get_reply_address() or task.account_id.reply_to

    @api.depends("sender_id", "address_type", "reply_to", "reply_default")
    def _compute_reply_warning(self):
        for task in self:
            task.reply_warning = False
            if task.reply_to or task.reply_default or not task.sender_id:
                continue
            sender = task.sender_id.email
            task.reply_warning = (
                self.env._(
                    "Replies would go to a random address at %s that nobody reads. Enter an address"
                    " in the tab Settings.",
                    sender.partition("@")[2],
                )
                if task.address_type == "random"
                else self.env._(
                    "Replies would go to %s. If nobody reads this mailbox, enter another address"
                    " in the tab Settings.",
                    sender,
                )
            )

    @api.constrains("reply_to")
    def _check_reply_to(self):
        self.env["directmail.account"]._check_reply_addresses(self)

    def _get_reply(self):
        """Return the reply address as keyword arguments of `directmail.records.Mail`."""
        self.ensure_one()
        return self.sender_id._get_reply(self.reply_to)

    # === TAG AT DIRECTMAIL === #
    # Each task has a tag: DirectMail's records can be filtered by it. DirectMail keeps at most 100
    # tags (500 according to a newer page of its documentation), so tags of tasks whose results are
    # no longer read are deleted when there is no room for another.

    def _ensure_tag(self):
        """Create the task's tag at DirectMail and store its name in `tag_name`.

        If DirectMail has no room, tags of older tasks are deleted first.

        :raise UserError: if DirectMail can't be called, or every tag is in use
        """
        prefix, name = self._get_tag_prefix(), self.tag_name or ""
        # Results of mails that were sent are read by the tag that they have.
        if not name.startswith(prefix):
            name = f"{prefix}{self._get_first_of_month().id}"

        def push(client):
            if client.find_tag(name):
                return
            try:
                client.create_tag(name, self.name[:50])
            except DirectMailError as error:
                if error.kind != "quota":
                    raise
                if not self._free_tags(client):
                    raise UserError(
                        self.env._(
                            "DirectMail has no room for this email task's tag, and all existing"
                            " tags are still needed for results of the last %s days. Delete tags"
                            " of other programs in DirectMail's console, or send later.",
                            FOLLOW_DAYS,
                        )
                    ) from error
                client.create_tag(name, self.name[:50])

        self.account_id._call(push)
        self.tag_name = name

    def _get_tag_prefix(self):
        """Return the prefix of this database's tags; tags without it are never deleted."""
        return f"odoo_{get_database_uuid(self.env)[:8]}_"

    def _free_tags(self, client):
        """Delete up to FREED_AT_ONCE tags of tasks whose results are no longer read, oldest first.

        Results are read until FOLLOW_DAYS after `finished_at`. Tags of deleted tasks go too.

        :return: how many tags were deleted
        :rtype: int
        """
        prefix = self._get_tag_prefix()
        # {task id: tag id}. Tag names end in the id of the first task that uses them; the lowest is
        # the oldest.
        tags = {
            int(tag.name.removeprefix(prefix)): tag.tag_id
            for tag in client.list_tags()
            if tag.name.startswith(prefix) and tag.name.removeprefix(prefix).isdecimal()
        }
        since = fields.Datetime.now() - timedelta(days=FOLLOW_DAYS)
        # sudo(): the cron calls this; a tag of any owner's task may be needed.
        tasks = self.sudo().browse(sorted(tags)).exists()
        # Those that share a tag: see `_get_first_of_month`.
        tasks |= self.sudo().search([("tag_name", "in", [f"{prefix}{number}" for number in tags])])
        needed = tasks.filtered(
            lambda task: (
                task.state not in ("done", "cancelled")
                or not task.finished_at
                or task.finished_at >= since
            )
        )
        kept = {task.tag_name for task in needed} | {f"{prefix}{task.id}" for task in needed}
        free = [number for number in sorted(tags) if f"{prefix}{number}" not in kept]
        for number in free[:FREED_AT_ONCE]:
            client.delete_tag(tags[number])
        return len(free[:FREED_AT_ONCE])

    # === TRACKING === #
    # Targets of the links in the mails, and UTM values of the visits they bring.

    def _is_recording(self, what):
        """Return whether "opens" or "clicks" (`what`) of this task are recorded."""
        self.ensure_one()
        return bool(self[f"track_{what}"])

    def _make_links(self):
        """Create a `directmail.link` and a `link.tracker` for each link of the submitted texts.

        A task whose template was changed half-way keeps the links of both templates, because mails
        of both are out.
        """
        self.ensure_one()
        # sudo(): the sending cron calls this; users may not create sources and trackers.
        if not self.source_id:
            self.source_id = self.env["utm.source"].sudo().create({"name": self.name})
        for template in self._get_templates():
            self._make_links_of(template)

    def _make_links_of(self, template):
        """Do the same as `_make_links` for one template, unless its links exist."""
        links = template.submitted_links or []
        if not links or self.link_ids.filtered(lambda link: link.template_id == template):
            return
        shared = self._get_utm_values()
        # Given a title, `link.tracker` does not fetch the page to find one.
        # sudo(): as in `_make_links`.
        trackers = (
            self.env["link.tracker"]
            .sudo()
            .search_or_create(
                [{"url": link["url"], "title": link["title"], **shared} for link in links]
            )
        )
        self.env["directmail.link"].create(
            [
                {
                    "task_id": self.id,
                    "template_id": template.id,
                    "number": number,
                    "title": link["title"],
                    "url": link["url"],
                    "tracker_id": tracker.id,
                }
                for number, (link, tracker) in enumerate(zip(links, trackers, strict=True))
            ]
        )

    def _get_utm_values(self):
        """Return campaign, medium and source of this task, as values of `utm.mixin`."""
        self.ensure_one()
        return {
            "campaign_id": self.campaign_id.id,
            "medium_id": self.env["utm.medium"]._fetch_or_create_utm_medium("email").id,
            "source_id": self.source_id.id,
        }


class DirectmailLink(models.Model):
    """A tracked link of an email task; `number` is its position in the template's text.

    Mails link to `/directmail/click/<template id>/<number>/<token>` on this server, which records
    the click and redirects to `url`, the target as DirectMail approved it. `link.tracker` only
    counts visits: its own address can be changed by users who have no right to the mail.
    """

    _name = "directmail.link"
    _description = "Tracked Link"
    _inherit = ["directmail.guarded"]
    _log_access = False
    _order = "task_id, number"
    _rec_name = "title"
    _guarded_fields = frozenset(("task_id", "template_id", "number", "title", "tracker_id", "url"))

    task_id = fields.Many2one(
        "directmail.task", "Email task", required=True, readonly=True, ondelete="cascade"
    )
    template_id = fields.Many2one(
        "directmail.template", required=True, readonly=True, ondelete="restrict"
    )
    number = fields.Integer(required=True, readonly=True)
    title = fields.Char("Link", readonly=True)
    tracker_id = fields.Many2one("link.tracker", readonly=True, ondelete="restrict")
    url = fields.Char("Web address", readonly=True)

    _number_unique = models.UniqueIndex("(task_id, template_id, number)")

    # === BUSINESS === #

    def _get_target(self):
        """Return the URL to redirect a recipient to, with the email task's UTM parameters.

        :return: None if `url` is not an http or https address with a host
        :rtype: str | None
        """
        self.ensure_one()
        # Browsers ignore tabs and line breaks in an address too.
        url = re.sub(r"[\t\r\n]", "", self.url or "")
        if not _is_web_address(url):
            return None
        # An unsaved `link.tracker` applies Odoo's rules for UTM parameters to our `url`.
        utm = self.task_id._get_utm_values()
        return self.env["link.tracker"].new({"url": url, **utm}).redirected_url


def _is_web_address(url):
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)
