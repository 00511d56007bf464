import logging

from odoo import api, fields, models
from odoo.service.model import retrying

from ..clock.daily import next_daily
from ..exceptions import BusyError

_logger = logging.getLogger(__name__)


class DirectmailPeopleModel(models.AbstractModel):
    """When models are computed: every day, each in transactions of its own."""

    _inherit = "directmail.people.model"

    def _get_tz(self):
        self.ensure_one()
        return self.company_id.directmail_models_tz or self.user_id.tz or "UTC"

    def _schedule(self):
        """Note when each model runs next, and wake the cron then."""
        moments = set()
        for model in self.sudo():
            # An archived model stays in force in the audiences that use it.
            needed = model.active or any(model._get_users())
            model.next_run_at = needed and next_daily(
                fields.Datetime.now(), model.company_id.directmail_models_hour, model._get_tz()
            )
            moments.add(model.next_run_at)
        moments.discard(False)
        if moments:
            self.env.ref(self._cron).sudo()._trigger(sorted(moments))

    @api.model
    def _cron_compute(self):
        """Compute every model whose time has come."""
        due = self.with_context(active_test=False).search(
            [("next_run_at", "<=", fields.Datetime.now())], order="next_run_at"
        )
        self.env["ir.cron"]._commit_progress(remaining=len(due))
        for model in due:
            try:
                # Before the work: what makes the server die must not do so every minute.
                retrying(model._schedule, self.env)
                retrying(model._compute_results, self.env)
            except BusyError:
                self.env.cr.rollback()  # somebody has just pressed the button
            except Exception:
                _logger.exception("%s %s can't be computed", self._name, model.id)
                self.env.cr.rollback()
                model.compute_error = self.env._(
                    "Something unforeseen went wrong. The server's log says what."
                )
            if not self.env["ir.cron"]._commit_progress(1):
                break
