from datetime import datetime, timedelta

from odoo.tools import SQL

from ..models.consent.directmail_purpose import RULES
from .common import DirectmailMixin, start_task
from .common_http import PatientHttpCase

PEOPLE = 40
START = datetime(2026, 3, 1)


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


class MailingConsentOracle:
    """Draws rules, countries and answers, and judges by them in plain Python.

    For classes with `MailingConsentCommon`.
    """

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.countries = cls.env.ref("base.de") + cls.env.ref("base.ca") + cls.env.ref("base.sg")
        cls.groups = cls.env["res.country.group"].create(
            [
                {"name": "Far", "country_ids": [(6, 0, (cls.countries - cls.countries[0]).ids)]},
                {"name": "Large", "country_ids": [(6, 0, (cls.countries - cls.countries[2]).ids)]},
            ]
        )

    def _draw(self, random):
        """Draw rules, countries and answers; return {partner: [(time, purpose, answer)]}."""
        rules = [rule for rule, _label in RULES]
        self.offers.write(
            {"rule": random.choice(rules), "country_rule_ids": self._draw_country_rules(random)}
        )
        self.env.cr.execute(SQL("DELETE FROM directmail_consent"))
        self.env.invalidate_all()
        drawn, rows = {}, []
        for partner in self.people:
            partner.country_id = random.choice([*self.countries, self.env["res.country"]])
            times = sorted(random.randrange(6) for _answer in range(random.randrange(5)))
            drawn[partner] = [
                (
                    START + timedelta(hours=time),
                    random.choice((self.offers, self.offers, self.news, None)),
                    random.choice(("yes", "no", "withdrawn", "confirmed")),
                )
                for time in times
            ]
            rows += [
                {
                    **self.persons[partner],
                    "company_id": self.company.id,
                    "purpose": "mailing",
                    "purpose_id": purpose and purpose.id,
                    "answer": answer,
                    "origin": "api",
                    "recorded_at": time,
                }
                for time, purpose, answer in drawn[partner]
            ]
        self.consents.create(rows)
        self.env.flush_all()
        return drawn

    def _draw_country_rules(self, random):
        """Return commands for up to three rules of countries, groups or both, which overlap."""
        commands = [(5, 0)]
        for _rule in range(random.randrange(4)):
            countries = random.sample(self.countries.ids, random.randrange(3))
            groups = random.sample(self.groups.ids, random.randrange(0 if countries else 1, 3))
            values = {"rule": random.choice(RULES)[0], "country_ids": [(6, 0, countries)]}
            commands.append((0, 0, {**values, "country_group_ids": [(6, 0, groups)]}))
        return commands

    def _get_plain_rule(self, country):
        found = [
            rule.rule
            for rule in self.offers.country_rule_ids
            if country in rule.country_ids
            or any(country in group.country_ids for group in rule.country_group_ids)
        ]
        strict = {"not_refused": 0, "opt_in": 1, "confirmed": 2}
        return max(found, key=strict.get) if found else self.offers.rule

    def _judge_plainly(self, partner, answers):
        """Return the reason why the person gets no mail, by the words of the guide."""
        answer, agreed = None, None
        for _time, purpose, said in answers:
            if purpose == self.offers:
                answer = agreed = said
            elif purpose is None and answer in ("yes", "confirmed", None):
                # Leaving all mail ends an agreement; undoing that brings it back.
                answer = None if said in ("no", "withdrawn") else agreed
        if answer in ("no", "withdrawn"):
            return "topic_refused"
        rule = self._get_plain_rule(partner.country_id)
        enough = {
            "not_refused": (None, "yes", "confirmed"),
            "opt_in": ("yes", "confirmed"),
            "confirmed": ("confirmed",),
        }
        return None if answer in enough[rule] else "not_agreed"

    def _judge_all(self, drawn):
        """Return {partner: reason why they get no mail, or None}; see `_draw`."""
        return {
            partner: self._judge_plainly(partner, answers) for partner, answers in drawn.items()
        }
