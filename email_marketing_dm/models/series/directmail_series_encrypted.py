from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError

from ...groups import GROUP_ADMIN


class DirectmailSeries(models.Model):
    """Series with encrypted addresses, or with people whom their owner may not see.

    Figures of a series are exact, and it tells of each person why a mail was not sent. With a
    contact at a guessed address, its owner would learn whether the address is an encrypted person
    who has unsubscribed. Email tasks round their figures to tens against that, but not for
    administrators; so only administrators may own and read such a series.
    """

    _inherit = "directmail.series"
    _guarded_fields = frozenset(("only_admins",))

    only_admins = fields.Boolean(
        "For administrators only",
        readonly=True,
        copy=False,
        help="The series has encrypted addresses or people whom its owner may not see, or the"
        " company has an AES key. So only administrators may own and open it.",
    )

    @api.constrains("only_admins", "user_id")
    def _check_only_admins(self):
        for series in self:
            if problem := series._find_reader_problem():
                raise ValidationError(problem)

    def _is_owned_by_admin(self):
        # sudo() reads only which groups the owner has.
        return self.sudo().user_id.has_group(GROUP_ADMIN)

    def _find_reader_problem(self):
        """Return why the owner may not read the figures of the series and what to do, or None."""
        if not self.only_admins or self._is_owned_by_admin():
            return None
        return self.env._(
            "%s has encrypted addresses or people whom a marketing user may not see, so its owner"
            " must be an administrator of Email Marketing. Appoint an administrator as the owner.",
            self.name,
        )

    def _find_rounding_problem(self, task):
        """Return why the owner may not see exact figures and what to do, or None.

        :param task: an email task with the audience of the series
        """
        if self._is_owned_by_admin() or not self._mixes_in_others(task):
            return None
        return self.env._(
            "A series can't use this audience: it has encrypted addresses or people whom the owner"
            " of the series may not see, or the company has an AES key. Use an email task instead,"
            " or let an administrator own the series."
        )

    def _mixes_in_others(self, task):
        """Return whether the figures of the series are for administrators only.

        :param task: as in `_find_rounding_problem`
        """
        return task.with_env(self._get_owner_env())._mixes_in_others()

    def _restrict(self, task):
        """Let only administrators read the series from now on, if its figures are for them only.

        :param task: as in `_find_rounding_problem`, which has found no problem
        """
        if self.only_admins or not self._mixes_in_others(task):
            return
        # sudo(): callers have checked the right to write the series, or are the cron.
        self.sudo().only_admins = True
        for open_task in self._get_open_tasks().filtered("planned_at"):
            open_task._tell_in_tens()

    @api.model
    def _on_key_entered(self, companies):
        """Pause series of companies that have an AES key now, if their owners may not read them.

        Those of administrators become readable for administrators only.
        """
        # sudo(): the caller may enter keys; the series are read with their owners' rights.
        started = [("company_id", "in", companies.ids), ("state", "in", ("running", "closing"))]
        for series in self.sudo().search(started):
            try:
                series._check_exact()
            except UserError as error:
                series._give_up(error.args[0])
