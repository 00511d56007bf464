from datetime import timedelta

from odoo import fields
from odoo.tests import TransactionCase, freeze_time, tagged
from odoo.tools import SQL

from ...engine.events import Fact
from ..common import BODY
from ..common_trial import TrialMixin

#: an address for each fate that the emulator knows
FATES = (
    "bounce", "spam", "fail", "soft", "open", "click", "machine", "scanner", "unsub", "resub",
    "complain", "unseen", "anna",
)  # fmt: skip
#: tables that a trial may change: its own records, what crons and messages leave behind
OWN = {
    "bus_bus", "directmail_account", "directmail_audience", "directmail_audience_line",
    "directmail_audience_member", "directmail_audience_size",
    "directmail_audience_directmail_task_rel", "directmail_delivery", "directmail_event",
    "directmail_event_count", "directmail_event_pending", "directmail_link", "directmail_poll",
    "directmail_task", "directmail_task_counter", "directmail_template", "directmail_usage",
    "ir_cron", "ir_cron_progress", "ir_cron_trigger", "link_tracker", "link_tracker_code",
    "mail_activity", "mail_followers", "mail_followers_mail_message_subtype_rel", "mail_message",
    "mail_message_res_partner_rel", "mail_notification", "mail_tracking_value", "utm_source",
}  # fmt: skip


