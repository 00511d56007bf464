from datetime import datetime, timedelta

from odoo import fields

from .common_quick import PEOPLE, QuickCommon

MAILS_MAX = 120
REFUSED, ABROAD = 6, 7


class EngagementCommon(QuickCommon):
    """People who received, opened and clicked random mails, and some who are not measured."""

    #: people whose opens and clicks may not be recorded
    unmeasured = frozenset((REFUSED, ABROAD))

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        audience = cls._make_audience(cls.people)
        template = cls._make_template(approved=False)
        # Opens of the second are not recorded; the third is a colleague's.
        cls.tasks = cls._make_task(audience, template)
        cls.tasks |= cls._make_task(audience, template, track_opens=False)
        cls.tasks |= cls.tasks[0].copy({"name": "Of a colleague"})
        cls.tasks[2].sudo().user_id = cls.other
        cls.company = cls.tasks[0].company_id.with_env(cls.env)
        cls.company.directmail_unmeasured_countries = "FR"
        cls.people[ABROAD].country_id = cls.env.ref("base.fr")
        cls.env.flush_all()
        cls.env.cr.executemany(
            """INSERT INTO directmail_consent
                      (company_id, address_key, purpose, answer, recorded_at, origin)
               VALUES (%s, %s, 'measuring', 'no', '2026-01-01', 'page')""",
            [[cls.company.id, f"key{REFUSED}/{number}"] for number in range(MAILS_MAX)],
        )
        cls.env.invalidate_all()

    def _forget_answers(self):
        """From now on nobody was asked, so that only countries decide who is measured."""
        self.env.cr.execute(
            "DELETE FROM directmail_consent WHERE company_id = %s", [self.company.id]
        )
        self.env.invalidate_all()
        self.unmeasured = frozenset((ABROAD,))

    def _send(self, rng, days=40):
        """Replace all mails by random ones of the last days. :return: what was written, as dicts"""
        now = fields.Datetime.now()
        mails = []
        for _mail in range(rng.choice([20, 60, MAILS_MAX])):
            claimed = now - timedelta(days=rng.randint(0, days), minutes=rng.randint(1, 5))
            opened = clicked = None
            if rng.random() < 0.25:
                opened = min(now, claimed + timedelta(days=rng.randint(0, 15)))
                clicked = min(now, opened + timedelta(days=1)) if rng.random() < 0.5 else None
            mails.append(
                {
                    "task": rng.randrange(3),
                    "person": rng.randrange(PEOPLE),
                    "claimed_at": claimed,
                    "opened_at": opened,
                    "clicked_at": clicked,
                    "state": rng.choice(["sent"] * 6 + ["suppressed", "unknown"]),
                    "outcome": rng.choice([None, "delivered", "delivered", "failed"]),
                    "measuring": rng.choice([None] * 8 + ["no", "clicks", "withdrawn"]),
                }
            )
        self.env.cr.execute(
            "DELETE FROM directmail_delivery WHERE account_id = %s", [self.account.id]
        )
        self.env.cr.executemany(
            """INSERT INTO directmail_delivery
                      (task_id, account_id, company_id, partner_id, is_contact, address_key,
                       claimed_at, opened_at, clicked_at, state, outcome, measuring)
               VALUES (%s, %s, %s, %s, TRUE, %s, %s, %s, %s, %s, %s, %s)""",
            [
                [
                    self.tasks[mail["task"]].id, self.account.id, self.company.id,
                    self.people[mail["person"]].id, f"key{mail['person']}/{number}",
                    *(mail[name] for name in ("claimed_at", "opened_at", "clicked_at", "state",
                                              "outcome", "measuring")),
                ]
                for number, mail in enumerate(mails)
            ],
        )  # fmt: skip
        return mails

    def _sum_up(self, mails, tasks):
        """Return {person: what plain Python says of their mails in these tasks}."""
        found = {}
        for person in range(PEOPLE):
            received = [
                mail
                for mail in mails
                if mail["person"] == person
                and mail["task"] in tasks
                and mail["state"] == "sent"
                and mail["outcome"] != "failed"
            ]
            if not received:
                continue
            may = person not in self.unmeasured
            known = [mail for mail in received if may and mail["measuring"] is None]
            measured = [mail for mail in known if mail["task"] != 1]
            answered = [mail for mail in known if mail["opened_at"] or mail["clicked_at"]]
            reacted = max((m["clicked_at"] or m["opened_at"] for m in answered), default=None)
            last = max((mail["claimed_at"] for mail in answered), default=datetime.min)
            begun = min((mail["claimed_at"] for mail in measured), default=None)
            found[person] = {
                "received": [mail["claimed_at"] for mail in received],
                "measured": len(measured),
                "reacted": reacted,
                "opened": [mail["opened_at"] for mail in known if mail["opened_at"]],
                "clicked": [mail["clicked_at"] for mail in known if mail["clicked_at"]],
                "sign": reacted or begun,
                "unanswered": sum(mail["claimed_at"] > last for mail in measured),
            }
        return found
