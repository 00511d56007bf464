from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.fields import Command
from odoo.tools import format_date

from ...lists import listfile
from ..mixins.directmail_used import OVER
from .directmail_upload_line import PEOPLE

HEAD_FIELDS = {"encoding", "file", "has_header", "pasted", "separator", "sheet_id", "source"}
#: fields that `_finish` sets
COUNTS = (
    "row_count", "matched_count", "created_count", "bare_count", "unreadable_count",
    "duplicate_count", "unmatched_count", "empty_count", "extra_count", "beside_count",
    "replaced_count", "updated_count", "problem_count",
)  # fmt: skip
#: names of encodings as `lists.encodings` knows them, with labels
ENCODINGS = [
    ("utf-8", "Unicode (UTF-8)"),
    ("utf-16", "Unicode (UTF-16)"),
    ("utf-16-le", "Unicode (UTF-16 LE, without BOM)"),
    ("utf-16-be", "Unicode (UTF-16 BE, without BOM)"),
    ("gb18030", "Chinese, simplified (GB 18030, GBK)"),
    ("big5", "Chinese, traditional (Big5, Windows-950)"),
    ("shift_jis", "Japanese (Shift JIS, Windows-932)"),
    ("euc-jp", "Japanese (EUC-JP)"),
    ("iso-2022-jp", "Japanese (ISO-2022-JP)"),
    ("euc-kr", "Korean (EUC-KR, Windows-949)"),
    ("windows-1252", "Western European (Windows-1252)"),
    ("windows-1250", "Central European (Windows-1250)"),
    ("windows-1251", "Cyrillic (Windows-1251)"),
    ("koi8-u", "Cyrillic (KOI8)"),
    ("windows-1253", "Greek (Windows-1253)"),
    ("windows-1254", "Turkish (Windows-1254)"),
    ("windows-1255", "Hebrew (Windows-1255)"),
    ("windows-1256", "Arabic and Persian (Windows-1256)"),
    ("windows-1257", "Baltic (Windows-1257)"),
    ("windows-1258", "Vietnamese (Windows-1258)"),
    ("windows-874", "Thai (Windows-874)"),
    ("iso-8859-2", "Central European (ISO 8859-2)"),
    ("iso-8859-15", "Western European (ISO 8859-15)"),
    ("macintosh", "Western European (Mac Roman)"),
    ("ibm850", "Western European (DOS, 850)"),
]
SHOWN_MAX = 50  # lists whose values a preview shows
SETTING_FIELDS = HEAD_FIELDS | {
    "column_id",
    "company_id",
    "contact_update",
    "different_action",
    "id_kind",
    "key_ids",
    "match_field",
    "unknown_action",
    "user_id",
}

#: the answer to where the people come from, see `directmail_upload_consent.py`
ANSWER_FIELDS = {
    "consent_source",
    "consent_note",
    "consent_measuring",
    "consent_mailing",
    "consent_purpose_ids",
}
#: settings that `_read_head` guesses from the first rows, unless the caller of `create` or `write`
#: gave a value
GUESSED = ("encoding", "has_header", "id_kind", "separator", "sheet_id")


def _get_given(vals):
    """Return the names of `GUESSED` settings that have a value in ``vals``."""
    return {name for name in GUESSED if name in vals and vals[name] not in (None, "")}


