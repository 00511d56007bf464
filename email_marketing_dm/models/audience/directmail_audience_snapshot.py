from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL, format_datetime, format_list

from ...engine.person import PERSON_COLUMNS
from ...engine.snapshots import covers, find_old, forget_stays, take_snapshot, touch
from ...exceptions import BusyError


class DirectmailAudience(models.Model):
    """Snapshots of an audience: who was in it, kept by hand or by each email task."""

    _inherit = "directmail.audience"
    _guarded_fields = frozenset(("snapshot_ids",))

    keeps_snapshots = fields.Boolean(
        "Snapshot at each email task",
        help="Keeps who was in the audience whenever an email task starts to mail it. Only the"
        " people who entered or left since the snapshot before are stored.",
    )
    snapshot_days = fields.Integer(
        "Keep snapshots (days)",
        default=365,
        help="Older snapshots are deleted, unless a line of an audience uses them. With 0, they are"
        " kept until you delete them.",
    )
    snapshot_ids = fields.One2many("directmail.audience.snapshot", "audience_id", "Snapshots")
    snapshot_count = fields.Integer("Number of snapshots", compute="_compute_snapshot_count")
    _snapshot_days_positive = models.Constraint(
        "CHECK(snapshot_days >= 0)", "The number of days can't be negative."
    )

    @api.depends("snapshot_ids")
    def _compute_snapshot_count(self):
        counts = dict(
            self.env["directmail.audience.snapshot"]._read_group(
                [("audience_id", "in", self.ids)], ["audience_id"], ["__count"]
            )
        )
        for audience in self:
            audience.snapshot_count = counts.get(audience._origin, 0)

    def action_take_snapshot(self):
        """Keep who is in the audience now.

        :raise UserError: if it was never refreshed
        """
        self.ensure_one()
        self.check_access("write")
        if not self.refreshed_at:
            raise UserError(
                self.env._("The audience has never been refreshed. Press Refresh first.")
            )
        self._take_snapshot()
        return True

    def action_view_snapshots(self):
        """Show the snapshots."""
        self.ensure_one()
        self.check_access("read")
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "email_marketing_dm.directmail_audience_snapshot_action"
        )
        action["domain"] = [("audience_id", "=", self.id)]
        return action

    def _take_snapshot(self, task=None):
        """Keep who is in the audience as a `directmail.audience.snapshot`, and return it.

        :param task: the email task that starts to mail the audience
        :raise BusyError: if another transaction has locked the audience
        """
        # sudo(): `action_take_snapshot` has checked the right to write; an email task takes one
        # with the rights of the audience, which its owner has asked to.
        audience = self.sudo()
        if not audience.try_lock_for_update(allow_referencing=True):
            raise BusyError(
                self.env._(
                    "The audience %s is being refreshed or changed at the moment. Try again in a"
                    " minute.",
                    audience.name,
                )
            )
        touch(self.env, audience.ids)
        snapshot = audience.env["directmail.audience.snapshot"].create(
            {
                "audience_id": audience.id,
                "taken_at": self.env.cr.now(),
                "task_id": task and task.id,
                "people_count": audience.people_count,
                "list_ids": audience._get_mailing_lists().ids,
            }
        )
        self.env.flush_all()
        entered, left = take_snapshot(self.env, audience.id, snapshot.id)
        snapshot.write({"entered_count": entered, "left_count": left})
        self.env["directmail.audience.stay"].invalidate_model()
        self.invalidate_recordset(["snapshot_ids", "snapshot_count"])  # the latest one comes first
        return snapshot.with_env(self.env)


