from datetime import date, datetime

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.fields import Domain
from odoo.tools import LazyTranslate, format_date, format_datetime, format_list, formatLang

from ...engine.paths import steps

_lt = LazyTranslate(__name__)
NAMES_MAX = 3
#: {operator of a filter: the condition in words}
COMPARISONS = {
    "=": _lt("%(field)s is %(value)s"),
    "!=": _lt("%(field)s is not %(value)s"),
    "in": _lt("%(field)s is %(value)s"),
    "not in": _lt("%(field)s is not %(value)s"),
    "ilike": _lt("%(field)s contains %(value)s"),
    "like": _lt("%(field)s contains %(value)s"),
    "not ilike": _lt("%(field)s does not contain %(value)s"),
    "not like": _lt("%(field)s does not contain %(value)s"),
    "=ilike": _lt("%(field)s matches %(value)s"),
    "=like": _lt("%(field)s matches %(value)s"),
    ">": _lt("%(field)s is greater than %(value)s"),
    ">=": _lt("%(field)s is at least %(value)s"),
    "<": _lt("%(field)s is less than %(value)s"),
    "<=": _lt("%(field)s is at most %(value)s"),
    "child_of": _lt("%(field)s is within %(value)s"),
    "parent_of": _lt("%(field)s is a parent of %(value)s"),
    "any": _lt("%(field)s has %(value)s"),
    "not any": _lt("%(field)s has no %(value)s"),
}
#: {operator of a line: how the line is combined with the lines above, in words}
COMBINATIONS = {
    "or": _lt("%(first)s or %(second)s"),
    "and": _lt("%(first)s and also %(second)s"),
    "except": _lt("%(first)s except %(second)s"),
}


class DirectmailAudienceLine(models.Model):
    """`sentence` describes a line in words.

    A kind adds its words by a method `_describe_<kind>`.
    """

    _inherit = "directmail.audience.line"

    sentence = fields.Char("People", compute="_compute_sentence", recursive=True)

    @api.depends(
        lambda self: (*self._get_checked_fields(), "child_ids.operator", "child_ids.sentence")
    )
    @api.depends_context("lang", "uid")
    def _compute_sentence(self):
        for line in self:
            describe = getattr(line, f"_describe_{line.kind}", None)
            words = describe() if describe else line._get_kind_label()
            line.sentence = line._describe_limit(words)

    def _get_kind_label(self):
        return dict(self._fields["kind"]._description_selection(self.env)).get(self.kind, "")

    def _describe_table(self):
        # sudo(): readers of a line see the names of its table, model and currency, no records.
        table = self.table_id.sudo()
        if not table:
            return self.env._("Deleted data table")
        words = [table.with_env(self.env).sudo().name]
        described = self._describe_domain()
        if described:
            words.append(self.env._("where %s", described))
        if self.min_count > 1:
            words.append(self.env._("at least %s times", self.min_count))
        if self.min_amount:
            amount = formatLang(
                self.env, self.min_amount, currency_obj=self.company_id.sudo().currency_id
            )
            words.append(self.env._("at least %s in total", amount))
        if self.within_days == 1:
            words.append(self.env._("today"))
        elif self.within_days:
            words.append(self.env._("within the last %s days", self.within_days))
        return ", ".join(words)

    def _describe_list(self):
        return self.env._(
            "Selected from %(table)s: %(count)s",
            # sudo(): users who may read the line see the name of its table, no records.
            count=formatLang(self.env, self.pick_count, digits=0),
            table=self.table_id.sudo().name or "",
        )

    def _describe_audience(self):
        source = self.source_id
        if not source:
            return self.env._("Deleted audience")
        if not source.has_access("read"):
            return self.env._("Private audience of another user")
        return self.env._("People in the audience %s", source.display_name)

    def _describe_group(self):
        first, *others = self.child_ids.sorted("sequence") or [self.browse()]
        words = first.sentence or ""
        for child in others:
            combination = self.env._(COMBINATIONS[child.operator])
            words = combination % {"first": words, "second": child.sentence or ""}
        return f"({words})"

    def _describe_domain(self):
        """Return the filter in words, or "" if it has no conditions."""
        try:
            domain = self._get_domain(self.env)
        except (UserError, KeyError):
            return self.env._("the filter can't be read")
        stack = []
        for token in reversed(list(domain)):
            if token == "!":
                stack.append(self.env._("not (%s)", stack.pop()))
            elif token in ("&", "|"):
                first, second = stack.pop(), stack.pop()
                joined = (
                    self.env._("%(first)s and %(second)s", first=first, second=second)
                    if token == "&"
                    else self.env._("(%(first)s or %(second)s)", first=first, second=second)
                )
                stack.append(joined)
            else:
                stack.append(self._describe_condition(*token))
        # Terms without an operator between them are combined by "and", as in Odoo's domains.
        return format_list(self.env, filter(None, reversed(stack)))

    def _describe_condition(self, path, operator, value):
        model = self.table_id._get_model(self.env)
        if not isinstance(path, str):
            return ""  # (1, '=', 1) matches all records
        found = list(steps(model, path))
        label = " › ".join(field._description_string(self.env) for _model, field in found)
        field = found[-1][1]
        if field.type != "boolean" and (value is False or value == [False]):
            if operator in ("=", "in"):
                return self.env._("%s is not set", label)
            return self.env._("%s is set", label)
        described = self._describe_value(field, value)
        if operator not in COMPARISONS:
            return f"{label} {operator} {described}"
        words = self.env._(COMPARISONS[operator])
        return words % {"field": label, "value": described}

    def _describe_value(self, field, value):
        if field.type == "boolean":
            return self.env._("yes") if value not in (False, [False]) else self.env._("no")
        values = list(value) if isinstance(value, (list, tuple, set, Domain)) else [value]
        names = [self._describe_one(field, one) for one in values[:NAMES_MAX]]
        if len(values) > NAMES_MAX:
            names.append(self.env._("%s more", len(values) - NAMES_MAX))
        return format_list(self.env, names, "or")

    def _describe_one(self, field, value):
        if field.type == "selection":
            return dict(field._description_selection(self.env)).get(value, str(value))
        if field.comodel_name and isinstance(value, int):
            record = self.env[field.comodel_name].browse(value).exists()
            if record and record.has_access("read"):
                return record.display_name
        if isinstance(value, str):
            return f"“{value}”"
        if isinstance(value, datetime):
            return format_datetime(self.env, value, dt_format="short")
        if isinstance(value, date):
            return format_date(self.env, value)
        return str(value)
