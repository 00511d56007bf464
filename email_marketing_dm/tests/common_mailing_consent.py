from .common import DirectmailMixin, start_task
from .common_http import PatientHttpCase

PEOPLE = 40


class MailingConsentCommon(DirectmailMixin, PatientHttpCase):
    """Two topics, and people whose answers about them are recorded."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.consents = cls.env["directmail.consent"]
        cls.company = cls.account.company_id
        cls.user.group_ids += cls.env.ref("base.group_partner_manager")
        cls.offers, cls.news = cls.env["directmail.purpose"].create(
            [{"name": "Offers", "company_id": cls.company.id} for _number in range(2)]
        )
        cls.news.name = "News"
        cls.template = cls._make_template()
        cls.people = cls._make_people(*(f"c{number}@example.com" for number in range(PEOPLE)))
        cls.persons = {partner: cls.consents._find_person(partner)[0] for partner in cls.people}

    def _plan(self, people=None, **vals):
        task = self._make_task(
            self._make_audience(self.people if people is None else people),
            self.template,
            **{"purpose_id": self.offers.id, **vals},
        )
        task.action_send()
        start_task(task.sudo())
        return task

    def _get_fates(self, task):
        self.env.invalidate_all()
        return {row.partner_id: row.reason or row.state for row in task.sudo().delivery_ids}

    def _answer(self, partner, answer, purpose=None):
        return self.consents.with_user(self.user)._answer_mailing_for(
            partner.with_user(self.user),
            (purpose or self.offers).with_user(self.user),
            answer,
            "By telephone",
        )
