"""Rows with several IDs, against plain Python; what is told of them, and who may use which ID."""

import json

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from odoo.exceptions import AccessError, UserError
from odoo.tests import Form, new_test_user, tagged

from ...engine.match import HOLDERS_MAX
from ..common import DirectmailCommon
from ..common_upload import UploadMixin

KEYS = ({"kind": "phone"}, {"kind": "field", "field": "vat"})
HEAD = "Email;Phone;Member"
PHONES = ("+49 30 1234561", "030/1234562", "0049 30 1234563")
emails = st.sampled_from(("", "k1@x.example", "k2@x.example", "k3@x.example", "no address"))
phones = st.sampled_from(("", "030 1234561", "0049 30 123-4562", "+49301234563", "12"))
members = st.sampled_from(("", "M-1", "M-2", "M-3"))
rows = st.lists(st.tuples(emails, phones, members), min_size=4, max_size=20)
contacts = st.lists(st.tuples(*[st.integers(0, 3)] * 3), min_size=4, max_size=4)


def expect(found, people, skips):
    """Return (status, contact, rank, reason) of each row in plain Python.

    :param found: {email}, {phone}, {member} of each row: numbers of the contacts' values from 1,
        0 for none and -1 for a text that is no ID
    :param people: numbers of the values of each contact
    """
    results, seen = [], set()
    for ids in found:
        hits = {
            rank: {n for n, person in enumerate(people) if person[rank] == value}
            for rank, value in enumerate(ids)
            if value > 0
        }
        single = {rank: min(who) for rank, who in hits.items() if len(who) == 1}
        known = any(hits.values())
        contact, rank = None, None
        if single and not (skips and len(set(single.values())) > 1):
            rank = min(single)
            contact = single[rank]
        person = ("contact", contact) if contact is not None else None
        if person is None and not known and ids[0] > 0:
            person, rank = ("address", ids[0]), 0
        if person is None:
            reason = "different" if single else "several" if known else "unknown"
            if all(value <= 0 for value in ids):
                reason = next(
                    "no_at" if place == 0 else "other_kind"
                    for place, value in enumerate(ids)
                    if value < 0
                )
            results.append(("unmatched", None, None, reason))
        else:
            status = "duplicate" if person in seen else "matched"
            if status == "matched" and contact is None:
                status = "bare"
            seen.add(person)
            results.append((status, contact, rank, None))
    return results