class DirectmailUpload(models.Model):
    """A list of IDs, from a file or pasted, that is matched with contacts.

    This file has the fields and the buttons. `directmail_upload_head.py` reads the first rows for
    the form, and `directmail_upload_run.py` matches all rows in the cron.
    """

    _name = "directmail.upload"
    _description = "Upload"
    _inherit = ["directmail.owned", "directmail.of.company", "directmail.used"]
    _order = "id desc"
    _guarded_fields = frozenset(
        (
            *COUNTS, "file_kind", "finished_at", "message", "preview", "sheet_ids",
            "state",
        )
    )  # fmt: skip

    name = fields.Char(required=True, default=lambda self: self._default_name())
    audience_line_ids = fields.One2many("directmail.audience.line", "upload_id", "Audience lines")
    company_id = fields.Many2one(
        "res.company", required=True, index=True, default=lambda self: self.env.company
    )
    user_id = fields.Many2one(
        "res.users",
        "Owner",
        required=True,
        index=True,
        default=lambda self: self.env.user,
        help="IDs are matched with contacts that the owner may see.",
    )
    source = fields.Selection(
        [("file", "A file"), ("paste", "Pasted text")], required=True, default="file"
    )
    file = fields.Binary("CSV or Excel file", attachment=True, copy=False)
    filename = fields.Char()
    pasted = fields.Text("Pasted lines", copy=False)
    file_kind = fields.Selection([("csv", "Text"), ("xlsx", "Excel")], readonly=True, copy=False)
    encoding = fields.Selection(
        ENCODINGS,
        help="How the letters of the file were saved. Choose another one if letters with accents or"
        " of other scripts look wrong in the first rows.",
    )
    separator = fields.Selection(
        [
            (",", "Comma"),
            (";", "Semicolon"),
            ("\t", "Tab"),
            ("|", "Vertical bar"),
            (listfile.WHOLE_LINES, "Nothing: each line is one cell"),
        ],
        "Columns are separated by",
        help="Choose 'Nothing' if a line holds the addresses of several people, such as the line"
        " 'To' of an email.",
    )
    sheet_ids = fields.One2many("directmail.upload.sheet", "upload_id", "Sheets")
    sheet_id = fields.Many2one(
        "directmail.upload.sheet",
        domain="[('upload_id', '=', id)]",
        copy=False,
        ondelete="set null",
    )
    has_header = fields.Boolean("First row holds titles", default=True)
    column_ids = fields.One2many("directmail.upload.column", "upload_id", "Columns")
    column_id = fields.Many2one(
        "directmail.upload.column",
        "Column with the IDs",
        domain="[('upload_id', '=', id)]",
        copy=False,
        ondelete="set null",
    )
    preview = fields.Json(readonly=True, copy=False)
    # Set by `_onchange_head`: for which file or text the form's settings were guessed, so that
    # later changes on the form are not overwritten by another guess.
    head_of = fields.Char(store=False)
    preview_html = fields.Html("First rows", compute="_compute_preview_html", sanitize=False)
    id_kind = fields.Selection(
        [
            ("email", "Email"),
            ("encrypted", "Email, AES-encrypted"),
            ("phone", "Phone"),
            ("md5", "MD5 of the email"),
            ("sha256", "SHA-256 of the email"),
            ("reference", "Contact's reference"),
            ("contact", "Contact's ID in Odoo"),
            ("external", "External ID"),
            ("field", "Another field of contacts"),
        ],
        "Type of ID",
        required=True,
        default="email",
        help="Hashes must be calculated from the email address in lower case. They only find"
        " existing contacts.",
    )
    unknown_action = fields.Selection(
        [("keep", "Mail the address without a contact"), ("create", "Create a contact")],
        "If no contact has an address",
        required=True,
        default="keep",
    )
    state = fields.Selection(
        [
            ("draft", "Draft"),
            ("running", "Being matched"),
            ("done", "Done"),
            ("failed", "Failed"),
            ("cancelled", "Cancelled"),
        ],
        required=True,
        readonly=True,
        default="draft",
        copy=False,
        index=True,
    )
    message = fields.Text(readonly=True, copy=False)
    finished_at = fields.Datetime("Finished on", readonly=True, copy=False)
    row_count = fields.Integer("Rows", readonly=True, copy=False)
    matched_count = fields.Integer("Contacts found", readonly=True, copy=False)
    created_count = fields.Integer("Contacts created", readonly=True, copy=False)
    bare_count = fields.Integer("Addresses without a contact", readonly=True, copy=False)
    unreadable_count = fields.Integer("Can't be decrypted", readonly=True, copy=False)
    duplicate_count = fields.Integer("Duplicates", readonly=True, copy=False)
    unmatched_count = fields.Integer("Not matched", readonly=True, copy=False)
    empty_count = fields.Integer("Without an ID", readonly=True, copy=False)
    extra_count = fields.Integer(
        "Additional IDs",
        readonly=True,
        copy=False,
        help="Further IDs in cells that contain several. Each of them is matched separately.",
    )
    beside_count = fields.Integer(
        "Addresses in other columns",
        readonly=True,
        copy=False,
        help="Cells with an email address outside the chosen column. They were not used.",
    )
    replaced_count = fields.Integer(
        "Rows with unreadable characters",
        readonly=True,
        copy=False,
        help="Rows with characters that can't be read in the chosen encoding. They are shown as"
        " \ufffd.",
    )
    people_count = fields.Integer("People", compute="_compute_people_count")

    @api.model
    def _default_name(self):
        return self.env._("Upload of %s", format_date(self.env, fields.Date.context_today(self)))

    @api.depends("matched_count", "created_count", "bare_count", "unreadable_count")
    def _compute_people_count(self):
        for upload in self:
            upload.people_count = (
                upload.matched_count
                + upload.created_count
                + upload.bare_count
                + upload.unreadable_count
            )

    @api.model_create_multi
    def create(self, vals_list):
        for vals in vals_list:
            if vals.get("filename") and not vals.get("name"):
                vals["name"] = vals["filename"]
        uploads = super().create(vals_list)
        for upload, vals in zip(uploads, vals_list, strict=True):
            upload._read_head(detect=True, given=_get_given(vals))
            upload._keep_answer(vals)
        return uploads

    def write(self, vals):
        if not self.env.su and (SETTING_FIELDS | ANSWER_FIELDS) & set(vals):
            self._check_draft()
        res = super().write(vals)
        self._keep_answer(vals)
        # Writing `user_id` already makes `directmail.owned` ask the new owner.
        if SETTING_FIELDS & set(vals) - {"user_id"}:
            self._wait_for_owner()
        if HEAD_FIELDS & set(vals) and not self.env.context.get("directmail_head_is_read"):
            for upload in self:
                upload._read_head(
                    detect=bool({"file", "pasted", "source"} & set(vals)), given=_get_given(vals)
                )
        return res

    @api.ondelete(at_uninstall=False)
    def _unlink_except_running(self):
        if "running" in self.mapped("state"):
            raise UserError(self.env._("This list is being matched. Cancel the upload first."))

    # === ACTIONS === #

    def action_preview(self):
        """Check that there is a list. The form is saved first, which reads the first rows.

        :raise UserError: without a list; also as `_check_consent`, once there are first rows
        """
        self.ensure_one()
        self.check_access("write")
        if not self._has_content():
            raise UserError(self.env._("Choose a file or paste some lines first."))
        if self.preview:
            self._check_consent()
        return True

    def action_start(self):
        """Start matching the list in the cron."""
        for upload in self:
            upload.check_access("write")
            if upload.state == "draft" and not all(upload.column_ids.mapped("key")):
                # A version before 19.0.1.7.0 has read the columns.
                upload._read_head(detect=False)
            upload._check_startable()
            # sudo(): the state is guarded; the right to write was just checked.
            upload.sudo().write({"state": "running", "message": False})
            self.env["directmail.upload.progress"].sudo()._begin(upload)
        self._trigger()
        return True

    def action_cancel(self):
        """Stop matching. The cron then deletes the rows; the file stays."""
        self.check_access("write")
        # sudo(): as in `action_start`.
        self.filtered(lambda upload: upload.state == "running").sudo().write({"state": "cancelled"})
        self._trigger()
        return True

    def action_restart(self):
        """Delete the rows and go back to draft, so that the settings can be changed."""
        for upload in self:
            upload.check_access("write")
            if upload.state == "running":
                raise UserError(self.env._("This list is being matched. Cancel the upload first."))
            if tasks := upload._get_open_tasks():
                raise UserError(
                    self.env._(
                        "The list is used by %s. Its values are needed until these email tasks are"
                        " done or cancelled. Upload the list again to match it in another way.",
                        self._describe_using([tasks]),
                    )
                )
            if not upload._has_content():
                raise UserError(
                    self.env._("The file has been deleted. Upload it again as a new list.")
                )
            # sudo(): as in `action_start`; rows are written by the addon only.
            upload.sudo()._forget_lines()
            counts = {**dict.fromkeys(COUNTS, 0), "key_counts": False}
            upload.sudo().write({"state": "draft", "message": False, **counts})
            # `_finish` has dropped the first rows.
            upload._read_head(detect=False)
        return True

    def action_view_lines(self):
        """Open the rows behind a count.

        ``figure`` in the context is a status, "people", or "problem": rows with unused values.
        """
        self.ensure_one()
        self.check_access("read")
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "email_marketing_dm.directmail_upload_line_action"
        )
        action["domain"] = [("upload_id", "=", self.id)]
        figure = self.env.context.get("figure", "people")
        statuses = PEOPLE if figure in ("people", "problem") else (figure,)
        action["domain"].append(("status", "in", statuses))
        action["context"] = {"several_ids": bool(self.key_ids)}
        if figure == "problem":
            action["domain"].append(("problems", "!=", False))
        return action

    def action_download_unmatched(self):
        """Download the IDs without a match as a CSV file."""
        self.ensure_one()
        self.check_access("read")
        return {
            "type": "ir.actions.act_url",
            "url": f"/directmail/upload/{self.id}/unmatched.csv",
            "target": "download",
        }

    def action_new_task(self):
        """Open a new email task for the people of this list."""
        self.ensure_one()
        self.check_access("read")
        return self.env["directmail.home"]._open_new_task(audience=self._get_own_audience())

    # === BUSINESS === #

    def _get_own_audience(self):
        """Return the user's audience of just this list; it is created if there is none.

        :raise UserError: the list has not been matched
        """
        lines = self.env["directmail.audience.line"].search(
            [("upload_id", "=", self.id), ("audience_id.user_id", "=", self.env.uid)]
        )
        audience = lines.audience_id.filtered(lambda found: len(found.line_ids) == 1)[:1]
        if not audience:
            line = Command.create({"kind": "upload", "upload_id": self.id})
            audience = self.env["directmail.audience"].create(
                {"name": self.name, "company_id": self.company_id.id, "line_ids": [line]}
            )
            audience.action_refresh()
        return audience

    def _get_using(self):
        """Override: audiences with a line that uses the list, and email tasks that are not over."""
        # sudo(): audiences of all users count; `_check_unused` names only those that the user may
        # read.
        return [self.sudo().audience_line_ids.audience_id, self._get_open_tasks()]

    def _get_open_tasks(self):
        """Return the email tasks whose mails are filled with values of these lists."""
        # sudo(): tasks of all users count; callers name only those that the user may read.
        tasks = self.env["directmail.task"].sudo().with_context(active_test=False)
        return tasks.search([("upload_ids", "in", self.ids), ("state", "not in", OVER)])

    @api.model
    def _get_shown(self, company):
        """Return the user's lists whose values a preview shows, in a company."""
        return self.search(
            [("company_id", "=", company.id), ("state", "=", "done")], limit=SHOWN_MAX
        )

    def _check_startable(self):
        """Check that the list can be matched with its settings.

        :raise UserError: with the problem and how to solve it
        """
        self.ensure_one()
        self._check_draft()
        if not self._has_content():
            raise UserError(self.env._("Choose a file or paste some lines first."))
        if self.column_id not in self.column_ids:
            raise UserError(self.env._("Choose the column that holds the IDs."))
        self._check_columns()
        self._check_consent()
        self._check_match_field()
        self._check_keys()
        if self.id_kind == "encrypted" and (
            problem := self.env["directmail.aes.key"]._find_problem(self.company_id)
        ):
            raise UserError(problem)
        if self._creates_contacts() and not self.env["res.partner"].has_access("create"):
            raise UserError(
                self.env._(
                    "You may not create contacts. Choose “Mail the address without a contact”, or"
                    " ask an administrator for the right to create contacts."
                )
            )

    def _check_draft(self):
        """Refuse to change lists that were matched.

        :raise UserError: with what to do instead
        """
        for upload in self:
            if upload.state != "draft":
                raise UserError(
                    self.env._("%s has already been matched. Press Start over first.", upload.name)
                )

    def _creates_contacts(self):
        return self._has_addresses() and self.unknown_action == "create"

    def _forget_content(self):
        """Delete the files and texts, and what was read from them; the rows stay."""
        for upload in self:
            upload._get_attachment().unlink()
        # `_store` does not read the empty list, which would delete the columns.
        self._store({"pasted": False, "preview": False})
        self.column_ids.samples = False

    def _forget_lines(self):
        self.env["directmail.upload.line"]._delete_of(self)
        self.env["directmail.upload.progress"].search([("upload_id", "in", self.ids)]).unlink()
