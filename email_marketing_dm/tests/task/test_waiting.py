from odoo.tests import tagged

from ...privacy.address import normalise
from ..common import AudienceCommon
from ..common_encrypted import ALICE, ALICE_HEX, BOB, EncryptedMixin
from ..common_waiting import WaitingMixin


@tagged("post_install", "-at_install", "directmail")
class TestWaiting(WaitingMixin, AudienceCommon):
    """Waiting people are checked again at the claim, by their present record and address."""

    # === CONTACTS === #

    def test_a_deleted_contact_gets_no_mail(self):
        task = self._plan()
        self.ann.unlink()
        self._finish(task)
        self.assertEqual(self._get_mailed(task), ["bob@example.com", "cat@example.com"])
        self.assertEqual(self._get_reasons(task), ["gone", "no_address"])

    def test_an_archived_contact_gets_no_mail(self):
        task = self._plan()
        self.ann.action_archive()
        self._finish(task)
        self.assertEqual(self._get_mailed(task), ["bob@example.com", "cat@example.com"])
        self.assertEqual(self._get_reasons(task), ["gone", "no_address"])

    def test_a_changed_address_gets_the_mail(self):
        task = self._plan()
        self.ann.email = "Ann <new@example.com>"
        self._finish(task)
        self.assertEqual(
            self._get_mailed(task), ["bob@example.com", "cat@example.com", "new@example.com"]
        )
        self.assertEqual(self._get_reasons(task), ["no_address"])

    def test_an_emptied_address_gets_none(self):
        task = self._plan()
        self.ann.email = False
        self._finish(task)
        self.assertEqual(self._get_reasons(task), ["no_address", "no_address"])

    def test_an_address_made_unusable_gets_none(self):
        task = self._plan()
        self.ann.email = "not an address"
        self._finish(task)
        self.assertEqual(self._get_reasons(task), ["invalid_address", "no_address"])

    def test_a_new_address_that_somebody_else_has_is_a_duplicate(self):
        task = self._plan()
        self.ann.email = "bob@example.com"
        self._finish(task)
        self.assertEqual(self._get_mailed(task), ["bob@example.com", "cat@example.com"])
        self.assertEqual(self._get_reasons(task), ["duplicate", "no_address"])

    def test_two_who_change_to_one_address_get_one_mail(self):
        task = self._plan()
        (self.ann | self.bob).email = "both@example.com"
        self._finish(task)
        self.assertEqual(self._get_mailed(task), ["both@example.com", "cat@example.com"])
        self.assertEqual(self._get_reasons(task), ["duplicate", "no_address"])

    def test_addresses_that_are_exchanged(self):
        task = self._plan()
        self.ann.email, self.bob.email, self.cat.email = (
            "bob@example.com", "cat@example.com", "ann@example.com",
        )  # fmt: skip
        self._finish(task)
        self.assertEqual(
            self._get_mailed(task), ["ann@example.com", "bob@example.com", "cat@example.com"]
        )
        by_person = {d.partner_id: d.email for d in task.delivery_ids}
        self.assertEqual(by_person[self.ann], "bob@example.com")
        self.assertEqual(by_person[self.cat], "ann@example.com")

    def test_the_address_of_a_deleted_contact_is_free(self):
        task = self._plan()
        self.bob.unlink()
        self.ann.email = "bob@example.com"
        self._finish(task)
        self.assertEqual(self._get_mailed(task), ["bob@example.com", "cat@example.com"])
        self.assertEqual(self._get_reasons(task), ["gone", "no_address"])

    def test_who_was_mailed_already_keeps_the_address(self):
        task = self._plan()
        self.account.sudo().write({"daily_quota": 1, "quota_reserve": 0})
        task.action_resume()
        self._run_cron()
        self.assertEqual(self._get_mailed(task), ["ann@example.com"])
        self.ann.unlink()
        self.bob.email = "ann@example.com"
        self.account.sudo().daily_quota = 100
        self._run_cron()
        self.assertEqual(self._get_mailed(task), ["ann@example.com", "cat@example.com"])
        self.assertEqual(self._get_reasons(task), ["duplicate", "no_address"])

    def test_a_new_address_that_is_opted_out_gets_none(self):
        self.env["mail.blacklist"]._add("new@example.com")
        task = self._plan()
        self.ann.email = "new@example.com"
        self._finish(task)
        self.assertEqual(self._get_mailed(task), ["bob@example.com", "cat@example.com"])
        self.assertEqual(self._get_reasons(task), ["blacklisted", "no_address"])

    def test_merged_contacts_are_one_person_who_stays(self):
        task = self._plan()
        self.env["base.partner.merge.automatic.wizard"]._merge((self.ann | self.bob).ids, self.bob)
        self.assertFalse(self.ann.exists())
        self._finish(task)
        self.assertEqual(self._get_mailed(task), ["bob@example.com", "cat@example.com"])
        self.assertEqual(self._get_reasons(task), ["duplicate", "no_address"])

    def test_merged_into_somebody_outside_the_task(self):
        outside = self._make_people("outside@example.com")
        task = self._plan()
        self.env["base.partner.merge.automatic.wizard"]._merge((self.ann | outside).ids, outside)
        self._finish(task)
        self.assertEqual(
            self._get_mailed(task), ["bob@example.com", "cat@example.com", "outside@example.com"]
        )

    def test_a_new_address_of_somebody_excluded_gets_none(self):
        """Except keeps out everybody with the address, whenever they got it."""
        excluded = self._make_audience(self.bob, name="Not these")
        task = self._plan(exclude_audience_ids=excluded.ids)
        self.ann.email = "bob@example.com"
        self._finish(task)
        self.assertEqual(self._get_mailed(task), ["cat@example.com"])
        self.assertEqual(self._get_reasons(task), ["excluded", "excluded", "no_address"])

    def test_a_new_address_of_somebody_excluded_outside_the_task_gets_none(self):
        excluded = self._make_audience(self._make_people("out@example.com"), name="Not these")
        task = self._plan(exclude_audience_ids=excluded.ids)
        self.ann.email = "OUT@example.com"
        self._finish(task)
        self.assertEqual(self._get_mailed(task), ["bob@example.com", "cat@example.com"])
        self.assertEqual(self._get_reasons(task), ["excluded", "no_address"])

    def test_merged_into_somebody_excluded_who_takes_over_the_address(self):
        outside = self.env["res.partner"].create({"name": "Known by name only"})
        excluded = self._make_audience(outside, name="Not these")
        task = self._plan(exclude_audience_ids=excluded.ids)
        self.env["base.partner.merge.automatic.wizard"]._merge((self.ann | outside).ids, outside)
        self.assertEqual(outside.email, "ann@example.com")
        self._finish(task)
        self.assertEqual(self._get_mailed(task), ["bob@example.com", "cat@example.com"])
        self.assertEqual(self._get_reasons(task), ["excluded", "no_address"])

    def test_who_enters_an_excluded_audience_while_waiting_gets_none(self):
        excluded = self._make_audience(self.env["res.partner"], name="Not these")
        excluded.line_ids.domain = "[('function', '=', 'Left us')]"
        task = self._plan(exclude_audience_ids=excluded.ids)
        self.ann.function = "Left us"
        excluded.action_refresh()
        self._finish(task)
        self.assertEqual(self._get_mailed(task), ["bob@example.com", "cat@example.com"])
        self.assertEqual(self._get_reasons(task), ["excluded", "no_address"])

    def test_merged_into_somebody_excluded(self):
        outside = self._make_people("out@example.com")
        excluded = self._make_audience(outside, name="Not these")
        task = self._plan(exclude_audience_ids=excluded.ids)
        self.env["base.partner.merge.automatic.wizard"]._merge((self.ann | outside).ids, outside)
        outside.email = "fresh@example.com"
        self._finish(task)
        self.assertEqual(self._get_mailed(task), ["bob@example.com", "cat@example.com"])
        self.assertEqual(self._get_reasons(task), ["excluded", "no_address"])

    def test_as_they_are_audiences_keep_members_but_not_archived_people(self):
        audience = self._make_audience(self.people)
        audience.action_refresh()
        twin = self._make_people("ann@example.com")
        audience.line_ids.domain = f"[('id', 'in', {(self.people | twin).ids})]"
        audience.action_refresh()
        self.ann.action_archive()
        task = self._make_task(audience, self.template, use_as_is=True)
        counts = {fate.reason: number for fate, number in task._estimate_people().items()}
        self.assertEqual(counts, {None: 3, "gone": 1, "no_address": 1})
        task.action_send()
        self._run_cron()
        self.assertEqual(self._get_reasons(task), ["gone", "no_address"])
        self.assertIn("ann@example.com", self._get_mailed(task), "her twin is there")

    def test_held_people_are_looked_at_when_they_are_due(self):
        task = self._plan()
        self.env.cr.execute(
            "UPDATE directmail_delivery SET not_before = now() AT TIME ZONE 'UTC'"
            " - interval '1 minute', fatigue_rule = 'hours' WHERE task_id = %s AND state ="
            " 'waiting'",
            [task.id],
        )
        self.ann.unlink()
        self.bob.email = "new@example.com"
        self._finish(task)
        self.assertEqual(self._get_mailed(task), ["cat@example.com", "new@example.com"])

    def test_a_second_try_goes_to_the_new_address(self):
        task = self._plan(not_sent_policy="again")
        self._finish(task)
        self.env.cr.execute(
            "UPDATE directmail_delivery SET state = 'not_sent', outcome = NULL WHERE task_id = %s"
            " AND partner_id IN %s",
            [task.id, (self.ann.id, self.bob.id)],
        )
        self.env.cr.execute(
            "UPDATE directmail_task_counter SET value = value - 2 WHERE task_id = %s AND name ="
            " 'sent'",
            [task.id],
        )
        self.env["directmail.task.counter"].sudo().create(
            {"task_id": task.id, "writer": "events", "name": "not_sent", "value": 2}
        )
        self.env.invalidate_all()
        self.ann.unlink()
        self.bob.email = "new@example.com"
        task.sudo()._send_again()
        self._run_cron()
        self.assertEqual(self._get_mailed(task), ["cat@example.com", "new@example.com"])
        self.assertEqual(self._get_reasons(task), ["gone", "no_address"])
        self.assertSumRule(task)

    def test_a_deleted_contact_does_not_come_back_as_a_bare_address(self):
        task = self._plan()
        self._finish(task)
        self._import_results(task)
        line = {"kind": "task", "task_id": task.id, "task_result": "delivered"}
        audience = self._make_audience(None, lines=[line])
        self.assertEqual(len(self._refresh(audience)), 3)
        self.ann.unlink()
        self.assertEqual(self._refresh(audience).partner_id, self.bob | self.cat)
        self.assertEqual(audience.people_count, 2)

    # === RECORDS OF OTHER MODELS === #

    def _plan_leads(self, exclude=False):
        leads = self.env["crm.lead"].create(
            [
                {"name": f"Lead {name}", "email_from": f"{name}@example.com", "user_id": False}
                for name in ("eve", "fay", "gus")
            ]
        )
        audience, excluded = (
            self._make_audience(
                None,
                lines=[{"table_id": self.leads.id, "domain": f"[('id', 'in', {people.ids})]"}],
            )
            for people in (leads, leads[2])
        )
        task = self._plan(audience, exclude_audience_ids=excluded.ids if exclude else [])
        self.assertEqual(task.waiting_count, 2 if exclude else 3)
        return task, leads

    def test_a_deleted_or_archived_lead_gets_no_mail(self):
        task, leads = self._plan_leads()
        leads[0].unlink()
        leads[1].action_archive()
        self._finish(task)
        self.assertEqual(self._get_mailed(task), ["gus@example.com"])
        self.assertEqual(self._get_reasons(task), ["gone", "gone"])

    def test_a_lead_with_another_address(self):
        task, leads = self._plan_leads()
        leads[0].email_from = "new@example.com"
        leads[1].email_from = False
        leads[2].email_from = "no address"
        self._finish(task)
        self.assertEqual(self._get_mailed(task), ["new@example.com"])
        self.assertEqual(self._get_reasons(task), ["no_address", "no_address"])

    def test_a_lead_that_became_a_contact(self):
        task, leads = self._plan_leads()
        leads[0].partner_id = self.ann
        leads[1].partner_id = self._make_people("fay@example.com")
        leads[2].partner_id = self._make_people("gus@example.com")
        leads[2].partner_id.action_archive()
        self._finish(task)
        self.assertEqual(self._get_mailed(task), ["ann@example.com", "fay@example.com"])
        self.assertEqual(self._get_reasons(task), ["gone"])
        fay = task.delivery_ids.filtered(lambda d: d.email == "fay@example.com")
        self.assertEqual(fay.partner_id, leads[1].partner_id)

    def test_a_new_address_of_an_excluded_lead_gets_none(self):
        """The lead's latest address counts."""
        task, leads = self._plan_leads(exclude=True)
        self.assertEqual(task.suppressed_count, 1)
        leads[2].email_from = "later@example.com"
        leads[0].email_from = "later@example.com"
        self._finish(task)
        self.assertEqual(self._get_reasons(task), ["excluded", "excluded"])
        self.assertNotIn("later@example.com", self._get_mailed(task))

    def test_as_they_are_audiences_have_no_archived_leads(self):
        leads = self.env["crm.lead"].create(
            [{"name": "Lead", "email_from": f"{n}@example.com"} for n in ("eve", "fay")]
        )
        leads.user_id = False
        audience = self._make_audience(
            None,
            lines=[{"table_id": self.leads.id, "domain": f"[('id', 'in', {leads.ids})]"}],
        )
        audience.action_refresh()
        leads[0].action_archive()
        leads[1].email_from = "new@example.com"
        task = self._make_task(audience, self.template, use_as_is=True)
        task.action_send()
        self._run_cron()
        self.assertEqual(self._get_reasons(task), ["gone"])
        self.assertEqual(self._get_mailed(task), ["new@example.com"])

    # === BARE ADDRESSES === #

    def test_a_bare_address_stays_what_it_is(self):
        audience = self._make_audience(self.ann)
        audience.action_refresh()
        self.env["directmail.audience.member"].create(
            {"audience_id": audience.id, "email": "bare@example.com", "address_key": "x"}
        )
        task = self._plan(audience, use_as_is=True)
        self.assertEqual(task.waiting_count, 2)
        self.ann.unlink()
        self._finish(task)
        self.assertEqual(self._get_mailed(task), ["bare@example.com"])
        self.assertEqual(self._get_reasons(task), ["gone"])

    def test_a_new_address_that_was_excluded_bare_gets_none(self):
        """In whatever spelling of its domain."""
        audience = self._make_audience(self.people)
        excluded = self._make_audience(self.bob, name="Not these")
        (audience | excluded).action_refresh()
        key = self.env["directmail.keyring"]._get_master_key()
        self.env["directmail.audience.member"].create(
            [
                {
                    "audience_id": excluded.id,
                    "email": email,
                    "address_key": key.address_key(normalise(email)),
                }
                for email in ("bare@example.com", "me@bücher.example")
            ]
        )
        task = self._plan(audience, use_as_is=True, exclude_audience_ids=excluded.ids)
        self.ann.email, self.cat.email = "bare@example.com", "me@xn--bcher-kva.example"
        self._finish(task)
        self.assertEqual(self._get_mailed(task), [])
        self.assertEqual(self._get_reasons(task), ["excluded"] * 3 + ["no_address"])

    # === ERASED === #

    def test_who_was_erased_while_waiting_gets_no_mail(self):
        task = self._plan()
        self.env.cr.execute(
            "UPDATE directmail_delivery SET partner_id = NULL, email = NULL, address_key = NULL"
            " WHERE task_id = %s AND partner_id = %s",
            [task.id, self.ann.id],
        )
        self.env.invalidate_all()
        self._finish(task)
        self.assertEqual(self._get_reasons(task), ["gone", "no_address"])
        self.assertNotIn("ann@example.com", self._get_mailed(task))


