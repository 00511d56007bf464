import itertools
import logging
from contextlib import ExitStack, closing
from datetime import timedelta

from odoo import api, fields, models
from odoo.exceptions import AccessError, ConcurrencyError, UserError
from odoo.service.model import PG_CONCURRENCY_EXCEPTIONS_TO_RETRY, retrying
from odoo.tools import SQL

from odoo.addons.phone_validation.tools.phone_validation import phone_format

from ...engine.match import match_lines
from ...engine.match_keys import match_rows
from ...engine.sql import UNMATCHABLE
from ...lists import listfile
from ...lists.cells import find_addresses
from ...lists.encodings import REPLACED
from ...lists.errors import ListError
from ...lists.identifiers import (
    VALUE_MAX,
    international_digits,
    phone_digits,
    strip_marks,
)
from ..mixins.directmail_used import OVER
from .contact_choices import ContactChoices
from .directmail_upload_values import CONTACTS, RowReader

_logger = logging.getLogger(__name__)
CRON = "email_marketing_dm.ir_cron_directmail_upload"
CHUNK = 5000  # rows read in one transaction
KEEP_DAYS = 30  # for an upload that no audience uses
KEEP_FILE_DAYS = 7  # for the file or text of an upload that is done


class _Reader:
    """Reads an uploaded list in chunks.

    It keeps the file open in between: a workbook can only be read from its beginning, so opening it
    for each chunk would make the cost quadratic.
    """

    def __init__(self, upload):
        self._upload = upload
        self._stack = ExitStack()
        self._rows = None
        self._skipped = self._read = 0
        self._values = None
        self.position = None

    @property
    def may_stop(self):
        """True once as many rows were read as were skipped on opening: keeps the cost linear."""
        return self._read >= self._skipped

    @property
    def values(self):
        """The `RowReader` of the upload; it reads countries and the like once."""
        if self._values is None:
            choices = ContactChoices(self._upload._get_owner_env())
            self._values = RowReader(self._upload, choices)
        return self._values

    def take(self, position, number):
        """Return up to ``number`` rows from a position on, each with the place after it.

        :param position: `self.position` after the previous chunk; None for the beginning
        """
        if self._rows is None or position != self.position:
            self._open(position)
        chunk = list(itertools.islice(self._rows, number))
        self._read += len(chunk)
        # After the last row there is no position to go on from.
        self.position = list(chunk[-1][1].get()) if len(chunk) == number else None
        return chunk

    def _open(self, position):
        self.close()
        stream = self._stack.enter_context(self._upload._open())
        self._rows = listfile.read_rows(stream, self._upload._get_format(), position or None)
        self._stack.callback(self._rows.close)
        self.position = position
        self._skipped = position[0] if position and self._upload.file_kind == "xlsx" else 0
        self._read = 0
        if self._upload.has_header and not position:
            next((row for row, _place in self._rows if any(row)), None)

    def close(self):
        """Close the file; `take` opens it again."""
        self._stack.close()
        self._rows = None


