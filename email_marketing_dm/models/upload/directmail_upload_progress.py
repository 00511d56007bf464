from odoo import fields, models


class DirectmailUploadProgress(models.Model):
    """How far the cron is with an upload.

    A row of its own, so that its owner can cancel the upload without colliding with the cron.
    """

    _name = "directmail.upload.progress"
    _description = "Progress of an Upload"
    _log_access = False

    upload_id = fields.Many2one(
        "directmail.upload", required=True, readonly=True, index=True, ondelete="cascade"
    )
    step = fields.Selection(
        [("read", "Reading"), ("match", "Matching"), ("create", "Making contacts")],
        required=True,
        readonly=True,
    )
    position = fields.Json(readonly=True)
    rows = fields.Integer(readonly=True)
    empty = fields.Integer(readonly=True)
    extra = fields.Integer(readonly=True)
    beside = fields.Integer(readonly=True)
    replaced = fields.Integer(readonly=True)
    # Of the file that has been read, 0 to 1; a workbook doesn't tell.
    share = fields.Float(readonly=True)

    _upload_unique = models.UniqueIndex("(upload_id)")

    def _begin(self, upload):
        """Make the row of an upload that starts."""
        self.search([("upload_id", "=", upload.id)]).unlink()
        return self.create({"upload_id": upload.id, "step": "read"})
