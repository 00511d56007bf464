import logging
from collections import Counter
from datetime import timedelta

from odoo import api, fields, models
from odoo.service.model import retrying
from odoo.tools import SQL

from ...directmail.failures import failure_kind
from ..delivery.directmail_delivery import HANDED_OVER, OUTCOMES, REACTION_FIELDS, STATES
from ..mixins.directmail_used import OVER
from .directmail_task_tens import UNTOLD

# Steps of the funnel: (counter, counter that its percentage is based on).
FUNNEL = (
    ("people", None),
    ("sent", "people"),
    ("delivered", "sent"),
    ("opened", "delivered"),
    ("clicked", "delivered"),
    ("converted", "delivered"),
)
# Values of `directmail.optout.origin` where the person asked for it: not bounces or complaints.
WISHES = ("one_click", "page", "directmail")
_logger = logging.getLogger(__name__)
# Deliveries that `_remove_details` deletes in one transaction.
BATCH = 20_000


class DirectmailTask(models.Model):
    """Results of a task on its form: funnel, breakdowns, progress; and removal of old details.

    The funnel comes from `directmail.task.counter`. The breakdowns are counted over the task's
    deliveries when its form is opened; `_remove_details` stores them in `details_totals` before it
    deletes the deliveries.
    """

    _inherit = "directmail.task"

    details_removed_at = fields.Datetime("Details removed", readonly=True, copy=False)
    # Result of `_count_details` before the deliveries were deleted.
    details_totals = fields.Json(readonly=True, copy=False, groups=fields.NO_ACCESS)

    @api.readonly
    def get_effectiveness(self):
        """Return the data of the *Effectiveness* widget on the task's form.

        :return: dict with `funnel`, `totals`, `hours`, `links`, `reasons`, `failures`,
            `unsubscribes`, `removed`, `measuring` (sentences about people who are not measured),
            `hidden` (number of people whom the user may not see) and
            `in_tens` (whether reasons are rounded to tens); a row has a label, a number, and the
            `value` with which `action_view_part` opens the people it counts
        :rtype: dict
        """
        self.ensure_one()
        self.check_access("read")
        # sudo(): reading was checked above. Figures count people whom the user may not see, too.
        task = self.sudo()
        counted = task.details_totals if task.details_removed_at else task._count_details()
        return {
            "funnel": self._get_funnel(counted),
            "totals": counted["totals"],
            "hours": [
                {"hour": hour, "opened": opened, "clicked": clicked}
                for hour, opened, clicked in counted["hours"]
            ],
            "links": task._label_links(counted["links"]),
            "reasons": task._label_reasons(self._count_in_tens(counted["reasons"])),
            "failures": task._label_failures(counted["failures"]),
            "unsubscribes": task._label_unsubscribes(counted["unsubscribes"]),
            "removed": bool(task.details_removed_at),
            "in_tens": self.told_in_tens,
            "measuring": task._explain_measuring(counted["totals"]),
            "hidden": 0 if task.details_removed_at else self._count_hidden(),
        }

    def action_view_part(self, part, value=False):
        """Open the list of the people that a row of `get_effectiveness` counts.

        :param str part: 'reasons', 'failures', 'links' or 'unsubscribes'
        :param value: the row's `value`
        """
        self.ensure_one()
        self.check_access("read")
        if part == "unsubscribes":
            action = self.env["ir.actions.act_window"]._for_xml_id(
                "email_marketing_dm.directmail_optout_action"
            )
            domain = [("task_id", "=", self.id), ("origin", "in", WISHES)]
            return {**action, "domain": [*domain, ("reason_id", "=", value)]}
        domains = {
            "reasons": [("state", "=", "suppressed"), ("reason", "=", value)],
            "failures": self._get_failure_domain(value),
            "links": [("event_ids", "any", self._get_click_domain(value))],
        }
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "email_marketing_dm.directmail_delivery_action"
        )
        return {**action, "domain": [("task_id", "=", self.id), *domains[part]]}

    # === COUNTING === #

    def _count_hidden(self):
        """Return how many of the task's people the current user may not see in lists.

        Where figures are rounded to tens, only people whom DirectMail was asked to mail
        (HANDED_OVER) are counted: lists show no others either.
        """
        if self.env.user == self.user_id and not self.in_tens:
            return 0  # Without `in_tens`, the plan found nobody whom the owner may not see.
        listed = self.env["directmail.delivery"].search_count([("task_id", "=", self.id)])
        if self.told_in_tens:
            return sum(self[f"{state}_count"] for state in HANDED_OVER) - listed
        return self.people_count - listed

    def _count_details(self):
        """Count totals, hours, links, reasons, failures and unsubscribes over the deliveries.

        The result is stored as JSON in `details_totals`: ids and codes, no names, no labels.
        """
        self.ensure_one()
        self.env.flush_all()
        [totals] = self.env.execute_query_dict(
            SQL(
                """SELECT COALESCE(sum(open_count), 0)::int AS opens,
                          COALESCE(sum(click_count), 0)::int AS clicks,
                          COALESCE(sum(machine_open_count), 0)::int AS machine_opens,
                          COALESCE(sum(machine_click_count), 0)::int AS machine_clicks,
                          count(*) FILTER (WHERE opened_at IS NOT NULL OR machine_open_count > 0
                                              OR machine_click_count > 0) AS opened_any,
                          count(*) FILTER (WHERE clicked_at IS NOT NULL
                                              OR machine_click_count > 0) AS clicked_any,
                          count(*) FILTER (WHERE measuring IS NOT NULL AND state IN %s)
                              AS unmeasured,
                          count(*) FILTER (WHERE measuring = 'clicks' AND state IN %s)
                              AS only_clicks
                     FROM directmail_delivery WHERE task_id = %s""",
                HANDED_OVER,
                HANDED_OVER,
                self.id,
            )
        )
        return {
            "totals": totals,
            "hours": self._count_hours(),
            "links": self._count_links(),
            "reasons": self._count_parts(
                SQL("reason"), SQL("directmail_delivery"), SQL("state = 'suppressed'")
            ),
            "failures": self._count_failures(),
            "unsubscribes": self._count_parts(
                SQL("reason_id"), SQL("directmail_optout"), SQL("origin IN %s", WISHES)
            ),
        }

    def _count_parts(self, column, table, condition):
        """Return [[value, number], ...] of a column, most frequent first."""
        return [
            list(row)
            for row in self.env.execute_query(
                SQL(
                    "SELECT %(column)s, count(*) FROM %(table)s WHERE task_id = %(task)s"
                    " AND %(condition)s GROUP BY 1 ORDER BY 2 DESC, 1",
                    column=column,
                    table=table,
                    condition=condition,
                    task=self.id,
                )
            )
        ]

    def _count_failures(self):
        return self._count_parts(
            SQL("code"),
            SQL("directmail_delivery"),
            SQL("(state = 'refused' OR outcome IN ('failed', 'invalid', 'spam'))"),
        )

    def _count_hours(self):
        """Return [[hour (UTC), number of first opens, number of first clicks], ...] by hour."""
        return [
            [fields.Datetime.to_string(hour), opened, clicked]
            for hour, opened, clicked in self.env.execute_query(
                SQL(
                    """SELECT hour, sum(opened)::int, sum(clicked)::int FROM (
                            SELECT date_trunc('hour', opened_at) AS hour, count(*) AS opened,
                                   0 AS clicked
                              FROM directmail_delivery
                             WHERE task_id = %(task)s AND opened_at IS NOT NULL GROUP BY 1
                             UNION ALL
                            SELECT date_trunc('hour', clicked_at), 0, count(*)
                              FROM directmail_delivery
                             WHERE task_id = %(task)s AND clicked_at IS NOT NULL GROUP BY 1
                       ) AS firsts GROUP BY hour ORDER BY hour""",
                    task=self.id,
                )
            )
        ]

    def _count_links(self):
        """Return [[link id, people, clicks], ...] by link number, without clicks of machines."""
        return [
            list(row)
            for row in self.env.execute_query(
                SQL(
                    """SELECT l.id, count(DISTINCT e.delivery_id), count(e.id)
                         FROM directmail_link l
                         LEFT JOIN directmail_event e
                           ON e.link_id = l.id AND e.kind = 'click' AND e.machine IS NOT TRUE
                        WHERE l.task_id = %s GROUP BY l.id, l.number ORDER BY l.number""",
                    self.id,
                )
            )
        ]

    # === LABELS === #

    def _get_known_figures(self):
        """Return {name of a figure: whether any results of it have been read}.

        Figures that are not in it are always known.
        """
        return {
            **dict.fromkeys(("delivered", "opened", "clicked"), self.has_results),
            **dict.fromkeys(("converted", "revenue"), bool(self.conversion_at)),
        }

    def _get_funnel(self, counted):
        """Return the steps of the funnel; `base` is what the percentage of a step refers to."""
        counts = {name: self[f"{name}_count"] for name, _base in FUNNEL}
        # sudo(): the caller has checked that the user may read the task.
        task = self.sudo()
        recorded = {
            "opened": self.track_opens and not task._is_nobody_recorded("opened"),
            "clicked": self.track_clicks and not task._is_nobody_recorded("clicked"),
        }
        known = self._get_known_figures()
        steps = []
        for name, base in FUNNEL:
            if name == "converted" and not self.conversion_table_id:
                continue
            if self.told_in_tens and base == "people":
                base = None  # `people` is rounded: a percentage of it would be wrong.
            steps.append(
                {
                    "name": name,
                    "label": self._fields[f"{name}_count"]._description_string(self.env),
                    "count": counts[name],
                    "text": self.told_in_tens and name == "people" and self.people_text,
                    # Opens and clicks of machines included; else the same as `count`.
                    "any": counted["totals"].get(f"{name}_any", counts[name]),
                    "base": self._get_base(name, counts[base]) if base else counts[name],
                    "base_label": base
                    and self._fields[f"{base}_count"]._description_string(self.env),
                    "recorded": recorded.get(name, True),
                    # False until the first results: a 0 would look like a result.
                    "known": known.get(name, True),
                }
            )
        return steps

    def _label_links(self, rows):
        links = self.env["directmail.link"].browse(link for link, *_counts in rows).exists()
        known = {link.id: link for link in links}
        return [
            {
                "value": link,
                "label": self._label_link(known[link]),
                "url": known[link].url,
                "count": people,
                "clicks": clicks,
            }
            for link, people, clicks in rows
            if link in known
        ]

    def _label_link(self, link):
        """Return the text of a link; of an A/B test, with the version that has it."""
        label = link.title or link.url
        versions = self.version_ids.filtered(lambda one: one._get_template() == link.template_id)
        if not versions:
            return label
        return self.env._("%(link)s (version %(letter)s)", link=label, letter=versions[0].letter)

    def _label_reasons(self, rows):
        field = self.env["directmail.delivery"]._fields["reason"]
        labels = dict(field._description_selection(self.env))
        return [
            {"value": reason, "label": labels.get(reason, reason or ""), "count": count}
            for reason, count in rows.items()
        ]

    def _label_failures(self, rows):
        labels = self._get_failure_labels()
        counts = Counter()
        for code, count in rows:
            counts[failure_kind(code)] += count
        return [
            {"value": kind, "label": labels[kind], "count": count}
            for kind, count in counts.most_common()
        ]

    def _label_unsubscribes(self, rows):
        reasons = self.env["mailing.subscription.optout"].browse(r for r, _count in rows if r)
        names = {reason.id: reason.name for reason in reasons.exists()}
        return [
            {
                "value": reason or False,
                "label": names.get(reason) or self.env._("No reason given"),
                "count": count,
            }
            for reason, count in rows
        ]

    @api.model
    def _get_failure_labels(self):
        """Return {kind as of `directmail.failures.failure_kind`: label}."""
        return {
            "no_mailbox": self.env._("The mailbox does not exist"),
            "complained": self.env._("Reported an earlier mail as spam"),
            "unsubscribed": self.env._("Unsubscribed from an earlier mail at DirectMail"),
            "too_many": self.env._("The mailbox provider accepts no more mails for now"),
            "sender": self.env._("The sender address or its domain is not trusted"),
            "content": self.env._("The content looks like spam"),
            "connection": self.env._("The mail server could not be reached"),
            "trap": self.env._("Spam trap address"),
            "other": self.env._("Other reasons"),
        }

    def _get_failure_domain(self, kind):
        """Return the domain of this task's deliveries whose failure is of a kind.

        The codes are looked up among all deliveries (sudo()): the domain itself lists only those
        that the user may see.

        :param str kind: as of `directmail.failures.failure_kind`
        """
        failures = self.sudo()._count_failures()
        chosen = [code or False for code, _count in failures if failure_kind(code) == kind]
        return [
            "|",
            ("state", "=", "refused"),
            ("outcome", "in", ("failed", "invalid", "spam")),
            ("code", "in", chosen),
        ]

    @api.model
    def _get_click_domain(self, link):
        return [("link_id", "=", link), ("kind", "=", "click"), ("machine", "=", False)]

    # === PROGRESS === #
    # Polled by the form while mails go out.

    @api.readonly
    def get_progress(self):
        """Return the progress of the task.

        Every open form calls it every few seconds, so it reads counters and no deliveries.

        :return: state, waiting_for, state_message: as the form's fields; people (number); to_mail
            (number of people who are not suppressed) and to_mail_text; progress (percent of
            to_mail, rounded down); rate_limit (mails a second); rest_waits (whether people wait for
            the decision of an A/B test, however fast others are mailed); told_in_tens; counts:
            [{name, label, value, text}] of STATES, OUTCOMES and REACTION_FIELDS without zeros. The
            texts replace rounded numbers, and are false for exact ones
        :rtype: dict
        """
        self.ensure_one()
        self.check_access("read")
        counts = [
            {
                "name": name,
                "label": self._fields[f"{name}_count"]._description_string(self.env),
                "value": self[f"{name}_count"],
                "text": self.told_in_tens and name in UNTOLD and self._say_count(name),
            }
            for name in (*dict(STATES + OUTCOMES), *REACTION_FIELDS)
        ]
        to_mail = self.people_count - self.suppressed_count
        return {
            "state": self.state,
            "state_message": self.state_message,
            "waiting_for": self.waiting_for,
            "people": self.people_count,
            "to_mail": to_mail,
            "to_mail_text": self.told_in_tens and self._say_about(to_mail),
            "told_in_tens": self.told_in_tens,
            "progress": self.progress,
            "rate_limit": self.account_id.rate_limit,
            "rest_waits": bool(self.version_ids and self._may_have_rest() and not self.winner_by),
            "counts": [
                count for count in counts if count["value"] or count["name"] in self._get_small()
            ],
        }

    def _get_small(self):
        """Return the counts to show although they are rounded to 0, because a few may exist."""
        if not self.told_in_tens:
            return ()
        return "suppressed", {"done": "", "cancelled": "cancelled"}.get(self.state, "waiting")

    # === RETENTION === #
    # After `directmail.account.retention_days` the deliveries of a task are deleted; its counters
    # and `details_totals` stay.

    @api.model
    def _cron_remove_details(self):
        """Delete the deliveries of outdated tasks, BATCH in a transaction."""
        cron = self.env["ir.cron"]
        tasks = self._get_outdated()
        cron._commit_progress(remaining=len(tasks))
        for task in tasks:
            while retrying(task._remove_details, self.env):
                if not cron._commit_progress():
                    return
            if not cron._commit_progress(1):
                return

    @api.model
    def _get_outdated(self):
        """Return ended tasks that are older than their account's `retention_days`.

        Includes tasks with `details_removed_at` that still have deliveries: an interrupted run.
        """
        outdated = self.browse()
        accounts = self.env["directmail.account"].with_context(active_test=False)
        for account in accounts.search([("retention_days", ">", 0)]):
            before = fields.Datetime.now() - timedelta(days=account.retention_days)
            outdated |= self.with_context(active_test=False).search(
                [
                    ("account_id", "=", account.id),
                    ("state", "in", ("done", "cancelled")),
                    ("finished_at", "<", before),
                    ("planned_at", "!=", False),
                    "|",
                    ("details_removed_at", "=", False),
                    ("delivery_ids", "!=", False),
                    # Recurring tasks that mail nobody twice need the people of their runs.
                    "|",
                    "|",
                    ("recurring_id", "=", False),
                    ("recurring_id.repeat_people", "!=", "new"),
                    ("recurring_id.state", "in", OVER),
                ]
            )
        return outdated

    def _remove_details(self):
        """Delete up to BATCH deliveries of the task; the first time, store `details_totals` before.

        :return: whether deliveries may be left
        :rtype: bool
        """
        self.ensure_one()
        if not self.details_removed_at:
            self._store_figures()
            self.write(
                {
                    "details_totals": {**self._count_details(), "test": self._count_test()},
                    "details_removed_at": fields.Datetime.now(),
                }
            )
        self.env.flush_all()
        removed = self.env.execute_query(
            SQL(
                # ARRAY: with IN, PostgreSQL reads the whole table for each batch. The order is that
                # of `_page_index`: ordered by id, it would read other tasks' rows, too.
                """DELETE FROM directmail_delivery WHERE id = ANY(ARRAY(
                        SELECT id FROM directmail_delivery WHERE task_id = %s
                         ORDER BY partner_id, id LIMIT %s)) RETURNING id""",
                self.id,
                BATCH,
            )
        )
        self.env["directmail.delivery"].invalidate_model()
        self.env["directmail.event"].invalidate_model()
        if removed:
            _logger.info("Email task %s: details of %s people removed", self.id, len(removed))
        return len(removed) == BATCH
