from contextlib import suppress
from datetime import timedelta

from psycopg2.errors import UniqueViolation

from odoo import fields
from odoo.exceptions import UserError, ValidationError
from odoo.tests import tagged
from odoo.tools import mute_logger

from ...engine.events import Fact
from ..common import DirectmailCommon, DirectmailMixin, start_task
from ..common_http import PatientHttpCase


class FollowUpMixin(DirectmailMixin):
    """A task that is done; four people got its mail, one of them has opened it."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.people = cls._make_people(*(f"p{number}@customer.example" for number in range(4)))
        cls.people.ref = "follow"
        cls.audience = cls._make_audience(None, lines=[{"domain": "[('ref', '=', 'follow')]"}])
        cls.template = cls._make_template()

    def _send(self, task):
        task.action_send()
        self._run_cron()
        return task

    def _make_done(self, **vals):
        task = self._send(self._make_task(self.audience, self.template, **vals))
        self._import_results(task)
        self.assertEqual(task.state, "done")
        self.assertEqual(task.delivered_count, 4)
        return task

    def _delivery(self, task, person):
        return self.env["directmail.delivery"].search(
            [("task_id", "=", task.id), ("partner_id", "=", person.id)]
        )

    def _happen(self, task, person, kind, **values):
        delivery = self._delivery(task, person)
        self.env["directmail.event"]._receive(
            [
                Fact(
                    kind=kind,
                    source="own",
                    occurred_at=delivery.sent_at + timedelta(minutes=5),
                    company_id=task.company_id.id,
                    account_id=task.account_id.id,
                    delivery_id=delivery.id,
                    **values,
                )
            ]
        )
        self.env["directmail.event"]._apply_all(task.company_id)
        self.env.invalidate_all()

    def _fail(self, task, person, code="SmtpMfFreq"):
        """Let a mail be one that has failed."""
        delivery = self._delivery(task, person).sudo()
        delivery.write({"outcome": "failed", "code": code})
        self.env.flush_all()

    def _join(self):
        return self._make_people("new@customer.example", ref="follow")

    def _follow(self, task, people, **vals):
        wizard = (
            self.env["directmail.task.follow.up"]
            .with_user(self.user)
            .create({"task_id": task.id, "people": people, **vals})
        )
        action = wizard.action_create()
        return self.env["directmail.task"].with_user(self.user).browse(action["res_id"])

    def _count(self, task, people, user=None):
        wizard = self.env["directmail.task.follow.up"].with_user(user or self.user)
        return wizard.count_people(task.id, people)

    def _states(self, task):
        """Return {contact: state, or the reason why suppressed}."""
        deliveries = self.env["directmail.delivery"].search([("task_id", "=", task.id)])
        return {row.partner_id: row.reason or row.state for row in deliveries}


@tagged("post_install", "-at_install")
class TestFollowUp(FollowUpMixin, DirectmailCommon):
    """Follow-ups: whom they are for, and that nobody gets the same mail twice."""

    # === WHO GETS IT === #

    def test_each_choice_tells_its_number_before_it_is_chosen(self):
        task = self._make_done()
        self._happen(task, self.people[0], "open")
        self._happen(task, self.people[1], "click")
        self._fail(task, self.people[2])
        self._join()
        found = {name: self._count(task, name) for name in (
            "joined", "not_opened", "not_clicked", "failed_temporarily")}  # fmt: skip
        self.assertEqual(
            {name: answer.get("text") for name, answer in found.items()},
            {"joined": "1", "not_opened": "1", "not_clicked": "2", "failed_temporarily": "1"},
        )
        self.assertFalse(
            self.env["directmail.audience"].search_count([("name", "like", "Follow-up")]),
            "counting makes nothing",
        )

    def test_other_people_are_not_counted(self):
        task = self._make_done()
        for people in ("planned", "sent", "nonsense", ["joined"], False):
            self.assertEqual(
                self._count(task, people), {"error": "Choose who gets the follow-up."}, people
            )

    def test_numbers_are_those_of_the_follow_ups(self):
        task = self._make_done()
        self._happen(task, self.people[0], "open")
        self._fail(task, self.people[2])
        self._join()
        for people in ("joined", "not_opened", "not_clicked", "failed_temporarily"):
            follow_up = self._follow(task, people, mail="subject", subject=f"Other {people}")
            self.assertEqual(
                follow_up.audience_ids.people_count, self._count(task, people)["people"], people
            )

    def test_opens_that_were_not_recorded_tell_nothing(self):
        task = self._make_done(track_opens=False, track_clicks=False)
        for people in ("not_opened", "not_clicked"):
            self.assertIn("not recorded", self._count(task, people)["error"])
            with self.assertRaisesRegex(UserError, "not recorded"):
                self._follow(task, people, mail="subject", subject="Did you see?")

    def test_a_mailbox_that_does_not_exist_did_not_fail_temporarily(self):
        task = self._make_done()
        self._fail(task, self.people[0], "SmtpNxBox")
        self._fail(task, self.people[1], "SysOutConnError")
        self.assertEqual(self._count(task, "failed_temporarily")["people"], 1)

    def test_people_whom_the_user_may_not_see_are_not_counted(self):
        task = self._make_done()
        with self.assertRaises(UserError):
            self._count(task, "not_opened", self.other)
        rule = self.env["ir.rule"].create(
            {
                "name": "Not this one",
                "model_id": self.env["ir.model"]._get_id("res.partner"),
                "domain_force": f"[('id', '!=', {self.people[0].id})]",
            }
        )
        self.assertTrue(rule)
        self.assertEqual(self._count(task, "not_opened")["people"], 3)

    # === WHICH MAIL === #

    def test_the_follow_up_is_like_the_task(self):
        task = self._make_done(reply_to="us@example.com", address_type="sender")
        self._join()
        follow_up = self._follow(task, "joined", mail="same")
        self.assertEqual(follow_up.state, "draft")
        self.assertEqual(follow_up.template_id, task.template_id)
        self.assertEqual(follow_up.reply_to, "us@example.com")
        self.assertEqual(follow_up.origin_id, task)
        self.assertEqual(follow_up.family_id, task)
        self.assertEqual(task.follow_up_count, 1)
        self.assertEqual(task.search(task.action_view_follow_ups()["domain"]), follow_up)
        third = self._follow(self._send(follow_up), "not_opened", mail="subject", subject="Third")
        self.assertEqual((third.origin_id, third.family_id), (follow_up, task))

    def test_a_follow_up_does_not_repeat(self):
        """Each run would mail the same people once more."""
        task = self._make_done()
        self._join()
        follow_up = self._follow(task, "joined", mail="same")
        with self.assertRaisesRegex(ValidationError, "follow-up can't repeat"):
            follow_up.send_type = "repeat"

    def test_who_joined_since_gets_the_same_mail(self):
        task = self._make_done()
        new = self._join()
        follow_up = self._send(self._follow(task, "joined", mail="same"))
        self.assertEqual(self._states(follow_up), {new: "sent"})
        self.assertEqual(follow_up.state, "done")

    def test_another_subject_waits_for_its_review(self):
        task = self._make_done()
        self._happen(task, self.people[0], "open")
        follow_up = self._follow(task, "not_opened", mail="subject", subject="Did you see it?")
        self.assertNotEqual(follow_up.template_id, task.template_id)
        self._send(follow_up)
        self.assertEqual(follow_up.state, "pending")
        self.assertIn("review", follow_up.waiting_for)
        self.emulator.approve(follow_up.template_id.remote_ref)
        follow_up.template_id.action_check_review()
        # Who opens it meanwhile is left out.
        self._happen(task, self.people[1], "open")
        self._run_cron()
        self.assertEqual(self._states(follow_up), dict.fromkeys(self.people[2:], "sent"))

    def test_who_got_the_mail_needs_another_one(self):
        task = self._make_done()
        again = self._make_template(name="The same again")
        for vals in (
            {"mail": "same"},
            {"mail": "template", "template_id": again.id},
            {"mail": "subject", "subject": f" {self.template.subject.upper()} "},
        ):
            with self.assertRaisesRegex(UserError, "got this mail already"):
                self._follow(task, "not_clicked", **vals)
        other = self._make_template(name="Other", subject="Something else")
        follow_up = self._follow(task, "not_clicked", mail="template", template_id=other.id)
        self._send(follow_up)
        self.assertEqual(self._states(follow_up), dict.fromkeys(self.people, "sent"))

    def test_what_is_missing_is_said(self):
        task = self._make_done()
        self._join()
        for vals, message in (
            ({"people": False}, "who gets"),
            ({"mail": "subject"}, "subject"),
            ({"mail": "template"}, "template"),
        ):
            with self.assertRaisesRegex(UserError, message):
                self._follow(task, **{"people": "joined", **vals})

    def test_only_a_task_that_is_done(self):
        draft = self._make_task(self.audience, self.template)
        with self.assertRaisesRegex(UserError, "not done"):
            draft.action_follow_up()
        task = self._make_done()
        self.assertEqual(task.action_follow_up()["context"], {"default_task_id": task.id})
        task.sudo().details_removed_at = fields.Datetime.now()
        with self.assertRaisesRegex(UserError, "no longer stored"):
            task.action_follow_up()

    # === NOBODY GETS THE SAME TWICE === #

    def test_the_same_mail_to_the_same_people_is_suppressed(self):
        """The user has put the first audience back into the draft."""
        task = self._make_done()
        new = self._join()
        follow_up = self._follow(task, "joined", mail="same")
        follow_up.audience_ids = self.audience
        self._send(follow_up)
        states = self._states(follow_up)
        self.assertEqual(states.pop(new), "sent")
        self.assertEqual(states, dict.fromkeys(self.people, "family"))

    def test_mails_without_a_result_count_as_received(self):
        task = self._send(self._make_task(self.audience, self.template))
        self.assertEqual((task.state, task.delivered_count), ("done", 0))
        new = self._join()
        follow_up = self._follow(task, "joined", mail="same")
        follow_up.audience_ids = self.audience
        self._send(follow_up)
        self.assertEqual(
            self._states(follow_up), {**dict.fromkeys(self.people, "family"), new: "sent"}
        )

    def test_the_estimate_tells_the_same(self):
        task = self._make_done()
        self._join()
        follow_up = self._follow(task, "joined", mail="same")
        follow_up.audience_ids = self.audience
        fates = {fate.reason: number for fate, number in follow_up._estimate_people().items()}
        self.assertEqual(fates, {None: 1, "family": 4})

    def test_two_follow_ups_for_the_same_people(self):
        task = self._make_done()
        new = self._join()
        first, second = (self._follow(task, "joined", mail="same") for _number in range(2))
        second.audience_ids |= self._make_audience(self._make_people("last@customer.example"))
        self._send(first)
        self._send(second)
        self.assertEqual(self._states(first), {new: "sent"})
        self.assertEqual(self._states(second)[new], "family")
        self.assertEqual(sorted(self._states(second).values()), ["family", "sent"])

    def test_if_nobody_is_left_the_follow_up_fails_and_says_why(self):
        task = self._make_done()
        self._join()
        follow_up = self._follow(task, "joined", mail="same")
        follow_up.audience_ids = self._make_audience(self.people)
        self._send(follow_up)
        self.assertEqual((follow_up.state, follow_up.people_count), ("failed", 0))
        self.assertIn("already got this mail", follow_up.state_message)

    def test_the_database_refuses_a_second_ticket(self):
        task = self._make_done()
        new = self._join()
        follow_up = self._send(self._follow(task, "joined", mail="same"))
        content = follow_up.sudo().family_content_id
        got, mine = (self._delivery(one, who) for one, who in (
            (task, self.people[0]), (follow_up, new)))  # fmt: skip
        with self.assertRaises(UniqueViolation), mute_logger("odoo.sql_db"):
            self.env.cr.execute(
                """UPDATE directmail_family_mail SET address_key = %s
                    WHERE id = %s AND content_id = %s""",
                (got.sudo().address_key, mine.id, content),
            )

    def _plan_paused(self, follow_up):
        """Plan a follow-up without sending anything."""
        follow_up._check_ready()
        follow_up._proceed("pending")
        self.assertTrue(start_task(follow_up.sudo()))
        follow_up.action_pause()
        return follow_up

    def test_a_claim_takes_nobody_without_a_ticket(self):
        task = self._make_done()
        new = self._join()
        follow_up = self._plan_paused(self._follow(task, "joined", mail="same"))
        self.env.cr.execute(
            "DELETE FROM directmail_family_mail WHERE id = %s",
            (self._delivery(follow_up, new).id,),
        )
        follow_up.action_resume()
        self._run_cron()
        self.assertEqual(self._states(follow_up), {new: "family"})

    def test_a_mail_that_failed_is_sent_again(self):
        task = self._make_done()
        self._fail(task, self.people[2])
        follow_up = self._send(self._follow(task, "failed_temporarily", mail="same"))
        self.assertEqual(self._states(follow_up), {self.people[2]: "sent"})
        # It has not failed again: now the person has got it.
        self._import_results(follow_up)
        again = self._follow(task, "failed_temporarily", mail="same")
        again.audience_ids |= self._make_audience(self._make_people("last@customer.example"))
        self._send(again)
        self.assertEqual(self._states(again)[self.people[2]], "family")

    def test_a_mail_that_is_delivered_late_is_not_sent_again(self):
        task = self._make_done()
        self._fail(task, self.people[2])
        follow_up = self._plan_paused(self._follow(task, "failed_temporarily", mail="same"))
        self.assertEqual(self._states(follow_up), {self.people[2]: "waiting"})
        self._delivery(task, self.people[2]).sudo().outcome = "delivered"
        self.env.flush_all()
        follow_up.action_resume()
        self._run_cron()
        self.assertEqual(self._states(follow_up), {self.people[2]: "family"})

    def test_a_new_address_that_has_got_the_mail(self):
        task = self._make_done()
        new = self._join()
        follow_up = self._plan_paused(self._follow(task, "joined", mail="same"))
        new.email = self.people[0].email
        follow_up.action_resume()
        self._run_cron()
        self.assertEqual(self._states(follow_up), {new: "family"})

    def test_a_new_address_gets_the_mail(self):
        task = self._make_done()
        new = self._join()
        follow_up = self._plan_paused(self._follow(task, "joined", mail="same"))
        new.email = "moved@customer.example"
        follow_up.action_resume()
        self._run_cron()
        self.assertEqual(self._delivery(follow_up, new).email, "moved@customer.example")
        self.assertEqual(self._states(follow_up), {new: "sent"})

    def test_content_that_is_changed_half_way(self):
        """A paused follow-up gets the content that its people got from the first task."""
        task = self._make_done()
        other = self._make_template(name="Other", subject="Something else")
        follow_up = self._follow(task, "not_clicked", mail="template", template_id=other.id)
        self._plan_paused(follow_up)
        follow_up.template_id = self.template
        follow_up.action_resume()
        self._run_cron()
        self.assertEqual(self._states(follow_up), dict.fromkeys(self.people, "family"))

    def test_mails_that_were_cancelled_may_be_sent_later(self):
        task = self._make_done()
        new = self._join()
        first = self._plan_paused(self._follow(task, "joined", mail="same"))
        first.action_cancel()
        second = self._send(self._follow(task, "joined", mail="same"))
        self.assertEqual(self._states(second), {new: "sent"})

    def test_details_that_are_no_longer_stored(self):
        task = self._make_done()
        self._join()
        follow_up = self._follow(task, "joined", mail="same")
        follow_up.audience_ids = self.audience
        task.sudo().details_removed_at = fields.Datetime.now()
        self._send(follow_up)
        self.assertEqual(follow_up.state, "failed")
        self.assertIn("no longer stored", follow_up.state_message)

    def test_erased_people_leave_no_ticket(self):
        task = self._make_done()
        new = self._join()
        follow_up = self._send(self._follow(task, "joined", mail="same"))
        delivery = self._delivery(follow_up, new)
        wizard = self.env["directmail.erasure"].with_user(self.admin)
        wizard.create({"partner_ids": [fields.Command.set(new.ids)]}).action_erase()
        self.env.cr.execute(
            "SELECT count(*) FROM directmail_family_mail WHERE id = %s", (delivery.id,)
        )
        self.assertEqual(self.env.cr.fetchone(), (0,))

    def test_figures_are_rounded_where_a_colleague_has_sent_to_the_family(self):
        task = self._make_done()
        self._join()
        follow_up = self._follow(task, "joined", mail="same")
        self.assertFalse(follow_up._mixes_in_others())
        wizard = self.env["directmail.task.follow.up"].with_user(self.admin)
        wizard.create({"task_id": task.id, "people": "joined"}).action_create()
        self.assertTrue(follow_up._mixes_in_others())

    def test_guarded(self):
        task = self._make_done()
        with self.assertRaisesRegex(UserError, "can't be set directly"):
            task.origin_id = task
        with suppress(UserError):
            task.with_user(self.user).copy({"family_id": task.id})
            self.fail("a copy joins no family")


@tagged("post_install", "-at_install")
class TestFollowUpTour(FollowUpMixin, PatientHttpCase):
    def test_two_clicks(self):
        task = self._make_done()
        self._happen(task, self.people[0], "open")
        self._join()
        self.env.flush_all()
        self.start_tour(f"/odoo/directmail.task/{task.id}", "directmail_follow_up", login="dm_user")
        follow_up = self.env["directmail.task"].search([("origin_id", "=", task.id)])
        self.assertEqual(follow_up.template_id, task.template_id)
        self.assertEqual(follow_up.audience_ids.people_count, 1)
