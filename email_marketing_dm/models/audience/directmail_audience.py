from odoo import api, fields, models
from odoo.exceptions import AccessError
from odoo.fields import Command, Domain

from ...clock.daily import get_region_name
from ...engine.audience import select_people, visible_contacts
from ...groups import GROUP_ADMIN, GROUP_DOWNLOAD
from ..mixins.directmail_used import OVER
from .directmail_audience_rule import DEPTH_MAX

#: the paths to an audience's lines: its own, those of its groups, those of groups in groups, …
LINES = [".".join(["rule_ids"] + ["child_ids"] * depth) for depth in range(DEPTH_MAX + 1)]


class DirectmailAudience(models.Model):
    _name = "directmail.audience"
    _description = "Audience"
    _inherit = ["directmail.owned", "directmail.of.company", "directmail.used", "mail.thread"]
    _order = "name, id"
    _guarded_fields = frozenset(
        (
            "entered_count",
            "left_count",
            "member_ids",
            "next_refresh_at",
            "people_count",
            "refresh_error",
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
    rule_ids = fields.One2many(
        "directmail.audience.rule",
        "audience_id",
        "Lines",
        domain=[("parent_id", "=", False)],
        copy=True,
    )
    kinds = fields.Char("Made from", compute="_compute_kinds", store=True)
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
    refresh_error = fields.Text("Why the last refresh failed", readonly=True, copy=False)
    is_mine = fields.Boolean(compute="_compute_is_mine")

    @api.depends("user_id")
    @api.depends_context("uid")
    def _compute_is_mine(self):
        admin = self.env.user.has_group(GROUP_ADMIN)
        for audience in self:
            audience.is_mine = admin or audience.user_id == self.env.user

    @api.depends(*(f"{lines}.{name}" for lines in LINES for name in ("kind", "table_id.name")))
    def _compute_kinds(self):
        """Say what an audience is made from, to search by. Names are those of the source terms."""
        for audience in self.sudo().with_context(lang="en_US"):
            rules = audience.rule_ids._with_inner()
            labels = dict(rules._fields["kind"]._description_selection(audience.env))
            names = [
                rule.table_id.name if rule.kind == "table" else labels[rule.kind]
                for rule in rules
                if rule.kind != "group"
            ]
            audience.kinds = ", ".join(dict.fromkeys(filter(None, names)))

    def _get_users(self):
        """Override: email tasks that are not over, lines of other audiences, fatigue control."""
        archived_too = self.sudo().with_context(active_test=False)
        tasks = Domain("audience_ids", "in", self.ids) | Domain(
            "exclude_audience_ids", "in", self.ids
        )
        lines = archived_too.env["directmail.audience.rule"].search([("source_id", "in", self.ids)])
        return [
            archived_too.env["directmail.task"].search(tasks & Domain("state", "not in", OVER)),
            lines.audience_id - self,
            archived_too.env["directmail.fatigue"].search(
                [("exempt_audience_ids", "in", self.ids)]
            ),
        ]

    def _let_go(self):
        """Override: email tasks that are over note the name of what they used."""
        res = super()._let_go()
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
        # Before the audiences, so that deleting one together with one made of it is no conflict.
        self.env["directmail.audience.rule"].sudo().search(
            [("audience_id", "in", self.ids)]
        ).unlink()
        return res

    def copy_data(self, default=None):
        # A copy of somebody's public audience is mine, private, and evaluated with my rights.
        default = {"visibility": "private", **(default or {})}
        vals_list = super().copy_data(default)
        if "name" not in default:
            for audience, vals in zip(self, vals_list, strict=True):
                vals["name"] = self.env._("%s (copy)", audience.name)
        return vals_list

    def copy(self, default=None):
        copies = super().copy(default)
        for audience, copied in zip(self, copies, strict=True):
            copied.sudo().rule_ids._copy_picks(audience.sudo().rule_ids)
        return copies

    # === ACTIONS === #

    def action_view_members(self):
        return self._get_members_action(self.env._("People"), [])

    def action_view_entered(self):
        """Show who came in with the last refresh."""
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
        self.ensure_one()
        self.check_access("read")
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "email_marketing_dm.directmail_audience_size_action"
        )
        action["domain"] = [("audience_id", "=", self.id)]
        return action

    def action_download(self):
        """Download the people as a file.

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
        self.write({"visibility": "public"})
        return True

    def action_make_private(self):
        self.write({"visibility": "private"})
        return True

    # === RIGHTS === #

    def _get_company_env(self, env):
        """Return the environment of a user, limited to the audience's company."""
        context = {
            "allowed_company_ids": self.sudo().company_id.ids,
            "lang": env.user.lang,
            "tz": get_region_name(env.user.tz),
        }
        return env(context=context)

    def _get_sources(self):
        """Return the audiences that this one is made of, those of groups included."""
        rules = self.env["directmail.audience.rule"].sudo()
        return rules.search([("audience_id", "in", self.ids), ("kind", "=", "audience")]).source_id

    def _has_others_than_contacts(self):
        """Tell whether a record of another model or a bare address is a member."""
        members = self.env["directmail.audience.member"].sudo()
        return bool(
            members.search_count(
                [("audience_id", "in", self.ids), ("partner_id", "=", False)], limit=1
            )
        )

    def _refers_to(self, other):
        """Tell whether an audience is, or is made of, directly or through others, the other."""
        seen, found = self.browse(), self.sudo()
        while found:
            if other._origin in found:
                return True
            seen |= found
            found = found._get_sources() - seen
        return False

    # === PEOPLE === #

    def _on_refreshed(self):
        """Follow a refresh: fatigue control's exemption may be too large, or small enough again."""
        self.ensure_one()
        exempting = (
            self.env["directmail.fatigue"].sudo().search([("exempt_audience_ids", "in", self.ids)])
        )
        exempting._update_exemption()

    def _get_lines(self, env):
        """Return the audience's lines as `engine.audience` reads them.

        :param env: whose rights count, limited to the audience's company
        :raise UserError: (or a subclass) if a line can't be used
        """
        self.ensure_one()
        return [rule._as_line(env) for rule in self._get_top_rules()]

    def _get_top_rules(self):
        rules = self.sudo().rule_ids.filtered(lambda rule: not rule.parent_id)
        return rules.sorted("sequence")

    def _select_people(self):
        """Return SQL that selects the people of the audience, as six columns of a person.

        :rtype: SQL
        :raise UserError: (or a subclass) if a line can't be used, or the owner is gone
        """
        env = self._get_owner_env()
        return select_people(self._get_lines(env), visible_contacts(env), self._get_key())

    def _get_key(self):
        return self.env["directmail.keyring"]._get_master_key()

    # === MAILING LISTS === #
    # Which of Odoo's mailing lists an audience is built from: who leaves them gets no mail of it.
    #
    # The audience's filter alone can't say so: members stay on it between two refreshes, and Odoo
    # keeps those who left a list on it, marked as such.

    def _get_mailing_lists(self, seen=()):
        """Return the mailing lists that the lines of these audiences are about.

        :param seen: ids of audiences that were looked at before
        :rtype: odoo.models.Model of `mailing.list`
        """
        lists = self.env["mailing.list"].sudo()
        for audience in self.sudo().filtered(lambda audience: audience.id not in seen):
            rules = audience.rule_ids.filtered(lambda rule: not rule.parent_id)
            lists |= rules._get_mailing_lists((*seen, audience.id))
        return lists

    # === AUDIENCES === #

    @api.model
    def _get_action_of_person(self, person):
        """Return the action that shows the audiences with a person, given as a members' domain."""
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "email_marketing_dm.directmail_audience_action"
        )
        members = self.env["directmail.audience.member"].search(person)
        action["domain"] = [("id", "in", members.audience_id.ids)]
        return action
