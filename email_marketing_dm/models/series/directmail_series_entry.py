from datetime import datetime

from odoo import api, fields, models
from odoo.tools import SQL, format_datetime

from ..copied_many2one import CopiedMany2one
from ..mixins.directmail_seen import is_administrator

ENTRY_STATES = [
    ("inside", "Inside"),
    ("finished", "Finished"),
    ("called_off", "Called off"),
]
# Decided by `engine.series_exits` and `clock.steps.Path`; "series_record" also by
# `engine.series_starts.call_off_changed`; "not_seen" by the plan of a mail; "stopped" by
# `action_stop` of the series. Why the mail of "not_mailed" was not sent is in its delivery, and in
# `history`.
ENTRY_REASONS = [
    ("series_left", "Left the audience"),
    ("series_exit", "In an audience that calls off the series"),
    ("too_late", "Too late for a mail"),
    ("not_mailed", "A mail could not be sent"),
    ("not_met", "The condition of a step was not met"),
    ("series_record", "The record no longer matches"),
    ("not_seen", "A contact whom the owner of the series may not see"),
    ("stopped", "The series was stopped"),
]


def _sort_by_moment(lines):
    """Return [(moment or None, text)] by moment; one without stays behind its predecessor."""
    last, keys = datetime.min, []
    for moment, _text in lines:
        last = moment or last
        keys.append(last)
    return [line for _key, line in sorted(zip(keys, lines, strict=True), key=lambda pair: pair[0])]