class DirectmailUpload(models.Model):
    """Matching an upload in the cron: read the file in chunks, then match all rows by SQL.

    Each chunk commits its rows together with `directmail.upload.progress`, so that the next run
    continues after the last chunk if the server is killed.
    """

    _inherit = "directmail.upload"

    def _trigger(self):
        # sudo(): callers have checked the right to write the upload, or are the cron.
        self.env.ref(CRON).sudo()._trigger()

    @api.model
    def _cron_process(self):
        """Match the running uploads, oldest first, and delete the rows of cancelled ones.

        An error in one upload does not stop the others (`_process_safely`).
        """
        self._forget_cancelled()
        uploads = self.search([("state", "=", "running")], order="id")
        # While `remaining` is above 0, Odoo calls the cron up to 10 times even when its time is up
        # (MIN_RUNS_PER_JOB). Each call would open the workbook and skip its first rows again.
        if not self.env["ir.cron"]._commit_progress(remaining=len(uploads)):
            return
        for upload in uploads:
            if not upload._process_safely():
                upload._trigger()
                self.env["ir.cron"]._commit_progress(1, remaining=1)
                return
            self.env["ir.cron"]._commit_progress(1)

    def _forget_cancelled(self):
        progress = self.env["directmail.upload.progress"].search(
            [("upload_id.state", "in", ("cancelled", "failed"))]
        )
        progress.upload_id._forget_lines()

    def _process_safely(self):
        """Call `_process`, and turn errors into the state "failed" with a message.

        A conflict with other transactions that persists over all retries only delays the upload.

        :return: False if the cron's time is up
        :rtype: bool
        """
        try:
            return self._process()
        except (ConcurrencyError, *PG_CONCURRENCY_EXCEPTIONS_TO_RETRY) as error:
            # `retrying` gave up: other transactions kept updating the same records. Try later.
            _logger.info("Upload %s is put off: %s", self.id, error)
            self.env.cr.rollback()
            self._trigger()
        except (AccessError, UserError) as error:
            self._fail(error.args[0])
        except ListError as error:
            self._fail(self._with_owner_language()._explain(error))
        except Exception:
            if self.env.cr.closed:
                raise  # the connection is lost: not an error of this list
            _logger.exception("Upload %s failed", self.id)
            self._fail(
                self._with_owner_language().env._(
                    "An unexpected error occurred while the list was being matched, and no results"
                    " were saved. Press Start over and try again. If it happens again, ask an"
                    " administrator to check the server log."
                )
            )
        return True

    def _process(self):
        """Process chunks until the upload is over or the cron's time is up.

        :return: True if the upload is done or was cancelled, False if the time is up
        :rtype: bool
        """
        self.ensure_one()
        with closing(_Reader(self)) as reader:
            while retrying(lambda: self._process_chunk(reader), self.env):
                if not self.env["ir.cron"]._commit_progress(1, remaining=1) and reader.may_stop:
                    return False
        self.env["ir.cron"]._commit_progress()
        # The owner may cancel it concurrently, which conflicts with `_lock_running`.
        retrying(self._finish, self.env)
        return True

    def _process_chunk(self, reader):
        """Do the next step: read a chunk, match, or create some contacts.

        :return: whether there is more to do
        :rtype: bool
        """
        self.invalidate_recordset()
        if self.state != "running":
            return False
        progress = self.env["directmail.upload.progress"].search([("upload_id", "=", self.id)])
        if progress.step == "read":
            self._read_chunk(reader, progress)
        elif progress.step == "match":
            master_key = self.env["directmail.keyring"]._get_master_key()
            owner_env = self._get_owner_env()
            self._check_match_field(owner_env)
            keys, skips_different = self._get_keys(), self.different_action == "skip"
            if len(keys) > 1:
                match_rows(self.env, owner_env, master_key, self.id, keys, skips_different)
            else:
                kind, match_field = self.id_kind, self.match_field
                match_lines(self.env, owner_env, master_key, self.id, kind, match_field)
            self.env["directmail.upload.line"].invalidate_model()
            self._drop_values()
            progress.step = "update"
        elif progress.step == "update":
            if not self._update_contacts(progress):
                progress.step = "create"
        else:
            return self._creates_contacts() and bool(self._create_contacts())
        return True

    # === READING === #

    def _read_chunk(self, reader, progress):
        """Copy the IDs of the next `CHUNK` rows into `directmail.upload.line`."""
        keys = self._get_keys()
        lines, number = [], progress.rows
        counts = dict.fromkeys(("empty", "extra", "beside", "replaced"), 0)
        chunk = reader.take(progress.position, CHUNK)
        for row, _place in chunk:
            if not any(row):
                continue  # blank rows have no number
            number += 1
            found = self._read_row(row, keys)
            others = reader.values.read_row(row)
            lines += [(self.id, number, *one, *others) for one in found]
            counts["empty"] += not found
            counts["extra"] += max(0, len(found) - 1)
            counts["replaced"] += any(REPLACED in text for text in row)
            counts["beside"] += self._count_beside(row, keys)
        vals = {"rows": number}
        vals |= {name: progress[name] + count for name, count in counts.items()}
        if len(chunk) < CHUNK:
            vals |= {"step": "match", "share": 1.0}
        else:
            vals |= {"position": reader.position, "share": chunk[-1][1].share()}
        self.env["directmail.upload.line"]._copy_in(lines)
        progress.write(vals)

    @staticmethod
    def _count_beside(row, keys):
        """Return how many cells of other columns hold an address that is not in those of IDs."""
        if all(key.kind != "email" for key in keys):
            return 0
        used = {key.number for key in keys}
        cells = [cell for number, cell in enumerate(row) if number not in used and "@" in cell]
        if not cells:
            return 0
        known = {one.key for key in keys if key.kind == "email" for one in key.find_ids(row)}
        return sum(
            any(one.address and one.address not in known for one in find_addresses(cell))
            for cell in cells
        )

    def _get_key_maker(self, kind):
        """Return the function from an ID to its match key, or None for `identifiers.match_key`.

        Encrypted addresses are decrypted with the company's AES key; a value that can't be
        decrypted gets a key that begins with `UNMATCHABLE`. Phone numbers get a country code.
        """
        country = self.company_id.country_id
        if kind == "encrypted":
            reader = self.env["directmail.aes.key"]._get_reader(self.company_id)
            master_key = self.env["directmail.keyring"]._get_master_key()

            def read(value):
                if len(value) > VALUE_MAX:
                    return None
                key, _reference = reader.find_key(value, self.company_id.id)
                return key or UNMATCHABLE + master_key.address_key(f"unreadable/{value}")

            return read
        if kind == "phone":
            return lambda value: self._read_phone(value, country)
        return None

    @staticmethod
    def _read_phone(value, country):
        """Return the digits of a phone number with country code; None if it can't be one.

        :param country: the `res.country` of numbers without a country code
        """
        plain = strip_marks(value)
        if not phone_digits(plain):
            return None
        # `phone_format` returns the number unchanged if it is invalid or if the library
        # `phonenumbers` is not installed.
        number = phone_format(
            plain[:VALUE_MAX], country.code, country.phone_code, "E164", raise_exception=False
        )
        return international_digits(number or plain, country.phone_code)

    # === MATCHING === #

    def _create_contacts(self):
        """Create contacts for the next `CONTACTS` addresses that have none, as the owner.

        :return: the number of contacts created
        :rtype: int
        """
        lines = self.env["directmail.upload.line"].search(
            [("upload_id", "=", self.id), ("status", "=", "bare")], limit=CONTACTS
        )
        env = self._get_owner_env()
        encrypted = self.id_kind == "encrypted"
        partners = env["res.partner"].create(
            [
                {
                    "name": env._("Encrypted address, row %s", line.number),
                    "email_encrypted": line.email_encrypted,
                    "company_id": self.company_id.id,
                }
                if encrypted
                else {"name": line.email, "email": line.email}
                for line in lines
            ]
        )
        choices, changes = ContactChoices(env), []
        for line, partner in zip(lines, partners, strict=True):
            if vals := self._get_contact_vals(line.contact_values or {}, choices):
                changes.append((line, partner, vals))
            line.write(
                {
                    "partner_id": partner.id,
                    "status": "created",
                    "email": False,
                    "email_encrypted": False,
                    "address_key": False,
                    "contact_values": False,
                }
            )
        self._write_safely(env, changes, lambda contact, vals: contact.write(vals))
        return len(lines)

    # === END === #

    def _finish(self):
        """Set the upload to done, with its counts, unless it was cancelled meanwhile."""
        if not self._lock_running():
            return
        self._record_answers()
        counts = dict(
            self.env.execute_query(
                SQL(
                    """SELECT status, count(*) FROM directmail_upload_line WHERE upload_id = %s
                        GROUP BY status""",
                    self.id,
                )
            )
        )
        progress = self.env["directmail.upload.progress"].search([("upload_id", "=", self.id)])
        counts = {f"{status}_count": number for status, number in counts.items()}
        self.write(
            {
                "state": "done",
                "finished_at": fields.Datetime.now(),
                "row_count": progress.rows,
                "empty_count": progress.empty,
                "extra_count": progress.extra,
                "beside_count": progress.beside,
                "replaced_count": progress.replaced,
                "updated_count": progress.updated,
                "problem_count": self._count_problems(),
                "key_counts": self._count_keys(),
                # Only needed to choose settings; `action_restart` reads the first rows again.
                "preview": False,
                **counts,
            }
        )
        self.column_ids.samples = False
        progress.unlink()
        if not self.people_count:
            self.message = self._with_owner_language().env._(
                "No people were found. Check that you chose the right column and type of ID. Press"
                " Start over to change them."
            )
        self.env.flush_all()

    def _fail(self, message):
        """Roll back, set the upload to failed and delete its rows, unless it was cancelled."""
        self.env.cr.rollback()

        def fail():
            if self._lock_running():
                now = fields.Datetime.now()
                self.write({"state": "failed", "message": message, "finished_at": now})
                self._forget_lines()

        retrying(fail, self.env)

    def _lock_running(self):
        """Lock the upload's row, and tell whether it is still running."""
        self.env.execute_query(
            SQL("SELECT 1 FROM directmail_upload WHERE id = %s FOR NO KEY UPDATE", self.id)
        )
        self.invalidate_recordset()
        return self.state == "running"

    @api.model
    def _get_progress(self, upload):
        # sudo(): only this addon reads progress; `get_progress` checks the right to read the
        # upload.
        return self.env["directmail.upload.progress"].sudo().search([("upload_id", "=", upload.id)])

    @api.readonly
    def get_progress(self):
        """Return the progress of an upload for the form.

        :return: {"state", "step": label, "rows": number read, "percent": 1 to 100 or None}
        :rtype: dict
        """
        self.ensure_one()
        self.check_access("read")
        progress = self._get_progress(self)
        steps = dict(progress._fields["step"]._description_selection(self.env))
        return {
            "state": self.state,
            "step": steps.get(progress.step, ""),
            "rows": progress.rows,
            "percent": round(100 * progress.share) if progress.share else None,
        }

    @api.autovacuum
    def _gc_uploads(self):
        """Delete uploads that no line uses for `KEEP_DAYS`, and files after `KEEP_FILE_DAYS`."""
        if not self.env["ir.module.module"]._is_directmail_upgraded():
            return
        now = fields.Datetime.now()
        old = self.search(
            [
                ("state", "!=", "running"),
                ("write_date", "<", now - timedelta(days=KEEP_DAYS)),
                ("id", "not in", self._get_used_ids()),
            ],
            limit=100,
        )
        old.unlink()
        matched = self.search(
            [("state", "=", "done"), ("finished_at", "<", now - timedelta(days=KEEP_FILE_DAYS))]
        )
        matched.filtered(lambda upload: upload._has_content())._forget_content()
        return len(old), len(old) == 100

    @api.model
    def _get_used_ids(self):
        """Return the ids of the uploads that lines of audiences or open email tasks use."""
        lines = self.env["directmail.audience.line"].search([("upload_id", "!=", False)])
        tasks = self.env["directmail.task"].with_context(active_test=False)
        tasks = tasks.search([("upload_ids", "!=", False), ("state", "not in", OVER)])
        return (lines.upload_id | tasks.upload_ids).ids


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
        [
            ("read", "Reading"),
            ("match", "Matching"),
            ("update", "Changing contacts"),
            ("create", "Creating contacts"),
        ],
        required=True,
        readonly=True,
    )
    position = fields.Json(readonly=True)
    rows = fields.Integer(readonly=True)
    empty = fields.Integer(readonly=True)
    extra = fields.Integer(readonly=True)
    beside = fields.Integer(readonly=True)
    replaced = fields.Integer(readonly=True)
    updated = fields.Integer(readonly=True)
    # The part of the file that has been read, 0 to 1.
    share = fields.Float(readonly=True)

    _upload_unique = models.UniqueIndex("(upload_id)")

    def _begin(self, upload):
        """Create the row of an upload that starts, instead of one of an earlier start."""
        self.search([("upload_id", "=", upload.id)]).unlink()
        return self.create({"upload_id": upload.id, "step": "read"})
