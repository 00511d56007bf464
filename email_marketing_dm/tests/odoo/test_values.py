from odoo.exceptions import UserError, ValidationError
from odoo.tests import new_test_user, tagged

from odoo.addons.base.models.res_partner import _tz_get

from ..common_series import SeriesCommon

TOO_LARGE = 2**31


@tagged("post_install", "-at_install")
class TestValues(SeriesCommon):
    """Values that a form can't send, but a program can, are refused with a sentence."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.admin = new_test_user(cls.env, "values", "email_marketing_dm.group_admin")

    def _find_fields(self, is_wanted):
        """Return the fields that can be written, of all models that an administrator may write."""
        found = []
        for name, model in sorted(self.env.registry.items()):
            records = self.env[name].with_user(self.admin)
            if model._abstract or not name.startswith("directmail."):
                continue
            if not (records.has_access("write") or records.has_access("create")):
                continue
            found += [
                (records, field)
                for field in model._fields.values()
                if (field.store or field.inverse) and field.name != "id" and is_wanted(field)
            ]
        return found

    def _check_refused(self, found, value):
        for records, field in found:
            with self.subTest(str(field)), self.assertRaises(UserError):
                records.write({field.name: value})

    def test_numbers_that_no_column_holds(self):
        found = self._find_fields(lambda field: field.type == "integer")
        self.assertGreater(len(found), 50)
        for value in (TOO_LARGE, -TOO_LARGE - 1, float("inf"), "many"):
            self._check_refused(found, value)

    def test_unknown_time_zones(self):
        found = self._find_fields(lambda field: getattr(field, "selection", None) is _tz_get)
        self.assertGreaterEqual(len(found), 5)
        self._check_refused(found, "Mars/Olympus")

    def test_what_is_stored_stays_as_it_was(self):
        series = self._make({"template_id": self.first.id}, {"kind": "wait", "wait_number": 2})
        message = "“%s” must be a whole number between -2,147,483,648 and 2,147,483,647."
        with self.assertRaisesRegex(ValidationError, message % "Mails per day"):
            series.daily_limit = TOO_LARGE
        with self.assertRaisesRegex(ValidationError, message % "Wait for"):
            series.step_ids[1].wait_number = TOO_LARGE
        with self.assertRaisesRegex(ValidationError, message % "Sequence"):
            self._make({"template_id": self.first.id, "sequence": TOO_LARGE})
        with self.assertRaisesRegex(ValidationError, message % "Mails per day"):
            self._make(daily_limit=TOO_LARGE)
        with self.assertRaisesRegex(ValidationError, "“Mars/Olympus” of “Time zone” is not known"):
            series.tz = "Mars/Olympus"
        with self.assertRaisesRegex(ValidationError, "“Mars/Olympus” of “Time zone” is not known"):
            self._make(tz="Mars/Olympus")
        self.env.flush_all()
        self.env.invalidate_all()
        self.assertEqual((series.daily_limit, series.tz), (0, "Europe/Berlin"))
        self.assertEqual(series.step_ids[1].wait_number, 2)

    def test_settings_of_the_company(self):
        for name in ("directmail_moves_months", "directmail_guard_minimum"):
            with self.subTest(name), self.assertRaises(ValidationError):
                self.env.company.write({name: TOO_LARGE})
        with self.assertRaisesRegex(ValidationError, "is not known"):
            self.env.company.directmail_models_tz = "Mars/Olympus"
