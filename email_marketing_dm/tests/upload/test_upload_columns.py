from odoo import fields
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import Form, tagged

from ...models.upload import directmail_upload_run, directmail_upload_values
from ..common import DirectmailCommon
from ..common_encrypted import ALICE, BOB
from ..common_upload import UploadMixin

LIST = (
    "Email;First name;Last name;City;Country;Phone;Tags;Coupon code\n"
    "ann@example.com;Ann;Lee;Rome;Italy;+39 06 1234567;VIP, Fair;A-1\n"
    "bob@example.com;Bob;Ray;;Atlantis;call me;;B-2\n"
    "cy@example.com;小明;王;北京;CN;;;C-3\n"
)


@tagged("post_install", "-at_install")
class TestUploadColumns(UploadMixin, DirectmailCommon):
    """What becomes of the columns of a list besides the one with the IDs."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.user.group_ids += cls.env.ref("base.group_partner_manager")
        cls.ann, cls.bob = cls.people = cls._make_people("Ann@Example.com", "bob@example.com")

    def _find_column(self, upload, name):
        return upload.column_ids.filtered(lambda column: column.name == name)

    def _get_problems(self, upload):
        return self._get_lines(upload).filtered("problems").mapped("problem_text")

    # === THE FORM === #

    def test_what_columns_are_for_is_guessed_and_shown(self):
        upload = self._upload(LIST, start=False)
        self.assertEqual(
            upload.column_ids.mapped("use"),
            [
                "nothing", "first_name", "last_name", "city", "country", "phone", "tags",
                "placeholder",
            ],
        )  # fmt: skip
        self.assertEqual(upload.column_ids.filtered("is_id").name, "Email")
        coupon = self._find_column(upload, "Coupon code")
        self.assertEqual((coupon.key, coupon.example), ("coupon_code", "A-1 · B-2 · C-3"))
        country = self._find_column(upload, "Country")
        self.assertIn("“Atlantis” is unknown", country.problem)
        self.assertFalse(coupon.problem or self._find_column(upload, "City").problem)
        self.assertTrue(upload.has_contact_columns)
        self.assertEqual(upload.contact_update, "fill", "nothing is overwritten unasked")

    def test_choices_stay_when_the_list_is_read_again(self):
        upload = self._upload(LIST, start=False)
        upload.write(
            {
                "column_ids": [
                    fields.Command.update(self._find_column(upload, "City").id, {"use": "nothing"})
                ],
                "encoding": "windows-1252",
            }
        )
        self.assertEqual(self._find_column(upload, "City").use, "nothing")
        upload.action_start()
        self._run_matching()
        self.assertFalse(upload.preview or any(upload.column_ids.mapped("samples")))
        upload.action_restart()
        self.assertTrue(upload.preview, "read again")
        self.assertEqual(self._find_column(upload, "City").use, "nothing")
        self.assertEqual(upload.column_id.name, "Email")

    def test_the_form_changes_what_a_column_is_used_for(self):
        upload = self._upload(LIST, start=False)
        with Form(upload) as form:
            self.assertTrue(form.has_contact_columns)
            for place, column in enumerate(upload.column_ids):
                if column.use not in ("nothing", "placeholder"):
                    with form.column_ids.edit(place) as line:
                        line.use = "placeholder"
            self.assertFalse(form.has_contact_columns)
            form.column_id = self._find_column(upload, "City")
        self.assertEqual(upload.column_ids.filtered("is_id").name, "City")
        self.assertEqual(set(upload.column_ids.mapped("use")), {"nothing", "placeholder"})

    def test_a_draft_of_an_earlier_version(self):
        upload = self._upload(LIST, start=False)
        upload.column_ids.sudo().write({"key": False, "samples": False, "use": "nothing"})
        self._find_column(upload, "Coupon code").use = "placeholder"
        upload.action_start()
        self._run_matching()
        self.assertEqual((upload.state, upload.people_count), ("done", 3))
        self.assertEqual(self._get_lines(upload)[0].kept_values, {"coupon_code": "A-1"})
        self.assertFalse(self.ann.city, "nothing is written to contacts unasked")

    def test_several_columns_for_one_field(self):
        upload = self._upload(LIST, start=False)
        self._find_column(upload, "Coupon code").use = "city"
        with self.assertRaisesRegex(UserError, "Several columns .* Contact: city"):
            upload.action_start()

    # === CONTACTS === #

    def test_empty_fields_are_filled(self):
        self.ann.write({"name": "Ann Lee-Ray", "city": "Milan"})
        self.bob.name = "bob@example.com"
        upload = self._upload(LIST, start=False)
        upload.action_start()
        self._run_matching()
        self.assertEqual((upload.state, upload.message), ("done", False))
        italy = self.env.ref("base.it")
        self.assertEqual(
            (self.ann.name, self.ann.city, self.ann.country_id, self.ann.phone),
            ("Ann Lee-Ray", "Milan", italy, "+39 06 1234567"),
        )
        self.assertEqual(sorted(self.ann.category_id.mapped("name")), ["Fair", "VIP"])
        self.assertEqual(self.bob.name, "Bob Ray", "an address was no name")
        self.assertIn(self.user.partner_id, self.ann.message_ids.author_id, "tracked")
        self.assertFalse(self.bob.country_id or self.bob.phone)
        self.assertEqual((upload.updated_count, upload.problem_count), (2, 1))
        [problem] = self._get_problems(upload)
        self.assertIn("the country “Atlantis” is unknown", problem)
        self.assertIn("“call me” is not a phone number", problem)
        self.assertEqual((upload.matched_count, upload.bare_count), (2, 1), "no row is lost")
        lines = self._get_lines(upload)
        self.assertEqual(
            lines.mapped("kept_values"), [{"coupon_code": c} for c in ("A-1", "B-2", "C-3")]
        )
        self.assertFalse(lines[0].contact_values, "what the contact has is not kept twice")
        self.assertEqual(lines[2].contact_values["city"], "北京")
        action = upload.with_context(figure="problem").action_view_lines()
        self.assertEqual(lines.search(action["domain"]), lines[1])
        self.assertIn("Coupon code: C-3", lines[2].kept_text)

    def test_fields_are_overwritten_where_chosen(self):
        company = self.env["res.partner"].create({"name": "Lovelace Ltd", "is_company": True})
        self.ann.write({"name": "Ann Lee-Ray", "city": "Milan", "parent_id": company.id})
        self.bob.write({"city": "Bonn"})
        text = "mail,name,city,company\nann@example.com,Ann,Rome,Other\nbob@example.com,Bob,,Ray\n"
        upload = self._upload(text, contact_update="overwrite")
        self.assertEqual((self.ann.name, self.ann.city), ("Ann", "Rome"))
        self.assertEqual(self.bob.city, "Bonn", "an empty cell empties no field")
        self.assertEqual(self.bob.company_name, "Ray")
        self.assertFalse(self.ann.company_name, "Ann belongs to a company")
        self.assertEqual(upload.updated_count, 2)
        again = self._upload(text, contact_update="overwrite")
        self.assertEqual(again.updated_count, 0, "nothing was left to change")

    def test_contacts_are_left_alone_where_chosen(self):
        upload = self._upload(LIST, contact_update="keep")
        self.assertFalse(self.ann.city or self.ann.phone or self.ann.category_id)
        self.assertEqual(upload.updated_count, 0)
        lines = self._get_lines(upload)
        self.assertFalse(lines[0].contact_values)
        self.assertEqual(lines[0].kept_values, {"coupon_code": "A-1"})

    def test_new_contacts_get_the_values(self):
        upload = self._upload(LIST, unknown_action="create")
        self.assertEqual(upload.created_count, 1)
        made = self._get_lines(upload)[2].partner_id
        self.assertEqual((made.name, made.city), ("王小明", "北京"))
        self.assertEqual(made.country_id, self.env.ref("base.cn"))
        self.assertEqual(made.create_uid, self.user)

    def test_one_contact_that_odoo_refuses_does_not_stop_the_others(self):
        write = type(self.env["res.partner"]).write

        def refuse_rome(contacts, vals):
            if vals.get("city") == "Rome":
                # pylint: disable-next=translation-required
                raise ValidationError("Nobody moves to Rome.")
            return write(contacts, vals)

        self.patch(type(self.env["res.partner"]), "write", refuse_rome)
        self.bob.name = "bob@example.com"
        upload = self._upload(LIST)
        self.assertEqual((upload.state, upload.message), ("done", False))
        self.assertFalse(self.ann.city or self.ann.phone)
        self.assertEqual(self.bob.name, "Bob Ray")
        self.assertEqual((upload.matched_count, upload.bare_count), (2, 1))
        self.assertEqual((upload.updated_count, upload.problem_count), (1, 2))
        self.assertIn("could not be changed: Nobody moves", self._get_problems(upload)[0])

    def test_contacts_that_may_not_be_changed(self):
        self.env["ir.rule"].create(
            {
                "name": "Ann is not changed",
                "model_id": self.env["ir.model"]._get_id("res.partner"),
                "domain_force": f"[('id', '!=', {self.ann.id})]",
                "perm_read": False,
            }
        )
        upload = self._upload(LIST)
        self.assertFalse(self.ann.city)
        self.assertEqual(upload.matched_count, 2, "Ann is in the list")
        self.assertIn("may not change this contact", self._get_problems(upload)[0])

    def test_without_the_right_to_change_contacts(self):
        self.assertFalse(self.env["res.partner"].with_user(self.other).has_access("write"))
        upload = self._upload(LIST, user=self.other, start=False)
        self.assertEqual(upload.contact_update, "keep")
        upload.contact_update = "fill"
        with self.assertRaisesRegex(UserError, "may not change contacts"):
            upload.action_start()
        upload.contact_update = "keep"
        upload.action_start()
        self._run_matching()
        self.assertEqual((upload.state, upload.matched_count), ("done", 2))
        self.assertFalse(self.ann.city or self.ann.phone)
        self.assertIn("you may not create tags", self._get_problems(upload)[0])

    def test_contacts_of_another_company_stay_as_they_are(self):
        elsewhere = self.env["res.company"].create({"name": "Elsewhere"})
        self.user.company_ids += elsewhere
        self.ann.company_id = elsewhere
        upload = self._upload(LIST)
        self.assertFalse(self.ann.city)
        self.assertEqual((upload.matched_count, upload.bare_count), (1, 2))

    # === RIGHTS === #

    def test_columns_are_changed_by_their_owner_and_in_a_draft_only(self):
        upload = self._upload(LIST, start=False)
        city = self._find_column(upload, "City")
        theirs = city.with_user(self.other)
        for operation in (
            lambda: theirs.read(["samples"]),
            lambda: theirs.write({"use": "nothing"}),
            lambda: city.write({"key": "x"}),
            lambda: city.write({"samples": ["x"]}),
            lambda: city.write({"upload_id": self._upload("a@example.com\n", start=False).id}),
            lambda: city.unlink(),
            lambda: city.create({"upload_id": upload.id, "number": 9, "name": "x"}),
        ):
            with self.assertRaises(AccessError):
                operation()
        city.with_user(self.admin).use = "placeholder"
        self.assertTrue(upload.owner_pending, "the values are written with the owner's rights")
        upload.action_take_over()
        upload.action_start()
        with self.assertRaisesRegex(UserError, "Start over"):
            city.use = "nothing"

    # === ENCRYPTED === #

    def test_no_address_in_clear_is_kept_with_an_encrypted_one(self):
        self._enter_key()
        [known] = self._make_encrypted(BOB)
        upload = self._upload(
            f"code;name;note\n{ALICE};Alice;alice@example.com\n{BOB};Bob <bob@example.com>;VIP\n",
            start=False,
        )
        self.assertEqual(upload.id_kind, "encrypted")
        self.assertEqual(self._find_column(upload, "note").use, "nothing")
        self._find_column(upload, "note").use = "placeholder"
        self._find_column(upload, "name").use = "name"
        self.assertNotIn("alice@", self._find_column(upload, "note").problem)
        upload.action_start()
        self._run_matching()
        self.assertEqual((upload.matched_count, upload.bare_count), (1, 1))
        self.assertFalse(upload.preview or any(upload.column_ids.mapped("samples")))
        self.env.cr.execute(
            "SELECT string_agg(to_jsonb(l)::text, ' ') FROM directmail_upload_line l"
            " WHERE upload_id = %s", [upload.id]
        )  # fmt: skip
        stored = self.env.cr.fetchone()[0]
        self.assertNotIn("example.com", stored)
        self.assertIn("VIP", stored)
        self.assertNotIn("bob", (known.name or "").lower())
        self.assertEqual(upload.problem_count, 2)
        self.assertIn("are not kept", self._get_problems(upload)[0])

    # === MANY AND STRANGE === #

    def test_strange_values(self):
        values = {
            "a": "<script>alert(1)</script>",
            "b": 'He said ""no""',
            "c": "emoji 🎉 and \u202e",
            "d": "{{ 7 * 7 }} {Name} ${x}",
            "e": "=1+1",
            "f": "NULL",
            "g": "\\N",
        }
        text = "mail,Note\n" + "".join(f'{k}@example.com,"{v}"\n' for k, v in values.items())
        upload = self._upload(text)
        kept = {line.email[0]: line.kept_values["note"] for line in self._get_lines(upload)}
        self.assertEqual(kept["a"], values["a"])
        self.assertEqual(kept["b"], 'He said "no"')
        self.assertEqual({k: kept[k] for k in "defg"}, {k: values[k] for k in "defg"})
        self.assertIn("🎉", kept["c"])

    def test_values_belong_to_rows_with_people_only(self):
        upload = self._upload(
            "mail,Note\nann@example.com,1\nANN@example.com,2\nnobody,3\ncy@example.com,\n"
        )
        self.assertEqual(
            [(line.status, line.kept_values) for line in self._get_lines(upload)],
            [
                ("matched", {"note": "1"}),
                ("duplicate", False),
                ("unmatched", False),
                ("bare", False),
            ],
        )

    def test_ten_thousand_rows(self):
        self.patch(directmail_upload_values, "CONTACTS", 1000)
        self.patch(directmail_upload_run, "CONTACTS", 1000)
        known = self._make_people(*(f"p{n}@example.com" for n in range(2000)))
        text = "mail,name,city,Coupon\n" + "".join(
            f"p{n}@example.com,Pérson {n},München {n % 7},C-{n}\n" for n in range(10_000)
        )
        upload = self._upload(text)
        self.assertEqual((upload.state, upload.row_count), ("done", 10_000))
        self.assertEqual((upload.matched_count, upload.bare_count), (2000, 8000))
        self.assertEqual(upload.updated_count, 2000)
        self.assertEqual(known[1999].city, f"München {1999 % 7}")
        self.env.cr.execute(
            """SELECT count(*) FROM directmail_upload_line WHERE upload_id = %s
                AND kept_values->>'coupon' = 'C-' || substring(value from '[0-9]+')""",
            [upload.id],
        )
        self.assertEqual(self.env.cr.fetchone(), (10_000,))
