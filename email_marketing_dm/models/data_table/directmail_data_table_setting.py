from odoo import fields, models
from odoo.exceptions import AccessError, ValidationError

from ...engine.technical import check_told
from ...groups import GROUP_ADMIN


class DirectmailDataTableSetting(models.Model):
    """What a company has decided about a data table: archived, opened, and which fields are ticked.

    Only the code of `directmail.data.table` writes it (`_inverse_active`, `_decide_opening`), so
    that a user who opens a data table lends their own rights and not another user's.
    """

    _name = "directmail.data.table.setting"
    _description = "Data Table Settings of a Company"
    _rec_name = "table_id"
    _order = "id"

    table_id = fields.Many2one(
        "directmail.data.table",
        "Data table",
        required=True,
        readonly=True,
        index=True,
        ondelete="cascade",
    )
    company_id = fields.Many2one(
        "res.company", required=True, readonly=True, index=True, ondelete="cascade"
    )
    is_archived = fields.Boolean(readonly=True)
    is_open = fields.Boolean("Open to marketing users", readonly=True)
    opened_by_id = fields.Many2one("res.users", "Opened by", readonly=True, ondelete="set null")
    field_ids = fields.Many2many(
        "ir.model.fields",
        "directmail_data_table_setting_field",
        string="Fields open to marketing users",
        readonly=True,
        groups=GROUP_ADMIN,
    )

    _company_unique = models.UniqueIndex("(table_id, company_id)")

    def _check_fields(self):
        """Refuse ticked fields of another model, with groups, or that `check_told` refuses.

        :raise ValidationError: naming the field
        """
        self.ensure_one()
        table = self.table_id
        if self.field_ids.model_id - table.model_id:
            raise ValidationError(
                self.env._("Choose only fields of %s.", table.model_id.display_name)
            )
        model = table._get_model(self.env) if self.field_ids else None
        for ticked in self.field_ids:
            field = model._fields[ticked.name]
            if field.groups:
                raise ValidationError(
                    self.env._(
                        "%s is restricted to some user groups in Odoo, so it can't be opened to"
                        " marketing users.",
                        ticked.field_description,
                    )
                )
            try:
                check_told(model, field)
            except ValueError as error:
                raise ValidationError(str(error)) from error

    def _get_opener_env(self, env):
        """Return an environment with the rights of `opened_by_id`, limited to this company.

        :param env: of the user who filters with the table; its language and time zone are kept
        :raise AccessError: the opener has lost these rights; the table then counts as closed
        """
        self.ensure_one()
        setting = self.sudo()
        opener, company, table = setting.opened_by_id, setting.company_id, setting.table_id
        reason = opener._find_directmail_loss(company, GROUP_ADMIN)
        if not reason:
            own = opener._get_directmail_env(company)
            own = own(context={**env.context, "allowed_company_ids": company.ids})
            reason = table._find_unreadable(own, setting.field_ids.mapped("name"))
            if not reason:
                return own
        raise AccessError(
            env._(
                "The data table %(table)s is closed, because it is read with the rights of the user"
                " who opened it. %(reason)s An administrator can press “Open again” on the data"
                " table, or clear “Open to marketing users”.",
                table=table.name,
                reason=reason,
            )
        )
