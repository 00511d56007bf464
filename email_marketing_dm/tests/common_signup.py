import re

from ..models.consent import directmail_signup
from .common import make_user
from .common_encrypted import EncryptedMixin
from .common_http import PatientHttpCase

ELSEWHERE = "198.51.100.7"  # an address for documents, which does not count as a network
ZOE = "zoe@example.com"


class SignupCommon(EncryptedMixin, PatientHttpCase):
    """A public form with two topics, and helpers that sign up on it and confirm by mail."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.admin = make_user(cls.env, "dm_admin", "email_marketing_dm.group_admin")
        cls.user = make_user(cls.env, "dm_user", "email_marketing_dm.group_user")
        cls.company = cls.env.company
        cls.company.write({"street": "Rue du Bac 7", "city": "Paris"})
        cls.offers, cls.news, cls.foreign = cls.env["directmail.purpose"].create(
            [{"name": name} for name in ("Offers", "News", "Other form")]
        )
        cls.tag = cls.env["res.partner.category"].create({"name": "Newsletter"})
        cls.form = (
            cls.env["directmail.signup.form"]
            .with_user(cls.admin)
            .create(
                {
                    "name": "Website",
                    "purpose_ids": (cls.offers + cls.news).ids,
                    "asks_name": True,
                    "tag_ids": cls.tag.ids,
                }
            )
            .sudo()
        )
        cls.signups = cls.env["directmail.signup"]
        cls.consents = cls.env["directmail.consent"]
        cls.path = f"/directmail/signup/{cls.form.token}"
        cls.before = cls.consents.search([])

    def _send(self, email=ZOE, path=None, **data):
        values = {
            "email": email,
            "version": self.form._get_version(),
            "lang": "en_US",
            "topic": str(self.offers.id),
            **data,
        }
        response = self.url_open(path or self.path, values)
        self.env.invalidate_all()
        return response

    def _ask(self):
        """Run the scheduled action, and return the mails that it puts into Odoo's queue."""
        before = self.env["mail.mail"].search([])
        self.env.flush_all()
        with self.enter_registry_test_mode():
            self.env.ref(directmail_signup.CRON).method_direct_trigger()
        self.env.invalidate_all()
        return self.env["mail.mail"].search([]) - before

    def _read_link(self, mail):
        [link] = re.findall(r'href="[^"]*(/directmail/signup/confirm/[^"]+)"', mail.body_html)
        return link

    def _confirm(self, link):
        response = self.url_open(link, {"sure": "yes"}, allow_redirects=False)
        self.env.invalidate_all()
        return response

    def _sign_up(self, email=ZOE, **data):
        self._send(email, **data)
        return self._confirm(self._read_link(self._ask()))

    def _get_new_consents(self):
        return self.consents.search([], order="id") - self.before

    def _get_signups(self):
        return self.signups.search([("form_id", "=", self.form.id)], order="id")
