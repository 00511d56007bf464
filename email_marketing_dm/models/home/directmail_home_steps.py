from odoo import api, models
from odoo.fields import Domain
from odoo.tools import format_list, formatLang

#: states of a template by how near it is to being sent
NEAREST = ("approved", "in_review", "rejected", "lapsed", "draft")
UNSENT = ("draft", "pending", "paused", "failed")


class DirectmailHome(models.AbstractModel):
    """The five steps to the first campaign."""

    _inherit = "directmail.home"

    @api.model
    def _get_steps(self):
        """Return the steps *Connect*, *Choose people*, *Design*, *Review* and *Send*.

        Exactly one step has a button: the first one that the user can do now, else the first one
        that waits and has something to show.

        :return: dicts with name; title; state ("done", "now", "waiting" for somebody else, or
            "later"); text; label and action of the button, both False if it has none; other: label
            and action of a second button beside it, or False
        :rtype: list[dict]
        """
        account, audience = self._get_account(), self._get_audience()
        template, task = self._get_template(), self._get_task()
        steps = [
            self._make_connect(account),
            self._make_people(audience),
            self._make_design(account, template),
            self._make_review(account, template),
            self._make_send(account, audience, template, task),
        ]
        todo = [step for step in steps if step["state"] == "now"]
        for step in todo[1:]:
            step["state"] = "later"
        shown = todo or [step for step in steps if step["state"] == "waiting" and step["action"]]
        for step in steps:
            if step not in shown[:1]:
                step["label"] = step["action"] = step["other"] = False
        return steps

    # === WHAT EXISTS === #

    @api.model
    def _get_account(self):
        """Return the account that is next to use: an active one if there is one, no trial."""
        accounts = self._get_accounts()
        return accounts.sorted(lambda account: (account.is_trial, account.state != "active"))[:1]

    @api.model
    def _get_audience(self):
        """Return an audience with people, else the user's latest one."""
        company = self._of_company()
        audiences = self.env["directmail.audience"]
        return audiences.search(
            company & Domain("people_count", ">", 0), limit=1, order="refreshed_at desc, id desc"
        ) or audiences.search(
            company & Domain("user_id", "=", self.env.uid), limit=1, order="id desc"
        )

    @api.model
    def _get_template(self):
        """Return the template that is nearest to being sent: of the user, or an approved one.

        Templates that belong to a colleague's email task are left out.
        """
        company = self._of_company() & self._get_shown_domain()
        templates = self.env["directmail.template"]
        for state in NEAREST:
            mine = self._of_user()
            if state == "approved":
                mine |= Domain("task_id", "=", False)
            found = templates.search(company & mine & Domain("state", "=", state), limit=1)
            if found:
                return found
        return templates

    @api.model
    def _get_task(self):
        domain = self._of_company() & self._get_shown_domain() & Domain("state", "in", UNSENT)
        return self.env["directmail.task"].search(domain, limit=1)

    # === STEPS === #

    def _make_step(self, name, title, state, text, label=False, action=False, other=False):
        return {
            "name": name,
            "title": title,
            "state": state,
            "text": text,
            "label": label,
            "action": action,
            "other": other,
        }

    def _make_connect(self, account):
        title = self.env._("Connect")
        is_active = account.state == "active"
        if is_active and account.sender_ids.filtered("ready"):
            return self._make_step(
                "connect", title, "done", self.env._("The account %s is active.", account.name)
            )
        if not self._is_admin():
            text = self._explain_missing_sender() if is_active else self._say_no_account()
            return self._make_step("connect", title, "waiting", text)
        if not account:
            return self._make_step(
                "connect",
                title,
                "now",
                self.env._(
                    "Enter the AccessKey of your DirectMail account and activate it, or try"
                    " everything out first without an account."
                ),
                self.env._("Connect DirectMail"),
                self._open(account),
                self._make_trial_offer(),
            )
        if is_active:
            text = self.env._(
                "Create a batch sender address on a verified domain in DirectMail's console, then"
                " synchronize the account %s.",
                account.name,
            )
        else:
            text = self.env._("The account %s is not active yet. Activate it.", account.name)
        return self._make_step(
            "connect", title, "now", text, self.env._("Open the account"), self._open(account)
        )

    def _make_people(self, audience):
        title = self.env._("Choose people")
        if audience.people_count:
            text = self.env._(
                "People in the audience %(audience)s: %(count)s.",
                audience=audience.name,
                count=formatLang(self.env, audience.people_count, digits=0),
            )
            return self._make_step("people", title, "done", text)
        if audience:
            text = self.env._(
                "The audience %s has nobody in it yet. Check its lines, then refresh it.",
                audience.name,
            )
            label = self.env._("Open the audience")
        else:
            text = self.env._("Choose who gets the mail: contacts, customers, or your own list.")
            label = self.env._("Create an audience")
        return self._make_step("people", title, "now", text, label, self._open(audience))

    def _make_design(self, account, template):
        title = self.env._("Design")
        if template:
            return self._make_step("design", title, "done", template.name)
        return self._make_step(
            "design",
            title,
            "now" if account.state == "active" else "later",
            self.env._("Start from one of our designs and make it yours."),
            self.env._("Choose a design"),
            "email_marketing_dm.directmail_design_action",
        )

    def _make_review(self, account, template):
        title = self.env._("Review")
        label, action = self.env._("Open the template"), self._open(template)
        match template.state:
            case "approved":
                text = self.env._("DirectMail approved the template %s.", template.name)
                return self._make_step("review", title, "done", text)
            case "in_review":
                text = self.env._("DirectMail is reviewing the template %s.", template.name)
                return self._make_step("review", title, "waiting", text, label, action)
            case "rejected":
                text = self.env._(
                    "DirectMail rejected the template %s. Change it, then submit it again.",
                    template.name,
                )
            case "draft" | "lapsed":
                text = self.env._("Submit the template %s for review.", template.name)
            case _:
                text = (
                    self.env._("The emulator of the trial approves every template in a moment.")
                    if account.is_trial
                    else self.env._(
                        "DirectMail reviews every template, which takes one to three working days."
                    )
                )
                return self._make_step("review", title, "later", text)
        return self._make_step("review", title, "now", text, label, action)

    def _make_send(self, account, audience, template, task):
        title = self.env._("Send")
        if task.state == "pending":
            return self._make_step(
                "send",
                title,
                "waiting",
                task.waiting_for or "",
                self.env._("Open the email task"),
                self._open(task),
            )
        may_send = account.state == "active" and template.state in ("approved", "in_review")
        state = "now" if may_send and audience.people_count else "later"
        if task:
            text = self.env._("Check the email task %s, then send it.", task.name)
            label, action = self.env._("Open the email task"), self._open(task)
        else:
            text = self.env._("An email task sends your template to your audience, now or later.")
            label = self.env._("Create an email task")
            action = self._open_new_task(audience, template)
        return self._make_step("send", title, state, text, label, action)

    # === ACTIONS === #

    @api.model
    def _open(self, record):
        """Return the action that opens a record's form, or a new one without a record."""
        return {
            "type": "ir.actions.act_window",
            "name": record.display_name if record else record._description,
            "res_model": record._name,
            "res_id": record.id,
            "views": [(False, "form")],
        }

    @api.model
    def _open_new_task(self, audience=None, template=None):
        """Return the action that opens a new email task with an audience and a template."""
        context = {}
        if audience:
            context["default_audience_ids"] = audience.ids
        if template:
            context["default_template_id"] = template.id
            context["default_account_id"] = template.account_id.id
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("New email task"),
            "res_model": "directmail.task",
            "views": [(False, "form")],
            "context": context,
        }

    # === WHOM TO ASK === #

    @api.model
    def _explain_no_account(self):
        """Return that no account is active in the user's company and what to do; "" if one is."""
        if self.env["directmail.template"]._default_account():
            return ""
        return self._say_no_account()

    @api.model
    def _say_no_account(self):
        """Return the text of `_explain_no_account`, whether or not a trial is active."""
        if self._is_admin():
            return self.env._(
                "No DirectMail account is active in %s, so templates can't be reviewed and email"
                " tasks can't be sent. Connect and activate an account first.",
                self.env.company.name,
            )
        names = self._get_admin_names()
        if not names:
            return self.env._(
                "No DirectMail account is active in %s, so templates can't be reviewed and email"
                " tasks can't be sent. Ask the administrator of Odoo to connect one.",
                self.env.company.name,
            )
        return self.env._(
            "No DirectMail account is active in %(company)s, so templates can't be reviewed and"
            " email tasks can't be sent. Ask an administrator to activate one: %(names)s.",
            company=self.env.company.name,
            names=names,
        )

    @api.model
    def _explain_missing_sender(self):
        """Return that no sender address is ready, and whom a marketer asks about it."""
        names = self._get_admin_names()
        if not names:
            return self.env._(
                "No sender address can send marketing mail yet. Ask the administrator of Odoo."
            )
        return self.env._(
            "No sender address can send marketing mail yet. Ask an administrator: %s.", names
        )

    @api.model
    def _get_admin_names(self):
        admins = self.env["res.users"]._get_directmail_admins(self.env.company)
        return format_list(self.env, admins.mapped("name"))
