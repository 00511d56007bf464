import logging

from psycopg2.errors import UniqueViolation

from odoo import api, models
from odoo.tools import LazyTranslate

from ...engine.installed import find_model
from ...groups import GROUP_USER

_lt = LazyTranslate(__name__)
_logger = logging.getLogger(__name__)

#: {preset: values}. `_make_presets` creates each one once, as soon as its model is installed.
PRESETS = {
    "contacts": {
        "name": _lt("Contacts"),
        "model": "res.partner",
        "partner_path": "id",
        "date_field": "create_date",
    },
    "leads": {
        "name": _lt("Leads and opportunities"),
        "model": "crm.lead",
        "partner_path": "partner_id",
        "email_path": "email_normalized",
        "date_field": "create_date",
        "amount_field": "expected_revenue",
    },
    "mailing_contacts": {
        "name": _lt("Mailing list contacts"),
        "model": "mailing.contact",
        "email_path": "email_normalized",
        "date_field": "create_date",
        # Leave out contacts that have opted out of all their lists.
        "domain": "['|', ('subscription_ids', '=', False),"
        " ('subscription_ids.opt_out', '=', False)]",
    },
    "sale_orders": {
        "name": _lt("Sales orders"),
        "model": "sale.order",
        "partner_path": "partner_id",
        "date_field": "date_order",
        "amount_field": "amount_total",
        "rate_field": "currency_rate",
        "domain": "[('state', '=', 'sale')]",
    },
    "sale_order_lines": {
        "name": _lt("Products bought (sales order lines)"),
        "model": "sale.order.line",
        "partner_path": "order_id.partner_id",
        "date_field": "order_id.date_order",
        "amount_field": "price_total",
        "rate_field": "order_id.currency_rate",
        "domain": "[('state', '=', 'sale'), ('display_type', '=', False)]",
    },
    "invoices": {
        "name": _lt("Customer invoices"),
        "model": "account.move",
        "partner_path": "partner_id",
        "date_field": "invoice_date",
        "amount_field": "amount_total_signed",
        "domain": "[('move_type', 'in', ['out_invoice', 'out_refund']), ('state', '=', 'posted')]",
    },
    "pos_orders": {
        "name": _lt("Point of Sale orders"),
        "model": "pos.order",
        "partner_path": "partner_id",
        "date_field": "date_order",
        "amount_field": "amount_total",
        "rate_field": "currency_rate",
        "domain": "[('state', 'not in', ['draft', 'cancel'])]",
    },
    "event_registrations": {
        "name": _lt("Event registrations"),
        "model": "event.registration",
        "partner_path": "partner_id",
        "email_path": "email",
        "date_field": "create_date",
        "domain": "[('state', '!=', 'cancel')]",
    },
    "website_visitors": {
        "name": _lt("Website visitors"),
        "model": "website.visitor",
        "partner_path": "partner_id",
        "date_field": "last_connection_datetime",
    },
    "wishlists": {
        "name": _lt("Wishlists"),
        "model": "product.wishlist",
        "partner_path": "partner_id",
        "date_field": "create_date",
    },
    "courses": {
        "name": _lt("Course attendees"),
        "model": "slide.channel.partner",
        "partner_path": "partner_id",
        "date_field": "create_date",
        "domain": "[('member_status', '!=', 'invited')]",
    },
    "surveys": {
        "name": _lt("Survey answers"),
        "model": "survey.user_input",
        "partner_path": "partner_id",
        "email_path": "email",
        "date_field": "end_datetime",
        "domain": "[('state', '=', 'done'), ('test_entry', '=', False)]",
    },
    "loyalty_cards": {
        "name": _lt("Loyalty cards, coupons and gift cards"),
        "model": "loyalty.card",
        "partner_path": "partner_id",
        "date_field": "create_date",
    },
    "repairs": {
        "name": _lt("Repairs"),
        "model": "repair.order",
        "partner_path": "partner_id",
        "date_field": "create_date",
        "domain": "[('state', '!=', 'cancel')]",
    },
    "engagement": {
        "name": _lt("Engagement with emails"),
        "model": "directmail.contact.engagement",
        "partner_path": "partner_id",
        "date_field": "last_activity",
    },
}

#: {`default_target` of `directmail.audience.add`: name of the action}
ACTIONS = {"existing": _lt("Add to audience"), "new": _lt("New audience")}


