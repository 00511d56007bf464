from odoo.fields import Command
from odoo.tests import tagged

from ...engine.tens import FEW, SHIFT_MAX, TEN, in_tens, make_mark
from ..common import DirectmailCommon, start_task
from ..common_encrypted import ALICE, BOB
from ..common_seen import HIDDEN, SeenMixin


def _names(number, domain):
    return [f"person{i}@{domain}" for i in range(number)]


@tagged("post_install", "-at_install")
class TestTens(SeenMixin, DirectmailCommon):
    """Figures tell nothing about one person whom the reader may not see."""

    def _estimate(self, audiences, user=None, **vals):
        if "exclude_audience_ids" in vals:
            vals["exclude_audience_ids"] = [Command.set(vals["exclude_audience_ids"].ids)]
        task = self._make_task(audiences.with_user(self.user), use_as_is=True, **vals)
        action = task.with_user(user or self.user).action_open_estimate()
        return (
            self.env["directmail.task.estimate"]
            .with_user(user or self.user)
            .browse(action["res_id"])
        )

    def _get_figures(self, estimate):
        lines = sorted((line.name, line.people) for line in estimate.line_ids)
        return estimate.people_count, estimate.mail_count, lines, estimate.held, estimate.sum_table

    def test_guesses_against_a_colleagues_audience(self):
        """The same figures whether or not the guess is in it, on either side of Except."""
        lent = self._lend()
        right, wrong = self._guess(HIDDEN), self._guess("nobody@example.com")
        for mailed, excluded in (("guess", "lent"), ("lent", "guess"), ("both", None)):
            with self.subTest(mailed):
                answers = []
                for guess in (right, wrong):
                    people = {"guess": guess, "lent": lent, "both": guess + lent}
                    vals = {"exclude_audience_ids": people[excluded]} if excluded else {}
                    answers.append(self._get_figures(self._estimate(people[mailed], **vals)))
                self.assertEqual(answers[0], answers[1])

    def test_large_groups_are_told(self):
        names = _names(60, "lent.example")
        lent = self._lend(names)
        guess = self._guess(*names, *_names(100, "own.example"))
        estimate = self._estimate(guess, exclude_audience_ids=lent)
        self.assertTrue(estimate.in_tens)
        [line] = estimate.line_ids
        self.assertIn("excluded audience", line.name)
        self.assertLessEqual(60 - SHIFT_MAX - TEN, line.people)
        self.assertLessEqual(line.people, 60)
        self.assertEqual(line.people % TEN, 0)
        self.assertLessEqual(100 - SHIFT_MAX - TEN, estimate.mail_count)
        self.assertIn("about", estimate.sum_table)
        again = self._estimate(guess, exclude_audience_ids=lent)
        self.assertEqual(self._get_figures(again), self._get_figures(estimate), "the same question")

    def test_people_whom_the_reader_sees_are_told_exactly(self):
        """A colleague's audience of nobody but visible contacts is like an own one."""
        lent = self._make_audience(self.vera + self.decoy, self.other, visibility="public")
        self._refresh_all(lent)
        estimate = self._estimate(lent)
        self.assertFalse(estimate.in_tens)
        self.assertEqual((estimate.people_count, estimate.mail_count), (2, 2))
        self.decoy.ref = "secret"
        self.assertTrue(self._estimate(lent).in_tens)

    def test_administrator_from_whom_a_contact_is_hidden(self):
        lent = self._lend()
        self.assertTrue(self._estimate(lent, user=self.admin).in_tens)
        self.hilda.ref = False
        self.assertFalse(self._estimate(lent, user=self.admin).in_tens)

    def test_results_of_a_task(self):
        """An audience under Except does not reveal its people, even if a decoy is mailed."""
        lent = self._lend(_names(40, "lent.example"))
        decoys = self._make_audience(self.decoy)
        self._refresh_all(decoys)
        task = self._plan(lent + decoys, exclude_audience_ids=lent)
        self.assertTrue(task.in_tens)
        self.assertEqual(task.sudo().suppressed_count, 43)
        self.assertFalse(task.delivery_ids)
        self._run_cron()
        task = task.with_user(self.user)
        self.assertEqual(task.delivery_ids.partner_id, self.decoy)
        [row] = task.get_effectiveness()["reasons"]
        self.assertEqual(row["value"], "excluded")
        self.assertLessEqual(43 - SHIFT_MAX - TEN, row["count"])
        self.assertLess(row["count"], 43)
        self.assertEqual(task.get_effectiveness()["hidden"], 0, "of those who were mailed")

    def test_own_guess_that_a_colleagues_audience_excludes(self):
        task = self._plan(
            self._guess(HIDDEN, "own@example.com", "invalid@"), exclude_audience_ids=self._lend()
        )
        deliveries = self.env["directmail.delivery"].with_user(self.user)
        mine = [("task_id", "=", task.id)]
        self.assertFalse(deliveries.search(mine), "nobody has been mailed yet")
        self._run_cron()
        self.assertEqual(deliveries.search(mine).mapped("email"), ["own@example.com"])
        for group in ("reason", "state", "email"):
            with self.subTest(group):
                groups = deliveries._read_group([*mine, ("reason", "=", "excluded")], [group])
                self.assertFalse(groups)
        self.assertEqual(task.get_effectiveness()["reasons"], [])

    def test_people_held_back_by_fatigue_control(self):
        self.env["directmail.fatigue"].with_user(self.admin).create({})
        lent = self._lend()
        task = self._plan(lent)
        self.env.cr.execute(
            "UPDATE directmail_delivery SET state = 'suppressed', reason = 'fatigue',"
            " fatigue_rule = 'email_day' WHERE task_id = %s",
            [task.id],
        )
        self.env.invalidate_all()
        self.assertFalse(task.held_back)
        self.assertEqual(task.held_back_count, 0)
        self.assertFalse(task.delivery_ids)

    def test_reasons_of_own_people_are_not_told(self):
        """Excluded people never count as "no address", because that would reveal the others."""
        [nobody] = self._make_people(False)
        own = self._make_audience(nobody + self.decoy)
        self._refresh_all(own)
        task = self._plan(own + self._lend())
        self._run_cron()
        self.assertEqual(task.delivery_ids.partner_id, self.decoy + self.vera)

    def test_adding_known_people_does_not_narrow_it(self):
        """The shift can't be predicted, and a rounded figure never exceeds the exact one."""

        key = self.env["directmail.keyring"]._get_master_key()

        def tell(count, *question):
            return in_tens(count, make_mark(key, *question), "waiting")

        self.assertEqual({tell(30, mark) for mark in range(200)}, {10, 20, 30})
        self.assertEqual({tell(9, mark) for mark in range(200)}, {0})
        self.assertEqual({tell(FEW - 2, mark) for mark in range(200)}, {0, 10, 20})
        self.assertGreater(min(tell(FEW, mark) for mark in range(200)), 0)
        self.assertLess(sum(tell(10, mark) == 10 for mark in range(1000)), 1000 / TEN)

    def test_a_figure_that_stays_the_same_tells_nothing(self):
        """Other lists have another shift, whether or not the guess is excluded.

        If where the next ten begins belonged to the people who are counted, an answer that stays
        the same would tell that the guess is not among them.
        """
        names = _names(40, "own.example")
        lent = self._lend()
        for guess in (HIDDEN, "nobody@example.com"):
            answers = set()
            for number in range(8):
                estimate = self._estimate(
                    self._guess(guess, *names, f"more{number}@own.example"),
                    exclude_audience_ids=lent,
                )
                answers.add(estimate.mail_count)
            with self.subTest(guess):
                self.assertGreater(len(answers), 1)