@tagged("post_install", "-at_install", "directmail")
class TestWaitingEncrypted(EncryptedMixin, WaitingMixin, AudienceCommon):
    """The same where contacts are mailed at their encrypted addresses."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls._enter_key().sudo().reading = False
        cls.alice, cls.bert = cls.people = cls._make_encrypted(ALICE, BOB)

    def _get_mailed_people(self, task):
        return task.delivery_ids.filtered(lambda d: d.state == "sent").partner_id

    def test_a_changed_value_gets_the_mail_and_is_a_duplicate_of_the_same_address(self):
        task = self._plan(address_form="encrypted")
        self.bert.email_encrypted = ALICE_HEX
        self._finish(task)
        self.assertEqual(self._get_mailed_people(task), self.alice)
        self.assertEqual(self._get_reasons(task), ["duplicate"])

    def test_values_that_are_exchanged(self):
        task = self._plan(address_form="encrypted")
        self.alice.email_encrypted, self.bert.email_encrypted = BOB, ALICE_HEX
        self._finish(task)
        self.assertEqual(self._get_mailed_people(task), self.people)
        self.assertEqual(
            sorted(task.delivery_ids.mapped("email_encrypted")), sorted((BOB, ALICE_HEX))
        )
        self.assertFalse(any(task.delivery_ids.mapped("email")), "nothing stands in clear")

    def test_a_removed_value(self):
        task = self._plan(address_form="encrypted")
        self.alice.email_encrypted = False
        self._finish(task)
        self.assertEqual(self._get_reasons(task), ["no_encrypted_address"])

    def test_a_new_value_of_somebody_excluded(self):
        excluded = self._make_audience(self.bert, name="Not these")
        task = self._plan(address_form="encrypted", exclude_audience_ids=excluded.ids)
        self.alice.email_encrypted = BOB
        self._finish(task)
        self.assertFalse(self._get_mailed_people(task))
        self.assertEqual(self._get_reasons(task), ["excluded", "excluded"])

    def test_an_unreadable_value(self):
        task = self._plan(address_form="encrypted")
        self.alice.email_encrypted = "nonsense"
        self._finish(task)
        self.assertEqual(self._get_reasons(task), ["cannot_decrypt"])

    def test_a_deleted_and_an_archived_contact(self):
        task = self._plan(address_form="encrypted")
        self.alice.unlink()
        self.bert.action_archive()
        self._finish(task)
        self.assertEqual(self._get_reasons(task), ["gone", "gone"])
        self.assertFalse(self.emulator.ledger(task.tag_name))

    def test_the_plain_address_of_an_encrypted_task_does_not_matter(self):
        task = self._plan(address_form="encrypted")
        self.alice.email = "plain@example.com"
        self._finish(task)
        self.assertEqual(self._get_mailed_people(task), self.people)
