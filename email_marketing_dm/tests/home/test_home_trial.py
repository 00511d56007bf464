from odoo.tests import TransactionCase, tagged

from ..common_http import PatientHttpCase
from ..common_trial import TrialMixin


@tagged("post_install", "-at_install")
class TestHomeTrial(TrialMixin, TransactionCase):
    def _send_trial(self):
        trial = self._start_trial()
        people = self._make_people("ada@example.com")
        audience = self._make_audience(people)
        audience.action_refresh()
        task = self._make_task(audience)
        task.action_send()
        self._run_cron()
        self.assertEqual(task.state, "done")
        return trial, task

    def test_the_first_step_offers_it_to_administrators(self):
        [connect, *others] = self._get_home(self.admin)["steps"]
        self.assertEqual(connect["label"], "Connect DirectMail")
        self.assertEqual(connect["other"]["label"], "Try it out")
        action = self.env.ref(connect["other"]["action"])
        self.assertEqual((action.res_model, action.target), ("directmail.trial", "new"))
        self.assertFalse(any(step["other"] for step in others))
        self.assertFalse(any(step["other"] for step in self._get_home()["steps"]))

    def test_not_beside_an_account(self):
        self._make_account(name="Real")
        self.assertFalse(self._get_home(self.admin)["steps"][0]["other"])

    def test_the_steps_go_on_with_the_trial(self):
        self._start_trial()
        shown = self.assertSteps("done now later later later", self.admin)
        self.assertEqual(shown["action"]["res_model"], "directmail.audience")

    def test_the_review_takes_a_moment(self):
        self.assertIn("working days", self._get_home(self.admin)["steps"][3]["text"])
        self._start_trial()
        self.assertIn("in a moment", self._get_home(self.admin)["steps"][3]["text"])
        self._make_account(name="Real")
        self.assertIn("working days", self._get_home(self.admin)["steps"][3]["text"])

    def test_marketers_read_whom_to_ask_beside_a_trial(self):
        self._start_trial()
        self._make_account(name="Real")
        connect = self._get_home()["steps"][0]
        self.assertEqual(connect["state"], "waiting")
        self.assertIn("No DirectMail account is active", connect["text"])

    def test_a_colleagues_email_task_is_no_design(self):
        trial = self._start_trial()
        own = self._make_template(account_id=trial.id, name="Spring")
        other = self._make_template(account_id=trial.id, name="Of a task").sudo()
        task = self._make_task(self.env["directmail.audience"], own, account_id=trial.id)
        other.write({"user_id": self.admin.id, "task_id": task.id})
        (own | other).sudo().state = "approved"
        self.assertEqual(self._get_home()["steps"][2]["text"], "Spring")

    def test_the_banner(self):
        self.assertFalse(self._get_home(self.admin)["trial"])
        trial = self._start_trial()
        banner = self._get_home(self.admin)["trial"]
        self.assertEqual(banner["id"], trial.id)
        self.assertTrue(banner["may_end"])
        self.assertEqual(banner["connect"]["res_model"], "directmail.account")
        self.assertIn("simulated", banner["text"])
        banner = self._get_home(self.user)["trial"]
        self.assertEqual((banner["may_end"], banner["connect"]), (False, False))

    def test_results_are_shown_while_nothing_else_is_there(self):
        _trial, task = self._send_trial()
        home = self._get_home()
        self.assertEqual(home["steps"], [])
        self.assertEqual([row["id"] for row in home["results"]], [task.id])

    def test_a_real_account_begins_anew(self):
        _trial, task = self._send_trial()
        draft = self._make_task(task.audience_ids, task.template_id)
        self.assertIn(draft.id, [row["id"] for row in self._get_home()["attention"]["rows"]])
        real = self._make_account(name="Real")
        shown = self.assertSteps("now done later later later", self.admin)
        self.assertEqual(shown["action"]["res_id"], real.id)
        real.action_activate()
        home = self._get_home(self.admin)
        self.assertEqual([step["state"] for step in home["steps"][:3]], ["done", "done", "now"])
        self.assertEqual((home["results"], home["attention"]["rows"]), ([], []))
        self.assertIn("no longer shown", home["trial"]["text"])
        self.assertFalse(home["trial"]["connect"])

    def test_after_the_end_it_is_as_before(self):
        trial, _task = self._send_trial()
        trial.action_end_trial()
        home = self._get_home(self.admin)
        self.assertFalse(home["trial"])
        self.assertEqual(home["results"], [])
        self.assertEqual(home["steps"][0]["state"], "now")
        self.assertEqual(home["steps"][0]["other"]["label"], "Try it out")

    def test_the_banner_says_when_the_emulator_is_gone(self):
        trial = self._start_trial()
        trial.sudo().state_message = trial._explain_no_emulator()
        self.assertIn("python -m directmail_emulator", self._get_home()["trial"]["text"])


@tagged("post_install", "-at_install")
class TestHomeTrialTour(TrialMixin, PatientHttpCase):
    def test_two_clicks_begin_it_and_one_ends_it(self):
        self.start_tour("/odoo", "directmail_home_trial", login="dm_admin")
        trial = self.accounts.with_context(active_test=False).search(
            [("company_id", "=", self.company.id), ("connection", "=", "trial")]
        )
        self.assertEqual((len(trial), trial.active), (1, False))

    def test_the_dialog_waits_for_the_emulator(self):
        self.configure(directmail_trial_port="1")
        self.start_tour("/odoo", "directmail_home_no_emulator", login="dm_admin")
