"""Snapshots of an audience: who was in it at a moment."""

import base64
import json
import random
from datetime import timedelta

from psycopg2 import IntegrityError

from odoo import fields
from odoo.exceptions import AccessError, UserError
from odoo.tests import tagged
from odoo.tools import SQL, mute_logger

from ...engine.privacy import People, PersonTable
from ..common import AudienceCommon, start_task

#: of people without a contact: an address in clear, the same encrypted, records of another model
OTHERS = (
    {"email": "bare@example.com", "address_key": "k1"},
    {"email_encrypted": "00ff", "address_key": "k1"},
    {"email": "more@example.com", "address_key": "k2"},
    {"res_model": "crm.lead", "res_id": 7, "email": "lead@example.com", "address_key": "k3"},
)


@tagged("post_install", "-at_install")
class TestAudienceSnapshots(AudienceCommon):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.audience = cls._make_audience(cls.people[:2], name="Some")
        cls.audience.action_refresh()
        cls.stays = cls.env["directmail.audience.stay"]

    def _take(self):
        self.audience.action_take_snapshot()
        return self.audience.snapshot_ids[0]

    def _choose(self, *people):
        ids = [person.id for person in people]
        self.audience.line_ids.write({"domain": f"[('id', 'in', {ids})]"})
        self.audience.action_refresh()

    def _people_of(self, snapshot, user=None):
        action = snapshot.with_user(user or self.user).action_view_people()
        return self.stays.with_user(user or self.user).search(action["domain"]).partner_id

    def test_random_audiences_are_kept_exactly(self):
        """After each snapshot that is taken or deleted, all others have the people they had."""
        draw = random.Random(19)
        everybody = [{"partner_id": person.id} for person in self.people] + list(OTHERS)
        kept = {}
        for _step in range(25):
            if kept and draw.random() < 0.3:
                snapshot = draw.choice(list(kept))
                del kept[snapshot]
                snapshot.unlink()
            else:
                chosen = [one for one in everybody if draw.random() < 0.6]
                self.env.cr.execute(
                    SQL(
                        "DELETE FROM directmail_audience_member WHERE audience_id = %s",
                        self.audience.id,
                    )
                )
                for person in chosen:
                    names = SQL(", ").join(map(SQL.identifier, person))
                    self.env.cr.execute(
                        SQL(
                            "INSERT INTO directmail_audience_member (audience_id, %s) VALUES %s",
                            names,
                            (self.audience.id, *person.values()),
                        )
                    )
                self.env.invalidate_all()
                kept[self._take()] = chosen
            for snapshot, people in kept.items():
                self.assertEqual(self._rows(snapshot), sorted(map(self._tell, people)))
        list(kept)[0].browse([one.id for one in kept]).unlink()
        self.assertFalse(self.stays.sudo().search([("audience_id", "=", self.audience.id)]))

    def _rows(self, snapshot):
        found = self.stays.sudo().search(snapshot.action_view_people()["domain"])
        return sorted(
            self._tell({name: row[name] or None for name in self._columns}) for row in found
        )

    _columns = ("partner_id", "res_model", "res_id", "email", "email_encrypted")

    def _tell(self, person):
        values = [person.get(name) for name in self._columns]
        return [str(getattr(value, "id", value)) for value in values]

    def test_rows_are_written_for_changes_only(self):
        first = self._take()
        self.assertEqual((first.people_count, first.entered_count, first.left_count), (2, 2, 0))
        before = self.stays.sudo().search([]).mapped("id")
        again = self._take()
        self.assertEqual((again.people_count, again.entered_count, again.left_count), (2, 0, 0))
        self.assertEqual(self.stays.sudo().search([]).mapped("id"), before)
        self._choose(self.bob, self.cat)
        last = self._take()
        self.assertEqual((last.entered_count, last.left_count), (1, 1))
        self.assertEqual(len(self.stays.sudo().search([])), 3)
        self.assertEqual(self._people_of(first), self.ann + self.bob)
        self.assertEqual(self._people_of(again), self.ann + self.bob)
        self.assertEqual(self._people_of(last), self.bob + self.cat)

    def test_an_email_task_keeps_whom_it_was_sent_to(self):
        task = self._make_task(self.audience)
        task.action_send()
        self.assertTrue(start_task(task.sudo()))
        self.assertFalse(self.audience.snapshot_ids)
        self.audience.keeps_snapshots = True
        second = self._make_task(self.audience, task.template_id, name="Second")
        second.action_send()
        self.assertTrue(start_task(second.sudo()))
        snapshot = self.audience.snapshot_ids
        self.assertEqual(snapshot.task_id, second)
        self._choose(self.dan)
        self.assertEqual(self._people_of(snapshot), self.ann + self.bob)

    def test_a_colleague_does_not_learn_the_name_of_an_email_task(self):
        self.audience.keeps_snapshots = True
        self.audience.action_share()
        task = self._make_task(self.audience, name="Secret plan")
        task.action_send()
        self.assertTrue(start_task(task.sudo()))
        asked = {"task_id": {"fields": {"display_name": {}}}}
        for user, is_told in ((self.user, True), (self.other, False)):
            [row] = self.audience.snapshot_ids.with_user(user).web_read(asked)
            self.assertEqual(row["task_id"]["id"], task.id)
            self.assertEqual(row["task_id"]["display_name"] == task.display_name, is_told)

    def test_a_line_selects_its_people(self):
        snapshot = self._take()
        self._choose(self.bob, self.cat)
        line = {"kind": "snapshot", "snapshot_id": snapshot.id}
        made = self.assertPeople([line], self.ann, self.bob)
        self.assertEqual(made.line_ids.sentence, f"People in the snapshot {snapshot.display_name}")
        self.assertPeople(
            [self._only(self.bob, self.cat), {**line, "operator": "except"}], self.cat
        )
        with self.assertRaisesRegex(UserError, "is used by"):
            snapshot.unlink()
        with self.assertRaises(UserError):
            self.audience.unlink()
        with self.assertRaises(IntegrityError), mute_logger("odoo.sql_db"):
            self.env.cr.execute(
                "DELETE FROM directmail_audience_snapshot WHERE id = %s", [snapshot.id]
            )

    def test_a_lead_that_became_a_contact_counts_as_the_contact(self):
        """By the results of an email task and in a snapshot, whether added or excluded."""
        lead = self.env["crm.lead"].create({"name": "Lead", "email_from": "ann@example.com"})
        leads = {
            "kind": "table", "table_id": self.leads.id, "domain": f"[('id', '=', {lead.id})]",
        }  # fmt: skip
        audience = self._make_audience(None, lines=[leads])
        audience.action_refresh()
        audience.action_take_snapshot()
        task = self._make_task(audience)
        task.sudo()._plan()
        lines = [
            {"kind": "snapshot", "snapshot_id": audience.snapshot_ids.id},
            {"kind": "task", "task_id": task.id, "task_result": "planned"},
        ]
        for line in lines:
            [member] = self._refresh(self._make_audience(None, lines=[line]))
            self.assertEqual((member.res_model, member.res_id), ("crm.lead", lead.id))
        lead.partner_id = self.ann
        for line in lines:
            with self.subTest(line["kind"]):
                self.assertPeople([line], self.ann)
                self.assertPeople(
                    [self._only(self.ann, self.bob), {**line, "operator": "except"}], self.bob
                )

    def test_it_is_compared_as_an_audience(self):
        snapshot = self._take()
        self._choose(self.bob, self.cat, self.dan)
        overlap = self.audience.get_overlap(self.audience.id, False, snapshot.id)
        self.assertEqual((overlap["only_a"], overlap["both"], overlap["only_b"]), (2, 1, 1))
        self.assertEqual(self.audience.get_composition(snapshot.id)["shown"], 2)
        self.assertEqual(self.audience.get_composition()["shown"], 3)
        compared = self.audience.get_differences(self.audience.id, snapshot.id)
        self.assertEqual((compared["people"], compared["others"]), (2, 3))
        action = self.audience.action_view_trait("company_type", "person", snapshot.id)
        found = self.stays.with_user(self.user).search(action["domain"]).partner_id
        self.assertEqual(found, self.ann + self.bob)
        action = self.audience.action_new_audience_of_part(
            self.audience.id, "only_b", False, snapshot.id
        )
        lines = [command[2] for command in action["context"]["default_line_ids"]]
        self.assertPeople(lines, self.ann)
        page = self.env["directmail.audience.comparison"].browse(
            snapshot.action_view_composition()["res_id"]
        )
        self.assertEqual((page.audience_id, page.snapshot_id), (self.audience, snapshot))
        other = self._make_audience(self.cat)
        other.action_refresh()
        with self.assertRaises(UserError):
            other.get_composition(snapshot.id)

    def test_rights(self):
        snapshot = self._take()
        with self.assertRaises(AccessError):
            snapshot.with_user(self.other).action_view_people()
        self.audience.action_share()
        theirs = snapshot.with_user(self.other)
        self.assertEqual(theirs.people_count, 2)
        self.assertFalse(self._people_of(snapshot, self.other))
        with self.assertRaises(AccessError):
            theirs.unlink()
        with self.assertRaises(AccessError):
            self.audience.with_user(self.other).action_take_snapshot()
        with self.assertRaises(AccessError):
            self.audience.with_user(self.user).snapshot_ids = False
        lines = [{"kind": "snapshot", "snapshot_id": snapshot.id}]
        made = self._make_audience(None, user=self.other, lines=lines)
        made.action_refresh()
        self.assertEqual(made.sudo().member_ids.partner_id, self.ann + self.bob)
        self.audience.action_make_private()
        made.action_refresh()
        self.assertIn("private", made.refresh_error)

    def test_old_ones_are_deleted(self):
        old, used, new = self._take(), self._take(), self._take()
        before = fields.Datetime.now() - timedelta(days=400)
        (old + used).sudo().write({"taken_at": before})
        self._make_audience(None, lines=[{"kind": "snapshot", "snapshot_id": used.id}])
        snapshots = self.env["directmail.audience.snapshot"].sudo()
        self.audience.snapshot_days = 0
        snapshots._gc_old()
        self.assertEqual(self.audience.snapshot_ids, new + used + old)
        self.audience.snapshot_days = 365
        snapshots._gc_old()
        self.assertEqual(self.audience.snapshot_ids, new + used)
        self.assertEqual(self._people_of(used), self.ann + self.bob)

    def test_a_very_long_time_keeps_them_and_deletes_those_of_others(self):
        """Ten million days ago there was no date."""
        kept, old = self._take(), self._take()
        other = self._make_audience(self.ann)
        other.action_refresh()
        other.action_take_snapshot()
        before = fields.Datetime.now() - timedelta(days=400)
        (kept + old + other.snapshot_ids).sudo().write({"taken_at": before})
        self.audience.snapshot_days = 10_000_000
        self.env["directmail.audience.snapshot"].sudo()._gc_old()
        self.assertEqual(self.audience.snapshot_ids, old + kept)
        self.assertFalse(other.snapshot_ids)

    def test_an_audience_without_people_of_its_own_moment_has_none(self):
        with self.assertRaisesRegex(UserError, "never been refreshed"):
            self._make_audience(self.ann).action_take_snapshot()

    def test_the_export_of_a_contact_names_audiences_with_snapshots_of_it(self):
        self._take()
        self._choose(self.bob)
        wizard = self.env["directmail.erasure"].with_user(self.admin)
        wizard = wizard.create({"partner_ids": self.ann.ids})
        wizard.action_export()
        self.assertIn("Some", json.loads(base64.b64decode(wizard.file))["audiences"])

    def test_contacts_are_erased_merged_and_deleted(self):
        self._choose(*self.people)
        snapshot = self._take()
        table = PersonTable("directmail_audience_stay", ("audience_id", "directmail_audience"))
        wizard = self.env["directmail.erasure"].with_user(self.admin)
        self.assertIn("directmail.audience.stay", wizard._get_member_models())
        self.assertEqual(wizard._get_table("directmail.audience.stay"), table)
        self.env.flush_all()
        People([self.ann.id], [], self.env.company.ids, [table], []).erase(self.env)
        self.env.invalidate_all()
        self.assertEqual(self._people_of(snapshot), self.people[1:])
        merge = self.env["base.partner.merge.automatic.wizard"].create({})
        merge._merge((self.bob + self.cat).ids, self.bob)
        self.assertEqual(self._people_of(snapshot), self.bob + self.dan)
        self.assertEqual(self.audience.get_composition(snapshot.id)["shown"], 2)
        self.assertEqual(self.audience.get_composition(snapshot.id)["hidden"], 0)
        self.dan.unlink()
        self.assertEqual(self._people_of(snapshot), self.bob)
        self.assertEqual(self.audience.get_composition(snapshot.id)["hidden"], 0)

    # === MERGING === #

    def _merge(self, people, kept):
        self.env["base.partner.merge.automatic.wizard"]._merge(people.ids, kept)
        self.audience.action_refresh()

    def test_merged_contacts_do_not_leave_and_leave_once(self):
        first = self._take()
        self._merge(self.ann + self.bob, self.bob)
        after = self._take()
        self.assertEqual((after.people_count, after.entered_count, after.left_count), (1, 0, 0))
        self._choose(self.cat)
        last = self._take()
        self.assertEqual((last.entered_count, last.left_count), (1, 1))
        self.assertEqual(self._people_of(first), self.bob)
        self.assertEqual(self._people_of(after), self.bob)
        self.assertEqual(self._people_of(last), self.cat)

    def test_times_of_merged_contacts_are_joined(self):
        """Random times of three contacts that become one, against sets in plain Python."""
        draw = random.Random(22)
        for _round in range(4):
            merged = self._make_people("x@example.com", "y@example.com", "z@example.com")
            snapshots = {}
            for _step in range(6):
                chosen = self.cat + merged.filtered(lambda _one: draw.random() < 0.4)
                self._choose(*chosen)
                snapshots[self._take()] = chosen
            kept = merged[1]
            self._merge(merged, kept)
            for snapshot, chosen in snapshots.items():
                expected = self.cat + (kept if chosen & merged else kept.browse())
                self.assertEqual(self._people_of(snapshot), expected.sorted("id"))
            times = [set()]
            for snapshot, chosen in sorted(snapshots.items(), key=lambda pair: pair[0].id):
                times += [set()] if not chosen & merged else []
                times[-1].update(snapshot.ids if chosen & merged else [])
            stays = self.stays.sudo().search([("partner_id", "=", kept.id)], order="since_id")
            self.assertEqual(stays.mapped("since_id"), [min(time) for time in times if time])
            self.assertEqual(len(stays.filtered(lambda stay: not stay.until_id)),
                             bool(times[-1]))  # fmt: skip

    def _make_leads(self, *emails):
        leads = self.env["crm.lead"].create(
            [{"name": "Lead", "email_from": email, "type": "opportunity"} for email in emails]
        )
        leads.user_id = False
        return leads

    def _audience_of(self, leads):
        line = {"table_id": self.leads.id, "domain": f"[('id', 'in', {leads.ids})]"}
        self.audience.line_ids.unlink()
        self.audience.line_ids = [fields.Command.create(line)]
        self.audience.action_refresh()

    def test_merged_leads_keep_their_rows(self):
        """Members, snapshots and deliveries follow the lead that remains."""
        leads = self._make_leads("eve@example.com", "fay@example.com", "gil@example.com")
        self._audience_of(leads)
        first = self._take()
        task = self._make_task(self.audience)
        task.sudo()._plan()
        kept = leads[:2].merge_opportunity()
        gone = leads[:2] - kept
        self.assertFalse(gone.exists())
        members = self.audience.sudo().member_ids
        self.assertEqual(sorted(members.mapped("res_id")), sorted((kept + leads[2]).ids))
        deliveries = task.sudo().delivery_ids
        self.assertEqual(
            sorted(deliveries.mapped("res_id")), sorted([kept.id, kept.id, leads[2].id])
        )
        self.audience.action_refresh()
        self.assertEqual((self.audience.entered_count, self.audience.left_count), (0, 0))
        second = self._take()
        self.assertEqual((second.people_count, second.entered_count, second.left_count), (2, 0, 0))
        self.assertEqual(len(self._rows(first)), 2)
        self._audience_of(leads[2])
        last = self._take()
        self.assertEqual((last.entered_count, last.left_count), (0, 1))

    def test_a_lead_that_gets_a_contact_stays(self):
        """As the contact: nobody left, and nobody entered."""
        leads = self._make_leads("eve@example.com", "fay@example.com", "gil@example.com")
        self._audience_of(leads)
        first = self._take()
        eve, fay, gil = leads
        member = self.audience.sudo().member_ids.filtered(lambda one: one.res_id == eve.id)
        eve._handle_partner_assignment()
        self.assertEqual((member.partner_id, member.res_id), (eve.partner_id, 0))
        (fay + gil).write({"partner_id": self.ann.id})
        self.assertEqual(len(self.audience.sudo().member_ids), 2)
        self.assertEqual(self._people_of(first), eve.partner_id + self.ann)
        self.audience.action_refresh()
        self.assertEqual((self.audience.entered_count, self.audience.left_count), (0, 0))
        second = self._take()
        self.assertEqual((second.people_count, second.entered_count, second.left_count), (2, 0, 0))
        fay.partner_id = self.bob
        self.assertEqual(self._people_of(second), eve.partner_id + self.ann)

    def test_a_lead_that_gets_the_contact_of_a_member(self):
        lead = self._make_leads("eve@example.com")
        self._audience_of(lead)
        self._take()
        table = self.env["directmail.data.table"].search([("preset", "=", "contacts")])
        line = {"table_id": table.id, "domain": f"[('id', '=', {self.ann.id})]", "operator": "or"}
        self.audience.line_ids = [fields.Command.create(line)]
        self.audience.action_refresh()
        self._take()
        lead.partner_id = self.ann
        self.assertEqual(self.audience.sudo().member_ids.partner_id, self.ann)
        self.assertEqual(len(self.audience.sudo().member_ids), 1)
        self.audience.action_refresh()
        self.assertEqual((self.audience.entered_count, self.audience.left_count), (0, 0))
        last = self._take()
        self.assertEqual((last.people_count, last.entered_count, last.left_count), (1, 0, 0))

    def test_a_lead_that_gets_a_contact_of_another_company_or_an_archived_one(self):
        lead = self._make_leads("eve@example.com")
        self._audience_of(lead)
        member = self.audience.sudo().member_ids
        self.ann.active = False
        lead.partner_id = self.ann
        self.assertEqual((member.res_id, member.partner_id.id), (lead.id, False))
        other = self.env["res.company"].create({"name": "Other"})
        self.bob.company_id = other
        lead.partner_id = False
        lead.company_id = other
        lead.partner_id = self.bob
        self.assertEqual((member.res_id, member.partner_id.id), (lead.id, False))

    def test_a_lead_is_merged_into_one_with_a_contact(self):
        leads = self._make_leads("eve@example.com", "fay@example.com")
        kept = leads._sort_by_confidence_level(reverse=True)[0]
        kept.partner_id = self.ann
        self._audience_of(leads - kept)
        self._take()
        self.assertEqual(leads.merge_opportunity(), kept)
        self.assertEqual(self.audience.sudo().member_ids.partner_id, self.ann)
        self._audience_of(kept)
        self.assertEqual((self.audience.entered_count, self.audience.left_count), (0, 0))
        snapshot = self._take()
        self.assertEqual((snapshot.entered_count, snapshot.left_count), (0, 0))

    def test_a_lead_remains_in_place_of_a_merged_one(self):
        leads = self._make_leads("eve@example.com", "fay@example.com")
        kept = leads._sort_by_confidence_level(reverse=True)[0]
        self._audience_of(leads - kept)
        self._take()
        leads.merge_opportunity()
        self._audience_of(kept)
        self.assertEqual((self.audience.entered_count, self.audience.left_count), (0, 0))
        snapshot = self._take()
        self.assertEqual((snapshot.entered_count, snapshot.left_count), (0, 0))