class DirectmailDataTable(models.Model):
    """Create the data tables and list actions of other apps when these are installed."""

    _inherit = "directmail.data.table"

    def _register_hook(self):
        """Override: create presets after apps were installed, and when a server starts."""
        super()._register_hook()
        # New code may run on an old database, whose columns are different until the upgrade.
        if self.env["ir.module.module"]._is_directmail_upgraded():
            # sudo(): called when the server starts, for no user.
            self.sudo()._find_models_again()
            self.sudo()._make_presets()

    @api.model
    def _find_models_again(self):
        """Reconnect the data tables of apps that were uninstalled and installed again."""
        lost = self.with_context(active_test=False).search([("model_id", "=", False)])
        for table in lost:
            if find_model(self.env, table.model_name) is not None:
                with self.env.cr.savepoint():
                    table._find_model_again()

    def _find_model_again(self):
        self.ensure_one()
        self.model_id = self.env["ir.model"]._get_id(self.model_name)
        # The list actions were deleted together with the `ir.model` that they were bound to.
        self._make_actions(self.model_id)

    @api.model
    def _make_presets(self):
        """Create the missing presets of installed models."""
        made = self.with_context(active_test=False).search([("preset", "!=", False)])
        missing = PRESETS.keys() - set(made.mapped("preset"))
        languages = [code for code, _name in self.env["res.lang"].get_installed()]
        for number, (preset, described) in enumerate(PRESETS.items()):
            if preset in missing and described["model"] in self.env:
                self._make_preset(preset, number, described, languages)

    def _make_preset(self, preset, number, described, languages):
        values = {key: value for key, value in described.items() if key not in ("name", "model")}
        name = described["name"]
        english = self.with_context(lang="en_US")
        try:
            with self.env.cr.savepoint():
                table = english.create(
                    {
                        **values,
                        "name": english.env._(name),
                        "preset": preset,
                        "company_id": False,
                        "sequence": number,
                        "model_id": self.env["ir.model"]._get_id(described["model"]),
                    }
                )
                for code in languages:
                    translated = table.with_context(lang=code)
                    translated.name = translated.env._(name)
        except UniqueViolation:
            _logger.info("Another server has just made the data table %s.", preset)

    @api.model
    def _translate_names(self, languages):
        """Translate the names of presets and list actions, unless a user has renamed them.

        :param languages: codes of the languages that were installed later
        """
        english = self.with_context(lang="en_US", active_test=False)
        tables = english.search([("preset", "in", list(PRESETS))])
        named = [(table, PRESETS[table.preset]["name"]) for table in tables]
        for model in english.search([("model_name", "in", list(self.pool))]).model_id:
            for target, name in ACTIONS.items():
                action = english.env.ref(_get_action_xml_id(model, target), False)
                named += [(action, name)] if action else []
        installed = [code for code, _name in self.env["res.lang"].get_installed()]
        for record, name in named:
            # Without English installed, the en_US name is in the first installed language.
            given = {record.with_context(lang=code).env._(name) for code in ("en_US", *installed)}
            for code in languages:
                translated = record.with_context(lang=code)
                if translated.name == record.name in given:
                    translated.name = translated.env._(name)

    # === ACTIONS IN LISTS === #

    def _make_actions_of_new_models(self):
        """Create the list actions of models for which these are the first data tables."""
        # sudo(): `create` has checked that the user may make the table; list actions and models
        # belong to administrators of Odoo.
        every = self.sudo().with_context(active_test=False)
        others = every.search(
            [("model_id", "in", self.sudo().model_id.ids), ("id", "not in", self.ids)]
        )
        # Models with another table had their actions: do not create deleted ones again.
        self.sudo()._make_actions(self.sudo().model_id - others.model_id)

    @api.model
    def _make_actions(self, models):
        """Create the missing list actions *Add to audience* and *New audience* of models.

        :param models: `ir.model` records
        """
        for model in models:
            for target, name in ACTIONS.items():
                xml_id = _get_action_xml_id(model, target)
                if not self.env.ref(xml_id, raise_if_not_found=False):
                    self._make_action(model, target, name, xml_id)

    def _make_action(self, model, target, name, xml_id):
        english = self.with_context(lang="en_US").env
        action = english["ir.actions.act_window"].create(
            {
                "name": english._(name),
                "res_model": "directmail.audience.add",
                "view_mode": "form",
                "target": "new",
                "context": repr({"default_target": target}),
                "binding_model_id": model.id,
                "binding_view_types": "list,kanban",
                "group_ids": [(4, self.env.ref(GROUP_USER).id)],
            }
        )
        for code, _label in self.env["res.lang"].get_installed():
            translated = action.with_context(lang=code)
            translated.name = translated.env._(name)
        # With an XML id, the action is deleted with this addon and not created a second time.
        self.env["ir.model.data"]._update_xmlids(
            [{"xml_id": xml_id, "record": action, "noupdate": True}]
        )


def _get_action_xml_id(model, target):
    return f"email_marketing_dm.audience_{target}_{model.model.replace('.', '_')}"
