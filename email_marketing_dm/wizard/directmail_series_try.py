from datetime import timedelta

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import format_datetime, format_list, formatLang

from ..clock.preview import preview
from ..clock.steps import Path

#: Days of the dry run, and the most names that it tells.
DAYS, NAMES = 7, 10


class DirectmailSeriesTry(models.TransientModel):
    """Try a series: its time line, all of its mails as tests, and who would have entered lately."""

    _name = "directmail.series.try"
    _description = "Try a Series of Emails"
    _inherit = ["directmail.links", "directmail.test.recipients"]
    _rec_name = "series_id"

    series_id = fields.Many2one(
        "directmail.series", "Email series", required=True, readonly=True, ondelete="cascade"
    )
    company_id = fields.Many2one(related="series_id.company_id")
    # One for each mail. They are made when the dialog opens: a test mails an address once, even
    # if Odoo repeats the request that sends it.
    test_ids = fields.Many2many("directmail.template.test", string="Mails", readonly=True)
    time_line = fields.Text("If somebody enters now", compute="_compute_time_line")
    recent = fields.Text("Who would have entered in the last week", compute="_compute_recent")

    @api.model_create_multi
    def create(self, vals_list):
        trials = super().create(vals_list)
        for trial in trials:
            trial.series_id.check_access("read")
            trial.test_ids = trial.test_ids.create(
                [
                    {
                        "template_id": step.template_id.id,
                        "address_type": trial.series_id.address_type,
                        "sender_id": trial.series_id.sender_id.id,
                    }
                    for step in trial.series_id.step_ids
                    if step.kind == "mail" and step.template_id
                ]
            )
        return trials

    # === COMPUTE === #

    @api.depends("series_id")
    @api.depends_context("lang", "tz")
    def _compute_time_line(self):
        for trial in self:
            trial.time_line = "\n".join(trial._describe_time_line())

    @api.depends("series_id")
    @api.depends_context("lang", "tz", "uid")
    def _compute_recent(self):
        for trial in self:
            trial.recent = trial._describe_recent()

    # === ACTIONS === #

    def action_send(self):
        """Send all mails of the series now, in order, to the chosen colleagues and seed addresses.

        :raise UserError: if they may not be sent, or DirectMail refuses all of a mail
        """
        self.ensure_one()
        self.series_id.check_access("read")
        if not self.test_ids:
            raise UserError(self.env._("Add a step that sends a mail, and choose its template."))
        self.test_ids.write(
            {
                "user_ids": [fields.Command.set(self.user_ids.ids)],
                "seed_ids": [fields.Command.set(self.seed_ids.ids)],
                "partner_id": self.partner_id.id,
            }
        )
        results = [test.action_send()["params"] for test in self.test_ids.sorted("id")]
        is_good = all(result["type"] == "success" for result in results)
        message = (
            self.env._(
                "Test mails sent: %s. They arrive within seconds.",
                formatLang(self.env, len(results), digits=0),
            )
            if is_good
            else "\n".join(result["message"] for result in results)
        )
        return {
            "type": "ir.actions.client",
            "tag": "display_notification",
            "params": {
                "message": message,
                "type": "success" if is_good else "warning",
                "next": {"type": "ir.actions.act_window_close"},
            },
        }

    # === BUSINESS === #

    def _describe_time_line(self):
        """Return when somebody who enters now comes to each step, a text each."""
        self.ensure_one()
        steps = {step.id: step for step in self.series_id.step_ids}
        usable = [step for step in steps.values() if not step._find_setting_problem()]
        if len(usable) < len(steps):
            return [self.env._("The settings of a step are not complete.")]
        path = Path(step._as_step() for step in usable)
        lines = []
        for step_id, moment in preview(path, fields.Datetime.now()):
            step = steps.get(step_id)
            if step and step.kind == "wait":
                continue
            lines.append(
                self.env._(
                    "%(moment)s: %(event)s",
                    moment=format_datetime(self.env, moment, dt_format="short"),
                    event=step.summary if step else self.env._("End"),
                )
            )
        return lines

    def _describe_recent(self):
        """Return who has entered the audience in the last days and would have entered the series.

        :rtype: str
        """
        self.ensure_one()
        audience = self.series_id.audience_id
        if not audience or self.series_id.start_kind != "audience":
            return self.env._("This can only be told for series that start with an audience.")
        # Read with the user's own rights, so nobody sees more of the audience than elsewhere.
        sizes = self.env["directmail.audience.size"].search([("audience_id", "=", audience.id)])
        if len(sizes) < 2:
            return self.env._(
                "This can't be known yet: the audience was refreshed fewer than twice."
            )
        since = fields.Datetime.now() - timedelta(days=DAYS)
        first = sizes[-1].refreshed_at
        members = self.env["directmail.audience.member"]
        # Everybody was new at the first refresh, so it tells nothing.
        entered = [("audience_id", "=", audience.id), ("entered_at", ">", max(since, first))]
        number = members.search_count(entered)
        names = members.search(entered, order="id desc", limit=NAMES).mapped("display_name")
        values = {
            "moment": format_datetime(self.env, max(since, first), dt_format="short"),
            "number": formatLang(self.env, number, digits=0),
            "names": format_list(self.env, names) if names else "",
        }
        if number > len(names):
            shown = formatLang(self.env, len(names), digits=0)
            text = self.env._(
                "People who have entered the audience since %(moment)s and are still in it:"
                " %(number)s. The latest %(shown)s are %(names)s.",
                shown=shown,
                **values,
            )
        else:
            text = self.env._(
                "People who have entered the audience since %(moment)s and are still in it:"
                " %(number)s. %(names)s",
                **values,
            ).strip()
        unknown = self.env._(
            "People who entered and left again in between are not included, because the audience"
            " does not keep them."
        )
        return f"{text}\n{unknown}"
