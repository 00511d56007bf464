from odoo.exceptions import ValidationError
from odoo.tests import tagged

from ..common import DirectmailCommon


@tagged("post_install", "-at_install")
class TestOdooMailings(DirectmailCommon):
    """Odoo's own mailings, which every marketing user may create, don't reach our records."""

    def _make_mailing(self, model):
        return (
            self.env["mailing.mailing"]
            .with_user(self.other)
            .create(
                {
                    "subject": "Hello",
                    "body_html": "<p>Hello</p>",
                    "mailing_model_id": self.env["ir.model"]._get_id(model),
                    "mailing_domain": "[]",
                }
            )
        )

    def test_no_mailing_is_addressed_to_our_records(self):
        """Odoo's queue would find colleagues' audiences and opted-out people, with all rights."""
        ours = [
            name for name, model in self.env.items()
            if name.startswith("directmail.") and not model._abstract
        ]  # fmt: skip
        contacts = self._make_mailing("res.partner")
        for name in ours:
            model_id = self.env["ir.model"]._get_id(name)
            with self.subTest(name), self.assertRaisesRegex(ValidationError, "email task"):
                contacts.mailing_model_id = model_id
            with self.subTest(name), self.assertRaisesRegex(ValidationError, "email task"):
                self._make_mailing(name)
        self.assertIn("directmail.delivery", ours)
