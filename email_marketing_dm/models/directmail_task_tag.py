from datetime import timedelta

from odoo import fields, models
from odoo.exceptions import UserError

from ..directmail.errors import DirectMailError
from ..engine.content import get_database_uuid
from .directmail_task_results import FOLLOW_DAYS

# How many tags are given back at once, so that not every task has to.
FREED_AT_ONCE = 10


class DirectmailTask(models.Model):
    """The tag by which DirectMail tells this task's results from others.

    DirectMail keeps 100 of them (500 by a newer page), so a task gives its tag back once its
    results are no longer read.
    """

    _inherit = "directmail.task"

    def _ensure_tag(self):
        """Make the task's tag; where there is no room, older tasks give theirs back.

        :raise UserError: if DirectMail can't be asked, or every tag is in use
        """
        name = f"{self._get_tag_prefix()}{self.id}"

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
                            "DirectMail has no room for this email task's tag, and all tags are in"
                            " use: results of the last %s days still come in by them. Delete tags"
                            " of other programs in DirectMail's console, or send later.",
                            FOLLOW_DAYS,
                        )
                    ) from error
                client.create_tag(name, self.name[:50])

        self.account_id._call(push)
        self.tag_name = name

    def _get_tag_prefix(self):
        """Return how the tags of this database begin; other programs' are left alone."""
        return f"odoo_{get_database_uuid(self.env)[:8]}_"

    def _free_tags(self, client):
        """Delete tags of tasks whose results are no longer read, the oldest first.

        :return: how many were deleted
        :rtype: int
        """
        prefix = self._get_tag_prefix()
        # Whoever made them first has the lowest number.
        tags = {
            int(tag.name.removeprefix(prefix)): tag.tag_id
            for tag in client.list_tags()
            if tag.name.startswith(prefix) and tag.name.removeprefix(prefix).isdecimal()
        }
        since = fields.Datetime.now() - timedelta(days=FOLLOW_DAYS)
        tasks = self.sudo().browse(sorted(tags)).exists()
        needed = tasks.filtered(
            lambda task: (
                task.state not in ("done", "cancelled")
                or not task.finished_at
                or task.finished_at >= since
            )
        )
        free = [number for number in sorted(tags) if number not in set(needed.ids)]
        for number in free[:FREED_AT_ONCE]:
            client.delete_tag(tags[number])
        return len(free[:FREED_AT_ONCE])
