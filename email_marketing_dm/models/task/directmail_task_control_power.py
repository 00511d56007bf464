from datetime import timedelta

from odoo import api, fields, models
from odoo.tools import formatLang

from ...content.languages import join_sentences
from .directmail_task_control import CONTROL_MAX
from .directmail_task_test_results import USUAL_DAYS, USUAL_RATES


class DirectmailTask(models.Model):
    """What a task's page says about its control group before anybody is mailed."""

    _inherit = "directmail.task"

    control_power = fields.Char("What the control group can show", compute="_compute_control_power")
    control_cost = fields.Char("What the control group costs", compute="_compute_control_power")
    control_is_large = fields.Boolean(compute="_compute_control_power")

    @api.depends(
        "account_id", "address_form", "audience_ids.usable_count", "control_share",
        "conversion_days", "conversion_table_id", "planned_at",
    )  # fmt: skip
    @api.depends_context("lang", "uid")
    def _compute_control_power(self):
        for task in self:
            power = task._get_control_power()
            task.control_power = power.get("sentence")
            task.control_cost = power.get("cost")
            task.control_is_large = power.get("enough")

    def _get_control_power(self, counts=None):
        """Return what the task's control group can show, and what it costs.

        Also of a task that is not saved yet; nothing of one that has started.

        :param counts: numbers of people who would get the mail and of the control group, as of an
            estimate; by default of the audiences as they were last refreshed
        :return: {"sentence", "cost", "enough": whether twice the usual conversions would be
            noticed}; empty without a control group
        :rtype: dict
        """
        self.ensure_one()
        share = self.control_share
        if not 0 < share <= CONTROL_MAX or self.planned_at:
            return {}
        if not counts:
            people = self._count_mailable()
            counts = people - people * share // 100, people * share // 100
        if not any(counts):
            sentence = self.env._(
                "Press Estimate to see what the control group can show with this audience."
            )
            return {"sentence": sentence, "cost": "", "enough": False}
        service, rate = self.env["directmail.uplift"], self._get_control_rate()
        found = service._foresee(*counts, rate)
        cost = self.env._(
            "People who could be mailed but get nothing because of it: about %s.",
            formatLang(self.env, found.control, digits=0),
        )
        if not self.conversion_table_id:
            return {"sentence": "", "cost": cost, "enough": True}
        sentence = self._say_control_power(found, rate)
        return {"sentence": sentence, "cost": cost, "enough": found.enough}

    def _say_control_power(self, found, rate):
        """Return which difference would be noticed, and what to do if only a large one would be.

        :param found: a `directmail.uplift` `Foresight`
        :param float rate: share of people who convert without the mail
        """
        values = self.env["directmail.uplift"]._get_foreseen_numbers(found, rate)
        if found.enough:
            return self.env._(
                "People in the control group: %(control)s; people who are mailed: %(mailed)s. A"
                " difference in conversions of %(usual)s to %(better)s would be noticed 8 times in"
                " 10; smaller ones will look like no difference.",
                **values,
            )
        if found.better is None:
            sentence = self.env._(
                "People in the control group: %(control)s; people who are mailed: %(mailed)s. No"
                " difference in conversions would be noticed.",
                **values,
            )
        else:
            sentence = self.env._(
                "People in the control group: %(control)s; people who are mailed: %(mailed)s. Only"
                " a large difference in conversions would be noticed: %(usual)s to %(better)s.",
                **values,
            )
        if found.share:
            advice = self.env._(
                "With a control group of %s%%, twice as many conversions would be noticed.",
                found.share,
            )
        else:
            advice = self.env._(
                "Count conversions for more days, use a larger audience, or compare several email"
                " tasks in a campaign."
            )
        return join_sentences(self.env.lang, (sentence, advice))

    def _get_control_rate(self):
        """Return the share of people who convert without a mail, by earlier control groups.

        Those of the account's email tasks of the last USUAL_DAYS with the same conversion.
        """
        since = fields.Datetime.now() - timedelta(days=USUAL_DAYS)
        # sudo(): email tasks of other users count too; only a rate over all of them is told. Those
        # whose figures are rounded are left out: a single one could be all there is.
        tasks = self.sudo().search(
            [
                ("account_id", "=", self.account_id._origin.id),
                ("conversion_table_id", "=", self.conversion_table_id.id),
                ("control_share", ">", 0),
                ("in_tens", "=", False),
                ("planned_at", ">=", since),
            ],
            order="planned_at desc",
            limit=50,
        )
        groups = [(task.uplift_groups or {}).get("control") for task in tasks]
        return self.env["directmail.uplift"]._get_usual_rate(
            filter(None, groups), USUAL_RATES["conversions"]
        )
