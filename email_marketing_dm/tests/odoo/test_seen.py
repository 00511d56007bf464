from odoo.exceptions import AccessError, UserError
from odoo.fields import Command
from odoo.modules.module import load_script
from odoo.tests import tagged

from ..common import DirectmailCommon
from ..common_seen import HIDDEN, PRIVATE, SeenMixin


@tagged("post_install", "-at_install")
class TestSeen(SeenMixin, DirectmailCommon):
    """A public audience may be mailed by all; its people are shown to those who may see them."""

    def setUp(self):
        super().setUp()
        self.lent = self._lend()

    def _get_people(self, model, domain=(), user=None):
        """Return what a list of the model shows to a user of each person."""
        rows = self.env[model].with_user(user or self.user).search_read(list(domain), [])
        return {row["email"] or row["display_name"] for row in rows}

    def test_everybody_is_mailed(self):
        task = self._plan(self.lent)
        self._run_cron()
        self.assertEqual((task.people_count, task.sent_count), (3, 3))
        self.assertEqual(
            sorted(row["to"] for row in self.emulator.ledger(tag=task.tag_name)),
            [HIDDEN, PRIVATE, "vera@example.com"],
        )
        self.assertSumRule(task.sudo())

    def test_deliveries(self):
        task = self._plan(self.lent)
        mine = [("task_id", "=", task.id)]
        self.assertFalse(self._get_people("directmail.delivery", mine), "before the first call")
        self._run_cron()
        self.assertEqual(self._get_people("directmail.delivery", mine), {"vera@example.com"})
        deliveries = self.env["directmail.delivery"].with_user(self.user)
        seen = deliveries.search(mine)
        hidden = self.env["directmail.delivery"].search(mine) - seen.sudo()
        self.assertEqual((len(seen), len(hidden)), (1, 2))
        for row in hidden.with_user(self.user):
            self.env.invalidate_all()
            for name in ("email", "display_name", "partner_id", "state"):
                with self.subTest(name), self.assertRaises(AccessError):
                    row.read([name])
            self.assertFalse(row.has_access("read"))
        with self.assertRaises(AccessError):
            hidden.with_user(self.user).web_read({"email": {}})
        self.user.group_ids += self.env.ref("base.group_allow_export")
        with self.assertRaises(AccessError):
            hidden.with_user(self.user).export_data(["email", "partner_id/email"])

    def test_filters_groups_and_orders_tell_nothing(self):
        task = self._plan(self.lent)
        self._run_cron()
        deliveries = self.env["directmail.delivery"].with_user(self.user)
        tasks = self.env["directmail.task"].with_user(self.user)
        for leaf in (
            ("email", "=", HIDDEN),
            ("email", "ilike", "hid"),
            ("email", "=", PRIVATE),
            ("partner_id.name", "=", "Hilda"),
            ("partner_id", "=", self.hilda.id),
            ("partner_id", "ilike", "Hilda"),
            ("display_name", "ilike", "private"),
        ):
            with self.subTest(leaf):
                domain = [("task_id", "=", task.id), leaf]
                self.assertFalse(deliveries.search(domain))
                self.assertEqual(deliveries.search_count(domain), 0)
                self.assertFalse(deliveries._read_group(domain, ["state"], ["__count"]))
                name, *rest = leaf
                self.assertFalse(tasks.search([(f"delivery_ids.{name}", *rest)]))
        self.assertFalse(deliveries.name_search("hidden"))
        domain = [("task_id", "=", task.id)]
        for group in ("email", "partner_id", "res_model"):
            with self.subTest(group):
                [(_key, count)] = deliveries._read_group(domain, [group], ["__count"])
                self.assertEqual(count, 1)
        found = deliveries.web_search_read(domain, {"email": {}}, order="email desc")
        self.assertEqual([row["email"] for row in found["records"]], ["vera@example.com"])
        groups = deliveries.web_read_group(domain, ["email"], ["__count"])
        self.assertEqual([row["email"] for row in groups["groups"]], ["vera@example.com"])

    def test_fields_of_the_lender_are_nobodys(self):
        task = self._plan(self.lent)
        for name in ("lender_id", "address_key"):
            with self.subTest(name), self.assertRaises(AccessError):
                task.delivery_ids.read([name])

    def test_whose_they_are_and_administrators(self):
        """Administrators see everybody's audiences; a contact that is hidden from them stays so."""
        task = self._plan(self.lent)
        mine = [("task_id", "=", task.id)]
        self.assertEqual(
            self._get_people("directmail.delivery", mine, self.admin),
            {"vera@example.com", PRIVATE},
        )
        members = [("audience_id", "=", self.lent.id)]
        self.assertEqual(
            self._get_people("directmail.audience.member", members, self.admin), {"Vera", PRIVATE}
        )
        self.assertEqual(
            self._get_people("directmail.audience.member", members, self.other),
            {"Vera", "Hilda", PRIVATE},
        )
        self.assertFalse(self._get_people("directmail.audience.member", members))

    def test_own_upload_is_seen_although_a_colleague_has_the_address_too(self):
        own = self._guess(PRIVATE)
        for audiences in (own + self.lent, self.lent + own):
            task = self._plan(audiences)
            self._run_cron()
            self.assertEqual(
                self._get_people("directmail.delivery", [("task_id", "=", task.id)]),
                {"vera@example.com", PRIVATE},
            )

    def test_members_whom_the_owner_may_no_longer_see(self):
        audience = self._make_audience(self.vera + self.decoy)
        audience.action_refresh()
        self.assertEqual(len(audience.member_ids), 2)
        self.decoy.ref = "secret"
        self.env.invalidate_all()
        self.assertEqual(audience.member_ids.partner_id, self.vera)
        self.assertEqual(audience.people_count, 2, "figures stay")

    def test_leads_that_the_sender_may_not_read(self):
        self.other.group_ids += self.env.ref("sales_team.group_sale_salesman_all_leads")
        lead = self.env["crm.lead"].create(
            {"name": "100 chairs", "email_from": "lead@example.com", "user_id": self.other.id}
        )
        leads = self.env["directmail.data.table"].search([("preset", "=", "leads")])
        line = {"table_id": leads.id, "domain": f"[('id', '=', {lead.id})]"}
        audience = self._make_audience(None, self.other, lines=[line], visibility="public")
        self._refresh_all(audience)
        task = self._plan(audience + self.lent)
        self._run_cron()
        mine = [("task_id", "=", task.id)]
        self.assertEqual(self._get_people("directmail.delivery", mine), {"vera@example.com"})
        self.user.group_ids += self.env.ref("sales_team.group_sale_salesman_all_leads")
        self.assertIn("lead@example.com", self._get_people("directmail.delivery", mine))

    def test_contact_that_was_deleted(self):
        """Nobody can tell any more who might see it."""
        task = self._plan(self.lent)
        self.hilda.unlink()
        for user in (self.user, self.admin):
            people = self._get_people("directmail.delivery", [("task_id", "=", task.id)], user)
            self.assertNotIn(HIDDEN, people)

    def test_events_and_opt_outs(self):
        task = self._plan(self.lent)
        self._run_cron()
        self._import_results(task)
        for delivery in self.env["directmail.delivery"].search([("task_id", "=", task.id)]):
            self.env["directmail.optout"]._record(delivery, "page")
        events = self.env["directmail.event"].with_user(self.user)
        found = events.search([("task_id", "=", task.id)])
        self.assertEqual(found.delivery_id.mapped("email"), ["vera@example.com"])
        self.assertFalse(events.search([("delivery_id.email", "=", HIDDEN)]))
        optouts = self.env["directmail.optout"].with_user(self.user)
        self.assertEqual(
            optouts.search([("task_id", "=", task.id)]).mapped("email"), ["vera@example.com"]
        )
        self.assertFalse(optouts.search([("email", "in", (HIDDEN, PRIVATE))]))
        self.assertEqual(optouts.with_user(self.other).search_count([("email", "=", HIDDEN)]), 1)
        self.assertEqual(optouts.with_user(self.admin).search_count([("email", "=", PRIVATE)]), 1)

    def test_recent_emails_of_a_contact_made_with_a_guess(self):
        """Deliveries reveal neither a hidden contact nor a colleague's address."""
        self._plan(self.lent)
        self._run_cron()
        guesses = self._make_people(HIDDEN, PRIVATE, "vera@example.com")
        counts = []
        for guess in guesses:
            status = self.env["directmail.fatigue.status"].with_user(self.user)._make(guess)
            counts.append(max(status.line_ids.mapped("email_count")))
        self.assertEqual(counts, [0, 0, 1])

    def test_upgrade(self):
        """Email tasks that started before the upgrade follow the same rules after it."""
        lent, own = self._plan(self.lent), self._plan(self._guess("own@example.com"))
        for statement in (
            "UPDATE directmail_delivery SET lender_id = NULL",
            "UPDATE directmail_task SET in_tens = NULL",
        ):
            self.env.cr.execute(statement)
        path = "email_marketing_dm/migrations/19.0.1.3.0/post-seen.py"
        load_script(path, "post_seen").migrate(self.env.cr, "19.0.1.2.0")
        self.env.invalidate_all()
        self.assertEqual((lent.in_tens, own.in_tens), (True, False))
        self._run_cron()
        for task, people in ((lent, {"vera@example.com"}), (own, {"own@example.com"})):
            mine = [("task_id", "=", task.id)]
            self.assertEqual(self._get_people("directmail.delivery", mine), people)

    def test_audience_of_a_colleagues_audience(self):
        audience = self._make_audience(
            None, lines=[{"kind": "audience", "source_id": self.lent.id}]
        )
        self._refresh_all(audience)
        self.assertEqual(audience.sudo().member_ids.partner_id, self.vera)
        self.assertEqual(audience.people_count, 1)

    def test_guesses_can_not_be_counted_against_a_colleagues_audience(self):
        guess = self._upload(f"{PRIVATE}\n{HIDDEN}\n")
        lines = [
            Command.create({"kind": "upload", "upload_id": guess.id}),
            Command.create(
                {
                    "operator": "and",
                    "kind": "audience",
                    "source_id": self.lent.id,
                    "sequence": 20,
                }
            ),
        ]
        count = self.env["directmail.audience"].with_user(self.user).count_all
        self.assertEqual(count({"line_ids": lines})["people"], 0)
        lines[1][2]["operator"] = "except"
        self.assertIn("colleague uploaded", count({"line_ids": lines})["error"])
        with self.assertRaisesRegex(UserError, "colleague uploaded"):
            self._make_audience(None, lines=[line[2] for line in lines])

    def test_generated_audience(self):
        task = self._plan(self.lent)
        self._run_cron()
        self._import_results(task)
        self.assertEqual(task.delivered_count, 3)
        wizard = (
            self.env["directmail.task.generate"].with_user(self.user).create({"task_id": task.id})
        )
        self.assertEqual(wizard.hidden_count, 2)
        audience = self.env["directmail.audience"].browse(wizard.action_generate()["res_id"])
        self.assertEqual(audience.people_count, 1)
        self.assertEqual(audience.sudo().member_ids.partner_id, self.vera)

    def test_upload_finds_only_contacts_that_its_owner_sees(self):
        for kind, value in (("email", HIDDEN), ("contact", self.hilda.id), ("reference", "secret")):
            with self.subTest(kind):
                upload = self._upload(f"{value}\n", id_kind=kind)
                self.assertEqual(upload.matched_count, 0)

    def test_contact_shows_only_audiences_in_which_the_user_sees_it(self):
        for user, count in ((self.user, 0), (self.other, 1)):
            self.env.invalidate_all()
            self.assertEqual(self.vera.with_user(user).directmail_audience_count, count)
