"""What movement between groups is used for, and who sees it."""

from datetime import timedelta

from odoo import fields
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import new_test_user, tagged

from ..common_models import GROUP_ADMIN
from ..common_moves import MovesCommon


@tagged("post_install", "-at_install")
class TestMovesUse(MovesCommon):
    """Lines of audiences about movement; audiences and series of a flow."""

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
