from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError
from odoo.tools import SQL, LazyTranslate

from ...engine.family import FAILED_TEMPORARILY
from ...engine.measuring import CLICKS_ONLY, is_refused
from ...engine.person import PERSON
from ...engine.versions import LETTERS

_lt = LazyTranslate(__name__)
DELIVERY = SQL.identifier("directmail_delivery")
RESULTS = [
    ("delivered", "Delivered"),
    ("failed", "Failed"),
    ("failed_temporarily", "Failed temporarily"),
    ("invalid", "Invalid address"),
    ("spam", "Spam"),
    ("opened", "Opened"),
    ("clicked", "Clicked"),
    ("not_opened", "Not opened"),
    ("not_clicked", "Not clicked"),
    ("converted", "Converted"),
    ("control", "Control group"),
    ("planned", "Everybody"),
]
#: {`task_result`: condition on `directmail_delivery`}; `get_result_condition` adds state = 'sent'
RESULT_CONDITIONS = {
    "delivered": SQL("outcome = 'delivered'"),
    "failed": SQL("outcome = 'failed'"),
    "failed_temporarily": FAILED_TEMPORARILY,
    "invalid": SQL("outcome = 'invalid'"),
    "spam": SQL("outcome = 'spam'"),
    "opened": SQL("opened_at IS NOT NULL"),
    "clicked": SQL("clicked_at IS NOT NULL"),
    # A mail that was not delivered could not be opened. No outcome yet counts as delivered.
    # Who is not measured did not necessarily leave it unopened.
    "not_opened": SQL(
        "COALESCE(outcome, 'delivered') = 'delivered' AND opened_at IS NULL AND measuring IS NULL"
    ),
    "not_clicked": SQL(
        "COALESCE(outcome, 'delivered') = 'delivered' AND clicked_at IS NULL"
        " AND (measuring IS NULL OR measuring = %s)",
        CLICKS_ONLY,
    ),
    "converted": SQL("converted_at IS NOT NULL"),
}
#: {result of an email task: the people with this result, in words}
RESULT_SENTENCES = {
    "delivered": _lt("Received %(task)s"),
    "failed": _lt("Delivery of %(task)s failed"),
    "failed_temporarily": _lt("Delivery of %(task)s failed temporarily"),
    "invalid": _lt("Address invalid in %(task)s"),
    "spam": _lt("%(task)s treated as spam"),
    "opened": _lt("Opened %(task)s"),
    "clicked": _lt("Clicked in %(task)s"),
    "not_opened": _lt("Did not open %(task)s"),
    "not_clicked": _lt("Did not click in %(task)s"),
    "converted": _lt("Converted after %(task)s"),
    "control": _lt("In the control group of %(task)s"),
    "planned": _lt("Was in the audience of %(task)s"),
}