@tagged("post_install", "-at_install")
class TestTrialPeople(TrialMixin, TransactionCase):
    """Whatever happens to the mails of a trial, people are as before."""

    def setUp(self):
        super().setUp()
        self.env["ir.config_parameter"].set_param("email_marketing_dm.machine_seconds", "0")
        self.trial = self._start_trial()
        self.real = self._make_account(name="Real")
        self.real.action_activate()
        self.events = self.env["directmail.event"].sudo()

    def _send(self, account, people, **vals):
        self._use(account)
        task = self._make_task(self._make_audience(people), **vals)
        task.action_send()
        self._run_cron(account)
        self.assertEqual(task.state, "done")
        return task

    def _tell(self, task, kind, seconds=0):
        """Let something have happened to the mails of a task, seconds after now."""
        values = {
            "source": "push",
            "occurred_at": fields.Datetime.now() + timedelta(seconds=seconds),
            "company_id": self.company.id,
            "account_id": task.account_id.id,
        }
        self.env.flush_all()
        deliveries = task.sudo().delivery_ids
        self.events._receive([Fact(kind=kind, delivery_id=one.id, **values) for one in deliveries])
        self.events._apply_all(self.company)
        self.env.invalidate_all()

    def _get_optouts(self):
        return self.env["directmail.optout"].sudo().search([("company_id", "=", self.company.id)])

    def _hash_tables(self):
        """Return {table: hash of all its rows}."""
        self.env.flush_all()
        rows = self.env.execute_query(
            SQL("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()")
        )
        query = "SELECT md5(string_agg(t::text, chr(10) ORDER BY t::text)) FROM %s t"
        return {
            name: self.env.execute_query(SQL(query, SQL.identifier(name)))[0][0] for (name,) in rows
        }

    def test_nothing_but_the_trial_changes(self):
        """Mails of every fate, results by all ways; afterwards every other table is as before."""
        people = self._make_people(*(f"{fate}@example.com" for fate in FATES))
        before = self._hash_tables()
        task = self._send(self.trial, people)
        self._import_results(task)
        for delivery in task.sudo().delivery_ids:
            delivery._record_hit("open", user_agent="Mozilla/5.0 (X11) Firefox/130.0")
            for scope in ("sender", "company", "all"):
                delivery._unsubscribe("one_click", scope)
        for kind in ("unsubscribe", "complaint", "listed", "invalid"):
            self._tell(task, kind)
        for kind in ("unsubscribed", "complained", "invalid"):
            poll = self.env["directmail.poll"].sudo()._get(self.trial, kind)
            poll._read(10)
        self.events._apply_all(self.company)
        self.env.invalidate_all()
        self.assertEqual(task.unsubscribed_count, len(FATES), "the figures are there")
        self.assertEqual(task.complained_count, len(FATES))
        self.assertGreater(task.opened_count, 1)
        after = self._hash_tables()
        changed = {name for name in after if after[name] != before[name]}
        self.assertIn("directmail_delivery", changed)
        self.assertEqual(changed - OWN, set())

    def test_the_same_of_a_real_account_does_change_people(self):
        """So that the test above can fail."""
        task = self._send(self.real, self._make_people("anna@example.com"))
        before = self._hash_tables()
        self._tell(task, "complaint")
        after = self._hash_tables()
        changed = {name for name in after if after[name] != before[name]}
        self.assertLessEqual({"directmail_optout", "mail_blacklist"}, changed)

    def test_people_get_real_mail_after_a_trial(self):
        fates = ("bounce", "complain", "unsub")
        people = self._make_people(*(f"{fate}@example.com" for fate in fates))
        task = self._send(self.trial, people)
        self._import_results(task)
        task = self._send(self.real, people)
        self.assertEqual((task.sent_count, task.suppressed_count), (3, 0))

    def test_it_does_not_count_as_fatigue(self):
        fatigue = self.env["directmail.fatigue"].with_user(self.admin).create({})
        fatigue.rule_ids.email_limit = 1
        people = self._make_people("anna@example.com")
        for account in (self.trial, self.trial, self.real):
            self.assertEqual(self._send(account, people).sent_count, 1)
        self._use(self.real)
        task = self._make_task(self._make_audience(people))
        task.action_send()
        self._run_cron()
        self.assertEqual(task.delivery_ids.reason, "fatigue", "the real one counts")
        status = self.env["directmail.fatigue.status"].with_user(self.user)._make(people)
        self.assertEqual(len(status.history_ids), 1)

    def test_real_opt_outs_hold_in_a_trial(self):
        people = self._make_people("anna@example.com", "bo@example.com")
        task = self._send(self.real, people[0])
        task.sudo().delivery_ids._unsubscribe("page")
        task = self._send(self.trial, people)
        self.assertEqual((task.sent_count, task.suppressed_count), (1, 1))

    def test_a_trial_does_not_undo_real_opt_outs(self):
        people = self._make_people("anna@example.com")
        trial = self._send(self.trial, people)
        real = self._send(self.real, people)
        real.sudo().delivery_ids._unsubscribe("page")
        delivery = trial.sudo().delivery_ids
        self.assertFalse(delivery._undo_unsubscription())
        reason = self.env["mailing.subscription.optout"].search([], limit=1)
        delivery._explain_unsubscription("company", reason, "A test")
        self.assertFalse(self._get_optouts().feedback)
        self._get_optouts().origin = "directmail"
        self._tell(trial, "subscribe", seconds=60)
        self.assertEqual(len(self._get_optouts()), 1)

    def test_a_later_subscription_in_a_trial_does_not_outweigh_a_real_wish(self):
        people = self._make_people("anna@example.com")
        trial = self._send(self.trial, people)
        real = self._send(self.real, people)
        self._tell(trial, "subscribe", seconds=-1)
        self._tell(real, "unsubscribe", seconds=-2)
        self.assertEqual(self._get_optouts().origin, "directmail")

    def test_bounces_of_a_trial_neither_count_nor_reset(self):
        self.real.bounce_limit = 2
        people = self._make_people("anna@example.com")
        tasks = [self._send(account, people) for account in (self.trial, self.real, self.trial)]
        self._tell(tasks[0], "invalid")
        self._tell(tasks[1], "invalid")
        self.assertFalse(self._get_optouts(), "one real bounce")
        self._tell(tasks[2], "delivered", seconds=1)
        real = self._send(self.real, people)
        self._tell(real, "invalid", seconds=2)
        self.assertEqual(self._get_optouts().origin, "bounce", "two real bounces in a row")

    def test_conversions_stay_with_the_real_task(self):
        people = self._make_people("anna@example.com")
        table = self.env["directmail.data.table"].create(
            {
                "name": "Leads",
                "company_id": self.company.id,
                "model_id": self.env["ir.model"]._get_id("crm.lead"),
                "partner_path": "partner_id",
                "date_field": "create_date",
                "amount_field": "expected_revenue",
            }
        )
        self.user.group_ids += self.env.ref("sales_team.group_sale_salesman_all_leads")
        counted = {"conversion_table_id": table.id, "conversion_from": "delivery"}
        real = self._send(self.real, people, **counted)
        trial = self._send(self.trial, people, **counted)
        self._tell(real, "delivered")
        self._tell(trial, "delivered", seconds=1)
        later = fields.Datetime.now() + timedelta(minutes=1)
        lead = self.env["crm.lead"].create(
            {
                "name": "Deal",
                "partner_id": people.id,
                "company_id": self.company.id,
                "expected_revenue": 100,
            }
        )
        lead.flush_recordset()
        self.env.cr.execute("UPDATE crm_lead SET create_date = %s WHERE id = %s", [later, lead.id])
        with freeze_time(later + timedelta(minutes=1)):
            (real + trial).action_count_conversions()
        self.assertEqual((real.converted_count, trial.converted_count), (1, 0))

    def test_links_of_a_trial_count_in_its_task_only(self):
        body = BODY.replace("<p>our", '<p><a href="https://www.odoo.com/shop">Shop</a> our')
        people = self._make_people("click@example.com")
        self._use(self.trial)
        template = self._make_template(body_arch=body, body_html=body)
        task = self._make_task(self._make_audience(people), template)
        task.action_send()
        self._run_cron()
        link = self.env["directmail.link"].sudo().search([("task_id", "=", task.id)], limit=1)
        self.assertTrue(link.tracker_id)
        task.sudo().delivery_ids._record_hit(
            "click", link, user_agent="Mozilla/5.0 (X11) Firefox/130.0"
        )
        self.events._apply_all(self.company)
        self.env.invalidate_all()
        self.assertEqual((task.clicked_count, link.tracker_id.count), (1, 0))

    def test_an_unverified_request_is_no_opt_out_either(self):
        task = self._send(self.trial, self._make_people("anna@example.com"))
        token = self._get_token(task.sudo().delivery_ids)
        requests = self.env["directmail.unsubscribe.request"].sudo()
        self.env.flush_all()
        self.assertTrue(requests._keep(token, "all", True))
        requests._apply_some()
        self.assertFalse(self._get_optouts())
        self.assertFalse(self.env["mail.blacklist"].search([("email", "=", "anna@example.com")]))