@tagged("post_install", "-at_install")
class TestEncryptedAreNotFound(SeenMixin, DirectmailCommon):
    """Lists of addresses in clear never act on encrypted people."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls._enter_key()
        cls.alice = cls._make_encrypted(ALICE)

    def setUp(self):
        super().setUp()
        self._run_reading()
        self.encrypted = self._make_audience(self.alice)
        self._refresh_all(self.encrypted)

    def _count(self, *lines):
        lines = [
            Command.create({"kind": "upload", "sequence": number, **line})
            for number, line in enumerate(lines)
        ]
        return self.env["directmail.audience"].with_user(self.user).count_all({"line_ids": lines})

    def test_except(self):
        guess = self._guess("alice@example.com")
        task = self._plan(self.encrypted, address_form="encrypted", exclude_audience_ids=guess)
        self.assertEqual(task.sudo().waiting_count, 1)

    def test_encrypted_list_under_except_still_leaves_out(self):
        mailed = self._make_audience(
            self._make_people("bob.smith+news@example.com", "other@example.com")
        )
        excluded = self._guess(BOB, id_kind="encrypted")
        task = self._plan(mailed, exclude_audience_ids=excluded)
        self.assertEqual((task.sudo().waiting_count, task.sudo().suppressed_count), (1, 1))
        self.assertTrue(task.in_tens)

    def test_duplicates(self):
        """The encrypted person is mailed, once; the list does not tell which address was theirs."""
        guess = self._guess("alice@example.com", "other@example.com")
        task = self._plan(self.encrypted + guess, address_form="encrypted")
        rows = self.env["directmail.delivery"].search([("task_id", "=", task.id)])
        [alice] = rows.filtered("partner_id")
        self.assertEqual(alice.state, "waiting")
        self.assertEqual(task.sudo().waiting_count, 2)
        seen = (
            self.env["directmail.delivery"]
            .with_user(self.user)
            .search([("task_id", "=", task.id), ("state", "=", "suppressed")])
        )
        self.assertFalse(seen)

    def test_estimates(self):
        """Halving a list of guesses: every half has the same figures."""
        answers = set()
        for address in ("alice@example.com", "nobody@example.com"):
            guess = self._guess(address)
            self.env["mail.blacklist"]._add(address)
            for audiences, vals in (
                (guess, {}),
                (self.encrypted, {"exclude_audience_ids": [Command.set(guess.ids)]}),
                (self.encrypted + guess, {}),
            ):
                task = self._make_task(audiences, use_as_is=True, address_form="encrypted", **vals)
                estimate = self.env["directmail.task.estimate"]._make(task, False)
                self.assertTrue(estimate.in_tens)
                answers.add((estimate.people_count, estimate.mail_count, len(estimate.line_ids)))
            self.env["mail.blacklist"]._remove(address)
        self.assertEqual(answers, {(0, 0, 0)})

    def test_opt_out_of_an_encrypted_person_in_an_estimate_of_guesses(self):
        task = self._plan(self.encrypted, address_form="encrypted")
        delivery = self.env["directmail.delivery"].search([("task_id", "=", task.id)])
        self.env["directmail.optout"]._record(delivery, "page")
        guess = self._guess("alice@example.com")
        estimate = self.env["directmail.task.estimate"]._make(
            self._make_task(guess, use_as_is=True), False
        )
        self.assertFalse(estimate.line_ids)
        task = self._plan(guess)
        self.assertEqual(
            task.sudo().delivery_ids.mapped("reason"),
            ["opted_out"],
            "opt-outs hold for the address, in whatever form",
        )

    def test_lines_of_an_audience(self):
        secret = self._upload(f"{BOB}\n", id_kind="encrypted")
        right = self._upload("bob.smith+news@example.com\n")
        wrong = self._upload("nobody@example.com\n")
        for operator, people in (("and", 0), ("except", 1), ("or", 2)):
            for first, second in ((secret, right), (secret, wrong), (right, secret)):
                with self.subTest(operator):
                    answer = self._count(
                        {"upload_id": first.id}, {"operator": operator, "upload_id": second.id}
                    )
                    self.assertEqual(answer["people"], people)
                    self.assertEqual((answer["mailable"], answer["reasons"]), (0, []))
                    self.assertTrue(answer["tens"])

    def test_same_address_in_clear_and_encrypted_stays_through_refreshes(self):
        uploads = [
            self._upload(f"{BOB}\n", id_kind="encrypted"),
            self._upload("bob.smith+news@example.com\n"),
        ]
        audience = self._make_audience(
            None,
            lines=[
                {"operator": "or", "kind": "upload", "upload_id": upload.id} for upload in uploads
            ],
        )
        for _number in range(2):
            self._refresh_all(audience)
            self.assertEqual(audience.people_count, 2)
        self.assertEqual((audience.entered_count, audience.left_count), (0, 0))

    def test_exempt_list(self):
        """An exempt list of addresses in clear does not exempt encrypted people."""
        fatigue = self.env["directmail.fatigue"].with_user(self.admin).create({})
        fatigue.rule_ids.filtered(lambda rule: rule.span == "day").email_limit = 1
        self._plan(self.encrypted, address_form="encrypted")
        self._run_cron()
        fatigue.exempt_audience_ids = self._guess("alice@example.com", user=self.admin)
        task = self._make_task(self.encrypted, address_form="encrypted")
        task.action_send()
        start_task(task.sudo())
        rows = self.env["directmail.delivery"].search([("task_id", "=", task.id)])
        self.assertEqual(rows.mapped("reason"), ["fatigue"])

    def test_recent_emails_of_a_contact_made_with_a_guess(self):
        self._plan(self.encrypted, address_form="encrypted")
        self._run_cron()
        [guess] = self._make_people("alice@example.com")
        for person, count in ((guess, 0), (self.alice, 1)):
            status = self.env["directmail.fatigue.status"].with_user(self.user)._make(person)
            self.assertEqual(max(status.line_ids.mapped("email_count")), count)

    def test_recent_emails_of_a_contact_that_gets_a_guessed_address(self):
        """Mails to a contact in one form tell nothing of its address in the other."""
        [copy, clear] = self._make_encrypted(ALICE, ALICE)
        clear.email = "alice@example.com"
        for person, form in ((copy, "encrypted"), (clear, "original")):
            audience = self._make_audience(person)
            self._refresh_all(audience)
            self._plan(audience, address_form=form)
            self._run_cron()

        def count(person):
            status = self.env["directmail.fatigue.status"].with_user(self.user)._make(person)
            return max(status.line_ids.mapped("email_count"))

        self.assertEqual((count(copy), count(clear)), (1, 1))
        copy.write({"email_encrypted": False, "email": "alice@example.com"})
        # What was sent to the other contact in clear is seen, but not that it is the same address.
        clear.write({"email": False})
        self.assertEqual((count(copy), count(clear)), (1, 0))
        clear.ref = "secret"
        self.env.invalidate_all()
        self.assertEqual(count(copy), 0)

    def test_encrypted_contact_under_except(self):
        """A list of guesses does not say which of them belongs to whom it leaves out."""
        guess = self._guess("alice@example.com", "other@example.com")
        task = self._plan(guess, exclude_audience_ids=self.encrypted)
        self.assertEqual((task.sudo().waiting_count, task.sudo().suppressed_count), (1, 1))
        self.assertTrue(task.in_tens)
        self.assertFalse(task.delivery_ids)
        self._run_cron()
        self.assertEqual(task.delivery_ids.mapped("email"), ["other@example.com"])
        self.assertEqual(task.get_effectiveness()["reasons"], [])

    def test_list_of_guesses_matches_no_encrypted_contact(self):
        upload = self._upload("alice@example.com\n")
        self.assertEqual((upload.matched_count, upload.bare_count), (0, 1))