class DirectmailSeriesEntry(models.Model):
    """A person in a series: where they stand. Written in bulk by `engine.series`.

    No unique index includes `partner_id`: when contacts are merged, Odoo deletes rows that would
    violate one. So `contact_number` keeps the id of the contact who entered.
    """

    _name = "directmail.series.entry"
    _description = "Person in a Series"
    _inherit = ["directmail.person"]
    _log_access = False
    _order = "id desc"

    series_id = fields.Many2one(
        "directmail.series", "Email series", required=True, readonly=True, ondelete="cascade"
    )
    company_id = CopiedMany2one("res.company", required=True, readonly=True)
    run = fields.Integer("Entry number", required=True, readonly=True, default=1)
    contact_number = fields.Integer(readonly=True, groups=fields.NO_ACCESS)
    # What the start was about, if it was not an audience: see `engine.series_starts`.
    occasion = fields.Char(readonly=True, groups=fields.NO_ACCESS)
    state = fields.Selection(ENTRY_STATES, required=True, readonly=True)
    reason = fields.Selection(ENTRY_REASONS, "Why called off", readonly=True)
    # Steps of a started series are never deleted: see `directmail.series.step.unlink`.
    step_id = CopiedMany2one("directmail.series.step", "At step", readonly=True)
    # Not a foreign key: retention deletes deliveries.
    delivery_id = fields.Integer("Mail of the step", readonly=True, groups=fields.NO_ACCESS)
    mailed_at = fields.Datetime("Mail planned", readonly=True)
    due_at = fields.Datetime("Next check", readonly=True)
    entered_at = fields.Datetime("Entered", readonly=True)
    ended_at = fields.Datetime("Ended on", readonly=True)
    # [[step id, whether its condition was met or null, moment as text]]
    checks = fields.Json(readonly=True, groups=fields.NO_ACCESS)
    # {step id: true} of the steps to which the person has come; null for `step_id` and those before
    # it, unless the order was changed while they were inside. See `clock.steps.Path`.
    passed = fields.Json(readonly=True, groups=fields.NO_ACCESS)
    mail_ids = fields.One2many("directmail.delivery", "series_entry_id", "Mails", readonly=True)
    history = fields.Text("What happened", compute="_compute_history")
    prospect = fields.Text("What comes next", compute="_compute_prospect")

    _contact_unique = models.UniqueIndex(
        "(series_id, contact_number, run) WHERE contact_number IS NOT NULL"
    )
    _record_unique = models.UniqueIndex(
        "(series_id, res_model, res_id, run) WHERE contact_number IS NULL AND res_id IS NOT NULL"
    )
    _address_unique = models.UniqueIndex(
        "(series_id, address_key, run) WHERE contact_number IS NULL AND res_id IS NULL"
    )
    # Records without a contact, by address: `engine.series_starts.enter`.
    _address_index = models.Index("(series_id, address_key) WHERE contact_number IS NULL")
    # Leads that are merged: see `engine.merging`.
    _source_index = models.Index(
        "(res_model, res_id) WHERE contact_number IS NULL AND res_id IS NOT NULL"
    )
    _occasion_unique = models.UniqueIndex("(series_id, occasion) WHERE occasion IS NOT NULL")
    # The order of `engine.series.read_due`: many people may be due at the same moment.
    _due_index = models.Index("(series_id, due_at, id) WHERE state = 'inside'")
    _partner_index = models.Index("(series_id, partner_id)")
    _state_index = models.Index("(series_id, state, step_id, reason)")
    _step_index = models.Index("(step_id) WHERE step_id IS NOT NULL")

    @api.model
    def _bare_to_sql(self, alias):
        """Override: the owner of the audience sees its addresses, and administrators do."""
        if is_administrator(self.env):
            return SQL("TRUE")
        return SQL(
            """EXISTS (SELECT FROM directmail_series s
                         JOIN directmail_audience a ON a.id = s.audience_id
                        WHERE s.id = %s.series_id AND a.user_id = %s)""",
            alias,
            self.env.uid,
        )

    @api.depends("state", "reason", "entered_at", "ended_at", "mail_ids.state")
    @api.depends_context("lang", "tz", "uid")
    def _compute_history(self):
        """Tell what happened to the person, a line each, with the reason for each missing mail."""
        states = dict(self._fields["state"]._description_selection(self.env))
        reasons = dict(self._fields["reason"]._description_selection(self.env))
        mailed = dict(
            self.env["directmail.delivery"]._fields["state"]._description_selection(self.env)
        )
        for entry in self:
            lines = [(entry.entered_at, self.env._("Entered"))]
            for mail in entry.mail_ids.sorted("id"):
                text = mailed[mail.state]
                if mail.explanation:
                    text = self.env._("%(state)s: %(reason)s", state=text, reason=mail.explanation)
                lines.append((mail.sent_at, self._tell(mail.task_id.series_step_id, text)))
            lines += entry._describe_checks()
            # Mails that were not sent have no moment: they keep their places.
            lines = _sort_by_moment(lines)
            if entry.state == "called_off":
                text = self.env._(
                    "%(state)s: %(reason)s",
                    state=states[entry.state],
                    reason=reasons.get(entry.reason, ""),
                )
                lines.append((entry.ended_at, text))
            elif entry.state == "finished":
                lines.append((entry.ended_at, states[entry.state]))
            entry.history = "\n".join(
                self.env._(
                    "%(moment)s: %(event)s",
                    moment=format_datetime(self.env, moment, dt_format="short"),
                    event=text,
                )
                if moment
                else text
                for moment, text in lines
            )

    def _describe_checks(self):
        """Return [(moment, text)] of the conditions that were checked for the person."""
        texts = {
            True: self.env._("Condition met"),
            False: self.env._("Condition not met"),
            None: self.env._("Not known: opens and clicks of this person may not be recorded"),
        }
        # sudo(): the reader may read the entry; the field is not offered in lists.
        checks = self.sudo().checks or []
        steps = self.env["directmail.series.step"].browse(step_id for step_id, *_check in checks)
        steps = steps.exists()
        return [
            (fields.Datetime.to_datetime(at), self._tell(step, texts[is_met]))
            for step_id, is_met, at in checks
            if (step := steps.browse(step_id)) in steps
        ]

    def _tell(self, step, event):
        """Return the text of what happened at a step."""
        return self.env._("%(step)s: %(event)s", step=step.display_name, event=event)

    @api.depends("state", "step_id", "due_at")
    @api.depends_context("lang", "tz")
    def _compute_prospect(self):
        """Tell which steps are ahead of the person, a line each."""
        for entry in self:
            if entry.state != "inside":
                entry.prospect = False
                continue
            entry.prospect = "\n".join(
                entry._describe_ahead(step, step == entry.step_id)
                for step in entry._get_steps_ahead()
                if step.active
            )

    def _get_steps_ahead(self):
        """Return the present step and those that the person has not passed, in their order."""
        steps = self.series_id._get_all_steps()
        place = list(steps).index(self.step_id) if self.step_id in steps else len(steps)
        # sudo(): the reader may read the entry; the field is not offered in lists.
        passed = self.sudo().passed
        if passed is None or passed is False:
            return steps[place:]
        ahead = steps.filtered(lambda step: str(step.id) not in passed)
        return self.step_id | (ahead - self.step_id)

    def _describe_ahead(self, step, is_present):
        """Return a line about a step ahead of the person; the present one with its moment."""
        if not is_present:
            return step.summary
        if step.kind == "mail" and self.mailed_at:
            return self.env._("%s (being sent)", step.summary)
        moment = format_datetime(self.env, self.due_at, dt_format="short")
        if step.kind == "wait":
            return self.env._("%(step)s (until %(moment)s)", step=step.summary, moment=moment)
        return self.env._("%(step)s (due %(moment)s)", step=step.summary, moment=moment)
