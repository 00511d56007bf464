import csv
import io

from odoo import api, fields, models
from odoo.tools import SQL

STATUSES = [
    ("new", "Not matched yet"),
    ("matched", "Contact found"),
    ("created", "Contact created"),
    ("bare", "Address without a contact"),
    ("unreadable", "Can't be decrypted"),
    ("duplicate", "Duplicate"),
    ("unmatched", "Not matched"),
]
REASONS = [
    ("unknown", "No contact has this ID"),
    ("no_at", "This is not an email address: it has no @"),
    ("invalid", "This is not an email address"),
    ("unclear", "It is not clear where the address begins or ends"),
    ("doubtful", "Unusual character before the @, and no contact has this address"),
    ("hidden", "It contains invisible characters"),
    ("nothing", "It contains only invisible characters or punctuation"),
    ("encoding", "Some characters can't be read in the chosen encoding"),
    ("local", "DirectMail does not accept these letters before the @"),
    ("domain", "The part after the @ is not a valid domain"),
    ("too_long", "It is too long"),
    ("shortened", "The spreadsheet program has shortened this number"),
    ("other_kind", "This is not an ID of the chosen type"),
]
#: statuses of rows whose person is in the audiences that use the upload
PEOPLE = ("matched", "created", "bare", "unreadable")


class DirectmailUploadLine(models.Model):
    """An ID in a row of an uploaded list; a row has several if its cell holds several IDs.

    Written only in bulk, by the cron.
    """

    _name = "directmail.upload.line"
    _description = "Row of an Upload"
    _inherit = ["directmail.person"]
    _log_access = False
    _order = "id"

    upload_id = fields.Many2one(
        "directmail.upload", required=True, readonly=True, ondelete="cascade"
    )
    number = fields.Integer("Row", required=True, readonly=True)
    value = fields.Char("ID in the list", readonly=True)
    # The ID in a normalised form, or the address key of an encrypted address. NULL if the cell
    # can't be an ID of the chosen kind; `reason` says why.
    match_key = fields.Char(readonly=True, groups=fields.NO_ACCESS)
    status = fields.Selection(STATUSES, required=True, readonly=True)
    reason = fields.Selection(REASONS, readonly=True)

    _status_index = models.Index("(upload_id, status)")

    @api.depends("value")
    def _compute_display_name(self):
        result = super()._compute_display_name()
        for line in self.filtered(lambda line: not line.partner_id):
            line.display_name = line.value
        return result

    def _copy_in(self, rows):
        """Insert rows with COPY, which is much faster than `create`.

        :param rows: tuples of upload id, row number, ID, match key (or None), reason (or None)
        """
        buffer = io.StringIO()
        writer = csv.writer(buffer)
        writer.writerows(
            (upload, number, value, "" if key is None else key, reason or "", "new")
            for upload, number, value, key, reason in rows
        )
        buffer.seek(0)
        # COPY reads an unquoted empty cell as NULL, and `csv.writer` does not quote empty cells. So
        # only NULL may be written as one: a match key or an ID is never an empty text.
        self.env.cr.copy_expert(
            "COPY directmail_upload_line (upload_id, number, value, match_key, reason, status)"
            " FROM STDIN WITH (FORMAT csv)",
            buffer,
        )

    def _delete_of(self, uploads):
        """Delete all rows of uploads in one statement."""
        self.env.cr.execute(
            SQL(
                "DELETE FROM directmail_upload_line WHERE upload_id IN %s",
                tuple(uploads.ids) or (0,),
            )
        )
        self.invalidate_model()
