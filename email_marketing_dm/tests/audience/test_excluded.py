from odoo.tests import tagged
from odoo.tools import SQL

from ...engine import claim, exclusion
from ...models.people_context import PEOPLE_CONTEXT
from ..common import AudienceCommon
from ..common_encrypted import ALICE, ALICE_HEX, BOB, EncryptedMixin
from ..common_waiting import WaitingMixin


@tagged("post_install", "-at_install", "directmail")
class TestExcluded(WaitingMixin, AudienceCommon):
    """People who are in *Except* at their claim get no mail, at any of their addresses."""

    def _merge(self, people, kept):
        self.env["base.partner.merge.automatic.wizard"]._merge(people.ids, kept)

    def _add_bare(self, audience, email):
        key = self.env["directmail.keyring"]._get_master_key()
        self.env["directmail.audience.member"].create(
            {"audience_id": audience.id, "email": email, "address_key": key.address_key(email)}
        )

    def assertOnlyMailed(self, task, *emails):
        self._finish(task)
        self.assertEqual(self._get_mailed(task), sorted(emails))

    # === EXCLUDED WHILE WAITING === #

    def test_a_bare_address_that_comes_to_be_excluded(self):
        excluded = self._make_audience(self.cat, name="Not these")
        task = self._plan(exclude_audience_ids=excluded.ids)
        self._add_bare(excluded, "ann@example.com")
        self.assertOnlyMailed(task, "bob@example.com")
        self.assertEqual(self._get_reasons(task), ["excluded", "excluded", "no_address"])

    def test_another_contact_with_the_address_comes_to_be_excluded(self):
        twin = self._make_people("Ann <ANN@example.com>")
        excluded = self._make_audience(self.cat, name="Not these")
        task = self._plan(exclude_audience_ids=excluded.ids)
        excluded.line_ids.domain = f"[('id', 'in', {twin.ids})]"
        excluded.action_refresh()
        self.assertOnlyMailed(task, "bob@example.com")

    def test_an_excluded_contact_gets_the_address_of_somebody_who_waits(self):
        outside = self._make_people("out@example.com")
        task = self._plan(exclude_audience_ids=self._make_audience(outside, name="Not these").ids)
        outside.email = "ann@example.com"
        self.assertOnlyMailed(task, "bob@example.com", "cat@example.com")

    def test_an_archived_contact_with_the_address_of_somebody_who_waits(self):
        outside = self._make_people("out@example.com")
        task = self._plan(exclude_audience_ids=self._make_audience(outside, name="Not these").ids)
        outside.write({"email": "ann@example.com", "active": False})
        self.assertOnlyMailed(task, "bob@example.com", "cat@example.com")

    def test_the_address_in_another_script(self):
        self.ann.email = "ann@xn--bcher-kva.example"
        outside = self._make_people("out@example.com")
        task = self._plan(exclude_audience_ids=self._make_audience(outside, name="Not these").ids)
        outside.email = "ann@bücher.example"
        self.assertOnlyMailed(task, "bob@example.com", "cat@example.com")

    def test_an_excluded_lead_whose_audience_learns_the_address(self):
        lead = self.env["crm.lead"].create({"name": "Lead", "email_from": "lead@example.com"})
        lead.user_id = False
        line = {"table_id": self.leads.id, "domain": f"[('id', 'in', {lead.ids})]"}
        excluded = self._make_audience(None, lines=[line], name="Not these")
        task = self._plan(exclude_audience_ids=excluded.ids)
        lead.email_from = "ann@example.com"
        excluded.action_refresh()
        self.assertOnlyMailed(task, "bob@example.com", "cat@example.com")

    # === MERGED === #

    def test_somebody_excluded_of_the_same_task_is_merged_into_somebody_who_waits(self):
        """Both are in the task's audience, so that one of the two rows there has to go."""
        excluded = self._make_audience(self.bob, name="Not these")
        task = self._plan(exclude_audience_ids=excluded.ids)
        self._merge(self.ann | self.bob, self.ann)
        self.assertEqual(excluded.member_ids.partner_id, self.ann)
        self.assertOnlyMailed(task, "cat@example.com")

    def test_three_are_merged(self):
        excluded = self._make_audience(self.bob | self.cat, name="Not these")
        task = self._plan(exclude_audience_ids=excluded.ids)
        self._merge(self.ann | self.bob | self.cat, self.ann)
        self.assertEqual(excluded.member_ids.partner_id, self.ann)
        self.assertOnlyMailed(task)

    def test_who_was_chosen_to_be_left_out_stays_so_when_merged(self):
        line = {"kind": "list", "table_id": self.tables.search([("preset", "=", "contacts")]).id}
        excluded = self._make_audience(None, lines=[line], name="Not these")
        picks = self.env["directmail.audience.pick"].sudo()
        people = (self.bob | self.cat).ids
        picks._add(excluded.line_ids, SQL("SELECT unnest(%s)", people))
        self._merge(self.ann | self.bob | self.cat, self.ann)
        audience = self._make_audience(self.ann | self._make_people("zoe@example.com"))
        task = self._plan(audience, exclude_audience_ids=excluded.ids)
        self.assertEqual(excluded.member_ids.partner_id, self.ann)
        self.assertOnlyMailed(task, "zoe@example.com")

    def test_a_lead_that_was_chosen_stays_so_when_merged(self):
        leads = self.env["crm.lead"].create(
            [
                {"name": "Lead", "email_from": f"{name}@example.com", "type": kind}
                for name, kind in (("eve", "opportunity"), ("fay", "lead"))
            ]
        )
        leads.user_id = False
        line = {"kind": "list", "table_id": self.leads.id}
        audience = self._make_audience(None, lines=[line])
        picks = self.env["directmail.audience.pick"].sudo()
        picks._add(audience.line_ids, SQL("SELECT %s", leads[1].id))
        kept = leads.merge_opportunity()
        self.assertEqual(kept, leads[0])
        members = self._refresh(audience)
        self.assertEqual(members.mapped("res_id"), kept.ids)

    # === COST === #

    def test_however_many_are_excluded_only_indexes_are_read(self):
        excluded = self._make_audience(self.bob, name="Not these")
        task = self._plan(exclude_audience_ids=excluded.ids)
        rules = task.sudo()._get_task_rules()
        self.env.cr.execute("SET LOCAL enable_seqscan = off")
        people = [(1, self.ann.id, None, None, "ann@example.com", None, "x")]
        statements = (
            SQL(
                "SELECT %s FROM directmail_delivery d WHERE id = %s",
                exclusion.is_excluded(rules, SQL("d")),
                task.delivery_ids.ids[0],
            ),
            exclusion.select_excluded(self.env, PEOPLE_CONTEXT, rules, task.id, people),
        )
        for statement in statements:
            rows = self.env.execute_query(SQL("EXPLAIN (COSTS OFF) %s", statement))
            plan = "\n".join(row[0] for row in rows)
            self.assertIn("Index", plan)
            self.assertNotIn("Seq Scan", plan)

    def test_claims_are_not_compiled(self):
        claim.lock_gate(self.env)
        self.assertEqual(self.env.execute_query(SQL("SHOW jit")), [("off",)])


