from odoo import models

from .directmail_delivery import MARKS, OUTCOMES, STATES


class DirectmailTask(models.Model):
    """What a task's form shows while mails go out, without being loaded again."""

    _inherit = "directmail.task"

    def get_progress(self):
        """Return where the task stands, from the stored counters.

        Asked every few seconds by every open form, so it reads a handful of rows.

        :return: state, waiting_for and state_message as the form shows them; people (number);
            to_mail (how many of them were not suppressed); progress (percent of those);
            rate_limit (mails a second); counts: [{name, label, value}] of the eight states, the
            outcomes and what people did, empty ones left out
        :rtype: dict
        """
        self.ensure_one()
        self.check_access("read")
        counts = [
            {
                "name": name,
                "label": self._fields[f"{name}_count"]._description_string(self.env),
                "value": self[f"{name}_count"],
            }
            for name in (*dict(STATES + OUTCOMES), *MARKS)
        ]
        return {
            "state": self.state,
            "state_message": self.state_message,
            "waiting_for": self.waiting_for,
            "people": self.people_count,
            "to_mail": self.people_count - self.suppressed_count,
            "progress": self.progress,
            "rate_limit": self.account_id.sudo().rate_limit,
            "counts": [count for count in counts if count["value"]],
        }
