"""Movement between groups, against plain Python on random days, and what is kept of it."""

import json
from collections import Counter
from datetime import date, datetime, timedelta

from dateutil.relativedelta import relativedelta
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from odoo import fields
from odoo.exceptions import UserError, ValidationError
from odoo.tests import new_test_user, tagged

from ...engine.people_models import Today
from ..common_models import GROUP_ADMIN
from ..common_moves import START, MovesCommon

stages = st.sampled_from(("a", "i", "p", "l", None))
#: (days since the computation before, the stage of each person)
computations = st.lists(
    st.tuples(st.sampled_from((0, 0, 1, 1, 2, 10)), st.tuples(*[stages] * 6)),
    min_size=2,
    max_size=6,
)
some = st.sets(st.sampled_from("aipl"), min_size=1)
questions = st.lists(
    st.tuples(
        st.sampled_from(("moved", "entered", "left", "back")), some, some, st.integers(0, 40),
        st.integers(1, 40),
    ),
    min_size=6,
    max_size=6,
)  # fmt: skip


class Days:
    """The stages of six people at the end of each day, in plain Python."""

    def __init__(self):
        self._known = {}  # {day: stages at its end}, of days on which the model was computed

    def compute(self, day, now):
        self._known[day] = now

    def at(self, day):
        return self._known[max(known for known in self._known if known <= day)]

    def moves(self, person):
        """(day, group before, group after) of each day at whose end it was another."""
        found, days = [], sorted(self._known)
        for before, day in zip(days, days[1:], strict=False):
            was, now = self._known[before][person], self._known[day][person]
            if was != now:
                found.append((day, was, now))
        return found

    def find(self, kind, before, after, since, until):
        return {
            person for person in range(6) if self._fits(kind, before, after, since, until, person)
        }

    def _fits(self, kind, before, after, since, until, person):
        was, now = self.at(since)[person], self.at(until)[person]
        if kind == "moved":
            return was in before and now in after
        if kind == "entered":
            return was is None and now in after
        if kind == "left":
            return was in before and now is None
        moves = self.moves(person)
        return now in after and any(
            left is None and since < day <= until
            and any(gone is None and earlier < day for earlier, _was, gone in moves)
            for day, left, _now in moves
        )  # fmt: skip


