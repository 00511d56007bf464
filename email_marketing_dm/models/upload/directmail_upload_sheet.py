from odoo import api, fields, models


class DirectmailUploadSheet(models.Model):
    """A sheet of an uploaded workbook, for the choice of `sheet_id`."""

    _name = "directmail.upload.sheet"
    _description = "Sheet of an Upload"
    _log_access = False
    _order = "number"

    upload_id = fields.Many2one(
        "directmail.upload", required=True, readonly=True, index=True, ondelete="cascade"
    )
    number = fields.Integer(required=True, readonly=True)
    name = fields.Char(required=True, readonly=True)
    is_visible = fields.Boolean("Visible", readonly=True)

    @api.depends("name", "is_visible")
    def _compute_display_name(self):
        for sheet in self:
            sheet.display_name = (
                sheet.name if sheet.is_visible else self.env._("%s (hidden)", sheet.name)
            )
