from odoo import api, fields, models
from odoo.fields import Domain
from odoo.tools import SQL

from ..engine.versions import LETTERS
from ..models.audience.directmail_audience_line_task import RESULTS, get_result_condition
from ..models.delivery.directmail_delivery import HANDED_OVER


class DirectmailTaskGenerate(models.TransientModel):
    """Create an audience of people by their result in an email task.

    The audience has one line of kind "task", which each refresh evaluates again: people who open
    the mail later are added.
    """

    _name = "directmail.task.generate"
    _description = "Generate Audience"
    _inherit = ["directmail.links"]

    task_id = fields.Many2one("directmail.task", "Email task", required=True, readonly=True)
    task_result = fields.Selection(RESULTS, "Result", required=True, default="delivered")
    link_id = fields.Many2one(
        "directmail.link", "Clicked link", domain="[('task_id', '=', task_id)]"
    )
    task_version = fields.Selection(
        [(letter, letter) for letter in LETTERS],
        "Version",
        help="Leave empty to include the people of all versions of the A/B test.",
    )
    version_count = fields.Integer(related="task_id.version_count")
    task_figures = fields.Char("People by result", compute="_compute_task_figures")
    hidden_count = fields.Integer("People left out", compute="_compute_hidden_count")
    # `compute_sudo=False`: stored fields are computed with sudo by default, and would show the name
    # of a task that the user may not read.
    name = fields.Char(
        "Name of the audience", compute="_compute_name", store=True, readonly=False,
        compute_sudo=False,
    )  # fmt: skip

    @api.depends("task_id", "task_result", "task_version")
    def _compute_name(self):
        labels = dict(self._fields["task_result"]._description_selection(self.env))
        for wizard in self:
            task, result = wizard.task_id.name, labels[wizard.task_result]
            wizard.name = f"{task}: {result}"
            if wizard.task_version:
                wizard.name = self.env._(
                    "%(task)s, version %(letter)s: %(result)s",
                    task=task,
                    letter=wizard.task_version,
                    result=result,
                )

    @api.depends("task_id")
    def _compute_task_figures(self):
        for wizard in self:
            wizard.task_figures = wizard.task_id._describe_results()

    @api.depends("task_id", "task_result", "task_version", "link_id")
    def _compute_hidden_count(self):
        for wizard in self:
            wizard.hidden_count = wizard._count_hidden()

    def _count_hidden(self):
        """Return how many people with the result are left out, because the user may not see them.

        0 if the user may not read the task. Where figures are rounded to tens, only people whom
        DirectMail was asked to mail (HANDED_OVER) are counted: the number of the others would be
        exact, as the lists show none of them.
        """
        if not self.task_id.has_access("read") or not self.task_result:
            return 0
        deliveries = self.env["directmail.delivery"]
        link = self.link_id if self.task_result == "clicked" else self.link_id.browse()
        # sudo() counts people whom the user has no rights to see; reading the task was checked
        # above.
        domain = Domain("task_id", "=", self.task_id.id)
        if self.task_id.told_in_tens:
            domain &= Domain("state", "in", HANDED_OVER)
        query = deliveries.sudo()._search(domain)
        query.add_where(get_result_condition(self.task_result, link.id, self.task_version))
        query.add_where(
            SQL("(%s) IS NOT TRUE", deliveries._seen_to_sql(SQL.identifier(query.table)))
        )
        return len(query)

    def action_generate(self):
        """Create the audience, refresh it, and open its form."""
        self.ensure_one()
        audience = self.env["directmail.audience"].create(
            {
                "name": self.name,
                "company_id": self.task_id.company_id.id,
                "line_ids": [
                    fields.Command.create(
                        {
                            "kind": "task",
                            "task_id": self.task_id.id,
                            "task_result": self.task_result,
                            "task_version": self.task_version,
                            "link_id": self.task_result == "clicked" and self.link_id.id,
                        }
                    )
                ],
            }
        )
        audience.action_refresh()
        return {
            "type": "ir.actions.act_window",
            "res_model": "directmail.audience",
            "res_id": audience.id,
            "views": [(False, "form")],
        }
