from odoo import fields, models


class DirectmailUploadProgress(models.Model):
    """The progress of the cron with an upload.

    Kept apart from `directmail.upload`, whose row the owner updates to cancel: the cron's updates
    of the same row would conflict.
    """

    _name = "directmail.upload.progress"
    _description = "Progress of an Upload"
    _log_access = False

    upload_id = fields.Many2one(
        "directmail.upload", required=True, readonly=True, index=True, ondelete="cascade"
    )
    step = fields.Selection(
        [("read", "Reading"), ("match", "Matching"), ("create", "Creating contacts")],
        required=True,
        readonly=True,
    )
    position = fields.Json(readonly=True)
    rows = fields.Integer(readonly=True)
    empty = fields.Integer(readonly=True)
    extra = fields.Integer(readonly=True)
    beside = fields.Integer(readonly=True)
    replaced = fields.Integer(readonly=True)
    # The part of the file that has been read, 0 to 1.
    share = fields.Float(readonly=True)

    _upload_unique = models.UniqueIndex("(upload_id)")

    def _begin(self, upload):
        """Create the row of an upload that starts, instead of one of an earlier start."""
        self.search([("upload_id", "=", upload.id)]).unlink()
        return self.create({"upload_id": upload.id, "step": "read"})
