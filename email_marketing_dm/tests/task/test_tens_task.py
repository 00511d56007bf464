from datetime import timedelta

from odoo.exceptions import AccessError
from odoo.fields import Command
from odoo.tests import tagged

from ...engine.tens import SHIFT_MAX, TEN
from ..common import DirectmailCommon, DirectmailMixin, run_migration
from ..common_encrypted import BOB
from ..common_http import PatientHttpCase
from ..common_seen import HIDDEN, PRIVATE, SeenMixin

TOTALS = ("people_count", "suppressed_count", "waiting_count", "cancelled_count", "progress")


@tagged("post_install", "-at_install")
class TestTensTask(SeenMixin, DirectmailCommon):
    """An email task that has sent nothing does not tell who is in somebody else's list."""

    def _attack(self, guess, **vals):
        """Return an email task to a guess, with a colleague's audience under Except, paused."""
        task = self._plan(
            self._guess(guess, "own@example.com"),
            exclude_audience_ids=vals.pop("exclude", None) or self._lend(),
            use_as_is=True,
            **vals,
        )
        task.action_pause()
        return self._as_marketer(task)

    def _as_marketer(self, task):
        self.env.flush_all()
        self.env.invalidate_all()
        return task.with_user(self.user)

    def _ask(self, task):
        """Return all that remote calls tell a marketing user about an email task's people."""
        mine = [("task_id", "=", task.id)]
        deliveries = self.env["directmail.delivery"].with_user(self.user)
        counters = self.env["directmail.task.counter"].with_user(self.user)
        report = self.env["directmail.task.report"].with_user(self.user)
        totals = [name for name in TOTALS if name != "progress"]
        estimate = task.action_open_estimate()["res_id"] if task.state == "paused" else False
        estimate = self.env["directmail.task.estimate"].with_user(self.user).browse(estimate)
        return {
            "search": deliveries.search_count(mine),
            "states": [
                deliveries.search_count([*mine, ("state", "=", state)])
                for state in ("waiting", "suppressed", "cancelled")
            ],
            "groups": deliveries.formatted_read_group(mine, ["state", "reason"], ["__count"]),
            "emails": deliveries.search_read(mine, ["email"]),
            "tasks": [
                bool(task.search([("id", "=", task.id), ("delivery_ids.state", "=", state)]))
                for state in ("waiting", "suppressed", "cancelled")
            ],
            "totals": task.read([*TOTALS, "held_back", "held_back_count"])[0],
            "page": task.web_read(
                {**{name: {} for name in TOTALS}, "delivery_ids": {"fields": {"email": {}}}}
            ),
            "counters": counters.search_read(mine, ["writer", "name", "value"]),
            "counter_groups": counters.formatted_read_group(mine, ["name"], ["value:sum"]),
            "counter_found": bool(
                task.search(
                    [
                        ("id", "=", task.id),
                        (
                            "counter_ids",
                            "any",
                            [("name", "in", ("waiting", "suppressed")), ("value", ">", 0)],
                        ),
                    ]
                )
            ),
            "report": report.search_read(mine, totals),
            "report_groups": report.formatted_read_group(
                mine, ["task_id"], [f"{name}:sum" for name in totals]
            ),
            "report_found": report.search_count([*mine, ("suppressed_count", ">", 0)]),
            "progress": task.get_progress(),
            "results": task.get_effectiveness(),
            "test": task.get_test_results(),
            "versions": task.version_ids.read(
                [
                    "assigned_count",
                    "assigned_text",
                    "mailed_count",
                    "delivered_count",
                    "clicked_count",
                ]
            ),
            "decision": task.read(["verdict_at", "compared_at", "winner", "waiting_for"]),
            "estimate": estimate.read(["people_count", "mail_count", "sum_table", "cost"]),
            "messages": [str(body) for body in task.message_ids.mapped("body") if body],
        }

    def _compare(self, right, wrong):
        """Check that two email tasks look the same from outside, but for their ids and names."""

        def plain(task):
            told = self._ask(task)
            text = repr(told)
            for name in ("tag_name", "name"):
                text = text.replace(str(task[name]), name)
            return text.replace(str(task.id), "ID")

        self.maxDiff = None
        ids = plain(right), plain(wrong)
        for answer in ids:
            self.assertNotIn("own@example.com", answer, "no line of anybody who got no call")
        for key, told in self._ask(right).items():
            with self.subTest(key):
                other = self._ask(wrong)[key]
                self.assertEqual(self._strip(told), self._strip(other))

    def _strip(self, value):
        """Return a value without what tells one record from another."""
        if isinstance(value, dict):
            return {
                key: self._strip(part)
                for key, part in value.items()
                if key not in ("id", "task_id", "__extra_domain")
            }
        if isinstance(value, (list, tuple)):
            return [self._strip(part) for part in value]
        return value

    def test_task_that_is_paused_at_once(self):
        """Whether or not the guess is in the colleague's audience, everything looks the same."""
        lent = self._lend()
        self._compare(
            self._attack(HIDDEN, exclude=lent), self._attack("nobody@example.com", exclude=lent)
        )

    def test_task_that_is_cancelled_at_once(self):
        lent = self._lend()
        tasks = [self._attack(guess, exclude=lent) for guess in (PRIVATE, "nobody@example.com")]
        for task in tasks:
            task.action_cancel()
        self._compare(*map(self._as_marketer, tasks))
        self.assertEqual([task.sudo().cancelled_count for task in tasks], [1, 2])

    def test_visible_contact_in_own_and_in_a_colleagues_audience(self):
        """Duplicates are counted once, so an exact sum would reveal that the contact is in both."""
        lent = self._lend()
        tasks = []
        for contact in (self.vera, self.decoy):
            own = self._make_audience(contact)
            self._refresh_all(own)
            task = self._plan(own + lent, use_as_is=True)
            task.action_pause()
            tasks.append(self._as_marketer(task))
        self._compare(*tasks)

    def test_an_ab_test_of_a_single_guess(self):
        """The decision does not come before a mail could go out, though nobody waits."""
        lent, account = self._lend(), self.account.sudo()
        template, other = self._make_template(), self._make_template(subject="Summer")
        versions = [
            Command.create({"letter": "A"}),
            Command.create({"letter": "B", "template_id": other.id}),
        ]
        tasks = [
            self._plan(
                self._guess(guess),
                template,
                exclude_audience_ids=lent,
                use_as_is=True,
                version_ids=versions,
                test_share=100,
            )
            for guess in (HIDDEN, "nobody@example.com")
        ]
        self.assertEqual([task.sudo().waiting_count for task in tasks], [0, 1])
        account.quota_reserve = account.daily_quota
        self._run_cron()
        self._compare(*map(self._as_marketer, tasks))
        self.assertFalse(tasks[0].verdict_at)

    def test_a_single_guess(self):
        """Nobody is left to be mailed, and the task does not fail with that."""
        lent = self._lend()
        tasks = []
        for guess in (HIDDEN, "nobody@example.com"):
            task = self._plan(self._guess(guess), exclude_audience_ids=lent, use_as_is=True)
            tasks.append(self._as_marketer(task))
        self.assertEqual([task.state for task in tasks], ["sending", "sending"])
        self.assertEqual([task.sudo().waiting_count for task in tasks], [0, 1])
        for task in tasks:
            task.action_pause()
        self._compare(*map(self._as_marketer, tasks))

    def test_a_single_guess_while_there_is_no_quota(self):
        """Nor is it over at once where nobody could have been mailed yet."""
        lent = self._lend()
        self.account.sudo().daily_quota = 1
        self._plan(self._guess("first@example.com"))
        self._run_cron()
        tasks = [
            self._plan(self._guess(guess), exclude_audience_ids=lent, use_as_is=True)
            for guess in (HIDDEN, "nobody@example.com")
        ]
        self._run_cron()
        self.assertEqual([task.state for task in tasks], ["sending", "sending"])
        self._compare(*map(self._as_marketer, tasks))

    def test_a_task_of_which_nobody_is_left_ends_after_a_day(self):
        task = self._plan(self._guess(HIDDEN), exclude_audience_ids=self._lend())
        self._run_cron()
        self.assertEqual(task.state, "sending")
        later = task.planned_at + timedelta(days=1, minutes=1)
        triggers = self.env["ir.cron.trigger"].search(
            [("cron_id", "=", self.account.sudo().cron_id.id), ("call_at", "<=", later)]
        )
        self.assertIn(task.planned_at + timedelta(days=1), triggers.mapped("call_at"))
        self._run_cron(at=later)
        self.assertEqual((task.state, task.sudo().sent_count), ("done", 0))

    def test_a_later_claim_tells_nothing(self):
        """People of whom a call was only prepared, for an email task whose mail can't be made."""
        task = self._attack(HIDDEN)
        self.env.cr.execute(
            "UPDATE directmail_delivery SET state = 'sending' WHERE task_id = %s"
            " AND state = 'waiting'",
            [task.id],
        )
        self.env.cr.execute(
            "UPDATE directmail_task_counter SET name = 'sending' WHERE task_id = %s"
            " AND name = 'waiting'",
            [task.id],
        )
        task = self._as_marketer(task)
        self.assertEqual((task.sending_count, task.sudo().sending_count), (0, 1))
        self.assertNotIn("own@example.com", repr(self._ask(task)))

    def test_estimate_of_another_task_that_comes_later(self):
        self.account.sudo().daily_quota = 1
        self._plan(self._guess(HIDDEN, "own@example.com"), exclude_audience_ids=self._lend())
        other = self._make_task(self._guess("other@example.com"))
        estimate = self.env["directmail.task.estimate"].with_user(self.user)._make(other, False)
        self.assertEqual(estimate.queue_count, 0)

    def test_totals_of_people_whose_details_were_removed(self):
        task = self._attack(HIDDEN)
        task.action_cancel()
        task.sudo()._remove_details()
        task = self._as_marketer(task)
        self.assertEqual(task.get_effectiveness()["reasons"], [])
        with self.assertRaises(AccessError):
            task.read(["details_totals"])

    def test_upgrade(self):
        """Email tasks that started before tell their figures in tens, too."""
        task = self._attack(HIDDEN)
        line = self.env.ref("email_marketing_dm.directmail_task_counter_rule_user")
        line.domain_force = "[('task_id.user_id', '=', user.id)]"
        self.env.cr.execute("UPDATE directmail_task SET tens_mark = NULL")
        run_migration(self.env.cr, "19.0.1.4.0/post-tens.py")
        task = self._as_marketer(task)
        self.assertTrue(task.sudo().tens_mark)
        counters = self.env["directmail.task.counter"].with_user(self.user)
        self.assertFalse(counters.search([("task_id", "=", task.id)]))

    def test_export_of_people_without_a_call(self):
        task = self._attack(HIDDEN)
        self.user.group_ids += self.env.ref("base.group_allow_export")
        rows = self.env["directmail.delivery"].search([("task_id", "=", task.id)])
        self.assertEqual(len(rows), 2)
        for row in rows.with_user(self.user):
            self.assertFalse(row.has_access("read"))
        exported = self._as_marketer(task).export_data(
            ["name", "delivery_ids/email", "delivery_ids/state", "waiting_count"]
        )
        self.assertNotIn("example.com", str(exported["datas"]))

    def test_people_who_were_handed_over_are_listed(self):
        """Whoever got a mail is on the record, exactly; those who got none are told in tens."""
        names = [f"own{number}@example.com" for number in range(3)]
        task = self._plan(self._guess(HIDDEN, *names), exclude_audience_ids=self._lend())
        self._run_cron()
        self.assertEqual(task.state, "done")
        task = self._as_marketer(task)
        deliveries = self.env["directmail.delivery"].with_user(self.user)
        self.assertEqual(
            sorted(deliveries.search([("task_id", "=", task.id)]).mapped("email")), names
        )
        self.assertEqual(task.sent_count, 3)
        self.assertEqual((task.suppressed_count, task.people_count), (0, 3))
        self.assertEqual(task.progress, 100)
        self.assertIn("Suppressed: fewer than 30.", " ".join(task.message_ids.mapped("body")))

    def test_administrators_see_all(self):
        task = self._attack(HIDDEN).with_user(self.admin)
        self.assertEqual((task.people_count, task.suppressed_count, task.waiting_count), (2, 1, 1))
        rows = self.env["directmail.delivery"].with_user(self.admin)
        found = rows.search([("task_id", "=", task.id)])
        self.assertEqual(sorted(found.mapped("state")), ["suppressed", "waiting"])
        [row] = (
            self.env["directmail.task.report"]
            .with_user(self.admin)
            .search_read([("task_id", "=", task.id)], ["suppressed_count"])
        )
        self.assertEqual(row["suppressed_count"], 1)

    def test_large_numbers_are_told_in_tens(self):
        """The same in every place, never above the truth, and in sum what the people add up to."""
        lent = self._lend([f"person{number}@lent.example" for number in range(60)])
        guesses = [f"person{number}@lent.example" for number in range(60)]
        guesses += [f"person{number}@own.example" for number in range(100)]
        task = self._plan(self._guess(*guesses), exclude_audience_ids=lent)
        task.action_pause()
        task = self._as_marketer(task)
        for name, truth in (("suppressed_count", 60), ("waiting_count", 100)):
            with self.subTest(name):
                self.assertLessEqual(task[name], truth)
                self.assertGreater(task[name], truth - SHIFT_MAX - TEN)
                self.assertEqual(task[name] % TEN, 0)
        self.assertEqual(task.people_count, task.suppressed_count + task.waiting_count)
        report = self.env["directmail.task.report"].with_user(self.user)
        names = ["people_count", "suppressed_count", "waiting_count"]
        [row] = report.search_read([("task_id", "=", task.id)], names)
        self.assertEqual([row[name] for name in names], [task[name] for name in names])
        waiting = task.waiting_count
        task.action_cancel()
        task = self._as_marketer(task)
        self.assertEqual((task.waiting_count, task.cancelled_count), (0, waiting))

    def test_same_lists_have_the_same_answer(self):
        """Asked again, in another email task, they narrow nothing."""
        names = [f"person{number}@lent.example" for number in range(40)]
        lent, guess = self._lend(names), self._guess(*names, "own@example.com")
        told = set()
        for _number in range(5):
            task = self._plan(guess, exclude_audience_ids=lent, use_as_is=True)
            task.action_cancel()
            told.add(self._as_marketer(task).suppressed_count)
        self.assertEqual(len(told), 1)

    def test_encrypted_people_among_guesses(self):
        self._enter_key()
        self._run_reading()
        encrypted = self._make_audience(self._make_encrypted(BOB))
        self._refresh_all(encrypted)
        self._compare(
            *(
                self._attack(guess, exclude=encrypted)
                for guess in ("bob.smith+news@example.com", "nobody@example.com")
            )
        )

    def _mail_encrypted(self):
        """Mail somebody whose encrypted address is the one that will be guessed.

        :return: the one `directmail.delivery`
        """
        self._enter_key()
        self._run_reading()
        encrypted = self._make_audience(self._make_encrypted(BOB))
        self._refresh_all(encrypted)
        task = self._plan(encrypted, address_form="encrypted")
        self._run_cron()
        self.assertEqual(task.sudo().sent_count, 1)
        return task.sudo().delivery_ids

    def _compare_guesses_alone(self):
        """Guess who is encrypted, with nobody else's audience in the email task."""
        self._compare(
            *(
                self._as_marketer(self._pause(self._guess(guess, "own@example.com")))
                for guess in ("bob.smith+news@example.com", "nobody@example.com")
            )
        )

    def _pause(self, audience):
        task = self._plan(audience, use_as_is=True)
        task.action_pause()
        return task

    def test_opt_out_of_an_encrypted_person(self):
        """Opt-outs know the address, and who has opted out got a mail at an encrypted one."""
        self._mail_encrypted()._unsubscribe("page")
        self._compare_guesses_alone()

    def test_limits_of_an_encrypted_person(self):
        self._mail_encrypted()
        fatigue = self.env["directmail.fatigue"].with_user(self.admin).create({})
        fatigue.rule_ids.filtered(lambda rule: rule.span == "day").email_limit = 1
        self._compare_guesses_alone()

    def test_upgrade_of_guesses_among_encrypted_people(self):
        self._mail_encrypted()._unsubscribe("page")
        task = self._pause(self._guess("bob.smith+news@example.com", "own@example.com"))
        self.env.flush_all()
        self.env.cr.execute("UPDATE directmail_task SET in_tens = FALSE, tens_mark = NULL")
        run_migration(self.env.cr, "19.0.1.4.0/post-tens.py")
        self.assertNotIn("own@example.com", repr(self._ask(self._as_marketer(task))))

    def test_task_that_waits_for_quota(self):
        self.account.sudo().daily_quota = 1
        task = self._plan(
            self._guess(HIDDEN, "own@example.com", "two@example.com"),
            exclude_audience_ids=self._lend(),
        )
        self._run_cron()
        [body] = [str(body) for body in task.message_ids.mapped("body") if "quota" in str(body)]
        self.assertIn("Mails waiting: fewer than 30.", body)


@tagged("post_install", "-at_install")
class TestTensTour(SeenMixin, DirectmailMixin, PatientHttpCase):
    """The page says that figures are rounded, and shows no zero where a few people may be."""

    def test_page_of_a_task_in_tens(self):
        names = [f"person{number}@own.example" for number in range(80)]
        task = self._plan(self._guess(HIDDEN, *names), exclude_audience_ids=self._lend())
        task.action_pause()
        self.start_tour(f"/odoo/directmail.task/{task.id}", "directmail_tens", login="dm_user")
