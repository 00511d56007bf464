from collections.abc import Callable
from dataclasses import dataclass

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL, format_list

from ...lists.identifiers import VALUE_MAX, read_ids

#: types of ID that may stand beside others: an encrypted address would be tied to a contact by them
KEY_KINDS = (
    "email", "phone", "md5", "sha256", "reference", "contact", "external", "field",
)  # fmt: skip


@dataclass(frozen=True)
class Key:
    """One of the IDs by which the rows of an upload are matched.

    :ivar rank: place in the order in which they are tried, from 0
    :ivar kind: one of `lists.identifiers.KINDS`
    :ivar match_field: name of the field of contacts, if the kind is "field"
    :ivar column: id of the `directmail.upload.column`
    :ivar number: of that column
    :ivar make: see `lists.identifiers.read_ids`
    """

    rank: int
    kind: str
    match_field: str
    column: int
    number: int
    make: Callable[[str], str | None] | None

    def find_ids(self, row):
        """Return the IDs in a row, as `lists.identifiers.Id`."""
        cell = row[self.number] if self.number < len(row) else ""
        return read_ids(self.kind, cell, self.make)


class DirectmailUploadKey(models.Model):
    """A further ID of the rows of an upload, tried after `column_id` of the upload."""

    _name = "directmail.upload.key"
    _description = "Further ID of an Upload"
    _inherit = ["directmail.of.company"]
    _company_path = "upload_id.company_id"
    _rec_name = "column_id"
    _order = "sequence, id"

    upload_id = fields.Many2one("directmail.upload", required=True, index=True, ondelete="cascade")
    sequence = fields.Integer(default=10)
    column_id = fields.Many2one(
        "directmail.upload.column",
        required=True,
        index=True,
        ondelete="cascade",
        domain="[('upload_id', '=', upload_id)]",
    )
    id_kind = fields.Selection("_selection_id_kind", "Type of ID", required=True, default="email")
    match_field = fields.Selection("_selection_match_field", "Field of contacts")

    @api.model
    def _selection_id_kind(self):
        labels = dict(
            self.env["directmail.upload"]._fields["id_kind"]._description_selection(self.env)
        )
        return [(kind, labels[kind]) for kind in KEY_KINDS]

    @api.model
    def _selection_match_field(self):
        return self.env["directmail.upload"]._selection_match_field()

    @api.constrains("column_id", "upload_id")
    def _check_column(self):
        for key in self:
            if key.column_id.upload_id != key.upload_id:
                raise UserError(self.env._("Choose a column of this list."))

    @api.model_create_multi
    def create(self, vals_list):
        keys = super().create(vals_list)
        keys._check_changeable()
        return keys

    def write(self, vals):
        self._check_changeable()
        res = super().write(vals)
        self._check_changeable()
        return res

    @api.ondelete(at_uninstall=False)
    def _unlink_except_matched(self):
        self._check_changeable()

    def _check_changeable(self):
        """Refuse to change the IDs of lists that were matched; an owner is asked about changes."""
        if self.env.su:
            return
        self.upload_id.check_access("write")
        self.upload_id._check_draft()
        self.upload_id._wait_for_owner()


class DirectmailUpload(models.Model):
    """Rows with several IDs: each is matched by the first ID that exactly one contact has."""

    _inherit = "directmail.upload"
    _guarded_fields = frozenset(("key_counts",))

    key_ids = fields.One2many("directmail.upload.key", "upload_id", "Further IDs", copy=False)
    different_action = fields.Selection(
        [
            ("skip", "Don't match the row"),
            ("first", "Use the contact of the first ID that finds one"),
        ],
        "If the IDs of a row belong to different contacts",
        required=True,
        default="skip",
    )
    has_addresses = fields.Boolean(compute="_compute_has_addresses")
    # {id of a column as text: number of rows whose contact was found by it}
    key_counts = fields.Json(readonly=True, copy=False)
    found_by = fields.Char("Found by", compute="_compute_found_by")

    @api.depends("id_kind", "key_ids.id_kind")
    def _compute_has_addresses(self):
        for upload in self:
            upload.has_addresses = upload._has_addresses()

    @api.depends("key_counts", "column_ids.name")
    @api.depends_context("lang")
    def _compute_found_by(self):
        for upload in self:
            counts = upload.key_counts or {}
            texts = [
                self.env._("%(column)s: %(number)s", column=column.name, number=number)
                for column in (upload.column_id | upload.key_ids.column_id)
                if (number := counts.get(str(column.id)))
            ]
            upload.found_by = format_list(self.env, texts) if texts else False

    def _has_addresses(self):
        """Tell whether people without a contact can be mailed."""
        kinds = {self.id_kind, *self.key_ids.mapped("id_kind")}
        return not kinds.isdisjoint(("email", "encrypted"))

    def _get_keys(self):
        """Return all `Key`s in the order in which they are tried."""
        ids = [(self.column_id, self.id_kind, self.match_field)]
        ids += [(key.column_id, key.id_kind, key.match_field) for key in self.key_ids]
        return [
            Key(rank, kind, name, column.id, column.number, self._get_key_maker(kind))
            for rank, (column, kind, name) in enumerate(ids)
        ]

    def _check_keys(self):
        """Check that the further IDs can be used beside the first one.

        :raise UserError: with the problem and how to solve it
        """
        keys = self.key_ids
        if keys and self.id_kind == "encrypted":
            raise UserError(
                self.env._(
                    "Encrypted addresses can't be combined with other IDs. Remove the further IDs,"
                    " or choose another type of ID."
                )
            )
        if keys.column_id - self.column_ids:
            raise UserError(self.env._("Choose a column of this list."))
        ids = [(self.column_id, self.id_kind, self.match_field)]
        for key in keys:
            name = key.match_field if key.id_kind == "field" else self.match_field
            one = (key.column_id, key.id_kind, name)
            if one in ids:
                raise UserError(
                    self.env._(
                        "The column %s is used twice with the same type of ID. Remove one of the"
                        " further IDs.",
                        key.column_id.name,
                    )
                )
            ids.append(one)

    def _keep_keys(self, columns):
        """Move the further IDs to new columns, which were read from the list again.

        :param columns: the new `directmail.upload.column`s; IDs that have none are deleted
        """
        by_number = {column.number: column for column in columns}
        # sudo(): see `_read_head`.
        for key in self.key_ids.sudo():
            if column := by_number.get(key.column_id.number):
                key.column_id = column
            else:
                key.unlink()

    def _read_row(self, row, keys):
        """Return what `directmail.upload.line` needs of the IDs in a row.

        :param list row: the texts of its cells
        :param list keys: of `_get_keys`
        :return: tuples of text, match key, reason and match keys: one for each ID if there is one
            key, otherwise one for the row; none if there is no ID
        :rtype: list[tuple]
        """
        if len(keys) == 1:
            return [(one.text, one.key, one.flaw, None) for one in keys[0].find_ids(row)]
        found = [(key.rank, one) for key in keys for one in key.find_ids(row)]
        if not found:
            return []
        known = [(rank, one.key) for rank, one in found if one.key]
        text = " · ".join(one.text for _rank, one in found)[:VALUE_MAX]
        return [(text, None, None if known else found[0][1].flaw, known)]

    def _count_keys(self):
        """Return the value of `key_counts`."""
        if not self.key_ids:
            return False
        return {
            str(column): number
            for column, number in self.env.execute_query(
                SQL(
                    """SELECT column_id, count(*) FROM directmail_upload_line
                        WHERE upload_id = %s AND status = 'matched' GROUP BY column_id""",
                    self.id,
                )
            )
        }
