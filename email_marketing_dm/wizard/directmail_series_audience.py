from odoo import fields, models
from odoo.exceptions import UserError
from odoo.fields import Command
from odoo.tools.misc import clean_context


class DirectmailSeriesAudience(models.TransientModel):
    """*Start a series*: makes an audience of people, and starts a new or a draft series with it.

    `audience_lines` in the context has the values of the lines of the audience.
    """

    _name = "directmail.series.audience"
    _description = "People Into a Series"
    _inherit = ["directmail.links"]

    name = fields.Char("Name of the audience", required=True)
    company_id = fields.Many2one("res.company", default=lambda self: self.env.company)
    series_id = fields.Many2one(
        "directmail.series",
        domain="[('state', '=', 'draft'), ('start_kind', '=', 'audience'),"
        " ('company_id', '=', company_id)]",
        help="A draft series, which gets this audience instead of the one it has. Leave it empty to"
        " begin a new series.",
    )
    entry = fields.Selection(
        [("all", "These people, and all who come later"), ("new", "Only people who come later")],
        "Who enters",
        required=True,
        default="all",
        help="People come later if the audience finds them at a later refresh. You can change this"
        " in the series until it is started.",
    )

    def action_continue(self):
        """Create the audience, and open the series that starts with it.

        :raise UserError: if there are no people, or the series was started meanwhile
        """
        self.ensure_one()
        self.check_access("read")
        series = self.series_id
        if series:
            series.check_access("write")
            if series.state != "draft" or series.start_kind != "audience":
                raise UserError(
                    self.env._(
                        "%s can't start with another audience any more. Choose another series, or"
                        " begin a new one.",
                        series.name,
                    )
                )
        audience = self._make_audience()
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "email_marketing_dm.directmail_series_action"
        )
        action.update(views=[(False, "form")], view_mode="form")
        if series:
            series.write({"audience_id": audience.id, "entry": self.entry})
            return {**action, "res_id": series.id}
        account = (
            self.env["directmail.template"].with_company(audience.company_id)._default_account()
        )
        return {
            **action,
            "context": {
                "default_name": audience.name,
                "default_account_id": account.id,
                "default_audience_id": audience.id,
                "default_entry": self.entry,
            },
        }

    def _make_audience(self):
        """Create the audience with the user's rights, and find its people.

        :raise UserError: if there are no lines
        """
        lines = self.env.context.get("audience_lines")
        if not lines:
            raise UserError(
                self.env._("No people were chosen. Choose some of them first, such as a ribbon.")
            )
        # The defaults in the context are for the dialog.
        env = self.env(context=clean_context(self.env.context))
        audience = env["directmail.audience"].create(
            {
                "name": self.name,
                "company_id": self.company_id.id,
                # People enter a series at a refresh.
                "refresh_every": "daily",
                "line_ids": [Command.create(line) for line in lines],
            }
        )
        audience.action_refresh()
        return audience
