from odoo import fields
from odoo.exceptions import AccessError
from odoo.tests import tagged

from ..common import DirectmailCommon, run_migration, start_task


@tagged("post_install", "-at_install")
class TestMailingList(DirectmailCommon):
    """Opt-outs from Odoo's own mailing lists count for audiences that are built from them."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.news, cls.offers = cls.env["mailing.list"].create(
            [{"name": "Gazette"}, {"name": "Special offers"}]
        )
        cls.ann, cls.bob, cls.cy = cls.env["mailing.contact"].create(
            [
                {
                    "email": f"{name}@reader.example",
                    "list_ids": [(6, 0, (cls.news + cls.offers).ids)],
                }
                for name in ("ann", "bob", "cy")
            ]
        )
        cls.table = cls.env["directmail.data.table"].search([("preset", "=", "mailing_contacts")])

    def _make_readers(self, domain, **vals):
        audience = (
            self.env["directmail.audience"]
            .with_user(self.user)
            .create(
                {
                    "name": "Readers",
                    "line_ids": [
                        fields.Command.create(
                            {"kind": "table", "table_id": self.table.id, "domain": domain, **vals}
                        )
                    ],
                }
            )
        )
        audience.action_refresh()
        self.assertFalse(audience.refresh_error)
        return audience

    def _leave(self, reader, mailing_list):
        mailing_list._update_subscription_from_email(reader.email)

    def _get_fates(self, task):
        deliveries = self.env["directmail.delivery"].search([("task_id", "=", task.id)])
        return {
            delivery.email.partition("@")[0]: delivery.reason or delivery.state
            for delivery in deliveries
        }

    def test_who_left_the_list_is_not_mailed(self):
        """By whatever path the filter names the list."""
        self._leave(self.ann, self.news)
        for domain in (
            [("list_ids", "in", self.news.ids)],
            [("list_ids", "=", self.news.id)],
            [("list_ids", "ilike", "Gazette")],
            [("list_ids.name", "=", "Gazette")],
            [("subscription_ids.list_id", "=", self.news.id)],
            [("subscription_ids", "any", [("list_id.name", "=", "Gazette")])],
            [("list_ids", "any", [("name", "=", "Gazette")])],
            ["|", ("list_ids", "in", self.news.ids), ("email", "=", "nobody")],
        ):
            with self.subTest(domain):
                audience = self._make_readers(repr(domain))
                task = self._make_task(audience)
                counts = {fate.reason: number for fate, number in task._count_fates().items()}
                self.assertEqual(counts, {"left_list": 1, None: 2})
                task.sudo()._plan()
                self.assertEqual(
                    self._get_fates(task), {"ann": "left_list", "bob": "waiting", "cy": "waiting"}
                )
                self.assertEqual(task.mailing_list_ids, self.news)
                shown = audience.count_all({})
                self.assertEqual(shown["mailable"], 2)
                self.assertEqual(shown["reasons"], [["Left the mailing list", 1]])

    def test_who_left_another_list_is_mailed(self):
        self._leave(self.ann, self.offers)
        for domain in (
            [("list_ids", "in", self.news.ids)],
            [("list_ids", "in", self.news.ids), ("list_ids", "not in", [0])],
            # On both lists: one of them is left, and they stay on the other, as in Odoo.
            [("list_ids", "in", (self.news + self.offers).ids)],
        ):
            with self.subTest(domain):
                task = self._make_task(self._make_readers(repr(domain)))
                task.sudo()._plan()
                self.assertEqual(set(self._get_fates(task).values()), {"waiting"})

    def test_leaving_while_the_task_is_sent(self):
        task = self._make_task(self._make_readers(repr([("list_ids", "in", self.news.ids)])))
        task.action_send()
        start_task(task.sudo())
        self.assertEqual(set(self._get_fates(task).values()), {"waiting"})
        self._leave(self.bob, self.news)
        self._run_cron()
        self.assertEqual(self._get_fates(task), {"ann": "sent", "bob": "left_list", "cy": "sent"})
        self.assertEqual(len(self.emulator.ledger(tag=task.tag_name)), 2)
        self.assertSumRule(task)

    def test_the_same_address_in_another_record_has_left_too(self):
        """Lists know addresses, not records: as for Odoo's own mailings."""
        self.env["mailing.contact"].create(
            {
                "email": "Ann@Reader.example",
                "subscription_ids": [(0, 0, {"list_id": self.news.id, "opt_out": True})],
            }
        )
        self.ann.subscription_ids.filtered(lambda s: s.list_id == self.news).unlink()
        task = self._make_task(
            self._make_readers(repr([("list_ids.name", "in", ["Gazette", "Special offers"])]))
        )
        task.sudo()._plan()
        # She is still on the offers.
        self.assertEqual(self._get_fates(task)["ann"], "waiting")
        self._leave(self.ann, self.offers)
        task = self._make_task(self._make_readers(repr([("list_ids", "in", self.news.ids)])))
        task.sudo()._plan()
        self.assertNotIn("ann", {k for k, v in self._get_fates(task).items() if v == "waiting"})

    def test_an_audience_in_an_audience_and_what_is_taken_away(self):
        self._leave(self.ann, self.news)
        inner = self._make_readers(repr([("list_ids", "in", self.news.ids)]))
        outer = self._make_audience(self._make_people("zoe@example.com"))
        outer.line_ids = [
            fields.Command.create(
                {"kind": "audience", "source_id": inner.id, "operator": "or", "sequence": 90}
            )
        ]
        self.assertEqual(outer._get_mailing_lists(), self.news)
        outer.line_ids[-1].operator = "except"
        self.assertFalse(outer._get_mailing_lists())
        group = self._make_readers(repr([("list_ids", "in", self.offers.ids)]))
        self.assertEqual((inner | group)._get_mailing_lists(), self.news | self.offers)

    def test_who_left_the_list_of_a_snapshot_is_not_mailed(self):
        """The lists count from which its people were chosen, not those of the audience today."""
        readers = self._make_readers(repr([("list_ids", "in", self.news.ids)]))
        readers.action_take_snapshot()
        snapshot = readers.snapshot_ids
        readers.line_ids.domain = repr([("list_ids", "in", self.offers.ids)])
        self._leave(self.ann, self.news)
        self._leave(self.bob, self.offers)
        line = {"kind": "snapshot", "snapshot_id": snapshot.id}
        task = self._make_task(self._make_audience(None, lines=[line]))
        task.audience_ids.action_refresh()
        task.sudo()._plan()
        self.assertEqual(
            self._get_fates(task), {"ann": "left_list", "bob": "waiting", "cy": "waiting"}
        )

    def test_lists_of_snapshots_of_an_earlier_version(self):
        """They are those of the audience at the update."""
        readers = self._make_readers(repr([("list_ids", "in", self.news.ids)]))
        snapshots = self.env["directmail.audience.snapshot"]
        for _number in range(2):
            snapshots |= readers._take_snapshot()
        snapshots = snapshots.sudo()
        snapshots.list_ids = False
        snapshots[1].list_ids = self.offers.ids  # taken since the update
        self.env.flush_all()
        run_migration(self.env.cr, "19.0.1.13.0/end-snapshot_lists.py")
        self.env.invalidate_all()
        self.assertEqual(snapshots[0]._get_mailing_lists(), self.news)
        self.assertEqual(snapshots[1]._get_mailing_lists(), self.offers)

    def test_lists_behind_snapshots_of_an_earlier_version(self):
        """An audience takes people of a snapshot, which gets its own lists in the same update."""
        readers = self._make_readers(repr([("list_ids", "in", self.news.ids)]))
        line = {"kind": "snapshot", "snapshot_id": readers._take_snapshot().id}
        second = self._make_audience(None, lines=[line])
        second.action_refresh()
        later = second._take_snapshot().sudo()
        (later | readers.snapshot_ids.sudo()).list_ids = False
        self.env.flush_all()
        run_migration(self.env.cr, "19.0.1.13.0/end-snapshot_lists.py")
        self.env.invalidate_all()
        self.assertEqual(later._get_mailing_lists(), self.news)

    def test_readers_of_no_list_in_particular(self):
        """Whoever leaves the last list between plan and claim gets nothing more."""
        task = self._make_task(self._make_readers("[('email', 'like', '@reader.example')]"))
        task.action_send()
        start_task(task.sudo())
        self._leave(self.cy, self.news)
        self._leave(self.bob, self.news)
        self._leave(self.bob, self.offers)
        self._run_cron()
        self.assertEqual(self._get_fates(task), {"ann": "sent", "bob": "left_list", "cy": "sent"})

    def test_a_table_of_subscriptions(self):
        self.table = self.env["directmail.data.table"].create(
            {
                "name": "Subscriptions",
                "model_id": self.env["ir.model"]._get_id("mailing.subscription"),
                "email_path": "contact_id.email_normalized",
            }
        )
        self._leave(self.ann, self.news)
        task = self._make_task(self._make_readers(repr([("list_id", "=", self.news.id)])))
        task.sudo()._plan()
        self.assertEqual(
            self._get_fates(task), {"ann": "left_list", "bob": "waiting", "cy": "waiting"}
        )

    def test_audiences_of_other_people_do_not_care(self):
        self._leave(self.ann, self.news)
        self._leave(self.ann, self.offers)
        people = self._make_people("ann@reader.example")
        audience = self._make_audience(people)
        audience.action_refresh()
        task = self._make_task(audience)
        task.sudo()._plan()
        self.assertEqual(self._get_fates(task), {"ann": "waiting"})

    def test_nobody_changes_what_counts(self):
        task = self._make_task(self._make_readers(repr([("list_ids", "in", self.news.ids)])))
        with self.assertRaises(AccessError):
            task.mailing_list_ids = self.offers
