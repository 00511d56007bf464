from odoo import api, fields, models
from odoo.tools import formatLang

from ...content.languages import join_sentences
from .directmail_control import CONTROL_MAX

#: Share of people who convert in a quarter, to reckon with before a quarter has been counted.
USUAL_RATE = 0.02
#: Latest quarters from which the usual rate is learned.
USUAL_QUARTERS = 4


class DirectmailControl(models.Model):
    """What the page of the global control group says about its size."""

    _inherit = "directmail.control"

    power = fields.Char("What the control group can show", compute="_compute_power")
    cost = fields.Char("What the control group costs", compute="_compute_power")
    is_large = fields.Boolean(compute="_compute_power")

    @api.depends("company_id", "conversion_table_id", "quarter_ids.groups", "share")
    @api.depends_context("lang", "uid")
    def _compute_power(self):
        for control in self:
            people = control._count_contacts() if 0 < control.share <= CONTROL_MAX else 0
            control.power = control.cost = False
            control.is_large = True
            if people:
                rate = control._get_usual_rate()
                held = people * control.share // 100
                found = self.env["directmail.uplift"]._foresee(people - held, held, rate)
                control.power = control._say_power(found, rate)
                control.cost = self.env._(
                    "Contacts who get no email task because of it: about %s.",
                    formatLang(self.env, found.control, digits=0),
                )
                control.is_large = found.enough

    def _count_contacts(self):
        """Return how many contacts with an address the company has, which the user may see."""
        self.ensure_one()
        return self.env["res.partner"].search_count(
            [
                ("email_normalized", "!=", False),
                ("company_id", "in", (False, self.company_id.id)),
            ]
        )

    def _get_usual_rate(self):
        """Return the share of people who convert in a quarter without mails."""
        # sudo(): `groups` is readable by nobody; administrators may see its exact figures.
        quarters = self.sudo().quarter_ids[:USUAL_QUARTERS]
        now = fields.Datetime.now()
        groups = [
            pair["control"]
            for quarter in quarters
            if quarter._get_end() <= now
            for pair in (quarter.groups or {}).values()
            if pair.get("control")
        ]
        return self.env["directmail.uplift"]._get_usual_rate(groups, USUAL_RATE)

    def _say_power(self, found, rate):
        """Return which difference a quarter would show, and what to do if only a large one.

        :param found: a `directmail.uplift` `Foresight`
        :param float rate: share of people who convert in a quarter without mails
        """
        values = self.env["directmail.uplift"]._get_foreseen_numbers(found, rate)
        if found.enough:
            return self.env._(
                "Contacts in the control group: %(control)s; others: %(mailed)s. A"
                " difference in conversions of %(usual)s to %(better)s in a quarter would be"
                " noticed 8 times in 10; smaller ones will look like no difference.",
                **values,
            )
        if found.better is None:
            sentence = self.env._(
                "Contacts in the control group: %(control)s; others: %(mailed)s. No"
                " difference in conversions would be noticed in a quarter.",
                **values,
            )
        else:
            sentence = self.env._(
                "Contacts in the control group: %(control)s; others: %(mailed)s. Only a"
                " large difference in conversions would be noticed in a quarter: %(usual)s to"
                " %(better)s.",
                **values,
            )
        if found.share:
            advice = self.env._(
                "With a control group of %s%%, twice as many conversions would be noticed.",
                found.share,
            )
        else:
            advice = self.env._("The company has too few contacts for a global control group.")
        return join_sentences(self.env.lang, (sentence, advice))
