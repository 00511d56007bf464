from base64 import b64encode
from hashlib import md5, sha256

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from odoo.exceptions import UserError, ValidationError
from odoo.fields import Domain
from odoo.tests import tagged

from ..common import DirectmailCommon
from ..common_encrypted import KEY, EncryptedMixin
from .test_follow_up import FollowUpMixin


def get_share(salt, key):
    """Return what `engine.assignment.get_share` computes, in plain Python."""
    return int(md5(f"{salt}/{key}".encode()).hexdigest()[:8], 16) / 16**8


def encrypt(address):
    """Return an address as AES-GCM writes it under `KEY`, the nonce in front."""
    nonce = sha256(address.encode()).digest()[:12]
    return b64encode(nonce + AESGCM(KEY.encode()).encrypt(nonce, address.encode(), None)).decode()


class ControlMixin:
    """Forty people, some of whom are in the control group of each task."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.people = cls._make_people(
            *(f"control-{number}@customer.example" for number in range(40)), ref="control"
        )
        cls.audience = cls._make_audience(None, lines=[{"domain": "[('ref', '=', 'control')]"}])
        cls.template = cls._make_template()

    def _deliveries(self, task, *domain):
        domain = Domain("task_id", "=", task.id) & Domain(list(domain))
        return self.env["directmail.delivery"].sudo().search(domain)

    def _get_expected(self, task, share):
        """Return the contacts who are in the control group, by a count in Python."""
        keys = {row.partner_id: row.address_key for row in self._deliveries(task)}
        salt = f"control/{task.family_id.id or task.id}"
        return {one for one, key in keys.items() if get_share(salt, key) < share / 100}

    def _get_mailed(self, task):
        return set(self._deliveries(task, ("state", "=", "sent")).partner_id)

    def _get_control(self, task):
        return set(self._deliveries(task, ("reason", "=", "control_group")).partner_id)

    def _find_number(self, task, state):
        """Return a free number of `control-<number>` whose address has or has not a control place.

        :param bool state: whether the address must be in the control group of the task
        """
        master_key = self.env["directmail.keyring"]._get_master_key()
        for number in range(1000, 2000):
            key = master_key.address_key(f"control-{number}@customer.example")
            if (get_share(f"control/{task.id}", key) < task.control_share / 100) == state:
                return number

    def _send(self, **vals):
        task = self._make_task(self.audience, self.template, **vals)
        task.action_send()
        self._run_cron()
        return task


@tagged("post_install", "-at_install")
class TestControl(ControlMixin, DirectmailCommon):
    """The control group of a task gets no mail, and is the same in estimate, plan and claim."""

    def test_the_control_group_is_that_of_the_hash_and_gets_no_mail(self):
        task = self._make_task(self.audience, self.template, control_share=30)
        fates = {fate.reason: number for fate, number in task.sudo()._estimate_people().items()}
        task.action_send()
        self._run_cron()
        expected = self._get_expected(task, 30)
        self.assertTrue(expected)
        self.assertEqual(self._get_control(task), expected)
        self.assertEqual(self._get_mailed(task), set(self.people) - expected)
        self.assertEqual(fates, {"control_group": len(expected), None: 40 - len(expected)})
        self.assertEqual(task.suppressed_count, len(expected))
        self.assertSumRule(task)
        self.assertEqual(
            {mail["to"] for mail in self.emulator.ledger(task.tag_name)},
            set(self._deliveries(task, ("state", "=", "sent")).mapped("email")),
        )

    def test_both_groups_passed_the_same_checks(self):
        self.env["mail.blacklist"].sudo()._add(self.people[0].email)
        self.people[1].email = False
        self.people[2].email = self.people[3].email
        task = self._send(control_share=50)
        compared = self._deliveries(task, ("assignment", "!=", False))
        self.assertEqual(len(compared), 37)
        self.assertEqual(set(compared.mapped("assignment")), {"mail", "control"})
        self.assertEqual(
            set(compared.filtered(lambda row: row.assignment == "control")),
            set(self._deliveries(task, ("reason", "=", "control_group"))),
        )
        self.assertEqual(
            set((self._deliveries(task) - compared).mapped("reason")),
            {"blacklisted", "no_address", "duplicate"},
        )

    def test_tasks_without_control_groups_store_no_assignment(self):
        task = self._send()
        self.assertEqual(self._get_mailed(task), set(self.people))
        self.assertEqual(set(self._deliveries(task).mapped("assignment")), {False})

    def test_a_task_of_its_own_has_a_control_group_of_its_own(self):
        first, second = self._send(control_share=30), self._send(control_share=30)
        self.assertNotEqual(self._get_control(first), self._get_control(second))

    def test_later_suppressed_people_stay_in_their_group(self):
        task = self._make_task(self.audience, self.template, control_share=30)
        task.action_send()
        task.sudo()._prepare()
        task.sudo()._launch()
        person = self._deliveries(task, ("state", "=", "waiting"))[0].partner_id
        self.env["mail.blacklist"].sudo()._add(person.email)
        self._run_cron()
        [delivery] = self._deliveries(task, ("partner_id", "=", person.id))
        self.assertEqual((delivery.reason, delivery.assignment), ("blacklisted", "mail"))

    def _plan(self, **vals):
        task = self._make_task(self.audience, self.template, **vals)
        task.action_send()
        task.sudo()._prepare()
        task.sudo()._launch()
        return task

    def test_a_new_address_in_the_control_group_gets_no_mail(self):
        task = self._plan(control_share=30)
        first, second = self._deliveries(task, ("state", "=", "waiting"))[:2].partner_id
        first.email = f"control-{self._find_number(task, True)}@customer.example"
        second.email = f"control-{self._find_number(task, False)}@customer.example"
        self._run_cron()
        rows = self._deliveries(task).grouped("partner_id")
        self.assertEqual((rows[first].reason, rows[first].assignment), ("control_group", "mail"))
        self.assertEqual((rows[second].state, rows[second].email), ("sent", second.email))

    def test_an_address_is_never_in_both_groups(self):
        task = self._plan(control_share=30)
        person = self._deliveries(task, ("state", "=", "waiting"))[0].partner_id
        held = self._deliveries(task, ("reason", "=", "control_group"))[0]
        person.email = held.email
        self._run_cron()
        [moved] = self._deliveries(task, ("partner_id", "=", person.id))
        self.assertEqual((moved.reason, moved.assignment), ("duplicate", False))
        self.assertEqual((moved.email, held.assignment), (held.email, "control"))

    # === BAD INPUT === #

    def test_shares_that_are_refused(self):
        for share in (-1, 51, 100):
            with self.subTest(share=share), self.assertRaisesRegex(ValidationError, "1 to 50 perc"):
                self._make_task(self.audience, self.template, control_share=share)
        with self.assertRaisesRegex(ValidationError, "notification"):
            self._make_task(self.audience, self.template, control_share=10, is_notification=True)
        task = self._make_task(self.audience, self.template, control_share=10)
        with self.assertRaisesRegex(ValidationError, "notification"):
            task.is_notification = True

    def test_the_share_is_fixed_when_the_task_has_started(self):
        task = self._send(control_share=10)
        with self.assertRaisesRegex(UserError, "can't be changed any more"):
            task.control_share = 20
        copied = task.copy()
        copied.control_share = 20
        self.assertEqual(task.control_share, 10)

    def test_a_task_with_nobody_but_the_control_group_says_so(self):
        task = self._make_task(self.audience, self.template, control_share=50)
        number = self._find_number(task, True)
        self.people[0].email = f"control-{number}@customer.example"
        task.audience_ids = self._make_audience(self.people[0])
        task.action_send()
        self._run_cron()
        self.assertEqual(task.state, "failed")
        self.assertIn("is in a control group", task.state_message)

    # === AUDIENCES OF IT === #

    def _generate(self, task, result, user=None):
        wizard = self.env["directmail.task.generate"].with_user(user or self.user)
        return wizard.create({"task_id": task.id, "task_result": result})

    def test_an_audience_of_the_control_group(self):
        task = self._send(control_share=30)
        wizard = self._generate(task, "control")
        self.assertEqual(wizard.hidden_count, 0)
        audience = self.env["directmail.audience"].browse(wizard.action_generate()["res_id"])
        self.assertEqual(set(audience.member_ids.partner_id), self._get_control(task))
        self.assertEqual(audience.line_ids.sentence, "In the control group of Spring mailing")

    def test_a_rounded_task_does_not_tell_who_is_in_its_control_group(self):
        """Who is in it has passed every check, also that of a colleague's excluded audience."""
        task = self._send(control_share=30)
        task.sudo().in_tens = True
        self.env.flush_all()
        self.assertEqual(self._generate(task, "control").hidden_count, 0)
        with self.assertRaisesRegex(UserError, "only an administrator can select the people"):
            self._generate(task, "control").action_generate()
        wizard = self._generate(task, "control", self.admin)
        audience = self.env["directmail.audience"].browse(wizard.action_generate()["res_id"])
        self.assertEqual(set(audience.member_ids.partner_id), self._get_control(task))

    def test_a_rounded_task_does_not_tell_how_many_people_were_suppressed(self):
        self.env["mail.blacklist"].sudo()._add(self.people[0].email)
        task = self._send()
        task.sudo().in_tens = True
        self.env.flush_all()
        self.assertEqual(self._generate(task, "planned").hidden_count, 0)

    def test_the_summary_names_the_control_group(self):
        task = self._make_task(self.audience, self.template, control_share=10)
        self.assertIn("Control group: 10%", task.settings_summary)


