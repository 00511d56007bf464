import random

from odoo.tests import tagged

from ..common import start_task
from ..common_measuring import PERSON, MeasuringCommon


@tagged("post_install", "-at_install")
class TestMeasuringOracle(MeasuringCommon):
    """Random answers, rules and countries: all decisions agree with plain Python."""

    def test_oracle(self):
        seed = random.randrange(10**6)
        chance = random.Random(seed)
        codes = ["fr", "sg", "de", "re", None]
        people = self._make_people(*(f"o{number}@example.com" for number in range(40)))
        self.env["mail.blacklist"].create({"email": people[0].email})
        for round_number in range(3):
            with self.subTest(seed=seed, round=round_number):
                self._try(chance, people, codes)

    def _try(self, chance, people, codes):
        company = self.company
        company.write(
            {
                "directmail_measuring_default": chance.choice(["yes", "no"]),
                "directmail_measuring_unknown": chance.choice(["yes", "no"]),
                "directmail_unasked_clicks": chance.choice(["anonymous", "recorded"]),
                "directmail_unmeasured_countries": chance.choice([False, "FR", "FR,RE", "SG"]),
            }
        )
        for person in people:
            code = chance.choice(codes)
            person.country_id = code and self.env.ref(f"base.{code}")
            for answer in chance.choices(["yes", "no"], k=chance.choice([0, 0, 1, 2])):
                self._answer(person, answer)
        mailed = people[1:]
        expected = {person: self._expect(person) for person in mailed}
        task = self._make_task(self._make_audience(people), self.template)
        fates = task.sudo()._estimate_people()
        self.assertEqual(
            (fates.unmeasured, fates.unclicked),
            (
                sum(value is not None for value in expected.values()),
                sum(value == "no" for value in expected.values()),
            ),
        )
        task.action_send()
        start_task(task.sudo())
        rows = self._by_person(task)
        self.assertFalse(rows[people[0]].measuring, "suppressed")
        self.assertEqual({p: rows[p].measuring or None for p in mailed}, expected, "plan")
        # Answers between plan and claim.
        for person in chance.sample(list(mailed), 10):
            self._answer(person, chance.choice(["yes", "no"]))
        expected = {person: self._expect(person) for person in mailed}
        self._run_cron()
        rows = self._by_person(task)
        self.assertEqual({p: rows[p].measuring or None for p in mailed}, expected, "claim")
        # Refusals after the mails were sent.
        for person in chance.sample(list(mailed), 10):
            self._answer(person, "no")
        rows = self._by_person(task)
        for person in mailed:
            rows[person]._record_hit("open", user_agent=PERSON["User-Agent"])
            rows[person]._record_hit("click", user_agent=PERSON["User-Agent"])
        self._apply()
        rows = self._by_person(task)
        for person in mailed:
            now = self._expect(person)
            opens = expected[person] is None and now is None
            clicks = expected[person] != "no" and now != "no"
            self.assertEqual(rows[person].open_count, int(opens), "hit")
            self.assertEqual(rows[person].click_count, int(clicks), "hit")
        self.assertEqual(
            task.anonymous_open_count + sum(row.open_count for row in rows.values()), len(mailed)
        )
        task.sudo().state = "done"

    def _expect(self, person):
        """Return the value of `measuring`, in plain Python."""
        company = self.company
        answers = self.env["directmail.consent"].search([("partner_id", "=", person.id)])
        if answers:
            latest = max(answers, key=lambda one: (one.recorded_at, one.id))
            return None if latest.answer == "yes" else "no"
        countries = (company.directmail_unmeasured_countries or "").split(",")
        if not person.country_id:
            is_no = company.directmail_measuring_unknown == "no"
        elif person.country_id.code in countries:
            is_no = True
        else:
            is_no = company.directmail_measuring_default == "no"
        if not is_no:
            return None
        return "clicks" if company.directmail_unasked_clicks == "recorded" else "no"