class DirectmailAudienceSnapshot(models.Model):
    """Who was in an audience at a moment. The people are `directmail.audience.stay`s."""

    _name = "directmail.audience.snapshot"
    _description = "Audience Snapshot"
    # Hides the names of email tasks of other users, who may mail a public audience.
    _inherit = ["directmail.links"]
    _log_access = False
    _order = "id desc"

    audience_id = fields.Many2one(
        "directmail.audience", required=True, readonly=True, index=True, ondelete="cascade"
    )
    company_id = fields.Many2one(related="audience_id.company_id")
    taken_at = fields.Datetime("Taken on", required=True, readonly=True)
    task_id = fields.Many2one(
        "directmail.task", "Email task", readonly=True, index="btree_not_null", ondelete="set null"
    )
    people_count = fields.Integer("People", readonly=True)
    entered_count = fields.Integer(
        "Entered", readonly=True, help="People who were not in the snapshot before."
    )
    left_count = fields.Integer(
        "Left", readonly=True, help="People who were in the snapshot before and not in this one."
    )
    line_ids = fields.One2many("directmail.audience.line", "snapshot_id", "Lines")
    # Ids of the mailing lists from which the people were chosen: who leaves them is not mailed,
    # whatever the audience's lines are by then. JSON, because Odoo groups by hidden many2many.
    list_ids = fields.Json(readonly=True, copy=False, groups=fields.NO_ACCESS)

    @api.depends("audience_id", "taken_at")
    @api.depends_context("lang", "tz")
    def _compute_display_name(self):
        for snapshot in self:
            snapshot.display_name = self.env._(
                "%(audience)s, %(moment)s",
                audience=snapshot.audience_id.name,
                moment=format_datetime(self.env, snapshot.taken_at, dt_format="short"),
            )

    @api.model
    def _search_display_name(self, operator, value):
        """Override: find snapshots by the name of their audience."""
        return [("audience_id.name", operator, value)]

    @api.ondelete(at_uninstall=False)
    def _unlink_except_used(self):
        # sudo(): lines of all users count; only audiences that the user may read are named.
        used = self.sudo().line_ids.audience_id
        if used:
            readable = used.with_env(self.env)._filtered_access("read")
            names = format_list(self.env, readable.mapped("name"))
            raise UserError(
                self.env._(
                    "The snapshot is used by %s. Remove the line there first.",
                    names or self.env._("the audience of another user"),
                )
            )

    def unlink(self):
        # sudo(): which people are in no snapshot any more does not depend on the user.
        audiences = self.sudo().audience_id.ids
        touch(self.env, audiences)
        res = super().unlink()
        self.env.flush_all()
        forget_stays(self.env, audiences)
        self.env["directmail.audience.stay"].invalidate_model()
        return res

    @api.autovacuum
    def _gc_old(self):
        """Delete snapshots that are older than `directmail.audience.snapshot_days`."""
        if not self.env["ir.module.module"]._is_directmail_upgraded():
            return
        self.env.flush_all()
        self.browse(find_old(self.env)).unlink()

    def action_view_people(self):
        """Show who was in the audience."""
        self.ensure_one()
        return self._get_people_action(self.display_name, [])

    def action_view_composition(self):
        """Open the page with the composition of the audience at this moment."""
        self.ensure_one()
        self.check_access("read")
        return self.audience_id._open_composition(self)

    # === A SIDE OF A COMPARISON: see `directmail_audience_composition.py` === #

    def _get_people_action(self, name, domain):
        self.ensure_one()
        self.check_access("read")
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "email_marketing_dm.directmail_audience_stay_action"
        )
        action["name"] = name
        action["domain"] = [
            ("audience_id", "=", self.audience_id.id),
            ("since_id", "<=", self.id),
            "|",
            ("until_id", "=", False),
            ("until_id", ">", self.id),
            *domain,
        ]
        return action

    def _get_people_count(self):
        # Not `people_count`: contacts that were deleted or merged since are not hidden ones.
        [(people,)] = self.env.execute_query(
            SQL(
                """SELECT count(DISTINCT partner_id) + count(*) FILTER (WHERE partner_id IS NULL)
                     FROM directmail_audience_stay WHERE %s""",
                self._covers(),
            )
        )
        return people

    def _get_mailing_lists(self):
        """Return the mailing lists from which the people were chosen, archived ones too."""
        # sudo(): see `directmail.audience._get_mailing_lists`.
        ids = {number for snapshot in self.sudo() for number in snapshot.list_ids or ()}
        lists = self.env["mailing.list"].sudo().with_context(active_test=False)
        return lists.browse(sorted(ids)).exists()

    def _covers(self):
        """Return SQL of the condition that a `directmail_audience_stay` is in this snapshot."""
        stay = SQL("directmail_audience_stay")
        return SQL("audience_id = %s AND %s", self.audience_id.id, covers(stay, self.id))

    def _select_contacts(self):
        """Return SQL of the ids of the snapshot's contacts, seen or not."""
        return SQL(
            """SELECT partner_id FROM directmail_audience_stay
                WHERE %s AND partner_id IS NOT NULL""",
            self._covers(),
        )

    def _select_seen(self, env):
        """Return SQL, with the columns of a person, of the people whom a reader sees."""
        stays = env["directmail.audience.stay"]
        # sudo(): as in `directmail.audience._select_seen`.
        query = stays.sudo()._search([])
        query.order = None
        query.add_where(self._covers())
        query.add_where(stays._seen_to_sql(SQL.identifier(query.table), query))
        return query.select(*(SQL.identifier(query.table, column) for column in PERSON_COLUMNS))

    def _make_source_line(self):
        """Return values of a line that selects the people of this snapshot."""
        return {"operator": "or", "kind": "snapshot", "snapshot_id": self.id}


class DirectmailAudienceStay(models.Model):
    """A person in some snapshots of an audience: see `engine.snapshots`. Written by SQL only."""

    _name = "directmail.audience.stay"
    _description = "Person in a Snapshot"
    _inherit = ["directmail.audience.person", "directmail.audience.trait"]
    _log_access = False
    _order = "id"

    since_id = fields.Integer("First snapshot", required=True, readonly=True)
    until_id = fields.Integer("First snapshot without the person", readonly=True)

    # Not unique: a person who left and came back has a row for each time.
    _audience_index = models.Index("(audience_id, partner_id)")
    # Leads that are merged: see `engine.merging`.
    _record_index = models.Index("(res_model, res_id) WHERE partner_id IS NULL")
    _open_index = models.Index("(audience_id) WHERE until_id IS NULL")