@tagged("post_install", "-at_install", "directmail")
class TestExcludedEncrypted(EncryptedMixin, WaitingMixin, AudienceCommon):
    """A contact is left out at both addresses, in clear and encrypted."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls._enter_key().sudo().reading = False
        cls.alice, cls.bert = cls.people = cls._make_encrypted(ALICE, BOB)

    def test_an_address_in_clear_does_not_tell_who_has_it_encrypted(self):
        """Otherwise mails to guessed addresses would reveal who is excluded."""
        excluded = self._make_audience(self._make_people("alice@example.com"), name="Not these")
        task = self._plan(address_form="encrypted", exclude_audience_ids=excluded.ids)
        self._finish(task)
        self.assertEqual(
            task.delivery_ids.filtered(lambda d: d.state == "sent").partner_id, self.people
        )

    def test_a_contact_is_excluded_however_it_is_mailed(self):
        excluded = self._make_audience(self.alice, name="Not these")
        task = self._plan(address_form="encrypted", exclude_audience_ids=excluded.ids)
        self._finish(task)
        self.assertEqual(
            task.delivery_ids.filtered(lambda d: d.state == "sent").partner_id, self.bert
        )

    def test_mailed_in_clear_and_excluded_encrypted(self):
        people = self._make_people("alice@example.com", "zoe@example.com")
        excluded = self._make_audience(self.alice, name="Not these")
        task = self._plan(self._make_audience(people), exclude_audience_ids=excluded.ids)
        self._finish(task)
        self.assertEqual(self._get_mailed(task), ["zoe@example.com"])

    def test_an_encrypted_contact_comes_to_be_excluded_who_waits_in_clear(self):
        people = self._make_people("alice@example.com", "zoe@example.com")
        twin = self._make_encrypted(False)
        excluded = self._make_audience(twin, name="Not these")
        task = self._plan(self._make_audience(people), exclude_audience_ids=excluded.ids)
        twin.email_encrypted = ALICE_HEX
        self._finish(task)
        self.assertEqual(self._get_mailed(task), ["zoe@example.com"])

    def test_merged_into_somebody_excluded_without_an_address(self):
        outside = self._make_encrypted(False)
        excluded = self._make_audience(outside, name="Not these")
        for people, kept in ((self.alice | outside, self.alice), (self.bert | outside, outside)):
            with self.subTest(kept=kept.name), self.env.cr.savepoint() as savepoint:
                task = self._plan(address_form="encrypted", exclude_audience_ids=excluded.ids)
                wizard = self.env["base.partner.merge.automatic.wizard"]
                wizard._merge(people.ids, kept)
                self._finish(task)
                self.assertEqual(self._get_reasons(task), ["excluded"])
                savepoint.rollback()
                self.env.invalidate_all()