@tagged("post_install", "-at_install")
class TestMoves(MovesCommon):
    def _moves(self):
        moves = self.env["directmail.aipl.move"].sudo()
        return moves.search([("aipl_model_id", "=", self.aipl.id)], order="date, id")

    # === AGAINST PLAIN PYTHON === #

    def test_lines_and_flows(self):
        @settings(
            max_examples=25, deadline=None, derandomize=True, database=None,
            suppress_health_check=[HealthCheck.too_slow],
        )  # fmt: skip
        @given(computations, questions)
        def check(computed, asked):
            savepoint = self.env.cr.savepoint()
            try:
                self._check(computed, asked)
            finally:
                savepoint.rollback()
                savepoint.close(rollback=False)
                self.env.invalidate_all()

        check()

    def _check(self, computed, asked):
        days, moment = Days(), START
        for later, now in computed:
            moment += timedelta(days=later)
            self._compute(moment, now)
            days.compute(moment.date(), now)
        first, last = self.aipl.moves_since, moment.date()
        rows = (
            self.env["directmail.aipl.move"].sudo().search([("aipl_model_id", "=", self.aipl.id)])
        )
        self.assertEqual(
            sorted((self.ids.index(r.partner_id.id), r.date, r.previous_stage or None,
                    r.stage or None) for r in rows),
            sorted((person, *move) for person in range(6) for move in days.moves(person)),
        )  # fmt: skip
        for kind, before, after, start, length in asked:
            since = min(first + timedelta(days=start), last)
            until = since + timedelta(days=length)
            found = self._find(
                kind, before, after, move_span="dates", move_since=since, move_until=until
            )
            self.assertEqual(found, days.find(kind, before, after, since, until))
            told = self.aipl.get_flows(str(since), str(until))
            if since < last:
                self.assertEqual(
                    (told["since"], told["until"]), (str(since), str(min(until, last)))
                )
            shown = (days.at(date.fromisoformat(told[end])) for end in ("since", "until"))
            pairs = zip(*shown, strict=True)
            self.assertEqual(
                {
                    (flow["before"] or None, flow["after"] or None): flow["people"]
                    for flow in told["flows"]
                },
                Counter(pair for pair in pairs if any(pair)),
            )

    # === WHAT IS KEPT === #

    def test_one_row_for_a_change_and_none_for_a_day(self):
        self._compute_days("aip---", "aip---", "iip---", "iip---", "ii----")
        moves = self._moves()
        self.assertEqual(
            [(m.partner_id, m.date, m.previous_stage, m.stage) for m in moves],
            [
                (self.people[0], self._day(2), "a", "i"),
                (self.people[2], self._day(4), "p", False),
            ],
        )
        self.assertEqual(self.aipl.moves_since, self._day(0))

    def test_a_model_of_an_earlier_version(self):
        """It has results, but did not store moves: they are known from its last computation on."""
        self._compute_days("aaa---")
        self.aipl.sudo().moves_since = False
        self.assertEqual(self._find("entered", after="a", move_days=90), set())
        self._compute(START + timedelta(days=3), ["i", "a", "a", None, None, None])
        self.assertEqual(self.aipl.moves_since, self._day(0))
        self.assertEqual(self._find("moved", "a", "i", **self._dates(0)), {0})

    def test_old_moves_are_deleted(self):
        self.env.company.directmail_moves_months = 1
        self._compute_days("aaa---", "iaa---")
        later = fields.Datetime.now() - timedelta(days=2)
        self._compute(later, ["i", "i", "a", None, None, None])
        self.env["directmail.aipl.move"]._gc_moves()
        moves = self._moves()
        self.assertEqual(moves.partner_id, self.people[1])
        known = fields.Date.today() - relativedelta(months=1)
        self.assertEqual(self.aipl._get_moves_since(), known)
        self.env.company.directmail_moves_months = 24
        self.assertEqual(self.aipl._get_moves_since(), known, "what is deleted stays unknown")
        self.env.company.directmail_moves_months = 1
        self.assertEqual(self.aipl.get_flows(since="2020-01-01")["since"], str(known))
        self.assertEqual(self._find("moved", "a", "i", move_days=90), {1})
        with self.assertRaisesRegex(UserError, "is known since"):
            self._find("moved", "a", "i", **self._dates(0))
        for months in (0, 121):
            with self.assertRaises(ValidationError):
                self.env.company.directmail_moves_months = months

    def test_erased_contact(self):
        self._compute_days("aa----", "ii----")
        boss = new_test_user(
            self.env, "dm_boss", f"{GROUP_ADMIN},base.group_partner_manager", name="Boss"
        )
        wizard = self.env["directmail.erasure"].with_user(boss)
        wizard = wizard.create({"partner_ids": self.people[0].ids})
        [move] = wizard._export()["moves"]
        self.assertEqual(
            move, {"model": "Stages", "day": str(self._day(1)), "before": "Awareness",
                   "after": "Interest"},
        )  # fmt: skip
        json.dumps(wizard._export())
        wizard.action_erase()
        moves = self._moves()
        self.assertEqual(moves.partner_id, self.people[1])

    def test_merged_contacts(self):
        """The moves that are kept still lead to the stage that is kept."""
        self._compute_days("aap---", "i-l---", "p-l---")
        ann, bob, cid = self.people[:3]
        self.env["base.partner.merge.automatic.wizard"]._merge((bob + ann + cid).ids, bob)
        moves = self._moves()
        self.assertEqual(moves.partner_id, bob)
        # Odoo's merge keeps the stage whose row is the oldest: that of Ann or that of Cid.
        contacts = self.env["directmail.aipl.contact"]
        [stage] = contacts.search([("aipl_model_id", "=", self.aipl.id)]).mapped("stage")
        self.assertEqual(moves.mapped("stage"), {"p": ["i", "p"], "l": ["l"]}[stage])
        self.assertEqual(self.aipl.get_flows(str(self._day(0)))["flows"][0]["people"], 1)

    def test_deleted_contact_and_model(self):
        self._compute_days("aa----", "ii----")
        self.leads[0].unlink()
        self.people[0].unlink()
        moves = self._moves()
        self.assertEqual(moves.partner_id, self.people[1])
        self.aipl.unlink()
        self.assertFalse(moves.exists())

    def test_rfm(self):
        ann, bob = self.people[:2]
        self.leads.unlink()
        for person, days in ((ann, (1, 10, 20, 40, 50)), (bob, (10,))):
            for ago in days:
                self._buy(person, ago, 500)
        rfm = self._make_rfm().sudo()
        now = datetime.now().replace(microsecond=0)
        for later in (0, 345, 356):
            rfm._replace_results(Today(now + timedelta(days=later), "UTC"))
            rfm.write({"computed_on": (now + timedelta(days=later)).date(), "computed_at": now})
        self.assertEqual(rfm.customer_ids.partner_id, ann)
        left = self.env["directmail.rfm.move"].sudo()
        left = left.search([("rfm_model_id", "=", rfm.id), ("customer_type", "=", False)])
        self.assertEqual(left.partner_id, bob)
        vals = {
            "kind": "rfm", "rfm_model_id": rfm.id, "rfm_by": "move", "move_kind": "left",
            "move_span": "dates", "move_since": now.date(),
        }  # fmt: skip
        self.assertEqual(self._refreshed(vals), bob)
        flows = rfm.get_flows(str(now.date()))["flows"]
        self.assertEqual(sum(flow["people"] for flow in flows if not flow["after"]), 1)
