from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError
from odoo.tools import SQL

from ...engine.person import PERSON
from ..upload.directmail_upload_line import PEOPLE


class DirectmailAudienceLine(models.Model):
    """The kind `upload`: the people of an uploaded list."""

    _inherit = "directmail.audience.line"

    kind = fields.Selection(
        selection_add=[("upload", "Uploaded list"), ("group",)],
        ondelete={"upload": "cascade"},
    )
    upload_id = fields.Many2one(
        "directmail.upload", index="btree_not_null", ondelete="restrict", check_company=True
    )
    upload_consent = fields.Char("Source of the addresses", compute="_compute_upload_consent")

    @api.depends("upload_id")
    @api.depends_context("uid", "lang")
    def _compute_upload_consent(self):
        for line in self:
            upload = line.upload_id
            line.upload_consent = upload.has_access("read") and upload.consent_summary

    @api.model
    def _get_fields_upload(self):
        return ("upload_id",)

    def _select_upload(self, env):
        upload = self.upload_id.with_env(env)
        if not upload:
            raise UserError(env._("A line has no uploaded list. Choose one, or remove the line."))
        if not upload.has_access("read"):
            raise AccessError(
                env._(
                    "The uploaded list of a line belongs to another user. Choose another list, or"
                    " remove the line."
                )
            )
        if upload.state != "done":
            raise UserError(
                env._(
                    "The uploaded list %s has not been matched. Open the list and press Match.",
                    upload.name,
                )
            )
        return SQL(
            "SELECT %s FROM directmail_upload_line WHERE upload_id = %s AND status IN %s",
            PERSON,
            upload.id,
            PEOPLE,
        )

    def _finds_others_upload(self):
        return bool(self.upload_id.bare_count or self.upload_id.unreadable_count)

    def _describe_upload(self):
        upload = self.upload_id
        if not upload:
            return self._get_kind_label()
        if not upload.has_access("read"):
            return self.env._("Uploaded list of another user")
        return self.env._("People in the uploaded list %s", upload.name)
