from odoo import fields, models


class DirectmailUploadColumn(models.Model):
    """A column of an uploaded list, for the choice of `column_id`."""

    _name = "directmail.upload.column"
    _description = "Column of an Upload"
    _log_access = False
    _order = "number"

    upload_id = fields.Many2one(
        "directmail.upload", required=True, readonly=True, index=True, ondelete="cascade"
    )
    number = fields.Integer(required=True, readonly=True)
    name = fields.Char(required=True, readonly=True)
