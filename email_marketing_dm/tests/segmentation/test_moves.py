"""Movement between groups, against plain Python on random days; what is kept, and who sees it."""

import json
from collections import Counter
from datetime import date, datetime, timedelta

from dateutil.relativedelta import relativedelta
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from odoo import fields
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import new_test_user, tagged

from ...engine.people_models import Today
from ..common_models import GROUP_ADMIN, ModelsCommon

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
START = fields.Datetime.now().replace(hour=12, minute=0, second=0, microsecond=0) - timedelta(60)


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
class TestMoves(ModelsCommon):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.env.company.directmail_models_tz = "UTC"
        cls.ids = cls.people.ids
        cls.leads = cls.env["crm.lead"].create(
            [
                {"name": "Purchase", "partner_id": person.id, "type": "opportunity"}
                for person in cls.people
            ]
        )
        cls.env.flush_all()
        cls.aipl = cls._make_aipl(
            *(
                {"stage": stage, "domain": f"[('name', '=', 'Purchase {stage}')]"}
                for stage in "aipl"
            )
        )
        cls.segments = {segment.stage: segment for segment in cls.aipl.segment_ids}

    def _compute(self, moment, now):
        """Compute the model at a moment when people are in these stages."""
        for lead, stage in zip(self.leads, now, strict=True):
            lead.name = f"Purchase {stage}"
        aipl = self.aipl.sudo()
        aipl._replace_results(Today(moment, "UTC"))
        aipl.write({"computed_on": moment.date(), "computed_at": moment})

    def _compute_days(self, *days):
        """Compute on consecutive days, given as texts with the stages of the people: "ap-i-l"."""
        for number, text in enumerate(days):
            now = [None if letter == "-" else letter for letter in text]
            self._compute(START + timedelta(days=number), now)

    def _moves(self):
        moves = self.env["directmail.aipl.move"].sudo()
        return moves.search([("aipl_model_id", "=", self.aipl.id)], order="date, id")

    def _day(self, number):
        return (START + timedelta(days=number)).date()

    def _line(self, kind="moved", before="", after="", **vals):
        return {
            "kind": "aipl",
            "aipl_model_id": self.aipl.id,
            "aipl_by": "move",
            "move_kind": kind,
            "aipl_before_ids": [(6, 0, [self.segments[name].id for name in before])],
            "aipl_segment_ids": [(6, 0, [self.segments[name].id for name in after])],
            **vals,
        }

    def _dates(self, since, until=None):
        return {
            "move_span": "dates",
            "move_since": self._day(since),
            "move_until": until is not None and self._day(until),
        }

    def _find(self, *args, **vals):
        """Return the numbers of the people whom an unsaved line finds."""
        line = self.env["directmail.audience.line"].new(self._line(*args, **vals))
        rows = self.env.execute_query(line._select_aipl(line.env))
        found = [self.ids.index(row[0]) for row in rows]
        self.assertEqual(len(found), len(set(found)), "each person once")
        return set(found)

    def _refreshed(self, line, user=None):
        audience = self.env["directmail.audience"].with_user(user or self.user)
        audience = audience.create({"name": "Some", "line_ids": [(0, 0, line)]})
        audience.action_refresh()
        self.assertFalse(audience.refresh_error)
        return audience.sudo().member_ids.partner_id

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

    # === LINES === #

    def test_sentences(self):
        self._compute_days("aa----", "ii----")
        line = self.env["directmail.audience.line"].new(self._line("moved", "a", "ip"))
        self.assertEqual(
            line.sentence,
            "In Stages within the last 30 days: from Awareness to Interest or Purchase",
        )
        sentences = {
            "left": "Left Stages within the last 30 days",
            "entered": "Entered Stages within the last 30 days: Loyalty",
            "back": "Came back to Stages within the last 30 days: Loyalty",
        }
        for kind, sentence in sentences.items():
            line = self.env["directmail.audience.line"].new(self._line(kind, "", "l"))
            self.assertEqual(line.sentence, sentence)
        line.write({"move_span": "dates", "move_since": "2026-03-01", "move_until": "2026-03-31"})
        self.assertIn("between 03/01/2026 and 03/31/2026", line.sentence)
        line.move_until = False
        self.assertIn("since 03/01/2026", line.sentence)

    def test_refused(self):
        with self.assertRaisesRegex(UserError, "has not been computed"):
            self._find("left")
        self._compute_days("aa----", "ii----")
        for args, reason in (
            (("moved", "a", ""), "between which types or stages"),
            (("moved", "", "a"), "between which types or stages"),
        ):
            with self.assertRaisesRegex(UserError, reason):
                self._find(*args)
        with self.assertRaisesRegex(UserError, "first date"):
            self._find("left", move_span="dates")
        other = self._make_aipl({"stage": "a"}, name="Other").sudo()
        other.computed_on = self._day(1)
        with self.assertRaisesRegex(UserError, "of the model Other"):
            self._find("left", "a", aipl_model_id=other.id)
        for vals in ({"move_days": -1}, self._dates(1, 1)):
            with self.assertRaises(ValidationError):
                self._refreshed(self._line("left", **vals))

    def test_stages_of_another_model_do_not_stay_hidden(self):
        """Of people who entered, the stages before are not shown, so they could not be removed."""
        self._compute_days("aa----", "ii----")
        other = self._make_aipl({"stage": "i"}, name="Other").sudo()
        line = self.env["directmail.audience.line"].with_user(self.user)
        line = line.new(self._line("moved", "a", "i"))
        line.update({"aipl_model_id": other.id, "move_kind": "entered"})
        line._onchange_people_model()
        self.assertFalse(line.aipl_before_ids + line.aipl_segment_ids)
        line.aipl_segment_ids = other.segment_ids[1]
        line._onchange_people_model()
        self.assertEqual(line.aipl_segment_ids._origin, other.segment_ids[1])

    def test_counted_before_it_is_saved(self):
        """The line's own fields decide, whatever the browser holds of the computed one."""
        self._compute_days("aap---", "ppp---")
        audience = self.env["directmail.audience"].with_user(self.user)
        line = self._line("moved", "a", "p", is_move=False, move_days=90)
        changes = {"line_ids": [(0, "virtual_1", line)]}
        self.assertEqual(audience.count_line(changes, 0)["people"], 2)
        line["move_days"] = 1_000_000
        self.assertEqual(audience.count_line(changes, 0)["people"], 2)
        self.assertTrue(audience.new({"line_ids": [(0, 0, self._line("left"))]}).line_ids.is_move)

    def test_days_count_from_today(self):
        self._compute(fields.Datetime.now() - timedelta(days=20), list("aaaall"))
        self._compute(fields.Datetime.now() - timedelta(days=10), list("iaaall"))
        self._compute(fields.Datetime.now() - timedelta(days=1), list("iiaall"))
        for days, found in ((1, set()), (5, {1}), (10, {1}), (11, {0, 1}), (400, {0, 1})):
            self.assertEqual(self._find("moved", "a", "i", move_days=days), found, days)

    def test_rights_of_the_owner(self):
        """People whom the owner of the audience may not see are not in it, nor in the list."""
        self._compute_days("aaa---", "i--ai-")
        line = self._line("left", **self._dates(0))
        self.assertEqual(self._refreshed(line), self.people[1] + self.people[2])
        hidden = self.people[1]
        self.env["ir.rule"].create(
            {
                "name": "One is hidden",
                "model_id": self.env["ir.model"]._get_id("res.partner"),
                "domain_force": f"[('id', '!=', {hidden.id})]",
            }
        )
        self.assertEqual(self._refreshed(line), self.people[2])
        aipl = self._as(self.user, self.aipl)
        action = aipl.action_view_flow("a", False, str(self._day(0)))
        flow = self.env[action["res_model"]].with_user(self.user)
        flow = flow.with_context(**action["context"])
        found = flow.search_read(action["domain"], ["partner_id", "previous_stage", "stage"])
        self.assertEqual([row["partner_id"][0] for row in found], self.people[2].ids)
        self.assertEqual([(row["previous_stage"], row["stage"]) for row in found], [("a", False)])
        with self.assertRaises(AccessError):
            flow.browse(hidden.id).read(["stage"])
        self.env.invalidate_all()
        here = [("aipl_model_id", "=", self.aipl.id)]
        plain = flow.with_context(flow_of="nothing").search(here)
        self.assertEqual(plain.mapped("stage"), plain.mapped("previous_stage"))
        self.assertEqual(sorted(plain.partner_id.ids), (self.people[0] + self.people[3:5]).ids)
        moves = self.env["directmail.aipl.move"].with_user(self.user).search([])
        self.assertNotIn(hidden, moves.partner_id)

    def test_another_company_gets_nothing(self):
        self._compute_days("aaa---", "i--ai-")
        company = self.env["res.company"].create({"name": "Elsewhere"})
        stranger = new_test_user(
            self.env, "dm_stranger", GROUP_ADMIN, company_id=company.id,
            company_ids=[(6, 0, company.ids)],
        )  # fmt: skip
        aipl = self.aipl.with_user(stranger)
        for forbidden in (
            aipl.get_flows,
            aipl.action_view_flow,
            aipl.action_new_audience_of_flow,
            aipl.action_series_of_flow,
        ):
            with self.assertRaises(AccessError):
                forbidden()
        with self.assertRaises(AccessError):
            self._refreshed(self._line("left"), stranger)
        flow = self.env["directmail.aipl.flow"].with_user(stranger).with_context(
            flow_of=self.aipl.id, flow_since=str(self._day(0)), flow_until=str(self._day(1))
        )  # fmt: skip
        self.assertFalse(flow.search([]))
        self.assertFalse(self.env["directmail.aipl.move"].with_user(stranger).search([]))

    def test_a_flow_becomes_an_audience(self):
        """Each ribbon of the picture opens its people, and an audience of them."""
        self._compute_days("aap---", "i-pal-")
        since = str(self._day(0))
        aipl = self._as(self.user, self.aipl)
        for flow in aipl.get_flows(since)["flows"]:
            pair = flow["before"], flow["after"]
            action = aipl.action_new_audience_of_flow(*pair, since)
            self.assertEqual(action["context"]["default_company_id"], aipl.company_id.id)
            audience = self.env["directmail.audience"].with_user(self.user)
            audience = audience.with_context(**action["context"]).create({})
            audience.action_refresh()
            self.assertFalse(audience.refresh_error)
            self.assertEqual(len(audience.sudo().member_ids), flow["people"], pair)
            shown = aipl.action_view_flow(*pair, since)
            rows = self.env[shown["res_model"]].with_context(**shown["context"])
            self.assertEqual(
                rows.search(shown["domain"]).partner_id, audience.sudo().member_ids.partner_id
            )
            self.env.invalidate_all()
        self.assertIsNone(self._make_aipl({"stage": "a"}, name="New").get_flows())

    def test_days_of_a_flow_that_no_line_could_compare(self):
        """The same day twice, the second before the first, days to come, days before the first."""
        self._compute_days("aap---", "iapal-", "i-pal-")
        aipl = self._as(self.user, self.aipl)
        first, second, last = (self._day(number) for number in range(3))
        week = timedelta(days=7)
        for days, shown in {
            (second, second): (second, last),
            (last, last): (second, last),
            (last, first): (second, last),
            (last + week, False): (second, last),
            (last + week, last + 2 * week): (second, last),
            (first - 2 * week, first - week): (first, second),
        }.items():
            with self.subTest(days=days):
                days = [day and str(day) for day in days]
                told = aipl.get_flows(*days)
                self.assertEqual((told["since"], told["until"]), tuple(map(str, shown)))
                action = aipl.action_new_audience_of_flow("p", "p", *days)
                audience = self.env["directmail.audience"].with_user(self.user)
                audience = audience.with_context(**action["context"]).create({})
                audience.action_refresh()
                self.assertFalse(audience.refresh_error)
                self.assertEqual(audience.sudo().member_ids.partner_id, self.people[2])

    def test_a_flow_becomes_a_series(self):
        """A ribbon begins a new series, or gives a draft one its audience."""
        self._compute_days("aap---", "i-pal-")
        aipl = self._as(self.user, self.aipl)
        action = aipl.action_series_of_flow("a", "i", str(self._day(0)))
        wizards = self.env[action["res_model"]].with_user(self.user)
        wizards = wizards.with_context(**action["context"])
        opened = wizards.create({}).action_continue()
        audience = self.env["directmail.audience"].browse(opened["context"]["default_audience_id"])
        self.assertEqual((audience.user_id, audience.name), (self.user, wizards.create({}).name))
        self.assertEqual(audience.refresh_every, "daily", "others come later")
        self.assertEqual(audience.sudo().member_ids.partner_id, self.people[0])
        self.assertEqual(opened["context"]["default_entry"], "all")
        months, self.env.company.directmail_moves_months = (
            self.env.company.directmail_moves_months,
            1,
        )
        audience.with_user(self.user).action_refresh()  # The first day is before that.
        self.assertFalse(audience.sudo().refresh_error, "people come in for ever")
        self.env.company.directmail_moves_months = months
        account = self.env["directmail.account"].create(
            {
                "name": "Account", "endpoint": "http://127.0.0.1:1", "access_key_id": "key",
                "access_key_secret": "secret", "public_url": "https://www.example.com",
            }
        )  # fmt: skip
        series = self.env["directmail.series"].with_user(self.user)
        series = series.create({"name": "Welcome", "account_id": account.id})
        wizard = wizards.create({"series_id": series.id, "entry": "new", "name": "Interested"})
        self.assertEqual(wizard.action_continue()["res_id"], series.id)
        self.assertEqual((series.entry, series.audience_id.name), ("new", "Interested"))
        self.assertEqual(series.audience_id.sudo().member_ids.partner_id, self.people[0])
        audiences = self.env["directmail.audience"].search_count([])
        series.sudo().state = "paused"
        with self.assertRaisesRegex(UserError, "Welcome can't start with another audience"):
            wizard.action_continue()
        with self.assertRaisesRegex(UserError, "No people were chosen"):
            wizard.with_context(audience_lines=[]).browse(wizards.create({}).id).action_continue()
        self.assertEqual(self.env["directmail.audience"].search_count([]), audiences)
        other = self.env["directmail.series"].with_user(self.owner)
        other = other.create({"name": "Theirs", "account_id": account.id})
        with self.assertRaises(AccessError):
            wizards.create({"series_id": other.id})

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
