import logging

import psycopg2

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.service.model import PG_CONCURRENCY_EXCEPTIONS_TO_RETRY

_logger = logging.getLogger(__name__)


class DirectmailScheduled(models.AbstractModel):
    """Records that a cron recomputes, each at moments of its own.

    `_due_field` has the next moment. The cron is triggered for it and, after a failure, goes on
    with the next record.
    """

    _name = "directmail.scheduled"
    _description = "Recomputed by the Clock"

    #: names of the fields with the next moment (naive UTC, False for never) and the last failure
    _due_field = None
    _error_field = None
    #: xml id of the cron
    _cron = None

    def _wake_cron(self):
        """Trigger the cron for the next moment of each record."""
        moments = set(filter(None, self.mapped(self._due_field)))
        if moments:
            # sudo(): callers have checked the right to write the records, or are the cron.
            self.env.ref(self._cron).sudo()._trigger(sorted(moments))

    @api.model
    def _run_due(self):
        """Recompute the records that are due; called by the cron.

        An unexpected error is logged and written to `_error_field`; the next record follows.
        """
        due = self.with_context(active_test=False).search(
            [(self._due_field, "<=", fields.Datetime.now())], order=f"{self._due_field}, id"
        )
        self.env["ir.cron"]._commit_progress(remaining=len(due))
        for record in self.browse(due.ids)._sort_due():
            try:
                record._run_when_due()
            except Exception:
                _logger.exception("%s %s can't be recomputed", self._name, record.id)
                self.env.cr.rollback()
                record[self._error_field] = self.env._(
                    "An unexpected error occurred. Ask an administrator to check the server log."
                )
            if not self.env["ir.cron"]._commit_progress(1):
                break

    def _sort_due(self):
        """Hook: return these records in the order in which they are to be recomputed."""
        return self

    def _run_when_due(self):
        """Set the next moment and recompute the record, in transactions of its own.

        The next moment is committed first: if the computation kills the server, the cron must not
        repeat it every minute.
        """
        raise NotImplementedError

    def _try_to(self, function):
        """Call a function in a savepoint; write why it failed to `_error_field`.

        :return: the function's result; None if it failed
        """
        self.ensure_one()
        try:
            with self.env.cr.savepoint():
                return function()
        except PG_CONCURRENCY_EXCEPTIONS_TO_RETRY:
            raise
        except psycopg2.Error as error:
            _logger.exception("%s %s can't be recomputed", self._name, self.id)
            self[self._error_field] = self.env._(
                "The database reported an error: %s", str(error).partition("\n")[0]
            )
        except (UserError, ValueError) as error:
            self[self._error_field] = error.args[0] if error.args else str(error)
        return None
