from odoo import models

from .directmail_delivery import MARKS, OUTCOMES, STATES
from .directmail_task_tens import UNTOLD


class DirectmailTask(models.Model):
    """What a task's form shows while mails go out, without being loaded again."""

    _inherit = "directmail.task"

    def get_progress(self):
        """Return where the task stands, from the stored counters.

        Asked every few seconds by every open form, so it reads a handful of rows.

        :return: state, waiting_for and state_message as the form shows them; people (number);
            to_mail (how many of them were not suppressed) and to_mail_text; progress (percent of
            those); rate_limit (mails a second); told_in_tens; counts: [{name, label, value, text}]
            of the eight states, the outcomes and what people did, empty ones left out. The text
            says it where the number is rounded
        :rtype: dict
        """
        self.ensure_one()
        self.check_access("read")
        counts = [
            {
                "name": name,
                "label": self._fields[f"{name}_count"]._description_string(self.env),
                "value": self[f"{name}_count"],
                "text": self.told_in_tens and name in UNTOLD and self._say_count(name),
            }
            for name in (*dict(STATES + OUTCOMES), *MARKS)
        ]
        to_mail = self.people_count - self.suppressed_count
        return {
            "state": self.state,
            "state_message": self.state_message,
            "waiting_for": self.waiting_for,
            "people": self.people_count,
            "to_mail": to_mail,
            "to_mail_text": self.told_in_tens and self._say_about(to_mail),
            "told_in_tens": self.told_in_tens,
            "progress": self.progress,
            "rate_limit": self.account_id.sudo().rate_limit,
            "counts": [
                count for count in counts if count["value"] or count["name"] in self._get_small()
            ],
        }

    def _get_small(self):
        """Return the figures that are shown although they are told as 0: a few may be there."""
        if not self.told_in_tens:
            return ()
        return "suppressed", {"done": "", "cancelled": "cancelled"}.get(self.state, "waiting")
