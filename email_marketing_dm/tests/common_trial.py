from .common_home import HomeMixin


class TrialMixin(HomeMixin):
    """A company without an account, and an emulator where this server looks for one."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.emulator.change_settings(
            {
                "review": {"mode": "approve", "seconds": 0.0},
                "throttle": {"operations": {"DescAccountSummary": "0"}},
            }
        )
        cls.port = int(cls.emulator.endpoint.rpartition(":")[2])

    def setUp(self):
        super().setUp()
        self.configure(directmail_trial_port=str(self.port))
        self.accounts = self.env["directmail.account"].with_user(self.admin)

    def _start_trial(self):
        """Press *Start the trial* as an administrator, and use the trial from now on."""
        self.env["directmail.trial"].with_user(self.admin).create({}).action_start()
        trial = self.accounts.search(
            [("company_id", "=", self.company.id), ("connection", "=", "trial")]
        )
        self._use(trial)
        return trial

    def _use(self, account):
        """Let templates and email tasks be made for an account until the end of the test."""
        # Class attributes, because class methods make the records.
        for name, value in (
            ("account", account),
            ("sender", account.sender_ids.filtered("ready")[:1]),
        ):
            self.addCleanup(setattr, type(self), name, getattr(self, name))
            setattr(type(self), name, value)
