from odoo import api, fields, models
from odoo.tools import formatLang

from ...engine import series_checks as engine
from ...engine.fatigue import TaskRules
from ..people_context import PEOPLE_CONTEXT

#: Conditions on an audience; the others are on reactions to a mail.
OF_AUDIENCE = ("in", "not_in")


class DirectmailSeries(models.Model):
    """People of a series who are due at a condition."""

    _inherit = "directmail.series"

    def _judge_checks(self, due, at):
        """Decide the conditions of the people who are due at one, and store the answers.

        :param due: as in `_move`
        :param datetime at: now (naive UTC)
        :return: {entry id: whether the condition is met, or None}
        """
        met = {}
        for step in self.step_ids.filtered(lambda step: step.kind == "check"):
            if numbers := [person.id for person in due if person.step_id == step.id]:
                check = step._as_check()
                if check.audience_id:
                    self._check_exact()
                rules = self._get_addressing_rules()
                answers = engine.judge(self.env, PEOPLE_CONTEXT, rules, check, numbers)
                engine.remember(self.env, step.id, answers, at)
                met |= answers
        return met

    def _get_addressing_rules(self):
        """Return how the people of the series are addressed, as `engine.fatigue.TaskRules`."""
        return TaskRules(
            company_id=self.company_id.id,
            sender_id=None,
            is_free=True,
            not_after=None,
            zone=self.tz,
            lists=[],
            is_encrypted=self.address_form == "encrypted",
            aes_reference=self.env["directmail.aes.key"]._get_reference(self.company_id),
            has_records=True,
            except_ids=[],
        )


