from datetime import datetime

from odoo import fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL, format_list, formatLang

from ...engine.doubts import settle_refusals
from ..delivery.directmail_delivery import OUTCOMES, REACTION_FIELDS, STATES

ON_ITS_WAY = ("pending", "sending", "paused")

#: {counter: date field of deliveries that is set for the people it counts}
DATES = {**REACTION_FIELDS, "converted": "converted_at"}


class DirectmailTask(models.Model):
    """Buttons of a task's form, and the checks before it is sent."""

    _inherit = "directmail.task"

    # === ACTIONS === #

    def action_open_send(self):
        """Open the estimate with a button that sends or schedules the task.

        Before it comes the dialog that lists what is missing, or the one that recommends First
        contact.
        """
        self.ensure_one()
        self.check_access("write")
        self._check_key()
        self._check_taken_over()
        if missing := self._find_problems():
            return self._open_missing(missing)
        if self.account_id._offers_first_contact():
            return self._open_offer()
        if self.send_type == "repeat":
            return self._open_estimate(self.env._("Start repeating"), may_send=True)
        if self.scheduled_at and not self.planned_at:
            return self._open_estimate(self.env._("Schedule the mails"), may_send=True)
        return self._open_estimate(self.env._("Send the mails"), may_send=True)

    def action_open_estimate(self):
        """Open the estimate without a *Send* button."""
        self.ensure_one()
        self.check_access("read")
        if not self._read_all_audiences()["audience_ids"]:
            return self._open_missing(
                [("audience_ids", self.env._("Choose the audience that gets this mail."))]
            )
        return self._open_estimate(self.env._("Estimate"), may_send=False)

    def action_open_test(self):
        """Open the dialog that sends a test of the mail to colleagues and seed addresses."""
        self.ensure_one()
        self.check_access("read")
        if not self.template_id:
            text = self.env._("Choose the template to send, or write the mail.")
            return self._open_missing([("subject", text)])
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "email_marketing_dm.directmail_template_test_action"
        )
        context = {
            "default_template_id": self.template_id.id,
            "default_address_type": self.address_type,
        }
        if self.sender_id.ready:
            context["default_sender_id"] = self.sender_id.id
        return {**action, "context": context}

    def _open_offer(self):
        """Open the dialog that recommends First contact before the account's first email task."""
        offer = self.env["directmail.first.contact.offer"].create({"task_id": self.id})
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Run First contact before sending?"),
            "res_model": offer._name,
            "res_id": offer.id,
            "views": [(False, "form")],
            "target": "new",
        }

    def _open_estimate(self, title, may_send):
        estimate = self.env["directmail.task.estimate"]._make(self, may_send)
        return {
            "type": "ir.actions.act_window",
            "name": title,
            "res_model": estimate._name,
            "res_id": estimate.id,
            "views": [(False, "form")],
            "target": "new",
        }

    def action_send(self):
        """Set the tasks to pending: they start when template, time and quota allow.

        :return: True, or a notification if all tasks were sent before
        :raise UserError: if a task can't be sent, with what to do about it
        """
        tasks = self.filtered(lambda task: not task._was_sent())
        for task in tasks:
            task.check_access("write")
            task._lock()
            task._agree_by_sending()
            task._check_ready()
            if not task.planned_at and task._is_too_late():
                raise UserError(
                    self.env._("The scheduled time has passed. Enter a new time, or send now.")
                )
            task._proceed("pending")
            # sudo(): write access to the task was checked above; it only times the next poll.
            task._get_templates().sudo()._schedule_review_check()
        return True if tasks or not self else self._say_sent()

    def action_send_now(self):
        """Send now what was paused before its start, for example as too late."""
        for task in self:
            task.check_access("write")
            if task.state != "paused" or task.planned_at or task.send_type == "repeat":
                raise UserError(self.env._("%s is not waiting for a decision.", task.name))
            task.write({"send_type": "now", "scheduled_at": False})
        return self.action_send()

    def action_withdraw(self):
        """Set tasks that have not started back to draft."""
        self.check_access("write")
        self._check_no_step()
        self._lock()
        for task in self:
            task._check_editable()
            # sudo(): writing was checked above; `state` is guarded.
            task.sudo().write({"state": "draft", "state_message": False, "pause_reason": False})
            task._close_activities()
        return True

    def action_pause(self):
        """Pause the tasks; calls to DirectMail that are under way finish within seconds.

        A recurring task makes no runs while it is paused.
        """
        self.check_access("write")
        self._lock()
        # sudo(): writing was checked above; `state` is guarded.
        self.filtered(
            lambda task: (
                task.state == "sending"
                or (task.state == "pending" and (task.planned_at or task.send_type == "repeat"))
            )
        ).sudo().write({"state": "paused", "pause_reason": "user", "state_message": False})
        return True

    def action_resume(self):
        """Continue paused tasks with the people who still wait.

        A task that was not planned is sent like a new one. If content or template changed, the
        task becomes pending, so that `_prepare` checks both.

        :raise UserError: if a task can't go on, with what to do about it
        """
        self.check_access("write")
        self._lock()
        for task in self.filtered(lambda task: task.state == "paused"):
            if not task.planned_at:
                task.action_send()
                continue
            task._agree_by_sending()
            task._check_key()
            if task.account_id.state != "active":
                raise UserError(
                    self.env._(
                        "The DirectMail account is not active. Ask an administrator to activate it."
                    )
                )
            task.account_id._check_public_url_usable()
            states = set(task._get_templates().mapped("state"))
            changed = task.content_changed or states != {"approved"}
            if changed:
                task._check_ready()
            # With changed content, no earlier refusal counts: a limit of 1 resets them all.
            task._settle_refusals(1 if changed else task.account_id.refusal_limit)
            task._proceed("pending" if changed else "sending")
        return True

    def _settle_refusals(self, limit):
        """Update the refused people of a paused task: see `engine.doubts.settle_refusals`."""
        self.ensure_one()
        deliveries = self.env["directmail.delivery"]
        deliveries.flush_model(["task_id", "state", "refusals", "refused_at", "not_before"])
        settle_refusals(self.env, self.id, limit, was_asked=self.pause_reason == "refused")
        deliveries.invalidate_model(["refusals", "refused_at", "not_before"])

    def _check_archivable(self, vals):
        """Refuse to archive a task that is on its way; one that repeats is paused then.

        :param dict vals: values to be written
        :raise UserError: with what to do
        """
        for task in self if vals.get("active") is False else ():
            if task.state in ON_ITS_WAY and task.send_type != "repeat":
                raise UserError(
                    self.env._(
                        "%s has not ended. Wait until it has, or cancel it, then archive it.",
                        task.name,
                    )
                )

    def action_cancel(self):
        """Cancel the tasks; deliveries that were handed over stay on record."""
        self.check_access("write")
        self._check_no_step()
        self._lock()
        for task in self.filtered(
            lambda task: task.state in ON_ITS_WAY or (task.state == "failed" and task.planned_at)
        ):
            # The sending loop claims deliveries meanwhile: an UPDATE of all waiting ones would
            # conflict with it again and again. The loop stops at the new state; the account's cron,
            # triggered here, then cancels the rest (`directmail.account._cancel_rest`).
            if task.state == "sending":
                task.account_id._trigger_sending()
            else:
                # sudo(): write access was checked above; deliveries and `state` are guarded.
                task.sudo()._cancel_waiting()
            task.sudo().write(
                {
                    "state": "cancelled",
                    "pause_reason": False,
                    "state_message": False,
                    "finished_at": fields.Datetime.now(),
                }
            )
            task._close_activities()
        return True

    def action_view_deliveries(self):
        """Open the deliveries that a figure counts.

        The context's `figure` is "people", a state, an outcome, a key of DATES, or "version": the
        people of the test group who were assigned to the context's `version`.
        """
        self.ensure_one()
        self.check_access("read")
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "email_marketing_dm.directmail_delivery_action"
        )
        domain = [("task_id", "=", self.id)]
        name = self.env.context.get("figure")
        if name == "version":
            letter = self.env.context.get("version")
            domain += [("version", "=", letter), ("is_rest", "=", False)]
            return {
                **action,
                "domain": domain,
                "context": {},
                "display_name": self.env._("Version %s", letter),
            }
        if name in dict(STATES):
            domain.append(("state", "=", name))
        elif name in dict(OUTCOMES):
            domain.append(("outcome", "=", name))
        elif name in DATES:
            domain.append((DATES[name], "!=", False))
        else:
            context = {"search_default_group_by_state": 1} if name == "people" else {}
            return {**action, "domain": domain, "context": context}
        label = self._fields[f"{name}_count"]._description_string(self.env)
        context = {"search_default_group_by_reason": 1} if name == "suppressed" else {}
        return {**action, "domain": domain, "context": context, "display_name": label}

    # === BUSINESS === #

    def _was_sent(self):
        """Return whether the task was sent before: then *Send* does nothing.

        :raise UserError: if *Send* can't be pressed, with what to press instead
        """
        self.check_access("write")
        if self.state in ("draft", "failed") or self._asks_its_owner():
            return False
        if self.state == "paused":
            raise UserError(self.env._("%s is paused. Press Resume to continue.", self.name))
        if self.state == "cancelled":
            raise UserError(
                self.env._("%s was cancelled. Duplicate it to send its mail again.", self.name)
            )
        return True

    def _lock(self):
        """Lock the tasks' rows, so that two transactions can't change their state at once.

        If another transaction wrote a row since this one began, PostgreSQL reports a serialization
        error, and Odoo repeats the request. Buttons lock first, before they do anything that takes
        time: a request that locks late meets such an error in each of Odoo's five tries, where a
        cron writes the task often.
        """
        self.flush_recordset()
        self.env.execute_query(
            SQL(
                "SELECT id FROM directmail_task WHERE id IN %s ORDER BY id FOR NO KEY UPDATE",
                tuple(self.ids) or (0,),
            )
        )

    def _say_sent(self):
        """Return a notification that these tasks were sent already."""
        names = format_list(self.env, self.mapped("name"))
        if all(task.state == "done" for task in self):
            message = self.env._("Already sent: %s. Nobody gets the mail twice.", names)
        else:
            message = self.env._(
                "Already scheduled or being sent: %s. Nobody gets the mail twice.", names
            )
        return {
            "type": "ir.actions.client",
            "tag": "display_notification",
            "params": {
                "type": "info",
                "message": message,
                "next": {"type": "ir.actions.client", "tag": "soft_reload"},
            },
        }

    def _proceed(self, state):
        """Set the state, clear what stopped the task, and trigger sending.

        :param str state: "pending" or "sending"
        """
        self.ensure_one()
        # A recurring task is stopped by a run that may not start.
        if self.pause_reason in ("guard", "run") and self.sender_id._find_guard_stop():
            self.sender_id._accept_figures()
        # sudo(): callers have checked that the user may write the task; `state` is guarded.
        self.sudo().write({"state": state, "state_message": False, "pause_reason": False})
        self._close_activities()
        if self.send_type == "repeat":
            return
        self._wake_series()
        at = self.scheduled_at if state == "pending" and not self.planned_at else None
        self.account_id._trigger_sending(at or None)

    def _asks_its_owner(self):
        """Return whether the task was paused before its plan and waits for its owner's decision."""
        return self.state == "paused" and not self.planned_at

    def _check_ready(self):
        """Check settings and audiences, then submit the template if it needs a review.

        :raise UserError: for the first problem, with what to do about it
        """
        self._check_settings()
        # A planned task has its deliveries, and one of a series gets them later.
        if not self.planned_at and not self.series_step_id:
            self._check_people()
        for template in self._get_templates().filtered(self._submits_template):
            template._submit()

    def _check_settings(self):
        """Refuse a task without an active account, quota, sender, template or audience.

        :raise UserError: with all that is missing, a line each
        """
        self.ensure_one()
        self._check_key()
        self._check_taken_over()
        if missing := self._find_missing():
            raise UserError("\n".join(text for _name, text in missing))

    def _check_people(self):
        """Refuse audiences in which nobody can be mailed.

        Audiences are refreshed here only if one never was, or if nobody could be mailed after the
        last refresh: the user waits for this check, and the start of the task refreshes them.

        :raise UserError: with what to do about it
        """
        if self.use_as_is:
            self._check_refreshed()
            problem = self._find_people_problem()
        else:
            self._check_lines()
            self._refresh_audiences(since=datetime.min, missing=True)
            problem = self._find_people_problem()
            if problem:
                self._refresh_audiences()
                problem = self._find_people_problem()
        if problem:
            raise UserError(problem)
        if self.address_form == "encrypted":
            self._check_encrypted()

    def _find_people_problem(self):
        """Return why nobody in the audiences can be mailed, or None if somebody can be.

        Reads the figures of the last refresh.
        """
        audiences = self._read_all_audiences()["audience_ids"]
        people = sum(audiences.mapped("people_count"))
        if not people:
            return self.env._("The audience has nobody in it. Change its lines, then send again.")
        if self.address_form == "original" and not sum(audiences.mapped("usable_count")):
            return self.env._(
                "Nobody in the audience has a usable email address (people in the audience: %s)."
                " Complete the contacts, then send again.",
                formatLang(self.env, people, digits=0),
            )
        return None

    def _check_lines(self):
        """Refuse audiences with a rule that can't be used; builds their SQL without running it.

        :raise UserError: with the reason
        """
        for audience in self._get_all_audiences():
            try:
                audience._select_people()
            except (UserError, ValueError) as error:
                raise self._explain_audience(audience, error.args[0]) from error

    def _check_template(self):
        if problem := self._find_template_problem() or self._find_test_problem():
            raise UserError(problem)

    def _refresh_audiences(self, since=None, missing=False):
        """Refresh the audiences of the task, excluded ones too.

        :param datetime since: as in `directmail.audience._refresh`
        :param bool missing: only audiences that never were refreshed, or whose last refresh failed
        :raise BusyError: if an audience is being refreshed or changed by another transaction
        :raise UserError: if an audience can't be refreshed, with the reason
        """
        audiences = self._get_all_audiences()
        if missing:
            audiences = audiences.filtered(lambda one: not one.refreshed_at or one.refresh_error)
        if not audiences._refresh(since):
            failed = audiences.filtered("refresh_error")[0]
            raise self._explain_audience(failed, failed.refresh_error)

    def _check_refreshed(self):
        """Refuse audiences that were never refreshed.

        Such an audience has no members: an excluded one would exclude nobody.

        :raise UserError: with what to do about it
        """
        for audience in self._get_all_audiences():
            if not audience.refreshed_at:
                raise UserError(
                    self.env._(
                        "The audience %s has never been refreshed, so nobody is in it yet. Refresh"
                        " it, or turn off “Use audiences as they are”.",
                        audience.name,
                    )
                )

    def _get_all_audiences(self):
        """Return the audiences that decide about people, also of its series, as sudo records."""
        audiences = self._read_all_audiences()
        # sudo(): as in `_read_all_audiences`.
        of_series = self.sudo().series_id._get_all_audiences()
        return audiences["audience_ids"] | audiences["exclude_audience_ids"] | of_series

    def _explain_audience(self, audience, reason):
        return UserError(
            self.env._(
                "The audience %(audience)s can't be refreshed: %(reason)s",
                audience=audience.name,
                reason=reason,
            )
        )

    def _cancel_waiting(self):
        """Set all waiting deliveries to "cancelled"; calls that are under way go on."""
        self.ensure_one()
        self.env["directmail.task.counter"]._apply(
            SQL(
                """UPDATE directmail_delivery d SET state = 'cancelled'
                    WHERE task_id = %s AND state = 'waiting'
                RETURNING d.task_id, 'waiting' AS old_state, d.state AS new_state,
                          NULL AS old_outcome, NULL AS new_outcome""",
                self.id,
            ),
            "user",
        )
        self.env.invalidate_all()
