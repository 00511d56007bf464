from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError
from odoo.tools import SQL

from ...engine.person import PERSON
from ...engine.snapshots import covers


class DirectmailAudienceLine(models.Model):
    """The kind `snapshot`: the people who were in an audience at a moment."""

    _inherit = "directmail.audience.line"

    kind = fields.Selection(
        selection_add=[("snapshot", "Snapshot of an audience"), ("group",)],
        ondelete={"snapshot": "cascade"},
    )
    snapshot_id = fields.Many2one(
        "directmail.audience.snapshot",
        index="btree_not_null",
        ondelete="restrict",
        check_company=True,
    )

    @api.model
    def _get_fields_snapshot(self):
        return ("snapshot_id",)

    def _select_snapshot(self, env):
        snapshot = self.snapshot_id.with_env(env)
        if not snapshot:
            raise UserError(env._("A line has no snapshot. Choose one, or remove the line."))
        if not snapshot.has_access("read"):
            raise AccessError(
                env._(
                    "The snapshot of a line is of another user's private audience. Choose another,"
                    " or remove the line."
                )
            )
        audience = snapshot.audience_id
        bare = self._may_see_bare(env["directmail.audience.stay"], "audience_id", audience)
        return self._select_readable(
            env,
            SQL(
                """SELECT %s FROM directmail_audience_stay m
                    WHERE audience_id = %s AND %s AND %s""",
                PERSON,
                audience.id,
                covers(SQL("m"), snapshot.id),
                bare,
            ),
        )

    def _finds_others_snapshot(self):
        """Tell whether the snapshots of the audience have people without a contact."""
        [(found,)] = self.env.execute_query(
            SQL(
                """SELECT EXISTS (SELECT FROM directmail_audience_stay
                                   WHERE audience_id = %s AND partner_id IS NULL)""",
                self.snapshot_id.audience_id.id or 0,
            )
        )
        return found

    def _describe_snapshot(self):
        snapshot = self.snapshot_id
        if not snapshot:
            return self._get_kind_label()
        if not snapshot.has_access("read"):
            return self.env._("Snapshot of another user's private audience")
        return self.env._("People in the snapshot %s", snapshot.display_name)
