from odoo import api, fields, models
from odoo.exceptions import AccessError
from odoo.fields import Command, Domain

from ...clock.daily import get_region_name
from ...engine.audience import select_people, visible_contacts
from ...engine.people import has_others_than_contacts
from ...groups import GROUP_ADMIN, GROUP_DOWNLOAD
from ..mixins.directmail_used import OVER
from .directmail_audience_line import DEPTH_MAX

#: Paths from `directmail.audience` to its lines, one for each depth of groups up to `DEPTH_MAX`.
LINES = [".".join(["line_ids"] + ["child_ids"] * depth) for depth in range(DEPTH_MAX + 1)]

#: data tables of purchases, the preferred one first; the form names them too
PURCHASES = ("sale_orders", "pos_orders", "invoices")


class DirectmailAudience(models.Model):
    """People that an ordered list of lines selects, private to their owner or public.

    A refresh (`directmail_audience_refresh.py`) evaluates the lines with the owner's rights and
    stores the people as `directmail.audience.member`.
    """

    _name = "directmail.audience"
    _description = "Audience"
    _inherit = [
        "directmail.owned",
        "directmail.of.company",
        "directmail.scheduled",
        "directmail.used",
        "mail.thread",
    ]
    _order = "name, id"
    _due_field = "next_refresh_at"
    _error_field = "refresh_error"
    _cron = "email_marketing_dm.ir_cron_directmail_audience"
    _guarded_fields = frozenset(
        (
            "entered_count",
            "left_count",
            "lines_changed",
            "member_ids",
            "next_refresh_at",
            "people_count",
            "refresh_error",
            "refresh_seconds",
            "refreshed_at",
            "size_ids",
            "usable_count",
        )
    )

    name = fields.Char(required=True, tracking=True)
    active = fields.Boolean(default=True)
    company_id = fields.Many2one(
        "res.company", required=True, index=True, default=lambda self: self.env.company
    )
    user_id = fields.Many2one(
        "res.users",
        "Owner",
        required=True,
        index=True,
        default=lambda self: self.env.user,
        tracking=True,
        help="The people are chosen with the owner's rights: contacts that the owner may not see"
        " are never in the audience.",
    )
    visibility = fields.Selection(
        [("private", "Private"), ("public", "Public")],
        required=True,
        default="private",
        tracking=True,
        help="A public audience can be used and copied by every marketing user of the company.",
    )
    folder_id = fields.Many2one(
        "directmail.audience.folder",
        index="btree_not_null",
        ondelete="set null",
        check_company=True,
    )
    line_ids = fields.One2many(
        "directmail.audience.line",
        "audience_id",
        "Lines",
        domain=[("parent_id", "=", False)],
        copy=True,
    )
    kinds = fields.Char("Sources in English", compute="_compute_kinds", store=True)
    sources = fields.Char(compute="_compute_sources")
    member_ids = fields.One2many("directmail.audience.member", "audience_id", "Members")
    people_count = fields.Integer("People", readonly=True, copy=False)
    usable_count = fields.Integer(
        "With a usable address",
        readonly=True,
        copy=False,
        help="People whose contact has an email address that DirectMail accepts.",
    )
    entered_count = fields.Integer("Entered", readonly=True, copy=False)
    left_count = fields.Integer("Left", readonly=True, copy=False)
    size_ids = fields.One2many("directmail.audience.size", "audience_id", "Sizes over time")
    refreshed_at = fields.Datetime("Last refreshed", readonly=True, copy=False)
    refresh_error = fields.Text("Refresh error", readonly=True, copy=False)
    is_mine = fields.Boolean(compute="_compute_is_mine")
    offers_purchases = fields.Boolean(compute="_compute_offers_purchases")

    @api.depends("user_id")
    @api.depends_context("uid")
    def _compute_is_mine(self):
        admin = self.env.user.has_group(GROUP_ADMIN)
        for audience in self:
            audience.is_mine = admin or audience.user_id == self.env.user

    @api.depends_context("uid")
    def _compute_offers_purchases(self):
        """Tell whether a line for people who bought can be offered to the user."""
        self.offers_purchases = bool(
            self.env["directmail.data.table"].search(
                [("preset", "in", PURCHASES), ("usable", "=", True)], limit=1
            )
        )

    @api.depends(*(f"{lines}.{name}" for lines in LINES for name in ("kind", "table_id.name")))
    def _compute_kinds(self):
        """Set `kinds` to the sources in English: it is stored once for readers of all languages."""
        for audience in self.with_context(lang="en_US"):
            audience.kinds = audience._name_sources()

    @api.depends("kinds")
    @api.depends_context("lang")
    def _compute_sources(self):
        for audience in self:
            audience.sources = audience._name_sources()

    def _name_sources(self):
        """Return the kinds of the lines and the names of their data tables, as one text."""
        # sudo(): the text is the same for all readers; it names kinds and tables only.
        lines = self.sudo().line_ids._with_inner()
        labels = dict(lines._fields["kind"]._description_selection(self.env))
        names = [
            line.table_id.name if line.kind == "table" else labels[line.kind]
            for line in lines
            if line.kind != "group"
        ]
        return ", ".join(dict.fromkeys(filter(None, names)))

    def _get_using(self):
        """Override: email tasks that are not over, other audiences, and fatigue control."""
        # sudo(): records of all users count as using the audience; `_check_unused` names only those
        # that the current user may read.
        archived_too = self.sudo().with_context(active_test=False)
        tasks = Domain("audience_ids", "in", self.ids) | Domain(
            "exclude_audience_ids", "in", self.ids
        )
        lines = archived_too.env["directmail.audience.line"].search(
            Domain("source_id", "in", self.ids) | Domain("snapshot_id.audience_id", "in", self.ids)
        )
        return [
            archived_too.env["directmail.task"].search(tasks & Domain("state", "not in", OVER)),
            archived_too.env["directmail.series"].search(
                self.env["directmail.series"]._get_using_domain(self)
            ),
            lines.audience_id - self,
            archived_too.env["directmail.fatigue"].search(
                [("exempt_audience_ids", "in", self.ids)]
            ),
        ]

    def _prepare_unlink(self):
        """Override: take the audiences out of email tasks that are over, and log their names there.

        The remaining tasks are over: `_get_using` names the others, which stop the deletion.
        """
        res = super()._prepare_unlink()
        # sudo(): tasks of other users may use the audience, and lines are guarded; `unlink` has
        # checked that the user may delete it.
        for audience in self.sudo():
            for name in ("audience_ids", "exclude_audience_ids"):
                tasks = self.env["directmail.task"].sudo().with_context(active_test=False)
                for task in tasks.search([(name, "in", audience.ids)]):
                    task.write({name: [Command.unlink(audience.id)]})
                    task._message_log(
                        body=self.env._(
                            "The audience “%s”, which was used here, was deleted.", audience.name
                        )
                    )
        # `source_id` of a line has ondelete="restrict". Without its lines, an audience can be
        # deleted together with its source audience.
        self.env["directmail.audience.line"].sudo().search(
            [("audience_id", "in", self.ids)]
        ).unlink()
        return res

    def copy_data(self, default=None):
        # `directmail.owned` makes the current user the owner of the copy, whose rights then select
        # the people. So the copy is private, even of a public audience.
        default = {"visibility": "private", **(default or {})}
        vals_list = super().copy_data(default)
        if "name" not in default:
            for audience, vals in zip(self, vals_list, strict=True):
                vals["name"] = self.env._("%s (copy)", audience.name)
        return vals_list

    def copy(self, default=None):
        copies = super().copy(default)
        # sudo(): selected records are guarded; `copy` has checked that the user may read the
        # audience and create the copy. `_copy_picks` leaves out what the user may not read.
        for audience, copied in zip(self, copies, strict=True):
            copied.sudo().line_ids._copy_picks(audience.sudo().line_ids, self.env)
        return copies

    # === ACTIONS === #

    def action_view_members(self):
        """Show the members."""
        return self._get_members_action(self.env._("People"), [])

    def action_view_entered(self):
        """Show the members who entered with the last refresh."""
        self.ensure_one()
        entered = [("entered_at", ">=", self.refreshed_at)] if self.refreshed_at else []
        return self._get_members_action(self.env._("Entered"), entered)

    def _get_members_action(self, name, domain):
        self.ensure_one()
        self.check_access("read")
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "email_marketing_dm.directmail_audience_member_action"
        )
        action["name"] = name
        action["domain"] = [("audience_id", "=", self.id), *domain]
        return action

    def action_view_sizes(self):
        """Show the number of members after each refresh."""
        self.ensure_one()
        self.check_access("read")
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "email_marketing_dm.directmail_audience_size_action"
        )
        action["domain"] = [("audience_id", "=", self.id)]
        return action

    def action_download(self):
        """Download the members as a CSV file.

        :raise AccessError: without the right to download
        """
        self.ensure_one()
        self.check_access("read")
        if not self.env.user.has_group(GROUP_DOWNLOAD):
            raise AccessError(
                self.env._("You may not download people. Ask an administrator for that right.")
            )
        return {
            "type": "ir.actions.act_url",
            "url": f"/directmail/audience/{self.id}/people.csv",
            "target": "download",
        }

    def action_share(self):
        """Let colleagues in the same company use the audience."""
        self.write({"visibility": "public"})
        return True

    def action_make_private(self):
        """Let only the owner choose the audience; email tasks that use it go on to do so."""
        self.write({"visibility": "private"})
        return True

    def action_new_task(self):
        """Open a new email task for this audience."""
        self.ensure_one()
        self.check_access("read")
        return self.env["directmail.home"]._open_new_task(audience=self)

    # === RIGHTS === #

    def _get_company_env(self, env):
        """Return ``env`` limited to the audience's company, with its user's language and zone."""
        # sudo() reads only the company; the environment keeps the rights of its user.
        context = {
            "allowed_company_ids": self.sudo().company_id.ids,
            "lang": env.user.lang,
            "tz": get_region_name(env.user.tz),
        }
        return env(context=context)

    def _get_sources(self):
        """Return the audiences that the lines use as sources, lines in groups included."""
        # sudo() to read which audiences the lines use, seen or not; their members are not read.
        lines = self.env["directmail.audience.line"].sudo()
        return lines.search(
            [("audience_id", "in", self.ids), ("kind", "in", ("audience", "similar"))]
        ).source_id

    def _has_others_than_contacts(self):
        """Tell whether some members are records of other models or bare addresses."""
        self.env["directmail.audience.member"].flush_model(["audience_id", "partner_id"])
        return has_others_than_contacts(self.env, self.ids)

    def _refers_to(self, other):
        """Tell whether ``other`` is one of these audiences, or directly or indirectly a source."""
        # sudo() compares ids: cycles through audiences that the user may not see count too.
        seen, found = self.browse(), self.sudo()
        while found:
            if other._origin in found:
                return True
            seen |= found
            found = found._get_sources() - seen
        return False

    # === PEOPLE === #

    def _on_lines_changed(self):
        """Note that the lines, or the records selected in them, have changed.

        Other people may be selected now, and with the rights of the owner, who is asked to agree.
        """
        self._mark_changed()
        self._wait_for_owner()

    def _on_refreshed(self):
        """Update fatigue control's exemption, and let people enter the series of the audience."""
        self.ensure_one()
        # sudo(): series of all users that have the audience go on.
        series = self.env["directmail.series"].sudo()
        runs = Domain("state", "in", ("running", "closing"))
        if series.search_count(series._get_following_domain(self) & runs, limit=1):
            series._wake()
        # sudo(): marketing users may not read fatigue control; a refresh, which was allowed before,
        # updates a number there.
        exempting = (
            self.env["directmail.fatigue"].sudo().search([("exempt_audience_ids", "in", self.ids)])
        )
        exempting._update_exemption()

    def _get_lines(self, env):
        """Return the audience's lines as a list of `engine.audience.Line`.

        :param env: the environment whose user's rights apply, limited to the audience's company
        :raise UserError: (or a subclass) if a line can't be used
        """
        self.ensure_one()
        return [line._as_line(env) for line in self._get_top_lines()]

    def _get_top_lines(self):
        # sudo() to read the lines only: each one is evaluated with the rights of `_as_line`'s env.
        lines = self.sudo().line_ids.filtered(lambda line: not line.parent_id)
        return lines.sorted("sequence")

    def _select_people(self):
        """Return SQL that selects the people of the audience, each once, with the owner's rights.

        :return: SQL with the columns `engine.person.PERSON_COLUMNS`
        :rtype: SQL
        :raise UserError: (or a subclass) if a line can't be used, or the owner has not taken over,
            no longer works in the company, or has lost the group
        """
        env = self._get_owner_env()
        return select_people(self._get_lines(env), visible_contacts(env), self._get_key())

    def _get_key(self):
        return self.env["directmail.keyring"]._get_master_key()

    # === WHERE PEOPLE COME FROM === #

    def _get_taking_lines(self, seen=()):
        """Return the lines that add people to these audiences, at any depth.

        Lines of groups and of source audiences are included, "except" lines are left out.

        :param seen: ids of audiences that were visited already, which are skipped
        :rtype: odoo.models.Model of `directmail.audience.line`, with all rights: a line may use
            what the user may not read. Callers say what they read of them.
        """
        # sudo(): see the docstring.
        found = self.env["directmail.audience.line"].sudo()
        for audience in self.sudo().filtered(lambda audience: audience.id not in seen):
            lines = audience.line_ids.filtered(lambda line: not line.parent_id)
            found |= lines._get_taking_lines((*seen, audience.id))
        return found

    def _get_mailing_lists(self):
        """Return the mailing lists from which the lines of these audiences take people.

        An address that has left all those of them that it was on gets no mail
        (`engine.sql.left_lists`). The lines' filters are not enough: they are applied only at a
        refresh, and Odoo keeps the `mailing.subscription` of a person who left the list, with
        `opt_out` set.

        :rtype: odoo.models.Model of `mailing.list`
        """
        # With all rights: people who left a list get no mail, whether or not the user may see the
        # list. Only ids are used.
        return self._get_taking_lines()._get_mailing_lists()

    def _get_uploads(self):
        """Return the uploaded lists from which the lines of these audiences take people.

        :rtype: odoo.models.Model of `directmail.upload`
        """
        # With all rights: a line may use a colleague's audience. Callers use the lists' values in
        # mails to the people in them only.
        # The lists of a snapshot's audience may have values of its people.
        lines = self._get_lines_behind()
        return lines.filtered(lambda line: line.kind == "upload").upload_id

    def _get_lines_behind(self):
        """Return `_get_taking_lines`, and those of the audiences of the snapshots in them."""
        lines, seen = self._get_taking_lines(), self.browse()
        while audiences := lines.snapshot_id.audience_id - seen:
            seen |= audiences
            lines |= audiences._get_taking_lines()
        return lines

    # === AUDIENCES === #

    @api.model
    def _get_action_of_person(self, person):
        """Return the action that shows the audiences of a person.

        :param person: a domain on `directmail.audience.member` that finds the person
        """
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "email_marketing_dm.directmail_audience_action"
        )
        members = self.env["directmail.audience.member"].search(person)
        action["domain"] = [("id", "in", members.audience_id.ids)]
        return action


