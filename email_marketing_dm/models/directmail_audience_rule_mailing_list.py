from odoo import models
from odoo.exceptions import UserError
from odoo.fields import Domain

from ..engine.paths import steps

SUBSCRIPTION = "mailing.subscription"
#: records that stand for readers of Odoo's mailing lists
READERS = ("mailing.contact", SUBSCRIPTION)


class DirectmailAudienceRule(models.Model):
    """Which of Odoo's mailing lists a line chooses people from."""

    _inherit = "directmail.audience.rule"

    def _get_mailing_lists(self, seen):
        """Return the mailing lists that lines choose people from."""
        lists = self.env["mailing.list"].sudo()
        for number, rule in enumerate(self.sorted("sequence")):
            if number and rule.operator == "except":
                continue
            if rule.kind == "group":
                lists |= rule.child_ids._get_mailing_lists(seen)
            elif rule.kind == "audience":
                lists |= rule.source_id._get_mailing_lists(seen)
            elif rule.kind in ("table", "list") and rule.table_id.model_name in READERS:
                lists |= rule._get_lists_of_table()
        return lists

    def _get_lists_of_table(self):
        """Return the lists that the filters of a line on readers name; all of them if none."""
        table, subscriptions = self.table_id, self.env[SUBSCRIPTION].sudo()
        try:
            domain = table._get_base_domain()
            if self.kind == "table":
                domain &= self._get_domain(self.env)
        except UserError:
            return subscriptions.list_id  # none: the line can't be refreshed, and says so itself
        named = list(_named_lists(table._get_model(self.env).sudo(), domain))
        domain = Domain.OR(named) if named else Domain.TRUE
        [(lists,)] = subscriptions._read_group(domain, [], ["list_id:recordset"])
        return lists


def _named_lists(model, domain):
    """Yield filters on subscriptions for the mailing lists that a filter on readers asks for."""
    for condition in Domain(domain).iter_conditions():
        operator = condition.operator
        if operator in Domain.NEGATIVE_OPERATORS:
            continue
        fields = [field for _model, field in steps(model, condition.field_expr)]
        names = condition.field_expr.split(".")
        for number, field in enumerate(fields):
            if field.comodel_name == "mailing.list":
                path = ".".join(("list_id", *names[number + 1 :]))
                yield Domain(path, operator, condition.value)
                break
        else:
            if fields[-1].comodel_name in READERS and operator.rstrip("!").endswith("any"):
                yield from _named_lists(model.env[fields[-1].comodel_name], condition.value)
