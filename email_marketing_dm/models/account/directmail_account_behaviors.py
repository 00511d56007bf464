from odoo import api, fields, models

from ...directmail.behaviors import BEHAVIOR
from ...groups import GROUP_ADMIN


class DirectmailAccount(models.Model):
    """What an account's DirectMail is known, or assumed, to do."""

    _inherit = "directmail.account"
    _guarded_fields = frozenset(("first_contact_offered",))

    behavior_ids = fields.One2many("directmail.behavior", "account_id", "Behaviors", readonly=True)
    first_contact_ids = fields.One2many(
        "directmail.first.contact", "account_id", readonly=True, groups=GROUP_ADMIN
    )
    first_contact_state = fields.Selection(
        selection="_selection_first_contact", compute="_compute_first_contact_state"
    )
    # Recommended once, before the account's first email task, and never again.
    first_contact_offered = fields.Boolean(readonly=True, copy=False)

    def _get_behaviors(self):
        """Return how this account's DirectMail behaves: what was found, else what is assumed.

        One read of the database: meant to be called once a run, not once a mail.

        :return: {name: value}, as in `directmail.behaviors`
        :rtype: dict
        """
        self.ensure_one()
        rows = (
            self.env["directmail.behavior"]
            .sudo()
            .search_fetch(
                [("account_id", "=", self.id), ("observed", "!=", False)], ["name", "observed"]
            )
        )
        found = {row.name: row.observed for row in rows}
        return {
            name: found[name] if found.get(name) in behavior.values else behavior.assumed
            for name, behavior in BEHAVIOR.items()
        }

    def _get_behavior(self, name):
        """Return the value of one behavior: see `_get_behaviors`."""
        return self._get_behaviors()[name]

    def _observe(self, step, **values):
        """Write down what a step found out, and act on it.

        :param str step: one of `directmail.behaviors.STEPS`
        :param values: {name of a behavior: value}
        """
        self.ensure_one()
        behaviors = self.env["directmail.behavior"].sudo()
        behaviors._complete(self)
        before = self._get_behaviors()
        rows = behaviors.search([("account_id", "=", self.id)]).grouped("name")
        for name, value in values.items():
            assert value in BEHAVIOR[name].values, (name, value)
            rows[name].write(
                {"observed": value, "observed_at": fields.Datetime.now(), "step": step}
            )
        self._adapt_content_mode(_takes_templates(before), _takes_templates(self._get_behaviors()))

    def _adapt_content_mode(self, before, now):
        """Have Odoo fill in the content where DirectMail takes no templates, and as long as so.

        What an administrator chose is only changed by what was found.

        :param bool before, now: whether DirectMail takes templates
        """
        if not now and self.content_mode != "body":
            self.sudo().content_mode = "body"
            message = self.env._(
                "First contact found that DirectMail does not take approved templates from this"
                " account. The content of emails is now filled in by Odoo."
            )
        elif now and not before and self.content_mode == "body":
            self.sudo().content_mode = "template"
            message = self.env._(
                "First contact found that DirectMail now takes approved templates from this"
                " account. Emails are sent with them again."
            )
        else:
            return
        self.sudo().message_post(body=message)

    # === FIRST CONTACT === #
    # The way from an account to its first contact.

    @api.model
    def _selection_first_contact(self):
        state = self.env["directmail.first.contact"]._fields["state"]
        return state._description_selection(self.env)

    @api.depends("first_contact_ids.state")
    def _compute_first_contact_state(self):
        for account in self:
            account.first_contact_state = account.sudo().first_contact_ids.state or "todo"

    def action_first_contact(self):
        """Open the page on which an administrator finds out how DirectMail behaves."""
        self.ensure_one()
        self.check_access("write")
        contact = self.env["directmail.first.contact"]._open(self)
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("First contact"),
            "res_model": contact._name,
            "res_id": contact.id,
            "views": [(False, "form")],
        }

    def _offers_first_contact(self):
        """Tell whether First contact is to be recommended now; it then never is again."""
        self.ensure_one()
        account = self.sudo()
        if account.test_mode or account.first_contact_offered or account.first_contact_ids:
            return False
        tasks = self.env["directmail.task"].sudo().with_context(active_test=False)
        if tasks.search_count([("account_id", "=", self.id), ("planned_at", "!=", False)], limit=1):
            return False
        account.first_contact_offered = True
        return True


def _takes_templates(behaviors):
    """Tell whether mails can be sent with approved templates.

    :param dict behaviors: of `_get_behaviors`
    """
    return (
        behaviors["template_senders"] == "all" and behaviors["template_operations"] == "available"
    )
