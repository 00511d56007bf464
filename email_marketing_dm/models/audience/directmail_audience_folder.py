from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError
from odoo.tools import format_list


class DirectmailAudienceFolder(models.Model):
    """A folder of audiences.

    Every marketing user of the company can put audiences into it; only its creator and
    administrators can change or delete it (record rules). When it is deleted, `folder_id` of its
    audiences becomes empty.
    """

    _name = "directmail.audience.folder"
    _description = "Audience Folder"
    _inherit = ["directmail.of.company"]
    _parent_store = True
    _rec_name = "complete_name"
    _order = "complete_name, id"

    name = fields.Char(required=True)
    parent_id = fields.Many2one(
        "directmail.audience.folder",
        "Parent folder",
        index=True,
        ondelete="restrict",
        check_company=True,
    )
    parent_path = fields.Char(index=True)
    complete_name = fields.Char(
        compute="_compute_complete_name", store=True, recursive=True, string="Folder"
    )
    company_id = fields.Many2one(
        "res.company", required=True, index=True, default=lambda self: self.env.company
    )

    @api.depends("name", "parent_id.complete_name")
    def _compute_complete_name(self):
        for folder in self:
            parent = folder.parent_id.complete_name
            folder.complete_name = f"{parent} / {folder.name}" if parent else folder.name

    @api.constrains("parent_id")
    def _check_parent_id(self):
        for folder in self:
            if folder._has_cycle():
                raise ValidationError(self.env._("A folder can't be inside itself."))

    @api.ondelete(at_uninstall=False)
    def _unlink_except_outer(self):
        # sudo() also finds folders that a rule of another addon hides. Names are read by all users.
        inner = self.sudo().search([("parent_id", "in", self.ids), ("id", "not in", self.ids)])
        if inner:
            raise UserError(
                self.env._(
                    "%(folder)s can't be deleted, because there are folders in it: %(inner)s. Move"
                    " or delete them first.",
                    folder=inner[0].parent_id.complete_name,
                    inner=format_list(self.env, inner.mapped("name")),
                )
            )
