from odoo import fields, models
from odoo.tools.sql import column_exists, create_column, table_exists

from ...engine.mailing_consent import read_purpose
from ...engine.preferences import read_wishes


class DirectmailTask(models.Model):
    """The topic of a task: people who refused it, or have not agreed to it, get no mail."""

    _inherit = "directmail.task"

    purpose_id = fields.Many2one(
        "directmail.purpose",
        "Topic",
        check_company=True,
        index="btree_not_null",
        ondelete="restrict",
        tracking=True,
        default=lambda self: self._get_default_purpose(),
        help="Who may be mailed follows the topic's rule and what people have answered about it."
        " Without a topic everybody is mailed who has not unsubscribed.",
    )

    def _auto_init(self):
        """Add the column without the default to a table of before, whose tasks have no topic.

        The default would search topics, whose table is made later.
        """
        cr, table = self.env.cr, self._table
        if table_exists(cr, table) and not column_exists(cr, table, "purpose_id"):
            create_column(cr, table, "purpose_id", "int4")
        return super()._auto_init()

    def _get_default_purpose(self):
        """Return the only topic of the company, or that of the user's latest task."""
        if only := self.env["directmail.purpose"]._find_only():
            return only
        latest = self.search(
            [("create_uid", "=", self.env.uid), ("company_id", "=", self.env.company.id)],
            order="id desc",
            limit=1,
        )
        return latest.purpose_id.filtered("active")

    def _get_purpose_rules(self):
        """Return the rules of the task's topic: see `engine.mailing_consent.select_purpose`."""
        self.ensure_one()
        # As in `_get_control_groups`, only what is read.
        self.flush_recordset(["purpose_id", "is_notification"])
        self.env["directmail.purpose"].flush_model()
        self.env["directmail.consent"].flush_model()
        return read_purpose(self.env, self.id)

    def _has_wishes(self):
        """Return whether preferences of recipients can hold back mails of the task."""
        self.ensure_one()
        self.flush_recordset(["company_id", "is_notification"])
        self.env["directmail.preference"].flush_model()
        return read_wishes(self.env, self.id)
