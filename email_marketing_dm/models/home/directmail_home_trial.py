from odoo import api, models
from odoo.fields import Domain

from ...directmail.endpoints import TRIAL


class DirectmailHome(models.AbstractModel):
    """A trial on Home.

    Its email tasks and figures are simulated. Home shows them, below a banner, while the trial is
    the company's only account. Once there is another account, they are left out.
    """

    _inherit = "directmail.home"

    @api.model
    def _get_accounts(self):
        return self.env["directmail.account"].search([("company_id", "=", self.env.company.id)])

    @api.model
    def _get_shown_domain(self):
        """Return the domain of the email tasks and templates that Home shows."""
        accounts = self._get_accounts()
        is_trying = accounts and all(account.is_trial for account in accounts)
        return Domain.TRUE if is_trying else Domain("account_id.connection", "!=", TRIAL)

    @api.model
    def _get_trial(self):
        """Return what the banner of a trial says, or False without a trial.

        :return: dict with id (of the account), text, is_over (whether there is another account),
            may_end, and connect: the action that opens a new account, False if there is one or the
            user may not make one
        """
        accounts = self._get_accounts()
        trials = accounts.filtered("is_trial")
        if not trials:
            return False
        is_over = accounts != trials
        is_admin = self._is_admin()
        return {
            "id": trials[0].id,
            "text": trials[0].state_message or self._describe_trial(is_over),
            "is_over": is_over,
            "may_end": is_admin,
            "connect": self._open(accounts.browse()) if is_admin and not is_over else False,
        }

    @api.model
    def _describe_trial(self, is_over):
        """Return what users should know about the trial.

        :param bool is_over: whether the company has another account
        """
        if is_over:
            return self.env._(
                "Another account is connected, so the email tasks of the trial are no longer shown"
                " here."
            )
        return self.env._(
            "Reviews, deliveries, opens and clicks are simulated and have no effect on your"
            " contacts."
        )

    @api.model
    def _make_trial_offer(self):
        """Return the button of the step *Connect* that starts a trial."""
        return {
            "label": self.env._("Try it out"),
            "action": "email_marketing_dm.directmail_trial_action",
        }
