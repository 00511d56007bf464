from odoo import api, models

from ..directmail import permissions


class DirectmailAccount(models.Model):
    """What RAM lets an account's credentials do, and what they need."""

    _inherit = "directmail.account"

    def _get_features(self):
        """Return the features that this account uses: a set of names in `permissions.FEATURES`."""
        self.ensure_one()
        features = {"sending", "results", "lists", "first_contact"}
        # Templates are linked by hand where mails carry their text and RAM denies the operations.
        operations = self._get_behavior("template_operations")
        if self.content_mode == "template" or operations == "available":
            features.add("templates")
        if self.push_received_at:
            features.add("events")
        return features

    @api.model
    def _check_actions(self, client, actions):
        """Try operations without their parameters, so that none is carried out.

        :param client: a `directmail.client.DirectMailClient`
        :param actions: names of operations
        :return: (those that RAM denies, those that DirectMail does not offer), as lists of names
        :raise DirectMailError: where that can't be told
        """
        answers = {action: client.check_action(action) for action in actions}
        return tuple(
            [action for action, answer in answers.items() if answer == wanted]
            for wanted in ("denied", "missing")
        )

    @api.model
    def _explain_actions(self, denied, missing):
        """Say which operations can't be called and what to do; an empty text if all can."""
        sentences = []
        if denied:
            sentences.append(
                self.env._(
                    "The AccessKey may not call: %s. Ask your Alibaba Cloud administrator to allow"
                    " these actions in RAM. RAM policy on the account's page has the text to"
                    " copy. Then check again.",
                    ", ".join(f"dm:{action}" for action in denied),
                )
            )
        if missing:
            sentences.append(
                self.env._("DirectMail does not offer this account: %s.", ", ".join(missing))
            )
        return " ".join(sentences)

    def _explain_permissions(self, client):
        """Say which operations in use can't be called; an empty text if all can."""
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
