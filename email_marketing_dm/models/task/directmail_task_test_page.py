import math
from datetime import timedelta

from babel.dates import format_timedelta

from odoo import api, fields, models
from odoo.tools import LazyTranslate, babel_locale_parse, formatLang, get_lang

from ...content.languages import join_sentences

_lt = LazyTranslate(__name__)
#: {criterion: what people outside of the test group get}
DECISIONS = {
    "clicks": _lt(
        "%s after the last of these mails, all others get the version that more people click."
    ),
    "opens": _lt(
        "%s after the last of these mails, all others get the version that more people open."
    ),
    "conversions": _lt(
        "%s after the last of these mails, all others get the version after which more people"
        " convert."
    ),
    "revenue": _lt(
        "%s after the last of these mails, all others get the version with the most revenue"
        " per mail."
    ),
}
#: {value of `test_undecided`: what people outside of the test group get then}
UNDECIDED = {
    "a": _lt("If no difference is visible, they get version A."),
    "split": _lt("If no difference is visible, they are split evenly between the versions."),
    "ask": _lt("If no difference is visible, you are asked."),
}


class DirectmailTask(models.Model):
    """What a task's pages say about its A/B test."""

    _inherit = "directmail.task"

    test_summary = fields.Char("A/B test in words", compute="_compute_test_summary")
    test_power = fields.Char("What the A/B test can see", compute="_compute_test_power")
    test_is_large = fields.Boolean(compute="_compute_test_power")
    test_state = fields.Selection(
        [
            ("draft", "Not started"),
            ("running", "Running"),
            ("waiting", "Waiting"),
            ("asked", "Your decision"),
            ("decided", "Decided"),
            ("stopped", "Stopped"),
        ],
        "A/B test",
        compute="_compute_test_state",
    )

    @api.depends(
        "test_criterion", "test_hours", "test_people", "test_share", "test_undecided",
        "version_ids",
    )  # fmt: skip
    @api.depends_context("lang")
    def _compute_test_summary(self):
        for task in self:
            task.test_summary = task._describe_test()

    @api.depends(
        "version_ids", "test_share", "test_people", "test_criterion", "account_id",
        "audience_ids.usable_count", "control_share", "is_notification",
    )  # fmt: skip
    @api.depends_context("lang", "uid")
    def _compute_test_power(self):
        for task in self:
            power = task._get_power() if task.version_ids and not task.planned_at else {}
            task.test_power = power.get("sentence")
            task.test_is_large = power.get("enough")

    @api.depends(
        "compared_at", "details_removed_at", "planned_at", "state", "test_undecided",
        "verdict", "verdict_at", "version_ids.changed_at", "winner_by",
    )  # fmt: skip
    def _compute_test_state(self):
        for task in self:
            task.test_state = task._get_test_state() if task.version_ids else False

    def _describe_test(self):
        """Return the settings of the test as sentences; "" without versions."""
        self.ensure_one()
        if not self.version_ids:
            return ""
        sentences = [self._describe_test_group()]
        if not self._may_have_rest():
            sentences.append(
                self.env._(
                    "%(hours)s after the last mail, the versions are compared by: %(criterion)s.",
                    hours=self._say_test_hours(),
                    criterion=self._say_criterion(),
                )
            )
        else:
            words = self.env._(DECISIONS[self.test_criterion])
            sentences += [
                words % self._say_test_hours(),
                self.env._(UNDECIDED[self.test_undecided]),
            ]
        return join_sentences(self.env.lang, sentences)

    def _say_test_hours(self):
        """Return the time until the decision, such as "1 hour" or "24 hours"."""
        return format_timedelta(
            timedelta(hours=self.test_hours),
            granularity="hour",
            threshold=math.inf,
            locale=babel_locale_parse(get_lang(self.env).code),
        )

    def _describe_test_group(self):
        number = len(self.version_ids)
        if self.test_people:
            return self.env._(
                "%(people)s people get one of the %(versions)s versions, equally many each.",
                people=formatLang(self.env, self.test_people, digits=0),
                versions=number,
            )
        if self.test_share == 100:
            return self.env._("Everybody gets one of the %s versions, equally many each.", number)
        return self.env._(
            "%(share)s%% of the people get one of the %(versions)s versions, equally many each.",
            share=self.test_share,
            versions=number,
        )


class DirectmailTaskVersion(models.Model):
    """Pages that lead from a version to its mail and to its task."""

    _inherit = "directmail.task.version"

    template_write_date = fields.Datetime("Template changed", related="template_id.write_date")

    def action_open_task(self):
        """Open the email task of the version."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "res_model": "directmail.task",
            "res_id": self.task_id.id,
            "views": [(False, "form")],
        }

    def action_open_template(self):
        """Open the version's own template to change its design; it is made first if needed."""
        self.ensure_one()
        self.check_access("write")
        task, template = self.task_id, self._get_template()
        if not template._belongs_to(task):
            self.template_id = template = task._make_own_template(
                template or task.template_id, self._get_own_name(), {}
            )
        return {
            "type": "ir.actions.act_window",
            "res_model": template._name,
            "res_id": template.id,
            "views": [(False, "form")],
        }
