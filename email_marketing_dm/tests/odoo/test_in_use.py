import psycopg2

from odoo import fields
from odoo.exceptions import UserError
from odoo.tests import tagged
from odoo.tools import mute_logger

from ..common import AudienceCommon


@tagged("post_install", "-at_install", "directmail")
class TestInUse(AudienceCommon):
    """Records that decide who is mailed can't be deleted while used, only archived."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.everybody = cls._make_audience(cls.people, name="Everybody")
        cls.vips = cls._make_audience(cls.ann | cls.bob, name="VIPs")
        cls.vips.action_refresh()
        cls.template = cls._make_template()

    def _make_excluding(self, **vals):
        return self._make_task(
            self.everybody, self.template, exclude_audience_ids=[self.vips.id], **vals
        )

    def _get_mailed(self, task):
        task.action_send()
        self._run_cron()
        return sorted(task.delivery_ids.filtered(lambda d: d.state == "sent").mapped("email"))

    # === ARCHIVED === #

    def test_an_archived_audience_stays_excluded(self):
        task = self._make_excluding()
        self.vips.action_archive()
        self.env.invalidate_all()
        self.assertEqual(task.exclude_audience_ids, self.vips)
        self.assertEqual(self._get_mailed(task), ["cat@example.com"])

    def test_archived_while_pending_it_stays_excluded(self):
        template = self._make_template(approved=False)
        task = self._make_task(self.everybody, template, exclude_audience_ids=[self.vips.id])
        task.action_send()
        self.assertEqual(task.state, "pending")
        self.vips.action_archive()
        self.emulator.approve(template.remote_ref)
        template.action_check_review()
        self._run_cron()
        self.assertEqual(
            task.delivery_ids.filtered(lambda d: d.state == "sent").mapped("email"),
            ["cat@example.com"],
        )

    def test_an_archived_audience_is_still_mailed(self):
        task = self._make_task(self.vips, self.template)
        self.vips.action_archive()
        self.env.invalidate_all()
        self.assertEqual(self._get_mailed(task), ["ann@example.com", "bob@example.com"])

    def test_a_colleague_archives_a_public_audience(self):
        theirs = self._make_audience(self.ann, self.other, visibility="public", name="Theirs")
        task = self._make_task(self.everybody, self.template, exclude_audience_ids=[theirs.id])
        theirs.with_user(self.other).action_archive()
        self.env.invalidate_all()
        self.assertEqual(self._get_mailed(task), ["bob@example.com", "cat@example.com"])

    def test_an_archived_audience_is_shown_as_archived(self):
        task = self._make_excluding()
        self.vips.action_archive()
        [shown] = task.web_read({"exclude_audience_ids": {"fields": {"display_name": {}}}})
        self.assertEqual(
            [tag["display_name"] for tag in shown["exclude_audience_ids"]], ["VIPs (archived)"]
        )

    def test_an_archived_exempt_audience_is_shown(self):
        fatigue = self._exempt_vips()
        self.vips.action_archive()
        self.env.invalidate_all()
        self.assertEqual(fatigue.exempt_audience_ids, self.vips)
        self.assertEqual(fatigue.exempt_audience_ids.display_name, "VIPs (archived)")

    def test_a_line_says_that_its_audience_is_archived(self):
        made = self._make_made_of_vips()
        self.vips.action_archive()
        self.assertIn("VIPs (archived)", made.line_ids[1].sentence)
        self.assertEqual(self._refresh(made).partner_id, self.cat | self.dan)

    def test_mailing_lists_of_an_archived_audience_count(self):
        readers = self.tables.search([("model_name", "=", "mailing.subscription")], limit=1)
        if not readers:
            readers = self.tables.search([("model_name", "=", "mailing.contact")], limit=1)
        news = self.env["mailing.list"].create({"name": "News"})
        self.env["mailing.contact"].create(
            {"email": "ann@example.com", "subscription_ids": [(0, 0, {"list_id": news.id})]}
        )
        audience = self._make_audience(None, lines=[{"table_id": readers.id}])
        task = self._make_task(audience, self.template)
        self.assertIn(news, task._get_mailing_lists())
        audience.action_archive()
        news.action_archive()
        self.env.invalidate_all()
        self.assertIn(news, task._get_mailing_lists())

    # === DELETED === #

    def test_deleting_is_refused_with_the_users_named(self):
        self._make_excluding(name="Spring sale")
        with self.assertRaisesRegex(UserError, "Spring sale"):
            self.vips.unlink()

    def test_deleting_is_refused_while_the_task_is_failed_or_archived(self):
        task = self._make_excluding(name="Spring sale")
        task.sudo().state = "failed"
        task.active = False
        with self.assertRaisesRegex(UserError, "Spring sale"):
            self.vips.unlink()

    def test_deleting_is_refused_for_the_superuser_too(self):
        self._make_excluding(name="Spring sale")
        with self.assertRaisesRegex(UserError, "Spring sale"):
            self.vips.sudo().unlink()

    def test_what_the_user_may_not_see_is_counted_not_named(self):
        shared = self._make_audience(self.ann, visibility="public")
        task = self._make_task(self.everybody, self.template, name="Secret plan")
        task.sudo().write({"user_id": self.other.id, "exclude_audience_ids": shared.ids})
        self.env.invalidate_all()
        with self.assertRaisesRegex(UserError, "1 record that you can't see") as refused:
            shared.unlink()
        self.assertNotIn("Secret plan", str(refused.exception))

    def test_a_task_that_is_over_lets_go_and_keeps_the_name(self):
        task = self._make_excluding()
        self._get_mailed(task)
        self.assertEqual(task.state, "done")
        self.vips.unlink()
        self.assertFalse(task.exclude_audience_ids)
        self.assertIn("VIPs", task.message_ids[0].body)

    def test_an_audience_that_another_is_made_of_is_kept(self):
        made = self._make_made_of_vips()
        with self.assertRaisesRegex(UserError, "All but VIPs"):
            self.vips.unlink()
        (self.vips | made).unlink()
        self.assertFalse((self.vips | made).exists())

    def test_an_exempt_audience_is_kept(self):
        self._exempt_vips()
        with self.assertRaisesRegex(UserError, "(?i)fatigue control"):
            self.vips.unlink()

    def test_a_task_that_a_line_is_about_is_kept(self):
        task = self._make_task(self.everybody, self.template)
        self._make_audience(None, name="Openers", lines=[{"kind": "task", "task_id": task.id}])
        with self.assertRaisesRegex(UserError, "Openers"):
            task.unlink()

    def test_a_model_that_a_line_is_about_is_kept(self):
        model = self.env["directmail.rfm.model"].with_user(self.admin).create({"name": "RFM"})
        self._make_audience(None, name="Best", lines=[self._rfm_line(model)])
        with self.assertRaisesRegex(UserError, "Best|that you can't see"):
            model.unlink()
        model.action_archive()
        self.assertTrue(model.next_run_at, "it is still computed for the audience")

    def test_a_data_table_in_use_is_kept(self):
        table = self.tables.create(
            {
                "name": "Own",
                "model_id": self.env["ir.model"]._get_id("res.partner"),
                "partner_path": "id",
            }
        )
        self._make_audience(None, name="By table", lines=[{"table_id": table.id}])
        with self.assertRaisesRegex(UserError, "By table"):
            table.unlink()

    def test_a_mailing_list_is_kept_while_it_is_mailed(self):
        news = self.env["mailing.list"].create({"name": "News"})
        task = self._make_task(self.everybody, self.template, name="To readers")
        task.sudo().write({"mailing_list_ids": news.ids, "state": "paused"})
        with self.assertRaisesRegex(UserError, "To readers"):
            news.unlink()
        task.sudo().state = "cancelled"
        news.unlink()

    def test_the_database_itself_keeps_what_is_excluded(self):
        self._make_excluding()
        self.env.flush_all()
        with (
            self.assertRaises(psycopg2.errors.ForeignKeyViolation),
            mute_logger("odoo.sql_db"),
            self.env.cr.savepoint(),
        ):
            self.env.cr.execute("DELETE FROM directmail_audience WHERE id = %s", [self.vips.id])

    def test_an_audience_in_use_stays_in_its_company(self):
        self._make_excluding(name="can.t be moved to another company")
        company = self.env["res.company"].create({"name": "Elsewhere"})
        self.user.sudo().company_ids += company
        with self.assertRaisesRegex(UserError, "can.t be moved to another company"):
            self.vips.company_id = company

    # === NOT KNOWN === #

    def test_an_excluded_audience_that_fails_stops_the_task(self):
        task = self._make_excluding()
        task.action_send()
        self.vips.sudo().user_id = self.other
        self.other.active = False
        self._run_cron()
        self.assertEqual(task.state, "failed")
        self.assertIn("VIPs", task.state_message)
        self.assertFalse(task.delivery_ids)

    def test_an_excluded_audience_that_lost_its_lines_stops_the_task(self):
        task = self._make_excluding()
        self.vips.line_ids.unlink()
        self.assertEqual(self._get_mailed(task), [])
        self.assertEqual(task.state, "failed")
        self.assertIn("no lines", task.state_message)
        self.assertEqual(self.vips.member_ids.partner_id, self.ann | self.bob)

    def test_as_it_is_an_excluded_audience_must_have_been_refreshed(self):
        never = self._make_audience(self.ann, name="Never")
        self.everybody.action_refresh()
        task = self._make_task(
            self.everybody, self.template, exclude_audience_ids=[never.id], use_as_is=True
        )
        with self.assertRaisesRegex(UserError, "never been refreshed"):
            task.action_open_estimate()
        with self.assertRaisesRegex(UserError, "never been refreshed"):
            task.action_send()
        never.action_refresh()
        self.assertEqual(self._get_mailed(task), ["bob@example.com", "cat@example.com"])

    def test_a_colleagues_audience_must_have_been_refreshed(self):
        theirs = self._make_audience(self.ann, self.other, visibility="public", name="Theirs")
        made = self._make_audience(
            None,
            lines=[
                {"domain": f"[('id', 'in', {self.people.ids})]"},
                {"kind": "audience", "source_id": theirs.id, "operator": "except"},
            ],
        )
        made.action_refresh()
        self.assertIn("never been refreshed", made.refresh_error)
        theirs.action_refresh()
        made.action_refresh()
        self.assertFalse(made.refresh_error)
        self.assertNotIn(self.ann, made.member_ids.partner_id)

    def test_an_excluded_audience_that_turned_private_stays_excluded(self):
        theirs = self._make_audience(self.ann, self.other, visibility="public", name="Theirs")
        task = self._make_task(self.everybody, self.template, exclude_audience_ids=[theirs.id])
        theirs.with_user(self.other).action_make_private()
        self.env.invalidate_all()
        self.assertFalse(task.exclude_audience_ids, "it can't be seen")
        self.assertIn("0 under Audiences, 1 under Except", task.hidden_audiences)
        counts = {fate.reason: number for fate, number in task.sudo()._estimate_people().items()}
        self.assertEqual(counts, {None: 2, "excluded": 1, "no_address": 1})
        self.assertFalse(task.exclude_audience_ids)
        with self.assertRaisesRegex(UserError, "private"):
            task.copy()
        self.assertEqual(self._get_mailed(task), ["bob@example.com", "cat@example.com"])

    def test_a_model_that_was_never_computed_stops_a_refresh(self):
        model = self.env["directmail.rfm.model"].with_user(self.admin).create({"name": "RFM"})
        audience = self._make_audience(
            None,
            lines=[
                {"domain": f"[('id', 'in', {self.people.ids})]"},
                {**self._rfm_line(model), "operator": "except"},
            ],
        )
        audience.action_refresh()
        self.assertIn("never been computed", audience.refresh_error)

    def test_a_filter_that_names_a_deleted_tag_stops_a_refresh(self):
        tag = self.env["res.partner.category"].create({"name": "No mail"})
        self.ann.category_id = tag
        audience = self._make_audience(
            None,
            lines=[
                {"domain": f"[('id', 'in', {self.people.ids})]"},
                {"domain": f"[('category_id', 'in', [{tag.id}])]", "operator": "except"},
            ],
        )
        self.assertNotIn(self.ann, self._refresh(audience).partner_id)
        tag.active = False
        self.assertNotIn(self.ann, self._refresh(audience).partner_id)
        tag.unlink()
        audience.action_refresh()
        self.assertIn("deleted", audience.refresh_error)
        self.assertNotIn(self.ann, audience.member_ids.partner_id)

    def test_an_archived_lead_that_was_chosen_stays_left_out(self):
        lead = self.env["crm.lead"].create(
            {"name": "No mail", "partner_id": self.ann.id, "user_id": False}
        )
        lines = [
            {"domain": f"[('id', 'in', {self.people.ids})]"},
            {"kind": "list", "table_id": self.leads.id, "operator": "except"},
        ]
        audience = self._make_audience(None, lines=lines)
        self.env["directmail.audience.pick"].sudo().create(
            {"line_id": audience.line_ids[1].id, "res_id": lead.id}
        )
        self.assertNotIn(self.ann, self._refresh(audience).partner_id)
        lead.action_archive()
        self.assertNotIn(self.ann, self._refresh(audience).partner_id)

    def test_a_filter_on_a_customer_type_that_nobody_works_out_stops_a_refresh(self):
        self.env["directmail.rfm.model"].search([]).action_archive()
        lines = [
            {"domain": f"[('id', 'in', {self.people.ids})]"},
            {"domain": "[('name', '=', 'nobody')]", "operator": "except"},
        ]
        audience = self._make_audience(None, lines=lines)
        self.env.flush_all()
        # As it was saved while there was a model.
        self.env.cr.execute(
            "UPDATE directmail_audience_line SET domain = %s WHERE id = %s",
            ["[('directmail_rfm_type', '=', 'high_value')]", audience.line_ids[1].id],
        )
        self.env.invalidate_all()
        audience.action_refresh()
        self.assertIn("RFM type", audience.refresh_error)

    # === HELPERS === #

    def _make_made_of_vips(self):
        return self._make_audience(
            None,
            name="All but VIPs",
            lines=[
                {"domain": f"[('id', 'in', {self.people.ids})]"},
                {"kind": "audience", "source_id": self.vips.id, "operator": "except"},
            ],
        )

    def _rfm_line(self, model):
        figure = model.sudo().segment_ids[0]
        return {
            "kind": "rfm",
            "rfm_model_id": model.id,
            "rfm_segment_ids": [fields.Command.set(figure.ids)],
        }

    def _exempt_vips(self):
        fatigue = self.env["directmail.fatigue"].search(
            [("company_id", "=", self.env.company.id)]
        ) or self.env["directmail.fatigue"].create({})
        fatigue.exempt_audience_ids = self.vips
        return fatigue