class DirectmailAudienceLine(models.Model):
    """The kind `task`: people by their result in an email task."""

    _inherit = "directmail.audience.line"

    kind = fields.Selection(
        selection_add=[("task", "Results of an email task"), ("group",)],
        ondelete={"task": "cascade"},
    )
    task_id = fields.Many2one(
        "directmail.task",
        "Email task",
        index="btree_not_null",
        ondelete="restrict",
        check_company=True,
    )
    task_result = fields.Selection(RESULTS, "Result", default="delivered")
    task_figures = fields.Char("People by result", compute="_compute_task_figures")
    link_id = fields.Many2one(
        "directmail.link",
        "Clicked link",
        domain="[('task_id', '=', task_id)]",
        index="btree_not_null",
        ondelete="restrict",
        help="Leave empty to include clicks on any link.",
    )
    task_version = fields.Selection(
        [(letter, letter) for letter in LETTERS],
        "Version",
        help="Leave empty to include the people of all versions of the A/B test.",
    )
    has_versions = fields.Boolean(compute="_compute_has_versions")

    @api.depends("kind", "task_id")
    @api.depends_context("uid", "lang")
    def _compute_task_figures(self):
        """Describe the results for those who may read the task: readers of the line may not."""
        seen = self.task_id._filtered_access("read")
        for line in self:
            task = line.task_id & seen
            line.task_figures = line.kind == "task" and task._describe_results()

    @api.depends("task_id")
    @api.depends_context("uid")
    def _compute_has_versions(self):
        seen = self.task_id._filtered_access("read")
        for line in self:
            line.has_versions = bool((line.task_id & seen).version_count)

    @api.model
    def _get_fields_task(self):
        return ("task_id", "task_result", "task_version", "link_id")

    def _select_task(self, env):
        task = self.task_id.with_env(env)
        if not task or not self.task_result:
            raise UserError(
                env._("The email task of a line was removed. Choose another, or remove the line.")
            )
        if not task.has_access("read"):
            raise AccessError(
                env._(
                    "The email task of a line belongs to another user. Choose another email task,"
                    " or remove the line."
                )
            )
        # sudo() reads one date of a task that `env`'s user may read, as checked above.
        if task.sudo().details_removed_at:
            raise UserError(
                env._(
                    "The recipients of the email task %s are no longer stored. Choose another email"
                    " task, or remove the line.",
                    task.name,
                )
            )
        # sudo() as above: only whether anything was recorded is told.
        if task.sudo()._is_nobody_recorded(self.task_result):
            raise UserError(
                env._(
                    "Opens and clicks of the email task %s are not recorded, because its template"
                    " was approved before links and tracking pixel had variables of their own."
                    " Choose another result, or remove the line.",
                    task.name,
                )
            )
        if self.task_result == "control" and task.told_in_tens:
            # People in the control group were not suppressed for another reason. Of this task, only
            # administrators may know that: see `directmail.delivery._seen_to_sql`.
            raise UserError(
                env._(
                    "The email task %s includes people whom you may not see, so only an"
                    " administrator can select the people in its control group.",
                    task.name,
                )
            )
        return self._select_readable(
            env,
            SQL(
                "SELECT %s FROM directmail_delivery m WHERE task_id = %s AND %s AND %s %s",
                PERSON,
                task.id,
                get_result_condition(
                    self.task_result, self.link_id.id, self.task_version, SQL.identifier("m")
                ),
                self._may_see_bare(task.env["directmail.delivery"], "task_id", task),
                # A deleted contact's delivery looks like a bare address: do not mail the address.
                SQL()
                if self._takes_out()
                else SQL("AND (partner_id IS NOT NULL OR is_contact IS NOT TRUE)"),
            ),
        )

    def _finds_others_task(self):
        deliveries = self.env["directmail.delivery"]
        others = [("task_id", "=", self.task_id.id), ("partner_id", "=", False)]
        return bool(deliveries.search_count(others, limit=1))

    def _describe_task(self):
        task = self.task_id
        if not task:
            return self.env._("Deleted email task")
        if not task.has_access("read"):
            return self.env._("Email task of another user")
        if not self.task_result:
            return task.name
        words = self.env._(RESULT_SENTENCES[self.task_result])
        result = words % {"task": task.name}
        if not self.task_version:
            return result
        return self.env._(
            "%(result)s (version %(letter)s)", result=result, letter=self.task_version
        )


def get_result_condition(result, link_id=False, version=False, delivery=DELIVERY):
    """Return the condition on rows of `directmail_delivery` that have a result.

    :param str result: one of `RESULT_CONDITIONS`, "control" for the task's control group, or
        "planned" for all deliveries
    :param int link_id: of the `directmail.link` that people clicked; False: any
    :param str version: letter of the version that people were sent; False: any
    :param SQL delivery: the table's alias
    :rtype: SQL
    """
    where = SQL("version = %s", version) if version else SQL("TRUE")
    if result == "planned":
        return where
    if result == "control":
        return SQL("reason = 'control_group' AND %s", where)
    condition = RESULT_CONDITIONS[result]
    if result == "clicked" and link_id:
        condition = SQL(
            """id IN (SELECT delivery_id FROM directmail_event
                       WHERE link_id = %s AND kind = 'click' AND machine IS NOT TRUE)""",
            link_id,
        )
    if result in ("not_opened", "not_clicked"):
        condition = SQL("%s AND NOT %s", condition, is_refused(delivery))
    return SQL("state = 'sent' AND %s AND %s", condition, where)
