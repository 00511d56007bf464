import csv
import io
import json

from odoo import api, fields, models
from odoo.tools import SQL

from ...content.languages import join_sentences

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
    ("several", "Several contacts have this ID"),
    ("different", "The IDs in this row belong to different contacts"),
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
#: characters of a value that is shown because it was not used
PROBLEM_MAX = 60
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
    # [[rank of a `Key`, its match key]] of a row with several IDs, until it is matched. Then
    # `match_key` is a text that all rows of the same person have, and here are ids of contacts who
    # have the IDs of a row that is not matched: see `engine.privacy`.
    match_keys = fields.Json(readonly=True, groups=fields.NO_ACCESS)
    # Rows are deleted with the columns: only those of drafts, which have no rows, are read again.
    column_id = fields.Many2one(
        "directmail.upload.column",
        "Matched by",
        readonly=True,
        index="btree_not_null",
        ondelete="cascade",
    )
    status = fields.Selection(STATUSES, required=True, readonly=True)
    reason = fields.Selection(REASONS, readonly=True)
    # {key of a column: value}, for placeholders
    kept_values = fields.Json(readonly=True)
    # {use of a column: value}, see `directmail_upload_values.py`
    contact_values = fields.Json(readonly=True)
    # [{"column": title, "value": text, "flaw": code, "message": of Odoo}] of values not used
    problems = fields.Json(readonly=True)
    kept_text = fields.Char("Values", compute="_compute_kept_text")
    problem_text = fields.Char("Not used", compute="_compute_problem_text")

    _status_index = models.Index("(upload_id, status)")
    # Mails look up the rows of people without a contact, to fill placeholders.
    _address_index = models.Index("(address_key) WHERE address_key IS NOT NULL")

    @api.depends("value")
    def _compute_display_name(self):
        result = super()._compute_display_name()
        for line in self.filtered(lambda line: not line.partner_id):
            line.display_name = line.value
        return result

    @api.depends("kept_values", "contact_values")
    def _compute_kept_text(self):
        for line in self:
            kept, for_contact = line.kept_values or {}, line.contact_values or {}
            texts = {
                column.name: kept.get(column.key) or for_contact.get(column.use)
                for column in line.upload_id.column_ids
            }
            line.kept_text = " · ".join(f"{name}: {text}" for name, text in texts.items() if text)

    @api.depends("problems")
    @api.depends_context("lang")
    def _compute_problem_text(self):
        for line in self:
            line.problem_text = join_sentences(
                self.env.lang, map(self._explain_problem, line.problems or [])
            )

    @api.model
    def _explain_problem(self, problem):
        """Return why a value was not used.

        :param dict problem: one of `problems`
        """
        names = {"column": problem.get("column"), "value": problem.get("value")}
        sentences = {
            "too_long": self.env._("%(column)s: “%(value)s” is too long.", **names),
            "encoding": self.env._(
                "%(column)s: some characters of “%(value)s” can't be read in the chosen encoding.",
                **names,
            ),
            "address": self.env._(
                "%(column)s: email addresses are not kept for people with encrypted addresses.",
                column=names["column"],
            ),
            "no_phone": self.env._("%(column)s: “%(value)s” is not a phone number.", **names),
            "country": self.env._("%(column)s: the country “%(value)s” is unknown.", **names),
            "language": self.env._(
                "%(column)s: the language “%(value)s” is unknown or not installed.", **names
            ),
            "tag": self.env._(
                "%(column)s: a tag of “%(value)s” does not exist, and you may not create tags.",
                **names,
            ),
            "not_allowed": self.env._("The owner of the list may not change this contact."),
            "refused": self.env._(
                "The contact could not be changed: %s", problem.get("message") or ""
            ),
        }
        return sentences[problem["flaw"]]

    def _add_problem(self, flaw, message=""):
        """Add why values were not used.

        :param str flaw: a code of `_explain_problem`
        :param str message: of Odoo
        """
        self.problems = [*(self.problems or []), {"flaw": flaw, "message": message}]

    def _copy_in(self, rows):
        """Insert rows with COPY, which is much faster than `create`.

        :param rows: tuples of upload id, row number, ID, match key (or None), reason (or None), and
            the values of `match_keys`, `kept_values`, `contact_values` and `problems`
        """
        buffer = io.StringIO()
        writer = csv.writer(buffer)
        writer.writerows(
            (
                upload,
                number,
                value,
                "" if key is None else key,
                reason or "",
                "new",
                *(json.dumps(each, ensure_ascii=False) if each else "" for each in values),
            )
            for upload, number, value, key, reason, *values in rows
        )
        buffer.seek(0)
        # COPY reads an unquoted empty cell as NULL, and `csv.writer` does not quote empty cells. So
        # only NULL may be written as one: a match key or an ID is never an empty text.
        self.env.cr.copy_expert(
            "COPY directmail_upload_line (upload_id, number, value, match_key, reason, status,"
            " match_keys, kept_values, contact_values, problems) FROM STDIN WITH (FORMAT csv)",
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
