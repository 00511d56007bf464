from contextlib import closing

from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tools import SQL, format_datetime, formatLang

from ...engine import plan
from ...engine.people import is_anybody_addressed
from ...engine.plan import Fate
from ...engine.tens import in_tens_to_sql
from ...groups import GROUP_ADMIN
from ..audience.directmail_audience_refresh import RECENT
from ..people_context import PEOPLE_CONTEXT
from .directmail_task_tens import UNTOLD


class DirectmailTask(models.Model):
    """Estimate of a task's recipients, fatigue control, and checks for encrypted addresses."""

    _inherit = "directmail.task"

    is_notification = fields.Boolean(
        "Notification",
        tracking=True,
        help="Frequency limits and quiet times do not apply to notifications. Use it for"
        " information that people need, not for advertising.",
    )
    notification_counts = fields.Boolean(
        "Counts toward the limits",
        default=True,
        tracking=True,
        help="People who get this notification may then get fewer marketing mails, because it"
        " counts toward their frequency limits.",
    )
    ignore_fatigue = fields.Boolean(
        "Ignore fatigue control",
        copy=False,
        tracking=True,
        help="Frequency limits and quiet times do not apply to this email task. Only an"
        " administrator can change this, and every change is recorded in the chatter.",
    )
    not_after = fields.Datetime(
        "Not after",
        copy=False,
        help="People who can't be mailed by this time, for example because of do-not-disturb hours,"
        " get no mail from this email task. If it is empty, mails wait as long as necessary.",
    )
    may_ignore_fatigue = fields.Boolean(compute="_compute_may_ignore_fatigue")
    held_back = fields.Char("Held back by rule", compute="_compute_held_back")
    held_back_count = fields.Integer("Held back", compute="_compute_held_back")

    def _estimate_people(self, tens=False):
        """Count who would get a mail, and why others would not, if the task were planned now.

        Of a planned task, only count the people who still wait.

        :param bool tens: whether to round numbers down to tens: see `engine.tens`
        :return: {`engine.plan.Fate`: number of people}
        :rtype: dict
        :raise UserError: if an audience can't be refreshed, or never was
        """
        self.ensure_one()
        if self.planned_at:
            waiting = self.waiting_count
            told = self._tell_state("waiting", waiting) if tens else waiting
            return {plan.Fate(None, None, None): told}
        # Refresh the audiences as `_launch` does, except fresh ones (`_is_fresh`). Closing the
        # savepoint rolls the refresh back.
        with closing(self.env.cr.savepoint()):
            if not self.use_as_is:
                self._refresh_audiences(fields.Datetime.now() - RECENT)
            self._check_refreshed()
            counts = self._count_fates(tens)
        self.env.invalidate_all()
        return counts

    def _count_fates(self, tens=False):
        """Count who would get a mail, from the audiences as they are.

        A scheduled task is judged for its `scheduled_at`.

        :param bool tens: whether to round numbers down to tens: see `engine.tens`
        :return: {`engine.plan.Fate`: number of people}
        :rtype: dict
        """
        self.ensure_one()
        self.env.flush_all()
        now = fields.Datetime.now()
        at = max(self.scheduled_at, now) if self.scheduled_at else None
        mark = self._compute_mark() if tens else None
        return plan.estimate(self.env, self._get_task_plan(), at, mark)

    def _count_ahead(self, sender=None):
        """Return how many mails of other sending tasks get the account's quota before this task.

        Numbers of tasks with `in_tens` are rounded to tens each.

        :param sender: a `directmail.sender`; count only its tasks
        """
        self.ensure_one()
        [(ahead,)] = self.env.execute_query(
            SQL(
                """SELECT COALESCE(sum(CASE WHEN in_tens THEN %(told)s ELSE waiting END), 0)::bigint
                     FROM (SELECT t.in_tens, t.tens_mark, sum(c.value)::int AS waiting
                             FROM directmail_task_counter c
                             JOIN directmail_task t ON t.id = c.task_id
                            WHERE t.account_id = %(account)s AND t.state = 'sending'
                              AND c.name = 'waiting' AND t.id != %(task)s
                              AND t.priority >= %(priority)s AND %(of_sender)s
                            GROUP BY t.id) AS ahead""",
                told=in_tens_to_sql(SQL("waiting"), SQL("tens_mark"), UNTOLD["waiting"]),
                account=self.account_id.id,
                task=self.id,
                priority=self.priority,
                of_sender=SQL("TRUE")
                if sender is None
                else SQL("t.sender_id IS NOT DISTINCT FROM %s::int", sender.id or None),
            )
        )
        return ahead

    # === FATIGUE CONTROL === #
    # Exceptions of a task from fatigue control, and the people whom fatigue control held back.

    @api.depends_context("uid")
    def _compute_may_ignore_fatigue(self):
        self.may_ignore_fatigue = self._may_ignore_fatigue()

    @api.depends_context("uid")
    def _compute_held_back(self):
        for task in self:
            fates = task._count_in_tens(task._get_held_back())
            task.held_back_count = sum(fates.values())
            task.held_back = " · ".join(
                task._count_fate(fate, task._say_held_back(number))
                for fate, number in fates.items()
            )

    def _say_held_back(self, number):
        if self.told_in_tens:
            return self._say_about(number)
        return formatLang(self.env, number, digits=0)

    @api.constrains("not_after", "scheduled_at")
    def _check_not_after(self):
        for task in self:
            begin = task.scheduled_at
            if task.not_after and begin and task.not_after <= begin:
                raise ValidationError(
                    self.env._("“Not after” must be later than the scheduled time.")
                )

    def _may_ignore_fatigue(self):
        return self.env.su or self.env.user.has_group(GROUP_ADMIN)

    def _check_may_ignore_fatigue(self):
        if not self._may_ignore_fatigue():
            raise AccessError(
                self.env._("Only an administrator may let an email task ignore fatigue control.")
            )

    def _is_free_of_fatigue(self):
        """Return whether limits, quiet times and do-not-disturb hours don't apply to this task."""
        self.ensure_one()
        return self.is_notification or self.ignore_fatigue

    def _release_held(self):
        """Clear `not_before` of held mails, so that the next claim applies the current settings."""
        over = ("done", "cancelled")
        tasks = self.filtered(lambda task: task.planned_at and task.state not in over)
        if not tasks:
            return
        self.env.flush_all()
        rows = self.env.execute_query(
            SQL(
                """UPDATE directmail_delivery SET not_before = NULL, fatigue_rule = NULL
                    WHERE task_id IN %s AND state = 'waiting' AND fatigue_rule IS NOT NULL
                RETURNING account_id""",
                tuple(tasks.ids),
            )
        )
        self.env["directmail.delivery"].invalidate_model(["not_before", "fatigue_rule"])
        accounts = self.env["directmail.account"].browse({account for (account,) in rows})
        accounts._trigger_sending()

    def _get_held_back(self):
        """Count the task's deliveries that fatigue control suppressed or holds.

        :return: {`engine.plan.Fate`: number of people}
        :rtype: dict
        """
        self.ensure_one()
        if not self._origin.id:
            return {}
        # sudo(): only numbers are returned; `_compute_held_back` rounds them for the reader.
        Delivery = self.env["directmail.delivery"].sudo()
        dropped = Delivery._read_group(
            [
                ("task_id", "=", self._origin.id),
                ("state", "=", "suppressed"),
                ("reason", "in", ("fatigue", "quiet", "too_late")),
            ],
            ["reason", "fatigue_rule"],
            ["__count"],
        )
        held = Delivery._read_group(
            [
                ("task_id", "=", self._origin.id),
                ("state", "=", "waiting"),
                ("fatigue_rule", "!=", False),
            ],
            ["fatigue_rule"],
            ["not_before:min", "__count"],
        )
        return {
            **{Fate(reason, rule or None, None): count for reason, rule, count in dropped},
            **{Fate(None, rule, until): count for rule, until, count in held},
        }

    @api.model
    def _get_rule_label(self, rule):
        field = self.env["directmail.delivery"]._fields["fatigue_rule"]
        return dict(field._description_selection(self.env))[rule]

    def _count_fate(self, fate, number):
        """Return the text of an `engine.plan.Fate` with a number of people.

        :param str number: formatted, may be rounded
        """
        return self.env._("%(label)s: %(count)s", label=self._describe_fate(fate), count=number)

    def _describe_fate(self, fate):
        """Return the text of an `engine.plan.Fate`, as a label for a number of people."""
        if fate.held_until:
            return self.env._(
                "Waiting until %(time)s (%(rule)s)",
                rule=self._get_rule_label(fate.rule),
                time=format_datetime(self.env, fate.held_until, dt_format="short"),
            )
        if fate.reason is None:
            return self.env._("Gets a mail")
        field = self.env["directmail.delivery"]._fields["reason"]
        reason = dict(field._description_selection(self.env))[fate.reason]
        if not fate.rule:
            return reason
        return self.env._(
            "%(reason)s (%(rule)s)", reason=reason, rule=self._get_rule_label(fate.rule)
        )

    def action_view_held_back(self):
        """Open the deliveries that fatigue control suppressed or holds, grouped by rule."""
        self.ensure_one()
        self.check_access("read")
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "email_marketing_dm.directmail_delivery_action"
        )
        return {
            **action,
            "display_name": self.env._("Held back"),
            "domain": [
                ("task_id", "=", self.id),
                "|",
                "&",
                ("state", "=", "suppressed"),
                ("reason", "in", ("fatigue", "quiet", "too_late")),
                "&",
                ("state", "=", "waiting"),
                ("fatigue_rule", "!=", False),
            ],
            "context": {"search_default_group_by_fatigue_rule": 1},
        }

    # === ENCRYPTED ADDRESSES === #

    def _check_encrypted(self):
        """Refuse to start if no encrypted address of the audiences can be decrypted.

        :raise UserError: with what to do about it
        """
        self.ensure_one()
        if problem := self._find_key_problem():
            raise UserError(problem)
        rules, audience_ids = self._get_task_rules(), self.audience_ids.ids
        if not is_anybody_addressed(self.env, PEOPLE_CONTEXT, rules, audience_ids):
            raise UserError(
                self.env._(
                    "Nobody in the audience has an encrypted address that can be read. Send to the"
                    " original addresses, or import encrypted addresses for the contacts."
                )
            )
