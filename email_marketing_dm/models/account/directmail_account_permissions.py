from odoo import api, models
from odoo.tools import format_list

from ...content.languages import join_sentences
from ...directmail import permissions


class DirectmailAccount(models.Model):
    """The operations that RAM allows an account's credentials, and those that the account needs."""

    _inherit = "directmail.account"

    def _get_features(self):
        """Return the names in `permissions.FEATURES` that this account uses, as a set."""
        self.ensure_one()
        features = {"sending", "results", "lists", "first_contact"}
        # With `content_mode` "body" and without the template operations, users link templates by
        # hand, so the operations are not needed.
        operations = self._get_behavior("template_operations")
        if self.content_mode == "template" or operations == "available":
            features.add("templates")
        if self.push_received_at:
            features.add("events")
        return features

    @api.model
    def _check_actions(self, client, actions):
        """Call operations without parameters, so that DirectMail carries none of them out.

        :param client: a `directmail.client.DirectMailClient`
        :param actions: names of operations
        :return: (names that RAM denies, names that DirectMail does not offer), two lists
        :raise DirectMailError: a call failed for another reason
        """
        answers = {action: client.check_action(action) for action in actions}
        return tuple(
            [action for action, answer in answers.items() if answer == wanted]
            for wanted in ("denied", "missing")
        )

    @api.model
    def _explain_actions(self, denied, missing):
        """Return which operations can't be called and what to do, "" if there are none.

        :param denied, missing: names of operations, from `_check_actions`
        """
        sentences = []
        if denied:
            sentences.append(
                self.env._(
                    "The AccessKey may not call: %s. Ask your Alibaba Cloud administrator to allow"
                    " these actions in RAM. RAM policy on the account's page has the text to"
                    " copy. Then check again.",
                    format_list(self.env, [f"dm:{action}" for action in denied]),
                )
            )
        if missing:
            sentences.append(
                self.env._(
                    "DirectMail does not offer these operations to the account: %s.",
                    format_list(self.env, missing),
                )
            )
        return join_sentences(self.env.lang, sentences)

    def _explain_permissions(self, client):
        """Return which operations of `_get_features` can't be called, "" if all can."""
        actions = permissions.get_checkable(self._get_features())
        return self._explain_actions(*self._check_actions(client, actions))

    def action_ram_policy(self):
        """Open the dialog from which the RAM policy can be copied."""
        self.ensure_one()
        self.check_access("write")
        features = self._get_features()
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("RAM policy"),
            "res_model": "directmail.ram.policy",
            "views": [(False, "form")],
            "target": "new",
            "context": {
                "default_account_id": self.id,
                **{f"default_{name}": name in features for name in permissions.FEATURES},
            },
        }
