from odoo import fields, models

from .directmail_fatigue import SPAN_LABELS


class DirectmailFatigueRule(models.Model):
    """The number of messages that a person may get within a span of time that ends now."""

    _name = "directmail.fatigue.rule"
    _description = "Fatigue Limit"
    _inherit = ["directmail.of.company"]
    _company_path = "fatigue_id.company_id"
    _order = "id"
    _rec_name = "span"

    fatigue_id = fields.Many2one(
        "directmail.fatigue", required=True, index=True, ondelete="cascade"
    )
    span = fields.Selection(SPAN_LABELS, "Within", required=True, readonly=True)
    # Floats without decimals, so that 2.5 is rounded to a whole number. An Integer would cut it.
    email_limit = fields.Float("Emails", digits=(6, 0))
    global_limit = fields.Float("All messages", digits=(6, 0))

    _limits_positive = models.Constraint(
        "CHECK(email_limit >= 0 AND global_limit >= 0)",
        "A limit can't be negative. Leave it empty to switch it off.",
    )

    def write(self, vals):
        before = {rule: (rule.email_limit, rule.global_limit) for rule in self}
        res = super().write(vals)
        for rule in self:
            rule._log_change(before[rule])
        return res

    def _log_change(self, before):
        """Log changed limits in the chatter of the settings.

        :param before: (`email_limit`, `global_limit`) before the change
        """
        span = dict(self._fields["span"]._description_selection(self.env))[self.span]
        for name, old in zip(("email_limit", "global_limit"), before, strict=True):
            if old != self[name]:
                self.fatigue_id._message_log(
                    body=self.env._(
                        "%(limit)s in %(span)s: %(old)s → %(new)s",
                        limit=self._fields[name]._description_string(self.env),
                        span=span,
                        old=int(old) or self.env._("no limit"),
                        new=int(self[name]) or self.env._("no limit"),
                    )
                )
