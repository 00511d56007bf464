from odoo.tests import tagged

from ..common import DirectmailCommon


@tagged("post_install", "-at_install")
class TestSelections(DirectmailCommon):
    def test_no_old_languages_stay_cached_when_one_was_installed(self):
        """A cron may read the languages before the request that installs one is committed."""
        languages = self.env["res.lang"]
        languages.with_context(active_test=False).search([("code", "=", "de_DE")]).active = True
        self.env.flush_all()
        for is_committed in (False, True):
            # As another transaction sees the languages.
            self.env.cr.execute("UPDATE res_lang SET active = FALSE WHERE code = 'de_DE'")
            self.env.registry.clear_cache("stable")
            languages.invalidate_model()
            self.assertNotIn("de_DE", dict(languages.get_installed()))
            self.env.cr.execute("UPDATE res_lang SET active = TRUE WHERE code = 'de_DE'")
            languages.invalidate_model()
            if is_committed:
                self.env.cr.postcommit.run()
            else:
                self.env["ir.module.module"]._load_module_terms(["email_marketing_dm"], ["de_DE"])
            self.assertIn("de_DE", dict(languages.get_installed()))

    def test_values_of_another_field_are_translated(self):
        """A selection that is made by code shows its values in the reader's language, too."""
        self.env["res.lang"]._activate_lang("de_DE")
        self.env["ir.module.module"]._load_module_terms(["email_marketing_dm"], ["de_DE"])
        german = self.env(context={"lang": "de_DE"})
        known = {}
        made = []
        for name, model in self.env.registry.items():
            if not name.startswith("directmail."):
                continue
            for field in model._fields.values():
                if field.type != "selection" or field.related:
                    continue
                pair = [
                    dict(field._description_selection(env)).values() for env in (self.env, german)
                ]
                if callable(field.selection) or isinstance(field.selection, str):
                    made.append((field, *pair))
                else:
                    known.update(
                        {one: other for one, other in zip(*pair, strict=True) if one != other}
                    )
        wrong = {
            str(field): english
            for field, *labels in made
            for english, shown in zip(*labels, strict=True)
            if english == shown and english in known
        }
        self.assertTrue(made and known)
        self.assertEqual(wrong, {})
