from datetime import timedelta

from odoo import fields
from odoo.fields import Domain
from odoo.tests import tagged

from ...engine.series_related import find_related_tables
from ..common_series import SeriesRecordCommon


@tagged("post_install", "-at_install")
class TestSeriesRelated(SeriesRecordCommon):
    """Records that match a filter after a change of a related record."""

    def _start_by_related(self, **vals):
        domain = "[('name', 'like', 'Cart'), ('partner_id.function', '=', 'vip')]"
        return self._start_by_leads(self.first, start_domain=domain, **vals)

    def _make_carts(self, people=None):
        return self.env["crm.lead"].create(
            [{"name": "Cart", "partner_id": person.id} for person in people or self.people]
        )

    def _look_again(self, series):
        """Let a series look as after a change of a table that its filter reads."""
        self.env.flush_all()
        series.sudo().related_seen = "before"
        self._advance()

    def _get_candidates(self, series):
        """Return the ids of the carts that are candidates of a series, sorted."""
        found = self.env["directmail.series.candidate"].sudo()
        ids = found.search([("series_id", "=", series.id)]).mapped("record_id")
        return (
            self.env["crm.lead"].search([("id", "in", ids), ("name", "=", "Cart")]).sorted("id").ids
        )

    def test_a_record_that_matches_after_a_change_of_a_related_one_starts_the_series(self):
        series = self._start_by_related()
        old = self._make_carts(self.people[0])
        carts = self._make_carts()
        self.env.flush_all()
        self.env.cr.execute(
            "UPDATE crm_lead SET write_date = write_date - interval '1 day' WHERE id = %s", [old.id]
        )
        self._enter(series, carts)
        self.assertFalse(series.entry_ids)
        self.assertEqual(series.sudo().related_tables, ["res_partner"])
        self.assertEqual(self._get_candidates(series), carts.ids)
        self.people[0].function = "vip"
        for _time in range(2):
            self._look_again(series)
        # Not by a record that was not changed since the start.
        self.assertEqual(series.entry_ids.partner_id, self.people[0])
        self.assertEqual(series.sudo().entry_ids.occasion, f"crm.lead,{carts[0].id}")
        # It is not late, although the record was changed some time ago.
        self._go_on()
        self.assertEqual(self._get_mailed(self.first), self.people[0])
        self.assertEqual(self._get_candidates(series), carts[1].ids)
        # A record that matches by a change of its own is no candidate any more.
        self.people[1].function = "vip"
        self._enter(series, carts)
        self.assertEqual(series.entry_ids.partner_id, self.people)
        self.assertFalse(self._get_candidates(series))

    def test_a_change_of_a_related_record_calls_off_mails_that_wait(self):
        self.people.function = "vip"
        series = self._start_by_related()
        self._enter(series, self._make_carts())
        mails = series.entry_ids.mail_ids
        self.assertEqual(mails.mapped("state"), ["waiting"] * 2)
        self.people[0].function = False
        self._look_again(series)
        self._run_cron()
        self.assertEqual(self._get_mailed(self.first), self.people[1])
        self.assertEqual(self._get_entry(series, self.people[0]).reason, "series_record")

    def test_a_record_that_was_just_changed_is_left_for_its_hours(self):
        series = self._start_by_related(start_unchanged=4)
        carts = self._make_carts()
        since = fields.Datetime.now() - timedelta(hours=9)
        self.env.flush_all()
        self.env.cr.execute("UPDATE crm_lead SET write_date = %s", [since + timedelta(hours=1)])
        series.sudo().write({"started_until": since, "next_start_at": since})
        self._advance()
        self.assertEqual(self._get_candidates(series), carts.ids)
        self.people.function = "vip"
        carts[1].expected_revenue = 5
        self._look_again(series)
        self.assertEqual(series.entry_ids.partner_id, self.people[0])

    def test_a_record_that_got_old_enough_since_the_last_look_starts_the_series(self):
        series = self._start_by_related(start_unchanged=4)
        self._advance()  # the first look: the next one at the table of the records is in hours
        carts = self._make_carts()
        since = fields.Datetime.now() - timedelta(hours=9)
        self.env.flush_all()
        self.env.cr.execute(
            "UPDATE crm_lead SET write_date = %s WHERE id = ANY(%s)",
            [since + timedelta(hours=1), carts.ids],
        )
        self.env.invalidate_all()
        series.sudo().started_until = since
        self.people[0].function = "vip"
        self._look_again(series)
        self.assertEqual(series.entry_ids.partner_id, self.people[0])

    def test_candidates_are_forgotten(self):
        series = self._start_by_related()
        carts = self._make_carts()
        self._enter(series, carts)
        self.env["directmail.series.candidate"].sudo().search(
            [("record_id", "=", carts[0].id)]
        ).changed_at -= timedelta(days=32)
        self._look_again(series)
        self.assertEqual(self._get_candidates(series), carts[1].ids)
        series.action_stop()
        self.assertFalse(self._get_candidates(series))
        closing = self._start_by_related()
        self._enter(closing, carts)
        self.assertTrue(self._get_candidates(closing))
        closing.action_close()
        self._look_again(closing)
        self.assertFalse(self._get_candidates(closing))
        # Without a look at the records between the button and the end.
        ended = self._start_by_related()
        self._enter(ended, carts)
        self._advance()
        self.assertTrue(self._get_candidates(ended))
        ended.action_close()
        self._advance()
        self.assertEqual((ended.state, self._get_candidates(ended)), ("ended", []))

    def test_only_filters_that_read_related_records_have_candidates(self):
        own = "[('name', '=', 'No cart'), ('partner_id', '!=', 1)]"
        for series in (
            self._start_by_leads(self.first, start_domain=own),
            self._start_by_related(start_event="new"),
        ):
            self._enter(series, self._make_carts())
            self.assertFalse(series.entry_ids)
            self.assertFalse(self._get_candidates(series))

    def test_which_tables_a_filter_reads(self):
        leads, users = self.env["crm.lead"].sudo(), self.env["res.users"].sudo()
        for model, condition, tables in (
            (leads, ("name", "=", "Cart"), []),
            (leads, ("partner_id", "=", 1), []),
            (leads, ("partner_id", "!=", False), []),
            (leads, ("create_date.month_number", "=", 5), []),
            (leads, ("partner_id", "ilike", "Ann"), ["res_partner"]),
            (leads, ("partner_id", "child_of", 1), ["res_partner"]),
            (leads, ("partner_id.country_id", "=", 1), ["res_partner"]),
            (leads, ("partner_id.country_id.code", "=", "DE"), ["res_country", "res_partner"]),
            (leads, ("partner_id", "any", [("country_id.code", "=", "DE")]),
             ["res_country", "res_partner"]),
            (leads, ("tag_ids", "in", [1]), ["crm_tag_rel"]),
            (leads, ("tag_ids.name", "=", "New"), ["crm_tag", "crm_tag_rel"]),
            (leads, ("stage_id.is_won", "=", True), ["crm_stage"]),
            (users, ("email", "=", "a@b.example"), ["res_partner"]),
            (self.env["res.partner"].sudo(), ("child_ids", "=", 1), ["res_partner"]),
        ):  # fmt: skip
            with self.subTest(condition):
                self.assertEqual(find_related_tables(model, Domain([condition])), tables)
