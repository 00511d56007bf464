import logging
from functools import partial

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.service.model import retrying
from odoo.tools import SQL

from ...clock.daily import local_day
from ...clock.steps import Path, Place
from ...engine import series as engine
from ...engine import series_starts as starts
from ...engine.claim import lock_gate
from ...engine.series_lock import end_room, lock_series, touch

_logger = logging.getLogger(__name__)
CRON = "email_marketing_dm.ir_cron_directmail_series"
#: Most people whom one transaction advances.
BATCH = 5000


class DirectmailSeries(models.Model):
    """Start, end and advance of a series.

    Each batch of people is one transaction, which locks the gate of claims and the series, plans
    mails and lets people stand at their next step. So whatever is killed, nobody is lost or gets a
    step twice, and of several servers one advances a series at a time.
    """

    _inherit = "directmail.series"

    # === ACTIONS === #

    def action_start(self):
        """Start the series: from now on people enter.

        :raise UserError: with all that is missing, a line each
        """
        for series in self:
            series.check_access("write")
            series._lock()
            if series.state != "draft":
                raise UserError(self.env._("%s was started already.", series.name))
            if series.owner_pending and series.user_id == self.env.user:
                series._end_waiting()
            series._check_taken_over()
            if missing := series._find_missing():
                raise UserError("\n".join(missing))
            series._check_exact()
            # sudo(): writing was checked above; the fields are guarded.
            series.sudo()._start()
        return True

    def action_pause(self):
        """Pause the series: nobody enters or goes on, and mails that wait are not sent."""
        self.check_access("write")
        self._lock()
        # sudo(): writing was checked above; the fields are guarded.
        for series in self.sudo().filtered(lambda one: one.state in ("running", "closing")):
            series._stop_advancing(False)
        return True

    def action_resume(self):
        """Continue the series; people whose mail became due too long ago are called off."""
        self._resume()
        return True

    def action_resume_late(self):
        """Continue the series; people whose mail became due meanwhile get it now."""
        self._resume(late=True)
        return True

    def action_close(self):
        """Let nobody enter any more; people who are inside go on to the end."""
        self.check_access("write")
        self._lock()
        # sudo(): writing was checked above; `state` is guarded.
        for series in self.sudo():
            if series.state == "running" or (
                series.state == "paused" and series.resume_to != "closing"
            ):
                # Who was put in before still enters.
                self.env.flush_all()
                series._let_requested_enter(series._make_path(), fields.Datetime.now())
                self.env.invalidate_all()
            if series.state == "running":
                series.state = "closing"
            elif series.state == "paused":
                series.resume_to = "closing"
        self._wake()
        return True

    def action_stop(self):
        """End the series at once; people who are inside get no further mail."""
        self.check_access("write")
        self._lock()
        # sudo(): writing was checked above; the fields are guarded.
        for series in self.sudo().filtered(
            lambda one: one.state in ("running", "closing", "paused")
        ):
            engine.call_off(self.env, series.id, "stopped", fields.Datetime.now())
            starts.delete_requests(self.env, series.id)
            self.env.invalidate_all()
            series.write(
                {"state": "ended", "ended_at": fields.Datetime.now(), "state_message": False}
            )
            series._close_activities()
            series._forget_candidates()
            series._get_open_tasks().action_cancel()
        return True

    # === BUSINESS === #

    def _start(self):
        self.ensure_one()
        is_new = self.start_kind == "audience" and self.entry == "new"
        self.write(
            {
                "state": "running",
                "started_at": fields.Datetime.now(),
                "state_message": False,
                "last_member_id": is_new and engine.find_last_member(self.env, self.audience_id.id),
                "last_refresh_id": is_new
                and engine.find_last_refresh(self.env, self.audience_id.id),
                **self._prepare_starts(fields.Datetime.now()),
            }
        )
        self.step_ids._fix_checked_mail()
        # Made now, so that a missing tag or right is seen at once, and templates keep their slots.
        for step in self.step_ids.filtered(lambda step: step.kind == "mail"):
            step._get_month_task()
        self._wake()

    def _resume(self, late=False):
        """Continue paused series.

        :param bool late: whether to forgive that people are late for their mail
        :raise UserError: if one can't go on, with what to do
        """
        self.check_access("write")
        self._lock()
        for series in self.filtered(lambda one: one.state == "paused"):
            if series.owner_pending and series.user_id == self.env.user:
                series._end_waiting()
            series._check_taken_over()
            if missing := series._find_missing():
                raise UserError("\n".join(missing))
            series._check_exact()
            if late:
                now = fields.Datetime.now()
                # sudo(): writing was checked above. People are read with the owner's rights.
                series.sudo()._let_missed_enter(now)
                self.env.flush_all()
                engine.forgive(self.env, series.id, now)
                self.env.invalidate_all()
            # sudo(): writing was checked above; the fields are guarded.
            series = series.sudo()
            if series.start_kind == "record" and series.start_exit:
                # The account's cron may run before that of series, and send mails that wait.
                self.env.flush_all()
                series._call_off_changed(fields.Datetime.now())
            series.write({"state": series.resume_to or "running", "state_message": False})
            series._close_activities()
            series._get_open_tasks().filtered(
                lambda task: task.state == "paused" and task.pause_reason in ("user", "owner")
            ).action_resume()
            # Their templates are approved by now: `_find_missing`.
            series.step_ids._go_on()
        self._wake()

    def _stop_advancing(self, message):
        """Pause the series and its email tasks.

        :param message: why, for the owner, who is then asked; False if a user paused it
        """
        self.write(
            {
                "resume_to": self.state if self.state != "paused" else self.resume_to,
                "state": "paused",
                "state_message": message,
            }
        )
        self._get_open_tasks().action_pause()
        if message:
            self._tell_owner(
                message, "warning", self.env._("Series paused: decide how to continue")
            )

    def _make_unsaved_task(self):
        """Return an unsaved email task of a step, which knows all audiences of the series."""
        return self.env["directmail.task"].new(
            {"account_id": self.account_id.id, "series_step_id": self.step_ids[0].id}
        )

    def _get_open_tasks(self):
        """Return the email tasks of the steps that are not over, as superuser."""
        # sudo(): callers have checked the right to write the series, or are the cron.
        tasks = self._get_all_steps().sudo().task_ids
        return tasks.filtered(lambda task: task.state not in ("draft", "done", "cancelled"))

    def _get_month(self):
        """Return the first day of the present month in the account's time zone."""
        self.ensure_one()
        return local_day(fields.Datetime.now(), self.account_id.tz).replace(day=1)

    def _lock(self):
        """Lock the series' rows: nobody is advanced meanwhile. See `directmail.task._lock`.

        The cron, which writes the row with each batch of people, makes room for who waits here.
        """
        self.flush_recordset()
        self.env.execute_query(
            SQL(
                "SELECT id FROM directmail_series WHERE id IN %s ORDER BY id FOR NO KEY UPDATE",
                tuple(self.ids) or (0,),
            )
        )
        if end_room(self.env, self.ids):
            self._wake()

    @api.model
    def _wake(self, at=None):
        """Let the cron run.

        :param datetime at: when (naive UTC); by default now
        """
        # sudo(): users may not read crons. A run checks by itself what is due.
        self.env.ref(CRON).sudo()._trigger(at)

    @api.model
    def _wake_within(self, now, at):
        """Let the cron run at a moment, unless it is to run before.

        Else each run that somebody has caused would cause one a minute for ever.
        """
        # sudo(): as `_wake`.
        triggers = self.env["ir.cron.trigger"].sudo()
        cron = self.env.ref(CRON)
        found = [("cron_id", "=", cron.id), ("call_at", ">", now), ("call_at", "<=", at)]
        if not triggers.search_count(found, limit=1):
            self._wake(at)

    # === CRON === #

    @api.model
    def _cron_advance(self):
        """Let people enter, plan the mails that are due and move people to their next steps."""
        if not self.env["ir.module.module"]._is_directmail_upgraded():
            return
        if self.env["directmail.keyring"]._find_problem():
            return
        self._look_at_records()
        for series_id in engine.find_due_series(self.env, fields.Datetime.now()):
            series = self.browse(series_id)
            while series._try_to_advance():
                if not self.env["ir.cron"]._commit_progress(1):
                    self._wake()
                    return
            self.env["ir.cron"]._commit_progress(1)
        if moment := engine.find_next_due(self.env, fields.Datetime.now()):
            self._wake(moment)

    def _try_to_advance(self, advance=None):
        """Advance a batch of people; an error pauses this series, not the others.

        :param advance: does it, instead of `_advance`
        :return: whether there may be more to do
        """
        self.env["ir.cron"]._commit_progress()
        try:
            return retrying(partial(self._make_room_after, advance or self._advance), self.env)
        except UserError as error:
            message = error.args[0]
        except Exception:
            _logger.exception("The series %s can't be advanced", self.id)
            message = self.env._(
                "An unexpected error occurred. Ask an administrator to check the server log."
            )
        self.env.cr.rollback()
        retrying(partial(self._give_up, message), self.env)
        return False

    def _give_up(self, message):
        self._lock()
        self.invalidate_recordset()
        if self.state in ("running", "closing"):
            self._with_owner_language()._stop_advancing(message)

    def _lock_to_advance(self):
        """Lock the series, so that no other server advances it, and check that it may advance.

        :return: the series in its owner's language; empty if it has been stopped, or has to wait
            until addresses are read
        :raise UserError: with why the series has to be paused
        """
        if not lock_series(self.env, self.id):
            return self.browse()
        self.env.invalidate_all()
        series = self._with_owner_language()
        series._check_taken_over()
        if series._waits_for_addresses():
            return self.browse()
        series._check_deciders()
        return series

    def _advance(self):
        """Let people enter, and advance a batch of those who are due.

        :return: whether there may be more to do
        """
        # First of all: nobody claims mails meanwhile, which may move people to other addresses.
        lock_gate(self.env)
        self = self._lock_to_advance()
        if not self:
            return False
        at = fields.Datetime.now()
        path = self._make_path()
        more_people = False
        if self.state == "running":
            more_people = self._let_enter(path, at)
            self._let_others_enter(path, at)
        else:
            # A transaction that put them in may be committed after the one that let nobody enter.
            self._let_requested_enter(path, at)
        more_held = self._free_held(at)
        more_exits = self._call_off_exits(at)
        tasks = self._get_sending_tasks(at)
        room = self._get_room(at)
        stopped = [
            step.id
            for step in self.step_ids
            if step.kind == "mail" and (step not in tasks or room == 0)
        ]
        due = engine.read_due(self.env, self.id, at, BATCH, stopped)
        self._move(path, tasks, due, at, room)
        if due:
            # A change of the steps that waits for this transaction would not see in its snapshot
            # where people stand now: it conflicts with the row of the series and is repeated.
            touch(self.env, self.ids)
        if self.state == "closing" and not due:
            self._end_if_empty()
        return more_people or more_held or more_exits or bool(due)

    def _make_path(self):
        """Return the steps of the series, also removed ones, as `clock.steps.Path`."""
        return Path(step._as_step() for step in self._get_all_steps())

    def _let_enter(self, path, at):
        """Let a batch of the people enter who entered the audience since it was read last.

        A mail that is due at once is planned at once.

        :param clock.steps.Path path: of the series
        :param datetime at: now (naive UTC)
        :return: whether further people are to enter
        """
        if self.start_kind != "audience":
            return False
        audience = self.audience_id
        last_refresh = engine.find_last_refresh(self.env, audience.id)
        if self.last_refresh_id == last_refresh:
            return False
        task = self._get_entry_task(path, at)
        entered = engine.enter(
            self.env,
            engine.Entering(
                self.id,
                self.company_id.id,
                audience.id,
                self.last_member_id,
                at,
                path.enter(at),
                self._get_again_after(),
                bool(task),
            ),
            BATCH,
        )
        if task and entered.entry_ids:
            self._plan(task, entered.entry_ids, at)
            self.account_id._trigger_sending()
        values = {"last_refresh_id": last_refresh} if entered.is_last else {}
        self.write({"last_member_id": entered.last_id or self.last_member_id, **values})
        self.env.flush_all()
        return not entered.is_last

    def _get_entry_task(self, path, at):
        """Return the email task of people who enter now, if it can plan their mail at once.

        It is made when the first person is due in a month, by `_get_sending_tasks`.

        :return: the task; None if people wait at their first step
        """
        place = path.enter(at)
        if place.step_id is None or path.advance(*place[:2], None, at) is not None:
            return None
        # Of a limited number of mails, those first who have waited longest; with a warm-up, those
        # who are engaged: `read_due` and the plan sort them.
        # sudo(): users may not read the settings of the sender address's warm-up.
        if self.daily_limit or self.sender_id.sudo().warmup_on:
            return None
        task = self.step_ids.browse(place.step_id)._find_month_task()
        return task if task.state == "sending" else None

    def _plan(self, task, entry_ids, at):
        """Plan the mails of people with a task of their step.

        The series is called off for contacts whom the owner may not see any more.

        :return: ids of the entries whose mail is planned
        :raise RuntimeError: if some get no delivery, so that nobody stands at a mail without one
        """
        unseen = self._find_unseen(entry_ids)
        place = Place(None, at, "called_off", "not_seen")
        engine.move(self.env, [(number, place, False) for number in unseen])
        seen = [number for number in entry_ids if number not in unseen]
        planned = task._plan_entries(seen) if seen else {}
        if sum(planned.values()) != len(seen):
            raise RuntimeError(f"{planned} of {len(seen)} people have a delivery")
        self._count_planned(planned.get("waiting", 0), at)
        return seen

    def _get_sending_tasks(self, at):
        """Return {step: its email task}, of the steps that can plan mails now.

        The task of a month is made when the first person is due in it.

        :param datetime at: now (naive UTC)
        """
        found = {}
        due = engine.find_due_steps(self.env, self.id, at)
        for step in self.step_ids.filtered(lambda step: step.kind == "mail" and step.id in due):
            if (task := step._get_month_task()).state == "sending":
                found[step] = task
        self.env.flush_all()
        return found

    def _move(self, path, tasks, due, at, room=None):
        """Plan mails of people who are due, and let the others stand at their next step.

        :param clock.steps.Path path: of the series
        :param tasks: as of `_get_sending_tasks`
        :param due: list of `engine.series.Due`
        :param datetime at: now (naive UTC)
        :param int room: how many mails may be planned; the other people keep waiting
        """
        places, to_mail = [], {}
        met = self._judge_checks(due, at)
        for number, step_id, due_at, mail, passed in due:
            place = path.advance(step_id, due_at, mail, at, met.get(number), passed)
            if place is None and room is not None and sum(map(len, to_mail.values())) >= room:
                continue
            if place is None:
                to_mail.setdefault(step_id, []).append(number)
            else:
                places.append((number, place, bool(mail) and place.step_id == step_id))
        engine.move(self.env, places)
        for step, task in tasks.items():
            if numbers := to_mail.get(step.id):
                seen = self._plan(task, numbers, at)
                engine.remember_mails(self.env, task.id, seen, at)
        if to_mail:
            self.account_id._trigger_sending()
        self.env.invalidate_all()

    def _end_if_empty(self):
        """End a series that lets people finish, if nobody is inside any more."""
        if self.inside_count:
            return
        self.write({"state": "ended", "ended_at": fields.Datetime.now()})
        self._forget_candidates()
        # Its email tasks end when their account's cron runs.
        self.account_id._trigger_sending()
        self._tell_owner(
            self.env._("The series has ended: everybody who was inside has finished."), "success"
        )
