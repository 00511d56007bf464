import re

from odoo.tools import SQL

from ..models.consent.directmail_preference_link import CRON
from .common import DirectmailMixin, start_task


class PreferencesMixin(DirectmailMixin):
    """Recipients' pages of three people, by the links of mails and by links on request."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.company = cls.account.company_id
        cls.preferences = cls.env["directmail.preference"]
        cls.consents = cls.env["directmail.consent"]
        cls.env["res.lang"]._activate_lang("de_DE")
        cls.template = cls._make_template()
        cls.ann, cls.bob, cls.cat = cls._make_people(
            "ann@example.com", "bob@example.com", "cat@example.com"
        )
        cls.persons = {
            partner: cls.consents._find_person(partner)[0]
            for partner in cls.ann + cls.bob + cls.cat
        }

    def _plan(self, people, **vals):
        task = self._make_task(self._make_audience(people), self.template)
        task.with_user(self.admin).write(vals)
        task.action_send()
        start_task(task.sudo())
        return task

    def _get_fates(self, task):
        self.env.invalidate_all()
        return {row.partner_id: row.reason or row.state for row in task.sudo().delivery_ids}

    def _judge(self, partner, **vals):
        """Return what a new task plans for a person; a task that would mail nobody fails."""
        return self._get_fates(self._plan(partner + self.cat, **vals))[partner]

    def _get_page(self, delivery):
        return f"/directmail/unsubscribe/{self._get_token(delivery)}"

    def _open(self, partner):
        """Send a task to a person, and return the address of their page."""
        return self._get_page(self._plan(partner).sudo().delivery_ids)

    def _post(self, url, **data):
        response = self.url_open(url, {"sure": "yes", **data})
        self.assertEqual(response.status_code, 200)
        self.env.invalidate_all()
        return response.text

    def _encrypt_address(self, partner):
        """Let the mails to a person have an encrypted address; people can write to the company."""
        self.company.sudo().email = "privacy@example.com"
        self.env.flush_all()
        self.env.cr.execute(
            SQL(
                "UPDATE directmail_delivery SET email_encrypted = 'secret' WHERE address_key = %s",
                self.persons[partner]["address_key"],
            )
        )
        self.env.invalidate_all()

    def _find(self, partner):
        return self.preferences._find(self.company, self.persons[partner]["address_key"])

    def _read_answers(self, partner):
        rows = self.consents.search([("partner_id", "=", partner.id)], order="id")
        return [(row.purpose, row.answer, row.value) for row in rows]

    def _open_link(self, email):
        """Ask for a link, and return the address of its page."""
        self._ask_for_link(email)
        return self._read_link(self._write_letters()).replace("/preferences/", "/unsubscribe/")

    def _ask_for_link(self, email, **data):
        url = self.env["directmail.preference.link"]._get_company_url(self.company)
        path = url[url.index("/directmail/") :]
        return self._post(path, email=email, **data)

    def _write_letters(self):
        """Run the cron, and return the mails in Odoo's queue that it made."""
        before = self.env["mail.mail"].search([])
        self.env.flush_all()
        with self.enter_registry_test_mode():
            self.env.ref(CRON).method_direct_trigger()
        self.env.invalidate_all()
        return self.env["mail.mail"].search([]) - before

    def _read_link(self, letter):
        return re.search(r'href="[^"]*(/directmail/preferences/[^"]+)"', letter.body_html)[1]
