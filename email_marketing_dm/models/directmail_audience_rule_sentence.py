from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.fields import Domain
from odoo.tools import LazyTranslate

from ..engine.paths import steps

_lt = LazyTranslate(__name__)

NAMES_MAX = 3
COMPARISONS = {
    "=": _lt("is"),
    "!=": _lt("is not"),
    "in": _lt("is"),
    "not in": _lt("is not"),
    "ilike": _lt("contains"),
    "like": _lt("contains"),
    "not ilike": _lt("does not contain"),
    "not like": _lt("does not contain"),
    "=ilike": _lt("looks like"),
    "=like": _lt("looks like"),
    ">": _lt("is above"),
    ">=": _lt("is at least"),
    "<": _lt("is below"),
    "<=": _lt("is at most"),
    "child_of": _lt("is in"),
    "parent_of": _lt("is above"),
    "any": _lt("has"),
    "not any": _lt("has no"),
}


class DirectmailAudienceRule(models.Model):
    """Lines in words, so that an audience can be read without opening them."""

    _inherit = "directmail.audience.rule"

    sentence = fields.Char("People", compute="_compute_sentence", recursive=True)
    # Shown live by the form, which asks `directmail.audience.count_line`: nothing is kept.
    people = fields.Integer("People in it", compute="_compute_people")
    people_so_far = fields.Integer("So far", compute="_compute_people")

    def _compute_people(self):
        self.people = self.people_so_far = 0

    @api.depends(
        lambda self: (*self._get_checked_fields(), "child_ids.operator", "child_ids.sentence")
    )
    @api.depends_context("lang", "uid")
    def _compute_sentence(self):
        for rule in self:
            describe = getattr(rule, f"_describe_{rule.kind}", None)
            rule.sentence = describe() if describe else rule._get_kind_label()

    def _get_kind_label(self):
        return dict(self._fields["kind"]._description_selection(self.env)).get(self.kind, "")

    def _describe_table(self):
        table = self.table_id.sudo()
        if not table:
            return self.env._("A data table that was removed")
        words = [table.with_env(self.env).sudo().name]
        described = self._describe_domain()
        if described:
            words.append(self.env._("where %s", described))
        if self.min_count > 1:
            words.append(self.env._("at least %s times", self.min_count))
        if self.min_amount:
            words.append(self.env._("worth at least %s together", f"{self.min_amount:,.2f}"))
        if self.within_days:
            words.append(self.env._("within the last %s days", self.within_days))
        return ", ".join(words)

    def _describe_list(self):
        return self.env._(
            "%(count)s chosen from %(table)s",
            count=f"{self.pick_count:,}",
            table=self.table_id.sudo().name or "",
        )

    def _describe_audience(self):
        source = self.source_id
        if not source:
            return self.env._("An audience that was removed")
        if not source.has_access("read"):
            return self.env._("A private audience of somebody else")
        return self.env._("People in the audience %s", source.display_name)

    def _describe_task(self):
        task = self.task_id
        if not task:
            return self.env._("An email task that was removed")
        if not task.has_access("read"):
            return self.env._("An email task of somebody else")
        results = dict(self._fields["task_result"]._description_selection(self.env))
        return self.env._(
            "Got %(task)s: %(result)s", task=task.name, result=results.get(self.task_result, "")
        )

    def _describe_group(self):
        operators = dict(self._fields["operator"]._description_selection(self.env))
        words = []
        for number, child in enumerate(self.child_ids.sorted("sequence")):
            if number:
                words.append(operators.get(child.operator, ""))
            words.append(child.sentence or "")
        return f"({' '.join(words)})"

    # === FILTER IN WORDS === #

    def _describe_domain(self):
        """Return the filter in words, or "" where everything matches."""
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
        # What stands side by side is joined by "and".
        return self.env._(" and ").join(filter(None, reversed(stack)))

    def _describe_condition(self, path, operator, value):
        model = self.table_id._get_model(self.env)
        if not isinstance(path, str):
            return ""  # (1, '=', 1): everything
        found = list(steps(model, path))
        label = " › ".join(field._description_string(self.env) for _model, field in found)
        field = found[-1][1]
        if field.type != "boolean" and (value is False or value == [False]):
            if operator in ("=", "in"):
                return self.env._("%s is not set", label)
            return self.env._("%s is set", label)
        comparison = COMPARISONS.get(operator)
        return " ".join(
            (label, self.env._(comparison) if comparison else operator,
             self._describe_value(field, value))
        )  # fmt: skip

    def _describe_value(self, field, value):
        if field.type == "boolean":
            return self.env._("yes") if value not in (False, [False]) else self.env._("no")
        values = list(value) if isinstance(value, (list, tuple, set, Domain)) else [value]
        names = [self._describe_one(field, one) for one in values[:NAMES_MAX]]
        text = self.env._(" or ").join(names)
        if len(values) > NAMES_MAX:
            text = self.env._(
                "%(names)s or %(more)s more", names=text, more=len(values) - NAMES_MAX
            )
        return text

    def _describe_one(self, field, value):
        if field.type == "selection":
            return dict(field._description_selection(self.env)).get(value, str(value))
        if field.comodel_name and isinstance(value, int):
            record = self.env[field.comodel_name].browse(value).exists()
            if record and record.has_access("read"):
                return record.display_name
        if isinstance(value, str):
            return f"“{value}”"
        return str(value)
