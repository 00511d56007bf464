from .common import DirectmailMixin

STEPS = ("connect", "people", "design", "review", "send")


class HomeMixin(DirectmailMixin):
    """Users of a company that has nothing yet; `_connect` gives it an account."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # A company of its own, so that what the database has beforehand does not count.
        cls.company = cls.env["res.company"].create({"name": "New shop"})
        for user in (cls.admin, cls.user, cls.other):
            user.write({"company_ids": cls.company.ids, "company_id": cls.company.id})
        cls.account.sudo().active = False

    @classmethod
    def _connect(cls):
        """Make and activate an account of the new company."""
        cls.account = cls._make_account(name="Shop")
        cls.account.action_activate()
        cls.sender = cls.account.sender_ids.filtered("ready")[0]
        return cls.account

    def _get_home(self, user=None):
        self.env.flush_all()
        return self.env["directmail.home"].with_user(user or self.user).get_home()

    def assertSteps(self, states, user=None):
        """Compare the states of the steps, check that at most one has a button, and return it."""
        steps = self._get_home(user)["steps"]
        self.assertEqual([step["name"] for step in steps], list(STEPS))
        self.assertEqual(" ".join(step["state"] for step in steps), states)
        shown = [step for step in steps if step["action"]]
        self.assertLessEqual(len(shown), 1)
        return shown[0] if shown else None