class DirectmailAudienceMember(models.Model):
    """A person in an audience. Only a refresh writes members, in bulk by SQL."""

    _name = "directmail.audience.member"
    _description = "Audience Member"
    _inherit = ["directmail.audience.person"]
    _log_access = False
    _order = "id"

    entered_at = fields.Datetime("Member since", readonly=True)
    lang = fields.Selection(related="partner_id.lang")

    _record_index = models.Index("(res_model, res_id) WHERE partner_id IS NULL")
    # Sending looks up each mail's address among the members of the task's excluded audiences.
    _address_index = models.Index("(address_key) WHERE address_key IS NOT NULL")
    # When contacts are merged, our override of `base.partner.merge.automatic.wizard` deletes the
    # second row of one audience. Odoo would delete all rows of the merged contacts instead.
    _person_unique = models.Constraint("UNIQUE(audience_id, partner_id)")


class DirectmailAudienceSize(models.Model):
    """The counts of an audience after one refresh: its size, and how many entered and left."""

    _name = "directmail.audience.size"
    _description = "Audience Size"
    _log_access = False
    _order = "refreshed_at desc, id desc"
    _rec_name = "refreshed_at"

    audience_id = fields.Many2one(
        "directmail.audience", required=True, readonly=True, index=True, ondelete="cascade"
    )
    refreshed_at = fields.Datetime("Refreshed", required=True, readonly=True)
    people_count = fields.Integer("People", readonly=True, aggregator="avg")
    usable_count = fields.Integer("With a usable address", readonly=True, aggregator="avg")
    entered_count = fields.Integer("Entered", readonly=True)
    left_count = fields.Integer("Left", readonly=True)
