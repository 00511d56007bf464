from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.fields import Domain
from odoo.tools import LazyTranslate, groupby

from ...engine import family
from ...engine.family import RUNS

_lt = LazyTranslate(__name__)
#: People that a follow-up may be for: values of `directmail.task.follow.up.people`.
FOLLOWED = [
    ("joined", "Joined the audience since"),
    ("not_opened", "Did not open"),
    ("not_clicked", "Did not click"),
    ("failed_temporarily", "Mail failed temporarily"),
]
#: {value of FOLLOWED: name of its follow-up}
FOLLOW_UP_NAMES = {
    "joined": _lt("%s: joined since"),
    "not_opened": _lt("%s: did not open"),
    "not_clicked": _lt("%s: did not click"),
    "failed_temporarily": _lt("%s: mail failed"),
}
#: People who got the mail: a follow-up for them needs another content.
GOT_IT = ("not_opened", "not_clicked")


class DirectmailTask(models.Model):
    """Families: a task and its follow-ups, of which nobody gets the same content twice.

    See `engine.family`. The first task of a family is planned like any other; its deliveries get
    their tickets when a follow-up sends the same content.
    """

    _inherit = "directmail.task"
    _guarded_fields = frozenset(("family_content_id", "family_id", "origin_id"))

    origin_id = fields.Many2one(
        "directmail.task",
        "Follow-up of",
        readonly=True,
        copy=False,
        index="btree_not_null",
        ondelete="restrict",
        check_company=True,
    )
    family_id = fields.Many2one(
        "directmail.task",
        "First email task",
        readonly=True,
        copy=False,
        index="btree_not_null",
        ondelete="restrict",
        check_company=True,
        help="The email task that this one and others follow up on. Nobody gets the same mail"
        " twice from these email tasks.",
    )
    # Id of a `directmail.family.content`. No many2one: users can't refer to what they may not read.
    family_content_id = fields.Integer(
        "Content of follow-ups", readonly=True, copy=False, groups=fields.NO_ACCESS
    )
    follow_up_count = fields.Integer("Follow-ups", compute="_compute_follow_up_count")

    @api.depends_context("uid")
    def _compute_follow_up_count(self):
        counts = dict(self._read_group([("origin_id", "in", self.ids)], ["origin_id"], ["__count"]))
        for task in self:
            task.follow_up_count = counts.get(task._origin, 0)

    def action_follow_up(self):
        """Open the dialog that makes a follow-up of a task that is done."""
        self.ensure_one()
        self.check_access("read")
        self._check_followable()
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Follow up"),
            "res_model": "directmail.task.follow.up",
            "views": [(False, "form")],
            "target": "new",
            "context": {"default_task_id": self.id},
        }

    def action_view_follow_ups(self):
        """Open the follow-ups of a task."""
        self.ensure_one()
        self.check_access("read")
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "email_marketing_dm.directmail_task_action"
        )
        return {
            **action,
            "display_name": self.env._("Follow-ups"),
            "domain": list(Domain("origin_id", "=", self.id)),
            "context": {},
        }

    def _check_followable(self):
        """Refuse to follow up on a task that is not done, or whose people are no longer stored.

        :raise UserError: with the reason
        """
        if self.state != "done":
            raise UserError(
                self.env._("%s is not done yet. Follow up when all mails are out.", self.name)
            )
        if self.details_removed_at:
            raise UserError(
                self.env._("The recipients of the email task %s are no longer stored.", self.name)
            )

    # === CONTENT === #

    def _get_content_marks(self):
        """Return the marks of all contents that mails of these tasks may have had.

        A task whose content was changed while it was paused has sent several.

        :rtype: set
        """
        # sudo(): users may not read links; only marks of contents are returned.
        tasks = self.sudo()
        own = tasks.env["directmail.template"].search([("task_id", "in", tasks.ids)])
        templates = tasks._get_templates() | tasks.link_ids.template_id | own
        return {template._get_content_mark() for template in templates}

    def _get_family(self):
        """Return the first task of the family and all others, as sudo records.

        sudo(): tasks of other owners count too; callers tell numbers only.
        """
        first = (self.family_id or self).sudo()
        return first | first.with_context(active_test=False).search([("family_id", "=", first.id)])

    def _get_senders_of_content(self, mark):
        """Return the other tasks of the family that have sent a content.

        :param str mark: see `content.identity.make_content_mark`
        """
        others = self._get_family() - self
        return others.filtered(lambda task: task.planned_at and mark in task._get_content_marks())

    def _get_got_from(self, template=None):
        """Return who of the family got a content: see `engine.family.get_family`.

        :param template: the `directmail.template` with the content; by default the task's own
        """
        if self._mails_new_people():
            return tuple((task.id, None) for task in self._get_earlier_runs())
        mark = (template or self.template_id)._get_content_mark()
        return tuple(
            (task.id, letter)
            for task in self._get_senders_of_content(mark)
            for letter in (task._get_letters_of(mark) if task.version_ids else [None])
        )

    def _get_letters_of(self, mark):
        """Return the letters of the versions with a content.

        :param str mark: see `content.identity.make_content_mark`
        :rtype: list[str]
        """
        sent = self.version_ids.filtered(
            lambda version: version._get_template()._get_content_mark() == mark
        )
        return sent.mapped("letter")

    # === START === #

    def _take_content(self, template):
        """Lock a content that the task sends to its family, before its people get tickets.

        :param template: the `directmail.template` with the content
        :return: the id of the content
        :raise UserError: if the family's people can't be told any more
        """
        self.ensure_one()
        if self._mails_new_people():
            return self._take_runs()
        first = self._get_family()[:1]
        if first.send_type == "repeat":
            # A follow-up of a run: a run that starts at the same moment fails and is retried.
            family.take_content(self.env, first.id, RUNS)
        if first.details_removed_at:
            raise UserError(
                self.env._(
                    "The recipients of the email task %s are no longer stored, so people could get"
                    " the same mail twice. Duplicate this email task to send it nevertheless.",
                    first.name,
                )
            )
        mark = template._get_content_mark()
        self.env.flush_all()
        content_id, is_new = family.take_content(self.env, first.id, mark)
        # Versions are retaken together, and some of them may have been sent unchanged.
        is_sent = first.send_type != "repeat" and (first != self or self.version_ids)
        if is_new and is_sent and mark in first._get_content_marks():
            letters = first._get_letters_of(mark) if first.version_ids else None
            if letters == [] or (letters is None and mark != first.template_id._get_content_mark()):
                raise UserError(
                    self.env._(
                        "The content of %s was changed while it was sent, and this is the content"
                        " before the change. Enter another subject, or choose another template.",
                        first.name,
                    )
                )
            family.enroll(self.env, content_id, first.id, letters)
            first._keep_content(content_id, letters)
        family.release(self.env, content_id)
        return content_id

    def _keep_content(self, content_id, letters=None):
        """Store which content the mails of a task have.

        :param letters: of the versions that have it; None for a task without an A/B test
        """
        # sudo(): the sending cron calls this; the fields are guarded.
        task = self.sudo()
        if letters is None:
            task.family_content_id = content_id
            return
        task.version_ids.filtered(
            lambda version: version.letter in letters
        ).family_content_id = content_id

    def _retake_content(self):
        """After a change of the content, let the remaining people of a planned task have tickets.

        Does nothing outside of a family.
        """
        if not self.content_changed or len(self._get_family()) == 1:
            return
        letters = self.version_ids.mapped("letter") or [None]
        for template, same in groupby(letters, self._get_version_template):
            self._retake(template, None if same == [None] else same)

    def _retake(self, template, letters):
        """Let the remaining people have tickets for the content that they are about to get.

        :param template: the `directmail.template` with the content
        :param letters: of the versions that send it; None for a task without an A/B test
        """
        content_id = self._take_content(template)
        self._keep_content(content_id, letters)
        self.env.flush_all()
        got_from = self._get_got_from(template)
        family.retake(self.env, content_id, self.id, got_from, letters)


class DirectmailFamilyContent(models.Model):
    """A content that a family of tasks sends: see `engine.family`."""

    _name = "directmail.family.content"
    _description = "Content of Follow-ups"
    _log_access = False

    family_id = fields.Many2one("directmail.task", required=True, readonly=True, ondelete="cascade")
    mark = fields.Char("Content mark", required=True, readonly=True)

    _mark_unique = models.UniqueIndex("(family_id, mark)")


class DirectmailFamilyMail(models.Model):
    """The ticket of a delivery: the right to send a content to an address, once per family."""

    _name = "directmail.family.mail"
    _description = "Mail of Follow-ups"
    _log_access = False

    # Shares its id with `directmail.delivery`.
    content_id = fields.Many2one(
        "directmail.family.content", required=True, readonly=True, ondelete="cascade"
    )
    address_key = fields.Char(required=True, readonly=True)
    released = fields.Boolean("Not sent", required=True, readonly=True)

    _delivery_exists = models.Constraint(
        "FOREIGN KEY (id) REFERENCES directmail_delivery (id) ON DELETE CASCADE"
    )
    _address_unique = models.UniqueIndex("(content_id, address_key) WHERE NOT released")
    _released_index = models.Index("(content_id, address_key) WHERE released")
