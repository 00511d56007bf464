import re

from .common import BODY, DirectmailMixin
from .common_http import PatientHttpCase
from .common_key import KeyMixin

PERSON = {"User-Agent": "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) Safari/604.1"}
LINK = '<p><a href="https://shop.example.com/spring">The collection</a></p>'


class MeasuringCommon(KeyMixin, DirectmailMixin, PatientHttpCase):
    """A template with a tracked link, and people of several countries."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.env["ir.config_parameter"].set_param("email_marketing_dm.machine_seconds", "0")
        cls.company = cls.env["res.company"].browse(cls.account.company_id.id)
        # Answers are entered by users who may change contacts.
        cls.user.group_ids += cls.env.ref("base.group_partner_manager")
        cls.body = BODY.replace("<div>", f"<div>{LINK}", 1)
        cls.template = cls._make_template(body_arch=cls.body, body_html=cls.body)
        cls.france = cls.env.ref("base.fr")
        cls.people = cls._make_people(*(f"m{number}@example.com" for number in range(4)))
        cls.ann, cls.bob, cls.cat, cls.dan = cls.people
        cls.ann.country_id = cls.bob.country_id = cls.france
        cls.cat.country_id = cls.env.ref("base.sg")

    def _answer(self, person, answer):
        self.env["directmail.consent"].with_user(self.user)._answer_for(
            person.with_user(self.user), answer
        )

    def _send(self, people=None, template=None):
        """Make a task of some people, and send it to the emulator."""
        task = self._make_task(
            self._make_audience(people or self.people), template or self.template
        )
        task.action_send()
        self._run_cron()
        return task

    def _by_person(self, task):
        self.env.invalidate_all()
        return {row.partner_id: row for row in task.sudo().delivery_ids}

    def _read_mail(self, task, person):
        """Return (address of the pixel, address of the tracked link, token) in a person's mail."""
        [mail] = [row for row in self.emulator.ledger(task.tag_name) if row["to"] == person.email]
        text = self.emulator.mail(mail["env_id"])["html"]
        [pixel] = re.findall(r"/directmail/open/[\w-]+", text)
        [link] = re.findall(r"/directmail/click/[\w/-]+", text)
        [token] = re.findall(r"/directmail/unsubscribe/([\w-]+)", text)
        return pixel, link, token

    def _hit(self, task, person):
        pixel, link, _token = self._read_mail(task, person)
        self.assertEqual(self.url_open(pixel, headers=PERSON).status_code, 200)
        followed = self.url_open(link, headers=PERSON, allow_redirects=False)
        self.assertTrue(followed.headers["Location"].startswith("https://shop.example.com/spring?"))

    def _apply(self):
        self.env.invalidate_all()
        self.env["directmail.event"]._apply_all(self.company)
        self.env.invalidate_all()

    def _get_facts(self, task):
        return (
            self.env["directmail.event"]
            .search([("delivery_id", "in", task.sudo().delivery_ids.ids)])
            .filtered(lambda fact: fact.kind in ("open", "click"))
        )
