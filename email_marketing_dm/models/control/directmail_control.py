from datetime import timedelta

from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError
from odoo.tools import format_date

from ..task.directmail_task_control import CONTROL_MAX

#: A global control group stays as it is for this time at least: its effect takes weeks to show.
SHUFFLE_AFTER = timedelta(days=30)


class DirectmailControl(models.Model):
    """The global control group of one company: people whom no email task reaches.

    Only notifications reach them. Who is in it is decided in `engine.control`, from `shuffle`: each
    shuffle draws other people.
    """

    _name = "directmail.control"
    _description = "Global Control Group"
    _inherit = ["directmail.owned", "directmail.of.company"]
    _rec_name = "company_id"
    _ask_type = "mail.mail_activity_data_warning"
    _guarded_fields = frozenset(("shuffle", "shuffled_at"))

    company_id = fields.Many2one(
        "res.company", required=True, readonly=True, default=lambda self: self.env.company
    )
    user_id = fields.Many2one(
        "res.users", "Owner", required=True, index=True, default=lambda self: self.env.user
    )
    share = fields.Integer(
        "Global control group (%)",
        tracking=True,
        help="This percentage of all people gets no email task of this company, except"
        " notifications. It shows what all email tasks together bring about. 1 to 10 percent are"
        " usual. Leave it at 0 to mail everybody.",
    )
    shuffle = fields.Integer("Number of draws", readonly=True, copy=False)
    shuffled_at = fields.Datetime("Drawn on", readonly=True, copy=False)
    shuffle_from = fields.Datetime("Can be drawn again from", compute="_compute_shuffle_from")

    _company_unique = models.UniqueIndex(
        "(company_id)", "This company already has its own global control group."
    )

    @api.depends("company_id")
    @api.depends_context("lang")
    def _compute_display_name(self):
        for control in self:
            control.display_name = self.env._("Global control group of %s", control.company_id.name)

    @api.depends("shuffled_at")
    def _compute_shuffle_from(self):
        for control in self:
            drawn = control.shuffled_at
            control.shuffle_from = drawn and drawn + SHUFFLE_AFTER

    @api.constrains("share")
    def _check_share(self):
        for control in self:
            if not 0 <= control.share <= CONTROL_MAX:
                raise ValidationError(
                    self.env._(
                        "A control group can have 1 to %(max)s percent of the people, but not"
                        " %(share)s. Enter 0 to mail everybody.",
                        max=CONTROL_MAX,
                        share=control.share,
                    )
                )

    @api.model_create_multi
    def create(self, vals_list):
        controls = super().create(vals_list)
        controls._check_conversion_rights()
        controls.filtered("share")._draw()
        return controls

    def write(self, vals):
        shares = {control: control.share for control in self}
        res = super().write(vals)
        if "conversion_table_id" in vals:
            self._check_conversion_rights()
            self.filtered("conversion_table_id")._wait_for_owner()
        # A smaller share keeps its people: those who leave were not mailed, and nobody who was
        # mailed enters. A larger one would hold back people who were mailed, so it is drawn anew.
        self.filtered(lambda control: control.share > shares[control])._draw()
        return res

    @api.model
    def action_open(self):
        """Open the global control group of the current company, which is created on first use."""
        self.check_access("write")
        company = self.env.company
        record = self.search([("company_id", "=", company.id)]) or self.create(
            {"company_id": company.id}
        )
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "email_marketing_dm.directmail_control_action"
        )
        return {**action, "res_id": record.id}

    def action_shuffle(self):
        """Draw other people into the global control group.

        :raise UserError: if there is none, or if the last draw is too recent
        """
        self.ensure_one()
        self.check_access("write")
        if not self.share:
            raise UserError(
                self.env._(
                    "There is no global control group to draw: its share is 0. Enter a share and"
                    " save."
                )
            )
        self._draw()

    def _draw(self):
        """Draw the people of the control groups anew: `shuffle` is part of the hash.

        :raise UserError: if the last draw is too recent
        """
        now = fields.Datetime.now()
        for control in self:
            if control.shuffle_from and now < control.shuffle_from:
                raise UserError(
                    self.env._(
                        "The people of the global control group were drawn on %(drawn)s. They can"
                        " be drawn again, and the share can be increased, from %(again)s: the"
                        " effect of the mails shows only if the same people get none for some"
                        " time. You can reduce the share at any time.",
                        drawn=format_date(self.env, control.shuffled_at),
                        again=format_date(self.env, control.shuffle_from),
                    )
                )
            # sudo(): the caller may write the share; the fields are guarded.
            control.sudo().write({"shuffle": control.shuffle + 1, "shuffled_at": now})
