from odoo import api, fields, models
from odoo.fields import Domain
from odoo.tools import format_datetime, formatLang

from ...groups import GROUP_ADMIN

LIMIT = 5  # rows per kind of record in a section
UNSENT_DAYS = 30  # an approved template without an email task is mentioned for so long
# Bootstrap colors of the rows' badges.
ACCOUNT_LEVELS = {"active": "success", "stopped": "danger", "disarmed": "danger"}


class DirectmailHome(models.AbstractModel):
    """The data of Home, the first page of the app.

    Everything is searched with the user's rights: marketers see their own email tasks,
    administrators those of all. Figures come from the stored counters of email tasks, so the cost
    depends neither on the number of email tasks nor on that of deliveries.
    """

    _name = "directmail.home"
    _description = "Home"

    @api.model
    @api.readonly
    def get_home(self):
        """Return the data of the page.

        :return: "steps" (see `_get_steps`; empty once an email task that the user may see has
            started), "trial" (see `_get_trial`), "notice" (without an active account: what to do
            about it, else ""), "reviews" (see `_get_reviews`),
            "attention", "progress" and "health" (sections: see `_make_section`; "health" is empty
            for marketers), "results" (see `_get_results`)
        :rtype: dict
        """
        tasks = self.env["directmail.task"]
        # The user group may read tasks. Checked first, because some names below need sudo().
        tasks.check_access("read")
        domain = self._of_company() & self._get_shown_domain() & Domain("planned_at", "!=", False)
        has_started = tasks.with_context(active_test=False).search_count(domain, limit=1)
        return {
            "steps": [] if has_started else self._get_steps(),
            "trial": self._get_trial(),
            "notice": self._explain_no_account() if has_started else "",
            "reviews": self._get_reviews(),
            "attention": self._get_attention(),
            "progress": self._get_progress(),
            "results": self._get_results(),
            "health": self._get_health(),
        }

    @api.model
    def _is_admin(self):
        return self.env.user.has_group(GROUP_ADMIN)

    @api.model
    def _of_company(self):
        return Domain("company_id", "=", self.env.company.id)

    # === SECTIONS === #

    @api.model
    def _get_attention(self):
        """Return the section of what waits for a decision of the user."""
        tasks, templates = self.env["directmail.task"], self.env["directmail.template"]
        parts = [
            self._find(
                tasks,
                [("state", "in", ("paused", "failed"))],
                self._describe_stopped,
                self.env._("All paused and failed email tasks"),
            ),
            self._find(
                templates,
                self._of_user() & Domain("state", "=", "rejected"),
                self._describe_rejected,
                self.env._("All rejected templates"),
            ),
            self._find(
                tasks,
                self._get_ready_domain(),
                self._describe_draft,
                self.env._("All drafts with an approved template"),
            ),
            self._find(
                templates,
                self._of_user() & self._get_unused_domain(),
                self._describe_unused,
                self.env._("All approved templates that were not sent"),
            ),
        ]
        if self._is_admin():
            stopped = [("state", "in", ("stopped", "disarmed"))]
            accounts = self.env["directmail.account"]
            parts.insert(
                0,
                self._find(
                    accounts, stopped, self._describe_account, self.env._("All stopped accounts")
                ),
            )
        return self._make_section(parts)

    @api.model
    def _get_progress(self):
        """Return the section of what goes on without the user."""
        return self._make_section(
            [
                self._find(
                    self.env["directmail.task"],
                    [("state", "in", ("sending", "pending"))],
                    self._describe_running,
                    self.env._("All email tasks in progress"),
                    # "sending" sorts after "pending".
                    order="state desc, calendar_at, id",
                ),
                self._find(
                    self.env["directmail.template"],
                    self._of_user() & Domain("state", "=", "in_review"),
                    self._describe_in_review,
                    self.env._("All templates in review"),
                    order="submitted_at desc, id desc",
                ),
            ]
        )

    @api.model
    def _get_results(self):
        """Return the figures of the email tasks that started last.

        :return: dicts with id, name, date (UTC), state (label), sent and delivered (numbers),
            open_rate and click_rate (0 to 1; False if not recorded or nothing was delivered yet)
        :rtype: list[dict]
        """
        tasks = self.env["directmail.task"].search(
            self._get_shown_domain() & Domain("planned_at", "!=", False),
            order="planned_at desc, id desc",
            limit=LIMIT,
        )
        labels = dict(tasks._fields["state"]._description_selection(self.env))
        return [
            {
                "id": task.id,
                "name": task.name,
                "date": fields.Datetime.to_string(task.planned_at),
                "state": labels[task.state],
                "sent": task.sent_count,
                "delivered": task.delivered_count,
                "open_rate": _divide(task.opened_count, task._get_base("opened"), task.track_opens),
                "click_rate": _divide(
                    task.clicked_count, task._get_base("clicked"), task.track_clicks
                ),
            }
            for task in tasks
        ]

    @api.model
    def _get_health(self):
        """Return the section about accounts and sender addresses, for administrators."""
        if not self._is_admin():
            return self._make_section([])
        accounts = self._find(
            self.env["directmail.account"], [], self._describe_account, self.env._("All accounts")
        )
        senders = [
            {
                "model": "directmail.sender",
                "id": row["id"],
                "name": row["sender"],
                "level": row["level"],
                "label": self.env._("Sender address"),
                "text": row["advice"],
                "progress": False,
            }
            for row in self.env["directmail.task.report"]._get_health()
        ]
        return self._make_section([accounts, (senders, None)])

    @api.model
    def _make_section(self, parts):
        """Return a section of the page from (rows, link) pairs as of `_find`.

        :return: "rows" (dicts with model, id, name, level (Bootstrap color), label, text and
            progress (percent or False)), "links" (dicts with label and action)
        :rtype: dict
        """
        return {
            "rows": [row for rows, _link in parts for row in rows],
            "links": [link for _rows, link in parts if link],
        }

    def _find(self, model, domain, describe, label, order=None):
        """Return the rows of the first LIMIT records, and a link to all if there are more.

        Those of a trial are left out: see `_get_shown_domain`.

        :param describe: takes a record, returns (level, label, text) or with a fourth, progress
        :param str label: of the link
        :return: (list of rows, link or None): see `_make_section`
        """
        domain = Domain(domain)
        if "account_id" in model._fields:
            domain &= self._get_shown_domain()
        records = model.search(domain, limit=LIMIT + 1, order=order)
        rows = []
        for record in records[:LIMIT]:
            level, badge, text, *progress = describe(record)
            rows.append(
                {
                    "model": record._name,
                    "id": record.id,
                    "name": record.display_name,
                    "level": level,
                    "label": badge,
                    "text": text or "",
                    "progress": progress[0] if progress else False,
                }
            )
        action = {
            "type": "ir.actions.act_window",
            "name": label,
            "res_model": model._name,
            "domain": list(domain),
            "views": [(False, "list"), (False, "kanban"), (False, "form")],
        }
        return rows, {"label": label, "action": action} if records[LIMIT:] else None

    # === ROWS === #

    @api.model
    def _of_user(self):
        """Return the domain of the templates that concern the user: their own ones.

        All marketers may read all templates of the company; administrators care for all of them.
        """
        return Domain.TRUE if self._is_admin() else Domain("user_id", "=", self.env.uid)

    @api.model
    def _get_ready_domain(self):
        """Return the domain of drafts whose mails are approved, also those of an A/B test."""
        changed = Domain("letter", "!=", "A") & Domain("template_id.state", "!=", "approved")
        return (
            Domain("state", "=", "draft")
            & Domain("template_id.state", "=", "approved")
            & Domain("version_ids", "not any", changed)
        )

    @api.model
    def _get_unused_domain(self):
        """Return the domain of approved templates that neither a task nor a version sends."""
        since = fields.Datetime.subtract(fields.Datetime.now(), days=UNSENT_DAYS)
        return (
            Domain("state", "=", "approved")
            & Domain("reviewed_at", ">=", since)
            & Domain("task_ids", "=", False)
            & Domain("version_ids", "=", False)
        )

    def _describe_stopped(self, task):
        if task.state == "failed":
            return "danger", self._get_label(task, "state"), task.state_message
        return (
            "warning",
            self._get_label(task, "pause_reason") or self._get_label(task, "state"),
            task.state_message or self.env._("Open the email task to decide how to continue."),
        )

    def _describe_draft(self, _task):
        return (
            "success",
            self.env._("Ready to send"),
            self.env._("The template is approved. Check the email task, then send it."),
        )

    def _describe_rejected(self, template):
        return (
            "danger",
            self._get_label(template, "state"),
            template.review_comment
            or self.env._("Change the template, then submit it for review again."),
        )

    def _describe_unused(self, template):
        return (
            "success",
            self._get_label(template, "state"),
            self.env._("DirectMail approved this template. No email task sends it yet."),
        )

    def _describe_in_review(self, template):
        if template.is_trial:
            text = self.env._("The emulator approves this template in a moment.")
        else:
            text = self.env._(
                "Submitted on %s. A review takes one to three working days.",
                format_datetime(self.env, template.submitted_at, dt_format="short"),
            )
        return "info", self._get_label(template, "state"), text

    def _describe_running(self, task):
        if task.state == "pending":
            return "secondary", self._get_label(task, "state"), task.waiting_for
        sent = self.env._("Sent: %s", formatLang(self.env, task.sent_count, digits=0))
        return "info", self._get_label(task, "state"), task.waiting_for or sent, task.progress

    def _describe_account(self, account):
        level = ACCOUNT_LEVELS.get(account.state, "secondary")
        text = account.state_message
        if account.state == "active":
            if account.health != "ok":
                level, text = "warning", self._get_label(account, "health")
            elif not text:
                text = self.env._(
                    "Daily quota: %s", formatLang(self.env, account.daily_quota, digits=0)
                )
        return level, self._get_label(account, "state"), account.key_problem or text

    def _get_label(self, record, name):
        """Return the label of a selection field's value, "" if it has none."""
        labels = dict(record._fields[name]._description_selection(self.env))
        return labels.get(record[name], "")


def _divide(part, whole, is_recorded):
    return part / whole if is_recorded and whole else False
