from odoo import fields, models
from odoo.tools import SQL

from ...engine.sql import count_changes


class DirectmailTaskCounter(models.Model):
    """Number of deliveries of a task per state, outcome and mark (opened, clicked, ...).

    Each writer ('sender', 'events', 'user', 'conversions') updates rows of its own; the figure is
    the sum over the writers. So concurrent writers don't conflict on a row, nor on the task.
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
        """Run an UPDATE of deliveries and add its changes to the counters, in one statement.

        :param SQL changed: an UPDATE ... RETURNING d.task_id, old_state, new_state, old_outcome,
            new_outcome and the columns of `marks` and `result`
        :param str writer: 'sender', 'events', 'user' or 'conversions'
        :param SQL result: expression to select from the changed rows; their number by default
        :param marks: names of further counters: see `engine.sql.count_changes`
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
