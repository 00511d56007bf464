from odoo import api, fields, models
from odoo.exceptions import ValidationError

from ...engine import control

#: Largest control group of a task or a company, in percent.
CONTROL_MAX = 50


class DirectmailTask(models.Model):
    """Control group of a task: a share of its people who get no mail, to compare with.

    Who is in it is decided in `engine.control`.
    """

    _inherit = "directmail.task"
    _guarded_fields = frozenset(("control_shuffle",))

    control_share = fields.Integer(
        "Control group (%)",
        tracking=True,
        help="This percentage of the people who could be mailed gets no mail. Comparing them with"
        " the people who get it shows what the mail brings about. Usual are 5 to 10 percent. Leave"
        " it at 0 to mail everybody.",
    )

    control_shuffle = fields.Integer(
        "Draw of the global control group",
        readonly=True,
        copy=False,
        help="Which draw held people back when the email task started; 0 for none.",
    )

    @api.constrains("control_share", "family_id", "is_notification")
    def _check_control_share(self):
        for task in self:
            share = task.control_share
            if not 0 <= share <= CONTROL_MAX:
                raise ValidationError(
                    self.env._(
                        "A control group can have 1 to %(max)s percent of the people, but not"
                        " %(share)s. Enter 0 to mail everybody.",
                        max=CONTROL_MAX,
                        share=share,
                    )
                )
            if share and task.is_notification:
                raise ValidationError(
                    self.env._(
                        "A notification has information that people need, so it can't have a"
                        " control group. Set the control group to 0, or turn “Notification” off."
                    )
                )
            # sudo(): only the share and the name of the family's first task, of the same company.
            first = task.sudo().family_id
            if first and first.control_share != share:
                raise ValidationError(
                    self.env._(
                        "A follow-up has the same control group as the first email task: people"
                        " in the control group of %(task)s (%(share)s%%) get none of its"
                        " follow-ups.",
                        task=first.name,
                        share=first.control_share,
                    )
                )

    def _get_control_groups(self):
        """Return the control groups of the task: see `engine.control.select_groups`."""
        self.ensure_one()
        # Only what is read: flushing all writes the task before the plan, whose owner could then
        # not withdraw it while people are chosen.
        self.flush_recordset(["company_id", "control_share", "family_id", "is_notification"])
        self.env["directmail.control"].flush_model(["company_id", "share", "shuffle"])
        return control.read_groups(self.env, self.id)

    def _get_control_shuffle(self):
        """Return the draw of the global control group that holds back people of the task, or 0."""
        self.ensure_one()
        if self.is_notification:
            return 0
        # sudo(): users may not read the settings; only the number of the draw is stored.
        control = self.env["directmail.control"].sudo()
        found = control.search([("company_id", "=", self.company_id.id), ("share", ">", 0)])
        return found.shuffle

    def _get_share_outside_of_control(self):
        """Return the share, 0 to 1, of the mailable people whom no control group holds back."""
        self.ensure_one()
        # sudo(): the estimate tells every user how many people the global control group holds back.
        controls = self.env["directmail.control"].sudo()
        held = controls.search([("company_id", "=", self.company_id.id)]).share
        if self.is_notification:
            held = 0
        return (1 - held / 100) * (1 - self.control_share / 100)

    def _has_control_people(self):
        """Return whether people of the planned task get no mail because of a control group."""
        self.ensure_one()
        # sudo(): the caller tells no number, and is called where figures are exact.
        deliveries = self.env["directmail.delivery"].sudo()
        reasons = list(control.ASSIGNMENTS)
        return bool(
            deliveries.search_count([("task_id", "=", self.id), ("reason", "in", reasons)], limit=1)
        )
