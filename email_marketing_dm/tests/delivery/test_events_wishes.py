import itertools
from datetime import timedelta

from odoo import fields
from odoo.tests import tagged

from ..common import DirectmailCommon
from ..common_events import EventsMixin


@tagged("post_install", "-at_install")
class TestWishes(EventsMixin, DirectmailCommon):
    """Opt-outs, new subscriptions and invalid addresses that events report."""

    def _get_optout(self, delivery):
        self.env.invalidate_all()
        return (
            self.env["directmail.optout"]
            .sudo()
            .search([("address_key", "=", delivery.sudo().address_key)])
        )

    def test_the_latest_wish_holds(self):
        wishes = [("unsubscribe", 10), ("subscribe", 20), ("unsubscribe", 30), ("subscribe", 40)]
        cases = [
            (order, last) for last in (2, 3, 4) for order in itertools.permutations(range(last))
        ]
        deliveries = self._send(*[f"p{number}@example.com" for number in range(len(cases))])
        for number, (delivery, (order, _last)) in enumerate(zip(deliveries, cases, strict=True)):
            for index in order:
                self._tell(delivery, *wishes[index])
                if number % 3 == 0:
                    self._apply()
        self._apply()
        for delivery, (order, last) in zip(deliveries, cases, strict=True):
            self.assertEqual(bool(self._get_optout(delivery)), last == 3, order)
            answers = self.env["directmail.consent"].search(
                [("partner_id", "=", delivery.partner_id.id)]
            )
            self.assertEqual(answers[:1].answer == "withdrawn", last == 3, order)
            self.assertLessEqual(set(answers.mapped("purpose")), {"mailing"})

    def test_complaint(self):
        """It stops every company's mails to a plain address, and no subscription undoes it."""
        [delivery] = self._send("angry@example.com")
        self._tell(delivery, "complaint", 10)
        self._tell(delivery, "subscribe", 20)
        self._apply()
        self.assertEqual(self._get_optout(delivery).origin, "complaint")
        answer = self.env["directmail.consent"].search([("email", "=", "angry@example.com")])
        self.assertEqual((answer.answer, answer.origin), ("withdrawn", "complaint"))
        self.assertEqual(self.task.complained_count, 1)
        self.assertTrue(self.env["mail.blacklist"].search([("email", "=", "angry@example.com")]))

    def test_leaving_again_after_agreeing_is_recorded_once(self):
        [delivery] = self._send("a@example.com")
        consents = self.env["directmail.consent"]
        whose = [("email", "=", "a@example.com")]
        self._tell(delivery, "unsubscribe", 10)
        self._apply()
        left = consents.search(whose)
        topic = self.env["directmail.purpose"].create(
            {"name": "News", "company_id": delivery.company_id.id}
        )
        agreed = consents._add_mailing(topic, delivery._get_consent_person(), "confirmed", "form")
        self.env.cr.execute(
            "UPDATE directmail_consent SET recorded_at = %s WHERE id = %s",
            [left.recorded_at + timedelta(seconds=5), agreed.id],
        )
        self.env.invalidate_all()
        for _attempt in range(2):
            self._tell(delivery, "complaint", 20)
            self._apply()
        answers = consents.search(whose, order="recorded_at, id")
        self.assertEqual(
            [(answer.answer, answer.origin) for answer in answers],
            [("withdrawn", "directmail"), ("confirmed", "form"), ("withdrawn", "complaint")],
        )

    def test_wish_that_names_no_mail(self):
        """DirectMail's lists say who, not which mail: it is the person's latest before."""
        [delivery] = self._send("a@example.com")
        now = fields.Datetime.now()
        self._tell(None, "unsubscribe", occurred_at=now, address_key=delivery.address_key)
        self._apply()
        self.assertEqual(delivery.unsubscribed_at, now)
        optout = self._get_optout(delivery)
        self.assertEqual((optout.origin, optout.email), ("directmail", "a@example.com"))

    def test_bounces(self):
        account = self.account.sudo()
        account.bounce_limit = 2
        [first] = self._send("gone@example.com")
        self._tell(first, "invalid", 1)
        self._apply()
        self.assertFalse(self._get_optout(first))
        people = first.partner_id
        task = self._make_task(self._make_audience(people))
        task.action_send()
        self._run_cron()
        second = task.sudo().delivery_ids
        self._tell(second, "invalid", 2)
        self._apply()
        self.assertEqual(self._get_optout(second).origin, "bounce")
        others = self._make_people("other@example.com")
        task = self._make_task(self._make_audience(people | others))
        task.action_send()
        self._run_cron()
        self.assertEqual(task.sudo().delivery_ids.mapped("reason"), ["bounced", False])

    def test_bounces_may_not_count(self):
        self.account.sudo().bounce_limit = 0
        [delivery] = self._send("gone@example.com")
        self._tell(delivery, "invalid", 1)
        self._apply()
        self.assertFalse(self._get_optout(delivery))