@tagged("post_install", "-at_install")
class TestControlFamily(ControlMixin, FollowUpMixin, DirectmailCommon):
    """People in the control group get no follow-up either."""

    def test_follow_ups_have_the_control_group_of_the_first_task(self):
        task = self._send(control_share=30)
        control = self._get_control(task)
        joined = self._make_people(
            *(f"control-{number}@customer.example" for number in range(100, 130)), ref="control"
        )
        self.assertEqual(task.state, "done")
        follow_up = self._follow(task, "joined", mail="same")
        follow_up.audience_ids = self.audience  # the control group included
        follow_up.action_send()
        self._run_cron()
        self.assertEqual(follow_up.state, "done")
        mailed = self._get_mailed(follow_up)
        self.assertTrue(control and mailed and self._get_control(follow_up))
        self.assertFalse(mailed & control)
        self.assertEqual(mailed, set(joined) - self._get_expected(follow_up, 30))

    def test_the_share_of_a_follow_up_cannot_differ(self):
        task = self._send(control_share=30)
        follow_up = self._follow(task, "joined", mail="same")
        self.assertEqual(follow_up.control_share, 30)
        with self.assertRaisesRegex(ValidationError, "same control group as the first"):
            follow_up.control_share = 0


@tagged("post_install", "-at_install")
class TestControlEncrypted(EncryptedMixin, ControlMixin, DirectmailCommon):
    """Encrypted people are assigned by the key of their address, as the same people in clear."""

    def test_encrypted_people_have_the_same_group(self):
        self._enter_key(mode="gcm")
        for number, person in enumerate(self.people):
            person.email_encrypted = encrypt(f"control-{number}@customer.example")
        self._run_reading()
        task = self._send(control_share=30, address_form="encrypted")
        deliveries = self._deliveries(task)
        self.assertEqual(set(deliveries.mapped("email")), {False})
        self.assertTrue(self._get_control(task))
        self.assertEqual(self._get_control(task), self._get_expected(task, 30))
        self.assertEqual(self._get_mailed(task), set(self.people) - self._get_expected(task, 30))
        master_key = self.env["directmail.keyring"]._get_master_key()
        for delivery in deliveries:
            number = self.people.ids.index(delivery.partner_id.id)
            key = master_key.address_key(f"control-{number}@customer.example")
            self.assertEqual(delivery.address_key, key)