class DirectmailSeriesStep(models.Model):
    """Steps of the kind "check", which only people pass who meet a condition."""

    _inherit = "directmail.series.step"

    check_kind = fields.Selection(
        [
            ("in", "They are in an audience"),
            ("not_in", "They are not in an audience"),
            ("opened", "They opened a mail"),
            ("not_opened", "They did not open a mail"),
            ("clicked", "They clicked in a mail"),
            ("not_clicked", "They did not click in a mail"),
        ],
        "People go on only if",
        default="opened",
        help="People who did not get the mail neither opened it nor clicked in it. A click counts"
        " as an opening.",
    )
    # An audience that is used can't be deleted, and still counts once it is archived.
    check_audience_id = fields.Many2one(
        "directmail.audience",
        "Audience",
        context={"active_test": False},
        index="btree_not_null",
        ondelete="restrict",
        check_company=True,
        help="People count as in the audience as of its last refresh.",
    )
    check_step_id = fields.Many2one(
        "directmail.series.step",
        "Mail",
        copy=False,
        index="btree_not_null",
        help="The earlier step that sent the mail. If empty: the last mail before this step.",
    )
    check_unknown = fields.Selection(
        [
            ("go_on", "Go on with the next step"),
            ("not_met", "Treat them as people who don't meet the condition"),
        ],
        "People whose opens or clicks may not be recorded",
        help="It is not known whether they meet the condition. The series shows how many they are.",
    )
    check_otherwise = fields.Selection(
        [
            ("end", "The series ends for this person"),
            ("next", "Skip the next step"),
            ("step", "Go on with a later step"),
        ],
        "If not",
        default="end",
    )
    check_goto_id = fields.Many2one(
        "directmail.series.step", "Later step", copy=False, index="btree_not_null"
    )
    # Written by `engine.series_checks.remember`.
    met_count = fields.Integer(readonly=True, copy=False)
    not_met_count = fields.Integer(readonly=True, copy=False)
    not_known_count = fields.Integer(readonly=True, copy=False)
    check_figures = fields.Char("So far", compute="_compute_check_figures")

    @api.depends("kind", "met_count", "not_met_count", "not_known_count")
    @api.depends_context("lang")
    def _compute_check_figures(self):
        for step in self:
            step.check_figures = step.kind == "check" and self.env._(
                "%(met)s met, %(not_met)s not met, %(not_known)s not known",
                met=formatLang(self.env, step.met_count, digits=0),
                not_met=formatLang(self.env, step.not_met_count, digits=0),
                not_known=formatLang(self.env, step.not_known_count, digits=0),
            )

    def _describe_check(self):
        """Return what the check does, with the figures of a series that was started."""
        otherwise = {
            "next": self.env._("skip the next step"),
            "step": self.env._("go to step %s", self.check_goto_id.number or "?"),
        }.get(self.check_otherwise, self.env._("end"))
        values = {"condition": self._describe_condition(), "otherwise": otherwise}
        if self.series_state in (False, "draft"):
            return self.env._("Only if: %(condition)s; if not: %(otherwise)s", **values)
        return self.env._(
            "Only if: %(condition)s; if not: %(otherwise)s (%(figures)s)",
            figures=self.check_figures,
            **values,
        )

    def _describe_condition(self):
        if self.check_kind in OF_AUDIENCE:
            audience = self.check_audience_id
            # It may be private by now, and have another name.
            is_hidden = audience and not audience.has_access("read")
            name = self._get_hidden_name() if is_hidden else audience.name or "?"
        else:
            name = self._get_checked_mail().template_id.name or "?"
        return {
            "in": lambda: self.env._("in the audience “%s”", name),
            "not_in": lambda: self.env._("not in the audience “%s”", name),
            "opened": lambda: self.env._("opened “%s”", name),
            "not_opened": lambda: self.env._("did not open “%s”", name),
            "clicked": lambda: self.env._("clicked in “%s”", name),
            "not_clicked": lambda: self.env._("did not click in “%s”", name),
        }.get(self.check_kind, lambda: "?")()

    def _get_checked_mail(self):
        """Return the step whose mail the condition is about; empty if there is none."""
        mails = self._get_steps_before().filtered(lambda step: step.kind == "mail")
        return self.check_step_id or mails[-1:]

    def _fix_checked_mail(self):
        """Store which mail conditions are about, because it may be removed while a series runs."""
        for step in self.filtered(lambda step: step.kind == "check"):
            if step.check_kind not in OF_AUDIENCE:
                # sudo(): the caller has checked writing; the field is fixed after the start.
                step.sudo().check_step_id = step._get_checked_mail()

    def _get_steps_before(self):
        steps = self.series_id.step_ids.sorted("sequence")
        return steps[: list(steps).index(self)] if self in steps else steps

    def _find_check_problem(self):
        """Return what a check lacks before it can start and what to do, or None."""
        if not self.check_kind or not self.check_otherwise:
            return self.env._("Choose the condition, and what happens if it is not met.")
        if self.check_otherwise == "step" and (
            not self.check_goto_id
            or self.check_goto_id == self
            or self.check_goto_id in self._get_steps_before()
            or self.check_goto_id.series_id != self.series_id
        ):
            return self.env._(
                "Choose a later step of this series with which people go on who don't meet the"
                " condition."
            )
        if self.check_kind in OF_AUDIENCE:
            if not self.check_audience_id:
                return self.env._("Choose the audience of the condition.")
            return None
        mail = self._get_checked_mail()
        # A mail that was removed after the start still counts for who got it.
        is_before = mail in self._get_steps_before() or (
            not mail.active and mail.series_id == self.series_id
        )
        if not mail or mail.kind != "mail" or not is_before:
            return self.env._("Choose an earlier step of this series that sends a mail.")
        if not self.check_unknown:
            return self.env._("Choose what happens with people whose opens may not be recorded.")
        return None

    def _find_new_audience_problem(self):
        """Return why a check can't be added to a started series with its audience, or None."""
        series = self.series_id
        if not self.check_audience_id:
            return None
        if problems := series._find_decider_problems():
            return problems[0]
        return series._find_rounding_problem(series._make_unsaved_task())

    def _get_otherwise(self):
        """Return where people go who don't meet the condition: see `clock.steps.Step`."""
        if self.check_otherwise == "step":
            return self.check_goto_id.id or "end"
        return self.check_otherwise or "end"

    def _as_check(self):
        """Return the condition as `engine.series_checks.Check`."""
        self.ensure_one()
        if self.check_kind in OF_AUDIENCE:
            return engine.Check(self.check_kind, self.check_audience_id.id, None)
        return engine.Check(self.check_kind, None, self._get_checked_mail().id or None)

    def _copy_references(self, steps):
        """Let copies refer to the copies of the steps to which the originals refer.

        :param steps: the copies, in the order of `self`
        """
        copies = dict(zip(self, steps, strict=True))
        for step, copy in copies.items():
            for name in ("check_goto_id", "check_step_id"):
                if step[name]:
                    copy[name] = copies.get(step[name], False)
            if step.check_step_id and not copy.check_step_id:
                # The mail was removed. Without a condition, the copy can't be started.
                copy.check_kind = False
