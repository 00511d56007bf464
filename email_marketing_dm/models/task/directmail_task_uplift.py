from datetime import timedelta

from odoo import api, fields, models
from odoo.tools import SQL, format_datetime

from ...engine import uplift
from ...engine.privacy import is_erased


class DirectmailTask(models.Model):
    """Uplift of a task with a control group: what its mails brought about.

    Both groups are compared as the plan assigned them (`assignment`), and their conversions count
    from the plan, without a touch: the control group has none. So a mail that was not delivered,
    or a person who was suppressed later, does not make the groups differ.
    """

    _inherit = "directmail.task"
    _guarded_fields = frozenset(("uplift_groups",))

    # {"mail": values of `statistics.uplift.Group`, "control": the same}; null until first counted.
    uplift_groups = fields.Json(readonly=True, copy=False, groups=fields.NO_ACCESS)
    uplift_text = fields.Char("Uplift", compute="_compute_uplift")
    uplift_advice = fields.Char("What to do", compute="_compute_uplift")
    uplift_table = fields.Html("Comparison", compute="_compute_uplift", sanitize=False)
    uplift_conversions = fields.Float(
        "Additional conversions",
        compute="_compute_uplift",
        digits=(16, 1),
        help="Conversions of the people who were mailed, minus those that the control group leads"
        " to expect without the mail.",
    )
    uplift_revenue = fields.Monetary(
        "Additional revenue",
        compute="_compute_uplift",
        help="Revenue of the people who were mailed, minus what the control group leads to expect"
        " without the mail.",
    )
    may_choose_conversion = fields.Boolean(compute="_compute_uplift")

    @api.depends(
        "uplift_groups", "control_share", "conversion_table_id", "conversion_error", "in_tens"
    )
    @api.depends_context("uid", "lang", "tz")
    def _compute_uplift(self):
        service = self.env["directmail.uplift"]
        for task in self:
            found = service._compare([task._get_uplift_pair()])
            told = task._tell_uplift(found) if task.control_share and task.planned_at else {}
            task.uplift_text = told.get("text")
            task.uplift_advice = told.get("advice")
            task.uplift_table = told.get("table")
            task.uplift_conversions = found.mailed * (found.rate - found.base) if found else 0
            task.uplift_revenue = found.mailed * (found.amount - found.base_amount) if found else 0
            task.may_choose_conversion = bool(
                told and not task.conversion_table_id and not task.is_trial
            )

    def _tell_uplift(self, found):
        """Return what to say about the uplift, as `directmail.uplift._describe`.

        :param found: the `statistics.uplift.Uplift`, or None
        """
        self.ensure_one()
        if self.told_in_tens:
            return {
                "text": self.env._(
                    "This email task includes people whom you may not see, so only an administrator"
                    " can see its uplift. The figures could reveal who is in a control group."
                )
            }
        if self.is_trial:
            return {"text": self.env._("Results of a trial are simulated, so it has no uplift.")}
        if not self.conversion_table_id:
            return {
                "text": self.env._(
                    "To see what the mail brought about, choose what counts as a conversion."
                )
            }
        # sudo(): `uplift_groups` is readable by nobody; only whether it was counted is told.
        if not self.sudo().uplift_groups:
            return {
                "text": self.conversion_error
                or self.env._("The uplift has not been counted yet. It is counted every hour.")
            }
        if not found:
            return {"text": self._explain_empty_group()}
        told = self.env["directmail.uplift"]._describe(found, self.currency_id)
        until = self._get_uplift_end()
        if until > fields.Datetime.now():
            told["advice"] = self.env._(
                "These figures are not final: conversions count until %s.",
                format_datetime(self.env, until, dt_format="short"),
            )
        return told

    def _explain_empty_group(self):
        """Return why nothing can be compared; the groups never change after the start."""
        if self.origin_id:
            return self.env._(
                "Too few people of this follow-up are in the control group, for example because all"
                " of them have been mailed before, so it can't be compared by itself. The uplift of"
                " the first email task includes what its follow-ups bring about."
            )
        return self.env._(
            "One of the two groups has fewer than two people, so they can't be compared. Use a"
            " larger audience or a larger control group next time."
        )

    def _get_uplift_end(self):
        """Return the moment until which conversions count for both groups (naive UTC)."""
        return self.planned_at + timedelta(days=self.conversion_days)

    def _get_uplift_pair(self):
        """Return `uplift_groups`, or {} if the current user may not see the figures.

        From exact figures about people whom the user may not see, or encrypted ones, a user could
        find out whether a guessed person is among them: see `engine.tens`. The difference of two
        rounded figures would say nothing, so there are none.

        :rtype: dict
        """
        self.ensure_one()
        if self.told_in_tens or not self.control_share or not self.conversion_table_id:
            return {}
        # sudo(): the caller may read the task, and `told_in_tens` decides about the figures.
        return self.sudo().uplift_groups or {}

    def action_choose_conversion(self):
        """Open the dialog that leads to the field of the conversion."""
        self.ensure_one()
        self.check_access("read")
        return self._open_missing(
            [
                (
                    "conversion_table_id",
                    self.env._("Choose what people should do, for example place an order."),
                )
            ]
        )

    def _count_uplift(self):
        """Count the conversions of both groups; called when conversions have been counted.

        Without a table, or in a trial, there are none.

        :raise AccessError: if the owner may not read the data table any more
        :raise UserError: if the data table can't be used any more
        """
        self.ensure_one()
        table = self.conversion_table_id
        if not self.control_share or not table or self.account_id.is_trial:
            self.uplift_groups = False
            return
        begin = SQL("%s::timestamp", self.planned_at)
        # People who were erased are left out: their conversions can't be found any more.
        people = SQL(
            """SELECT d.id AS person, d.assignment, %(begin)s AS begin,
                      COALESCE(d.partner_id, b.partner_id) AS partner_id, d.res_model, d.res_id
                 FROM directmail_delivery d
                 LEFT JOIN (%(became)s) b ON d.partner_id IS NULL AND b.res_model = d.res_model
                                         AND b.res_id = d.res_id
                WHERE d.task_id = %(task)s AND d.assignment IN ('mail', 'control')
                  AND NOT %(erased)s""",
            begin=begin,
            became=self._select_new_contacts(table),
            task=self.id,
            erased=is_erased(SQL.identifier("d")),
        )
        self.uplift_groups = uplift.read_groups(
            self.env,
            people,
            self._select_conversion_facts(table),
            self._get_window(table, SQL("p.begin"), SQL("%s", self.conversion_days)),
        )
