from hashlib import sha256

from odoo import fields, models
from odoo.tools import formatLang

from ...content.languages import join_sentences
from ...engine import versions
from ...engine.clock import describe_moment

#: Fields of the task that all versions have in common and that a paused test can change.
SHARED = ("address_type", "reply_to", "sender_id")


class DirectmailTaskVersion(models.Model):
    """A change of a version's content after some of its mails were sent.

    `directmail.template._check_editable` keeps the content of a template that a planned task uses.
    So a version changes its content only where `template_id` is written, its own or, for version A,
    that of the task.
    """

    _inherit = "directmail.task.version"
    _guarded_fields = frozenset(("changed_after", "changed_at", "changed_from"))

    changed_at = fields.Datetime(
        "Changed during the test",
        readonly=True,
        copy=False,
        help="The content of the version was changed after some of its mails were sent. Its figures"
        " include these mails.",
    )
    changed_after = fields.Integer("Mails before the change", readonly=True, copy=False)
    # Mark of the content that these mails have, to notice that a change was undone.
    changed_from = fields.Char(readonly=True, copy=False, groups=fields.NO_ACCESS)

    def _get_sent_contents(self):
        """Return {version: content} of those whose test has started: see `_note_changes`."""
        return {version: version._get_content() for version in self if version.task_id.planned_at}

    def _note_changes(self, before):
        """Record which versions have another content now than mails of them that were sent.

        :param dict before: as of `_get_sent_contents` before the change
        """
        for version, content in before.items():
            if version._get_content() != content:
                version._note_change(_make_mark(content))

    def _note_change(self, mark):
        """Record a change of the content and tell the readers of the task.

        :param str mark: of the content before the change
        """
        self.ensure_one()
        # sudo(): callers have checked the right to change the content; the fields are guarded.
        version, task = self.sudo(), self.task_id.sudo()
        mailed = task._count_versions()[version.letter]["mailed"]
        if not mailed or not version._may_mix():
            return
        if not version.changed_at:
            version.write(
                {
                    "changed_at": fields.Datetime.now(),
                    "changed_after": mailed,
                    "changed_from": mark,
                }
            )
            task._post_note(version._say_change())
        elif mailed == version.changed_after and version.changed_from == _make_mark(
            version._get_content()
        ):
            version.write({"changed_at": False, "changed_after": 0, "changed_from": False})
            task._post_note(
                self.env._("Version %s has the content of its mails again.", version.letter)
            )

    def _may_mix(self):
        """Return whether a change of the content can matter to the figures or to the decision.

        Not if the decision was made and nobody of the version's test group waits. Where figures are
        rounded to tens, it does not depend on who waits.
        """
        self.ensure_one()
        task = self.task_id
        if not task.compared_at or task.in_tens:
            return True
        return bool(versions.count_waiting(self.env, task.id).get(self.letter))

    def _say_change(self):
        """Return the sentence about a change of the content during the test."""
        self.ensure_one()
        zone = self.env.user.tz or self.task_id.account_id.tz
        return self.env._(
            "Version %(letter)s was changed on %(time)s, after %(count)s of its mails had been"
            " sent. Its figures include the mails with the earlier content.",
            letter=self.letter,
            time=describe_moment(self.env, self.changed_at, zone),
            count=formatLang(self.env, self.changed_after, digits=0),
        )


class DirectmailTask(models.Model):
    """What a change during the A/B test means for the task."""

    _inherit = "directmail.task"

    def _get_changed_versions(self):
        """Return the versions whose figures include mails with another content."""
        return self.version_ids.filtered("changed_at")

    def _say_changes(self):
        """Return the sentences about changes of versions during the test; "" without any."""
        return join_sentences(
            self.env.lang, (version._say_change() for version in self._get_changed_versions())
        )

    def _get_sent_state(self, names):
        """Return contents and shared settings of started tests before a write: see `_note_changes`.

        :param names: names of the fields that are written, `template_id` or some of SHARED
        :return: ({version A: content}, {task: values of SHARED})
        :rtype: tuple
        """
        started = self.filtered(lambda task: task.planned_at and task.version_ids)
        contents, shared = {}, {}
        if "template_id" in names:
            first = started.version_ids.filtered(lambda version: version.letter == "A")
            contents = first._get_sent_contents()
        if set(SHARED) & set(names):
            shared = {task: [task[name] for name in SHARED] for task in started}
        return contents, shared

    def _note_changes(self, before):
        """Record changes of a content, and post changes of shared settings, of started tests.

        :param tuple before: as of `_get_sent_state` before the change
        """
        contents, shared = before
        self.version_ids._note_changes(contents)
        for task, values in shared.items():
            if values != [task[name] for name in SHARED] and not task.compared_at:
                # sudo(): `write` has checked the right to the task.
                task.sudo()._post_note(
                    self.env._(
                        "The sender address or the reply address was changed during the A/B test."
                        " It is the same for all versions, so they can still be compared."
                    )
                )


def _make_mark(content):
    """Return a mark of a version's content.

    :param tuple content: as of `directmail.task.version._get_content`
    """
    return sha256("\0".join(content).encode()).hexdigest()
