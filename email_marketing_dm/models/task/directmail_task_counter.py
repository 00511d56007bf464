from odoo import fields, models
from odoo.tools import SQL

from ...engine.sql import count_changes


class DirectmailTaskCounter(models.Model):
    """How many deliveries of a task are in a state, have an outcome, were opened or clicked.

    Each writer (sender, events, user) adds up rows of its own; their sum is the figure. So the
    sender writes neither the task nor a row that anybody else writes.
    """

    _name = "directmail.task.counter"
    _description = "Email Task Counter"
    _log_access = False

    task_id = fields.Many2one("directmail.task", required=True, ondelete="cascade")
    writer = fields.Char(required=True)
    name = fields.Char(required=True)
    value = fields.Integer(required=True)

    _writer_unique = models.UniqueIndex("(task_id, writer, name)")

    def _apply(self, changed, writer, result=None, marks=()):
        """Run an UPDATE of deliveries and count what it changed, in one statement.

        :param SQL changed: an UPDATE ... RETURNING d.task_id, old_state, new_state, old_outcome,
            new_outcome and whatever `result` selects
        :param str writer: 'sender', 'events' or 'user'
        :param marks: further counters that grow: see `engine.sql.count_changes`
        :param SQL result: what to select from the changed rows; their number by default
        :return: the selected rows
        :rtype: list[tuple]
        """
        return self.env.execute_query(
            SQL(
                "WITH changed AS (%s), %s SELECT %s FROM changed",
                changed,
                count_changes(SQL.identifier("changed"), writer, marks),
                result or SQL("count(*)"),
            )
        )
