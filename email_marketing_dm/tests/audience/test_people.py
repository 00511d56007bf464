from odoo import fields
from odoo.tests import tagged

from ...engine.content import Person
from ..common import DirectmailCommon, start_task


@tagged("post_install", "-at_install")
class TestPeople(DirectmailCommon):
    """Tasks whose people are not, or not all, contacts."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.user.group_ids += cls.env.ref("sales_team.group_sale_salesman")
        cls.lead = cls.env["crm.lead"].create(
            {
                "name": "100 chairs",
                "contact_name": "Lea <b>",
                "email_from": "lea@example.com",
                "user_id": cls.user.id,
            }
        )

    def _make_audience_of(self, *members, **vals):
        """Make an audience of people who are given by the columns of a person."""
        audience = self._make_audience(self.env["res.partner"], **vals)
        rows = [{"audience_id": audience.id, **member} for member in members]
        self.env["directmail.audience.member"].sudo().create(rows)
        audience.sudo().write(
            {
                "people_count": len(rows),
                "usable_count": len(rows),
                "refreshed_at": fields.Datetime.now(),
            }
        )
        return audience

    def _make_lead_member(self, email="lea@example.com"):
        return {"res_model": "crm.lead", "res_id": self.lead.id, "email": email}

    def _start(self, audience, **vals):
        task = self._make_task(audience, use_as_is=True, **vals)
        task.action_send()
        start_task(task.sudo())
        self.assertEqual(task.state, "sending", task.state_message)
        self.env.flush_all()
        return task.sudo()

    def test_lead_and_bare_address_get_their_mail(self):
        [contact] = self._make_people("ann@example.com")
        task = self._start(
            self._make_audience_of(
                {"partner_id": contact.id}, self._make_lead_member(), {"email": "bob@example.com"}
            )
        )
        self._run_cron()
        self.assertEqual((task.state, task.sent_count), ("done", 3))
        subjects = {row["to"]: row["subject"] for row in self.emulator.ledger(tag=task.tag_name)}
        self.assertEqual(
            subjects,
            {
                "ann@example.com": "Spring is here, Person 0",
                "lea@example.com": "Spring is here, Lea <b>",
                "bob@example.com": "Spring is here, ",
            },
        )
        self._import_results(task)
        self.assertEqual(task.delivered_count, 3)
        self.assertSumRule(task)

    def test_names(self):
        task = self._start(
            self._make_audience_of(
                self._make_lead_member(), {"email": "bob@example.com"}, {"email_encrypted": "00"}
            )
        )
        # Of an email task with encrypted people, mails are listed only.
        self.env.cr.execute(
            "UPDATE directmail_delivery SET state = 'sent' WHERE task_id = %s", [task.id]
        )
        self.env.invalidate_all()
        names = task.delivery_ids.with_user(self.user).mapped("display_name")
        self.assertEqual(names, [self.lead.display_name, "bob@example.com", "Encrypted address"])
        self.user.group_ids -= self.env.ref("sales_team.group_sale_salesman")
        self.env.invalidate_all()
        names = task.with_user(self.user).delivery_ids.mapped("display_name")
        self.assertEqual(names, ["bob@example.com", "Encrypted address"])

    def test_everybody_once_or_with_a_reason(self):
        [contact, unusable] = self._make_people("ann@example.com", "ann")
        first = self._make_audience_of(
            {"partner_id": contact.id},
            self._make_lead_member("old@example.com"),
            {"email": "ann@example.com"},
            {"email": "bob@example.com"},
            {"email_encrypted": "not decrypted"},
        )
        second = self._make_audience_of(
            {"partner_id": contact.id},
            {"partner_id": unusable.id},
            self._make_lead_member(),
            {"email": "bob@example.com"},
            {"email_encrypted": "not decrypted"},
            {"res_model": "crm.lead", "res_id": self.lead.id + 1},
            {"email": "bob"},
        )
        task = self._start(first + second)
        self.assertCountEqual(
            [
                (row.partner_id or row.res_id, row.email, row.email_encrypted, row.reason)
                for row in task.delivery_ids
            ],
            [
                (contact, "ann@example.com", False, False),
                (unusable, False, False, "invalid_address"),
                (self.lead.id, "lea@example.com", False, False),
                (self.lead.id + 1, False, False, "gone"),
                (0, "ann@example.com", False, "duplicate"),
                (0, False, False, "invalid_address"),
                (0, "bob@example.com", False, False),
                (0, False, "not decrypted", "cannot_decrypt"),
            ],
        )
        self.assertFalse(task.delivery_ids.filtered(lambda d: d.reason and d.address_key)[1:])
        self.assertSumRule(task)

    def test_deleted_lead_gets_no_mail(self):
        task = self._start(self._make_audience_of(self._make_lead_member()))
        self.lead.unlink()
        self._run_cron()
        self.assertEqual(task.sent_count, 0)
        self.assertEqual(task.delivery_ids.reason, "gone")
        self.assertEqual(task.delivery_ids.display_name, f"Lead {task.delivery_ids.res_id}")

    def test_unsubscribing_without_a_contact(self):
        audience = self._make_audience_of({"email": "bob@example.com"}, self._make_lead_member())
        task = self._start(audience)
        for delivery in task.delivery_ids:
            self.env["directmail.optout"]._record(delivery, "page")
        self._run_cron()
        self.assertEqual(set(task.delivery_ids.mapped("reason")), {"opted_out"})
        self.assertEqual(task.suppressed_count, 2)

    def test_values_of_a_lead_follow_the_rights_of_the_templates_owner(self):
        template = self._make_template(
            subject="{{ object.name }} {{ object.city }} {{ object.lang }}"
        )
        self.lead.write({"city": "Bergamo"})
        person = Person(7, None, "crm.lead", self.lead.id)
        gone = Person(8, None, "crm.lead", self.lead.id + 1)
        nobody = Person(9, None, None, None)

        def get_values(*people):
            values = template._get_values(people)
            return {key: (row["CitySubject"], row["NameSubject"]) for key, row in values.items()}

        self.assertEqual(
            get_values(person, gone, nobody),
            {7: ("Bergamo", "Lea <b>"), 8: ("", ""), 9: ("", "")},
        )
        self.patch(self.env["crm.lead"]._fields["city"], "groups", "base.group_system")
        self.assertEqual(get_values(person), {7: ("", "Lea <b>")})
        self.user.group_ids -= self.env.ref("sales_team.group_sale_salesman")
        self.assertEqual(get_values(person), {7: ("", "")})

    def test_merged_contacts(self):
        """A contact who was in twice stays once, and what happened stays on the record."""
        first, second = self._make_people("ann@example.com", "ann@example.com")
        audience = self._make_audience_of({"partner_id": first.id}, {"partner_id": second.id})
        task = self._start(audience)
        self._run_cron()
        self.env["base.partner.merge.automatic.wizard"].sudo()._merge((first + second).ids, first)
        self.assertEqual(audience.member_ids.partner_id, first)
        self.assertEqual(len(audience.member_ids), 1)
        self.assertEqual(task.delivery_ids.partner_id, first)
        self.assertEqual(len(task.delivery_ids), 2)