@tagged("post_install", "-at_install")
class TestUploadKeys(UploadMixin, DirectmailCommon):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.env.company.country_id = cls.env.ref("base.de")
        cls.people = cls._make_people(*(f"k{n}@x.example" for n in range(1, 5)))
        cls.people.country_id = cls.env.ref("base.de")

    def _match(self, *texts, keys=KEYS, start=True, head=HEAD, **vals):
        upload = self._upload("\n".join((head, *texts)), start=False, **vals)
        upload.write({"id_kind": "email", "separator": ";", "has_header": True})
        columns = upload.column_ids
        upload.column_id = columns[0]
        self.env["directmail.upload.key"].with_user(self.user).create(
            [
                {
                    "upload_id": upload.id,
                    "sequence": place,
                    "column_id": columns[place + 1].id,
                    "id_kind": key["kind"],
                    "match_field": key.get("field"),
                }
                for place, key in enumerate(keys)
            ]
        )
        if start:
            upload.action_start()
            self._run_matching()
            self.assertEqual(upload.state, "done")
        return upload

    def _set(self, people):
        for contact, (email, phone, member) in zip(self.people, people, strict=True):
            contact.write(
                {
                    "email": email and f"k{email}@x.example",
                    "phone": phone and PHONES[phone - 1],
                    "vat": member and f"M-{member}",
                }
            )

    def test_as_plain_python_does(self):
        @settings(
            max_examples=8, deadline=None, derandomize=True, database=None,
            phases=[Phase.generate], suppress_health_check=[HealthCheck.too_slow],
        )  # fmt: skip
        @given(rows, contacts, st.booleans())
        def check(table, people, skips):
            savepoint = self.env.cr.savepoint()
            try:
                self._compare(table, people, skips)
            finally:
                savepoint.close(rollback=True)
                self.env.invalidate_all()

        check()

    def _compare(self, table, people, skips):
        """Match random rows with random contacts, and compare with `expect`."""
        self._set(people)
        upload = self._match(
            *(";".join(row) for row in table), different_action="skip" if skips else "first"
        )
        numbers = [
            (
                int(email[1]) if "@" in email else -bool(email),
                int(phone[-1]) if len(phone) > 2 else -bool(phone),
                int(member[-1]) if member else 0,
            )
            for email, phone, member in table
        ]
        expected = expect([ids for ids in numbers if any(ids)], people, skips)
        columns = upload.column_ids
        self.assertEqual(
            [
                (line.status, line.partner_id, line.column_id, line.reason)
                for line in self._get_lines(upload)
            ],
            [
                (
                    status,
                    self.people[contact] if contact is not None else self.people.browse(),
                    columns[rank] if rank is not None else columns.browse(),
                    reason or False,
                )
                for status, contact, rank, reason in expected
            ],
        )
        self.assertAddsUp(upload)
        found = [rank for status, _contact, rank, _reason in expected if status == "matched"]
        self.assertEqual(
            upload.key_counts or {}, {str(columns[n].id): found.count(n) for n in set(found)}
        )

    def test_the_report(self):
        """It tells by which ID each row was matched, and why others were not."""
        self._set([(1, 1, 1), (2, 2, 0), (0, 2, 0), (0, 0, 3)])
        upload = self._match(
            "k1@x.example;;",
            ";;M-3",
            "k2@x.example;030 1234561;",
            ";(030) 1234562;",
            "new@x.example;030 9999999;M-9",
            "k1@x.example;;M-1",
            ";;M-9",
        )
        lines = self._get_lines(upload)
        self.assertEqual(
            [(line.column_id.name, line.status, line.reason) for line in lines],
            [
                ("Email", "matched", False),
                ("Member", "matched", False),
                (False, "unmatched", "different"),
                (False, "unmatched", "several"),
                ("Email", "bare", False),
                ("Email", "duplicate", False),
                (False, "unmatched", "unknown"),
            ],
        )
        self.assertEqual(lines[2].value, "k2@x.example · 030 1234561")
        self.assertEqual(upload.found_by, "Email: 1 and Member: 1")
        self.assertEqual(lines[4].sudo().email, "new@x.example")
        kept = [{*(keys or ())} for keys in lines.sudo().mapped("match_keys")]
        holders = [{*self.people[:2].ids}, {*self.people[1:3].ids}]
        self.assertEqual(kept, [set(), set(), *holders, set(), set(), set()])
        self.assertEqual(upload.action_view_lines()["context"], {"several_ids": True})
        upload.action_restart()
        self.assertEqual(upload.key_ids.column_id.mapped("name"), ["Phone", "Member"])
        self.assertEqual(upload.key_ids.column_id, upload.column_ids[1:])
        self.assertFalse(upload.found_by)

    def test_an_id_of_very_many_contacts_is_kept_without_them(self):
        """Rows with one or several IDs: neither grows with the contacts that share an ID."""
        few = self._make_people(*(f"few{n}@y.example" for n in range(HOLDERS_MAX)))
        many = self._make_people(*(f"many{n}@y.example" for n in range(HOLDERS_MAX + 1)))
        few.vat, many.vat = "few", "none"
        upload = self._match(";;few", ";;none", "k1@x.example;;none", ";;few")
        lines = self._get_lines(upload).sudo()
        self.assertEqual(lines.mapped("reason"), ["several", "several", False, "several"])
        kept = [{*(keys or ())} for keys in lines.mapped("match_keys")]
        self.assertEqual(kept, [{*few.ids}, set(), set(), {*few.ids}])
        single = self._upload("few\nnone\nfew", start=False)
        single.write({"id_kind": "field", "match_field": "vat", "has_header": False})
        single.column_id = single.column_ids[0]
        single.action_start()
        self._run_matching()
        lines = self._get_lines(single).sudo()
        self.assertEqual(lines.mapped("reason"), ["several"] * 3)
        kept = [{*(keys or ())} for keys in lines.mapped("match_keys")]
        self.assertEqual(kept, [{*few.ids}, set(), {*few.ids}])

    def test_ids_of_one_cell(self):
        """All IDs in a cell are those of the row's person."""
        self._set([(1, 1, 1), (2, 2, 2), (0, 0, 0), (0, 0, 0)])
        upload = self._match(
            '"old@x.example, k1@x.example";;', '"k1@x.example, k2@x.example";(030) 1234562;'
        )
        lines = self._get_lines(upload)
        self.assertEqual(lines.partner_id, self.people[:2])
        self.assertEqual(lines.column_id.mapped("name"), ["Email", "Phone"])
        self.assertEqual((upload.row_count, upload.extra_count), (2, 0))

    def test_addresses_become_contacts(self):
        """Those of a further ID, too."""
        self.user.group_ids += self.env.ref("base.group_partner_manager")
        self._set([(0, 0, 1), (0, 0, 0), (0, 0, 0), (0, 0, 0)])
        upload = self._match(
            "M-1;one@x.example",
            "M-9;two@x.example",
            keys=[{"kind": "email"}],
            start=False,
            head="Member;Email",
        )
        upload.write({"id_kind": "field", "match_field": "vat", "unknown_action": "create"})
        self.assertTrue(upload.has_addresses)
        upload.action_start()
        self._run_matching()
        self.assertEqual((upload.matched_count, upload.created_count), (1, 1))
        made = self._get_lines(upload)[1].partner_id
        self.assertEqual((made.email, made.create_uid), ("two@x.example", self.user))

    def test_only_ids_that_the_owner_may_read(self):
        self._set([(1, 1, 1), (0, 0, 0), (0, 0, 0), (0, 0, 0)])
        self.patch(self.env["res.partner"]._fields["vat"], "groups", "base.group_system")
        upload = self._match("k9@x.example;;M-1", keys=KEYS[:1], start=False)
        upload.sudo().key_ids = [
            (0, 0, {"column_id": upload.column_ids[2].id, "id_kind": "field", "match_field": "vat"})
        ]
        with self.assertRaisesRegex(AccessError, "may not read the field"):
            upload.action_start()
        upload.sudo().action_start()
        self._run_matching()
        self.assertEqual(upload.state, "failed")
        self.assertIn("may not read the field", upload.message)
        self.assertFalse(self._get_lines(upload))

    def test_what_can_not_be_combined(self):
        upload = self._match("k1@x.example;030 1234561;M-1", start=False)
        upload.id_kind = "encrypted"
        with self.assertRaisesRegex(UserError, "can't be combined with other IDs"):
            upload.action_start()
        upload.id_kind = "phone"
        upload.column_id = upload.column_ids[1]
        with self.assertRaisesRegex(UserError, "Phone is used twice"):
            upload.action_start()
        upload.key_ids[1].match_field = False
        upload.column_id = upload.column_ids[0]
        with self.assertRaisesRegex(UserError, "Choose the field"):
            upload.action_start()
        other = self._match("k1@x.example;;", start=False)
        with self.assertRaisesRegex(UserError, "Choose a column of this list"):
            upload.key_ids[0].column_id = other.column_ids[0]
        self.assertNotIn("encrypted", dict(upload.key_ids._selection_id_kind()))

    def test_only_the_ids_of_own_drafts_are_changed(self):
        upload = self._match("k1@x.example;;")
        key = upload.key_ids[0]
        for change in (
            lambda: key.write({"id_kind": "email"}),
            key.unlink,
            lambda: key.create({"upload_id": upload.id, "column_id": upload.column_ids[0].id}),
        ):
            with self.assertRaisesRegex(UserError, "has already been matched"):
                change()
        stranger = new_test_user(self.env, "dm_stranger", "email_marketing_dm.group_user")
        keys = self.env["directmail.upload.key"].with_user(stranger)
        self.assertFalse(keys.search([("upload_id", "=", upload.id)]))
        with self.assertRaises(AccessError):
            keys.create({"upload_id": upload.id, "column_id": upload.column_ids[0].id})

    def test_duplicates_of_an_erased_person(self):
        """Rows that say the same about a person by another ID go with the first one."""
        self._set([(1, 0, 1), (0, 0, 0), (0, 0, 0), (0, 0, 0)])
        upload = self._match("k1@x.example;;", ";;M-1", "new@x.example;;", ";;M-9")
        wizard = self.env["directmail.erasure"].create(
            {"partner_ids": [(6, 0, self.people[:1].ids)]}
        )
        wizard.action_erase()
        left = [line.value for line in self._get_lines(upload)]
        self.assertNotIn("M-1", json.dumps(left))
        self.assertIn("new@x.example", left)

    def test_unmatched_rows_of_an_erased_person(self):
        """Rows that name a contact beside another one are personal data of both."""
        self._set([(1, 0, 1), (2, 2, 0), (0, 2, 0), (0, 0, 3)])
        upload = self._match(
            "k2@x.example;;M-1", ";030 1234562;", "k9@x.example;;M-3", "no address;;M-9"
        )
        reasons = ["different", "several", False, "unknown"]
        self.assertEqual(self._get_lines(upload).mapped("reason"), reasons)
        wizard = self.env["directmail.erasure"].create(
            {"partner_ids": [(6, 0, self.people[1:2].ids)]}
        )
        wizard.action_erase()
        self.env.invalidate_all()
        left = self._get_lines(upload).mapped("value")
        self.assertEqual(left, ["k9@x.example · M-3", "no address · M-9"])
        self.assertFalse(upload.sudo()._has_content(), "the file has them, too")

    def test_unmatched_rows_of_several_contacts(self):
        """A row that three contacts share goes with each of them, however it was matched."""
        for number, by_keys in ((0, True), (1, True), (1, False), (2, False)):
            with self.subTest(number=number, by_keys=by_keys):
                people = self.env["res.partner"].create(
                    [{"name": f"Twin {i}", "vat": f"T-{number}{by_keys}"} for i in range(3)]
                )
                value = people[0].vat
                if by_keys:
                    upload = self._match(f"no address;;{value}", "k9@x.example;;M-3")
                else:
                    upload = self._upload(
                        f"{value}\nM-none\n", id_kind="field", match_field="vat", start=False
                    )
                    upload.action_start()
                    self._run_matching()
                self.assertEqual(self._get_lines(upload)[0].reason, "several")
                self.env["directmail.erasure"].create(
                    {"partner_ids": [(6, 0, people[number].ids)]}
                ).action_erase()
                self.env.invalidate_all()
                self.assertEqual(len(self._get_lines(upload)), 1)

    def test_on_the_form(self):
        upload = self._upload(f"{HEAD}\nk1@x.example;;M-1\n", start=False)
        with Form(upload) as form, form.key_ids.new() as key:
            key.column_id = upload.column_ids[2]
            key.id_kind = "field"
            key.match_field = "vat"
        self.assertEqual(upload.key_ids.match_field, "vat")
        self.assertEqual(upload.preview_html.count("table-info"), 4)
        upload.has_header = False
        self.assertEqual(upload.key_ids.column_id, upload.column_ids[2])
        upload.write({"pasted": "a@x.example", "source": "paste"})
        self.assertFalse(upload.key_ids)
