from datetime import timedelta

from odoo import api, fields, models
from odoo.exceptions import UserError

from ...engine import versions
from ...engine.clock import describe_moment
from ...engine.versions import LETTERS, TestGroup

#: {criterion: figure of a version that it counts}
COUNTED_BY = {
    "clicks": "clicked",
    "opens": "opened",
    "conversions": "converted",
    "revenue": "revenue",
}
#: States of a task in which its test is not decided (any more).
TEST_STOPPED = ("cancelled", "failed")
#: Hours until the decision of a test by opens or clicks: most reactions have come by then.
HOURS = 24


class DirectmailTask(models.Model):
    """A/B test of a task: its settings, its versions, and the choice of a version by hand.

    `_decide_tests` decides in `directmail_task_test_decision.py`. It and `action_choose_version`
    lock the task first (`_lock`), so that only one of two at the same time counts.
    """

    _inherit = "directmail.task"
    _guarded_fields = frozenset(
        ("compared_at", "verdict", "verdict_at", "winner", "winner_by", "winner_user_id")
    )

    version_ids = fields.One2many("directmail.task.version", "task_id", copy=True)
    version_count = fields.Integer("Number of versions", compute="_compute_version_count")
    test_share = fields.Integer(
        "Test group (%)",
        required=True,
        default=20,
        help="Share of the people who get one of the versions at once. The rest gets the better"
        " version after the decision.",
    )
    test_people = fields.Integer(
        "Test group (people)",
        help="Number of people in the test group. If it is 0, the share decides.",
    )
    test_criterion = fields.Selection(
        [
            ("clicks", "Clicks"),
            ("opens", "Opens"),
            ("conversions", "Conversions"),
            ("revenue", "Revenue per mail"),
        ],
        "Decide by",
        required=True,
        default="clicks",
        help="Opens and clicks by programs, such as virus scanners, do not count.",
    )
    test_hours = fields.Integer(
        "Decide after (hours)",
        compute="_compute_test_hours",
        store=True,
        readonly=False,
        help="Hours after the last mail of the test group was submitted. The versions are compared"
        " once, at this time.",
    )
    test_undecided = fields.Selection(
        [
            ("a", "Send version A"),
            ("split", "Split the rest evenly"),
            ("ask", "Ask me"),
        ],
        "If there is no visible difference",
        required=True,
        default="a",
    )
    winner = fields.Selection([(letter, letter) for letter in LETTERS], readonly=True, copy=False)
    winner_by = fields.Selection(
        [("test", "The test"), ("policy", "The setting"), ("hand", "A user")],
        "Decided by",
        readonly=True,
        copy=False,
    )
    winner_user_id = fields.Many2one("res.users", "Chosen by", readonly=True, copy=False)
    verdict_at = fields.Datetime("Decision", readonly=True, copy=False)
    compared_at = fields.Datetime("Versions compared", readonly=True, copy=False)
    # What `_say_verdict` makes a sentence of: see `_compare_versions`.
    verdict = fields.Json(readonly=True, copy=False)

    _test_share_range = models.Constraint(
        "CHECK(test_share BETWEEN 1 AND 100)",
        "The test group must be between 1% and 100% of the people.",
    )
    _test_people_range = models.Constraint(
        "CHECK(test_people >= 0)", "The number of people in the test group can't be negative."
    )
    _test_hours_range = models.Constraint(
        "CHECK(test_hours BETWEEN 1 AND 2160)",
        "The versions can be compared 1 hour to 90 days after the last mail of the test group.",
    )

    @api.depends("version_ids")
    def _compute_version_count(self):
        for task in self:
            task.version_count = len(task.version_ids)

    @api.depends("test_criterion", "conversion_days")
    def _compute_test_hours(self):
        for task in self:
            if task.planned_at:
                task.test_hours = task.test_hours or HOURS
            elif task.test_criterion in ("conversions", "revenue"):
                task.test_hours = 24 * max(task.conversion_days, 1)
            else:
                task.test_hours = HOURS

    # === ACTIONS === #

    def action_add_version(self):
        """Open the form of a new version; saving it the first time makes version A, too.

        :raise UserError: if the task can't have another version
        """
        self.ensure_one()
        self.check_access("write")
        if self.state == "pending":
            raise UserError(
                self.env._(
                    "%s is waiting to be sent. Press Back to draft before you add a version.",
                    self.name,
                )
            )
        if not self.template_id:
            raise UserError(
                self.env._("Choose the template or write the mail first. It becomes version A.")
            )
        self._check_versions_addable(1)
        letters = ["A", *self.version_ids.mapped("letter")]
        free = next(letter for letter in LETTERS if letter not in letters)
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Version %s", free),
            "res_model": "directmail.task.version",
            "views": [(False, "form")],
            "target": "new",
            "context": {"default_task_id": self.id, "default_letter": free},
        }

    def _check_versions_addable(self, more=0):
        """Refuse versions of a task that is under way, of a follow-up, or one too many.

        :param int more: number of versions to be added
        :raise UserError: with the reason
        """
        self._check_editable({"version_ids"})
        if self.origin_id:
            raise UserError(
                self.env._(
                    "A follow-up can't have an A/B test. Test the versions in a new email task."
                )
            )
        if self.send_type == "repeat" or self.recurring_id:
            raise UserError(
                self.env._(
                    "An email task that repeats can't have an A/B test. Test the versions in an"
                    " email task that is sent once."
                )
            )
        if len(self.version_ids) + more > len(LETTERS):
            raise UserError(self.env._("An A/B test can have at most %s versions.", len(LETTERS)))

    def action_choose_version(self, letter):
        """Send a version to the rest of the people now, whatever the test says.

        :param str letter: of the version
        :raise UserError: if the task has not started, or the decision was made before
        """
        self.ensure_one()
        self.check_access("write")
        self._lock()
        self.invalidate_recordset()
        if letter not in self.version_ids.mapped("letter"):
            raise UserError(self.env._("%s has no such version any more.", self.name))
        if not self.planned_at:
            raise UserError(self.env._("A version can be chosen after the A/B test has started."))
        if self.winner_by:
            raise UserError(self._say_decided_before())
        if self.state == "cancelled" or self._get_test_state() == "stopped":
            raise UserError(self._say_stopped())
        # sudo(): write access was checked above; the fields are guarded.
        task = self.sudo()
        task.winner_user_id = self.env.user
        task._store_figures()
        task._settle(letter, "hand")
        task._close_activities()
        task._post_note(
            self.env._(
                "%(user)s chose version %(letter)s. The rest of the people gets it.",
                user=self.env.user.name,
                letter=letter,
            )
        )
        return True

    def _say_decided_before(self):
        if not self.winner:
            return self.env._("The rest of the people has been split between the versions already.")
        if self.winner_by == "hand":
            return self.env._(
                "%(user)s has already chosen version %(letter)s.",
                # sudo() reads the name of the user who chose.
                user=self.sudo().winner_user_id.name,
                letter=self.winner,
            )
        return self.env._("Version %s is already being sent to the rest.", self.winner)

    # === START === #

    def _get_templates(self):
        """Return the templates of the tasks and of their versions."""
        return self.template_id | self.version_ids.template_id

    def _get_version_template(self, letter):
        """Return the template of a version; that of the task without a letter.

        :param str letter: of the version; None for people who have none, as without a test
        """
        self.ensure_one()
        version = self.version_ids.filtered(lambda version: version.letter == letter)
        return version._get_template() if letter and version else self.template_id

    def _get_winning_template(self):
        """Return the template of the winner; that of the task without a winner."""
        return self._get_version_template(self.winner)

    @api.constrains("account_id")
    def _check_version_templates(self):
        self.version_ids._check_template()

    def _find_test_problem(self):
        """Return why the A/B test can't start and what to do, or None."""
        self.ensure_one()
        if not self.version_ids:
            return None
        if len(self.version_ids) < 2:
            return self.env._("An A/B test needs two versions. Add another one, or remove it.")
        if "A" not in self.version_ids.mapped("letter"):
            return self.env._(
                "The A/B test has no version A. Remove its versions, and add them again."
            )
        if self._is_rest_too_late():
            return self.env._(
                "The people outside of the test group would get no mail: the A/B test is decided"
                " after the time in “Not after”. Enter a later time, decide earlier, or enlarge the"
                " test group to everybody."
            )
        criterion = self.test_criterion
        if criterion == "opens" and not self.track_opens:
            return self.env._(
                "The A/B test decides by opens, but opens are not recorded. Turn on “Record opens”,"
                " or decide by something else."
            )
        if criterion == "clicks" and not self.track_clicks:
            return self.env._(
                "The A/B test decides by clicks, but clicks are not recorded. Turn on “Record"
                " clicks”, or decide by something else."
            )
        if criterion in ("conversions", "revenue") and not self.conversion_table_id:
            return self.env._(
                "The A/B test decides by conversions or revenue, but nothing counts as conversion."
                " Choose what counts as conversion, or decide by something else."
            )
        if 0 < self.test_people < len(self.version_ids):
            return self.env._(
                "The test group needs at least one person for each version. Enter a larger number"
                " of people, or a share."
            )
        problems = (version._find_problem() for version in self.version_ids if version.letter > "A")
        return next(filter(None, problems), None)

    def _is_rest_too_late(self):
        """Return whether `not_after` is over before the decision of the test can come."""
        if not self.not_after or not self._may_have_rest():
            return False
        now = fields.Datetime.now()
        begin = max(self.scheduled_at, now) if self.scheduled_at else now
        return self.not_after <= begin + timedelta(hours=self.test_hours or HOURS)

    def _ask_about_rejected(self, template):
        """Ask the owner of a pending test what to do about a rejected version; the task waits.

        :param template: the `directmail.template` that was rejected
        """
        for version in self.version_ids:
            if version._get_template() == template:
                message = (
                    self.env._(
                        "DirectMail rejected version %(letter)s, so the A/B test has not started."
                        " Correct the version, or go on without it. DirectMail's comment:"
                        " %(comment)s",
                        letter=version.letter,
                        comment=template.review_comment,
                    )
                    if template.review_comment
                    else self.env._(
                        "DirectMail rejected version %s without giving a reason, so the A/B test"
                        " has not started. Correct the version, or go on without it.",
                        version.letter,
                    )
                )
                self.state_message = message
                self._tell_owner(
                    message, "warning", self.env._("A version was rejected: decide how to continue")
                )

    def _go_on_with_versions(self):
        """Let a pending task start after a version was removed or corrected."""
        if self.state == "pending" and not self.planned_at:
            self._close_activities()
            # sudo(): callers have checked write access; the field is guarded by the view only.
            self.sudo().state_message = False
            templates = [version._get_template() for version in self.version_ids]
            for template in [one for one in templates if one.state == "rejected"][:1]:
                self.sudo()._ask_about_rejected(template)
            self.account_id._trigger_sending()

    def _get_test_group(self):
        """Return who gets which version, as `engine.versions.TestGroup`; None without a test."""
        self.ensure_one()
        if not self.version_ids:
            return None
        letters = "".join(sorted(self.version_ids.mapped("letter")))
        return TestGroup(letters, self.test_share / 100, self.test_people or None)

    def _may_have_rest(self):
        """Return whether the settings leave people outside of the test group."""
        self.ensure_one()
        return bool(self.test_people) or self.test_share < 100

    def _check_test_group(self):
        """Refuse a plan in which nobody gets one of the versions.

        Not where figures are rounded to tens: the refusal would tell how many people there are.

        :raise UserError: with what to do about it
        """
        if not self.version_ids or self.in_tens:
            return
        counts = versions.count_waiting(self.env, self.id)
        for letter in self.version_ids.mapped("letter"):
            if not counts.get(letter):
                raise UserError(
                    self.env._(
                        "The test group is too small: nobody would get version %s. Enlarge the test"
                        " group, or remove a version, then send again.",
                        letter,
                    )
                )

    def _explain_review(self):
        """Return which review a pending task waits for, and what to do about it; "" for none."""
        for template in self._get_templates():
            if template.state == "rejected" and self.version_ids and not self.planned_at:
                return self.state_message or template._explain_state()
            if template.state != "approved":
                return template._explain_state()
        return ""

    def _explain_waiting_rest(self):
        """Return what the rest of a sending test waits for, or "" while its test group is mailed.

        The caller rounds nothing: only the time of the decision is told.
        """
        if not self.version_ids or self.winner_by or self.sending_count or not self.waiting_count:
            return ""
        has_problem = "problem" in (self.verdict or {})
        if self.compared_at and (has_problem or self._get_changed_versions()):
            return self._say_decision()
        if self.compared_at:
            return self.env._(
                "The A/B test shows no visible difference. Choose the version that the rest gets."
            )
        if not self.verdict_at:
            return ""
        return self.env._(
            "The rest of the people waits for the decision of the A/B test at %s.",
            describe_moment(self.env, self.verdict_at, self.env.user.tz),
        )
