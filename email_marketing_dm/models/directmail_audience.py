import logging

from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.fields import Domain
from odoo.tools import SQL, date_utils
from odoo.tools.safe_eval import datetime, safe_eval, time

from ..engine.sql import usable_address

_logger = logging.getLogger(__name__)


class DirectmailAudience(models.Model):
    _name = "directmail.audience"
    _description = "Audience"
    _inherit = ["directmail.guarded", "mail.thread"]
    _order = "name, id"
    _guarded_fields = frozenset(
        ("people_count", "refresh_error", "refreshed_at", "usable_count", "member_ids")
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
    domain = fields.Char("Filter", required=True, default="[]")
    member_ids = fields.One2many("directmail.audience.member", "audience_id", "Members")
    people_count = fields.Integer("People", readonly=True, copy=False)
    usable_count = fields.Integer(
        "With a usable address",
        readonly=True,
        copy=False,
        help="People whose contact has an email address that DirectMail accepts.",
    )
    refreshed_at = fields.Datetime("Last refreshed", readonly=True, copy=False)
    refresh_error = fields.Text("Why the last refresh failed", readonly=True, copy=False)
    is_mine = fields.Boolean(compute="_compute_is_mine")

    @api.depends("user_id")
    @api.depends_context("uid")
    def _compute_is_mine(self):
        admin = self.env.user.has_group("email_marketing_dm.email_marketing_dm_group_admin")
        for audience in self:
            audience.is_mine = admin or audience.user_id == self.env.user

    @api.constrains("domain")
    def _check_domain(self):
        for audience in self:
            audience._get_domain()

    @api.constrains("user_id", "company_id")
    def _check_owner(self):
        for audience in self:
            if audience.company_id not in audience.user_id.sudo().company_ids:
                raise ValidationError(
                    self.env._(
                        "%(owner)s does not work in %(company)s and can't own this audience.",
                        owner=audience.user_id.name,
                        company=audience.company_id.name,
                    )
                )

    def write(self, vals):
        if not self.env.su and "user_id" in vals and not self._may_give_away():
            # Whoever owns an audience lends it their rights, so only an administrator appoints.
            raise AccessError(
                self.env._("Only an administrator may change the owner of an audience.")
            )
        return super().write(vals)

    @api.model_create_multi
    def create(self, vals_list):
        if not self.env.su and not self._may_give_away():
            for vals in vals_list:
                if vals.get("user_id", self.env.uid) != self.env.uid:
                    raise AccessError(self.env._("You can make audiences only for yourself."))
        return super().create(vals_list)

    def copy_data(self, default=None):
        # A copy of somebody's public audience is mine, private, and evaluated with my rights.
        default = {"user_id": self.env.uid, "visibility": "private", **(default or {})}
        vals_list = super().copy_data(default)
        if "name" not in default:
            for audience, vals in zip(self, vals_list, strict=True):
                vals["name"] = self.env._("%s (copy)", audience.name)
        return vals_list

    def _may_give_away(self):
        return self.env.user.has_group("email_marketing_dm.email_marketing_dm_group_admin")

    # === ACTIONS === #

    def action_refresh(self):
        """Choose the people anew; on failure say why and keep those of the last refresh."""
        for audience in self:
            audience.check_access("write")
            audience._refresh()
        return True

    def action_view_members(self):
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "email_marketing_dm.directmail_audience_member_action"
        )
        action["domain"] = [("audience_id", "=", self.id)]
        return action

    # === BUSINESS === #

    def _get_domain(self):
        """Return the filter as a `Domain`.

        :raise ValidationError: if the filter can't be read or names a field that is not there
        """
        self.ensure_one()
        try:
            domain = Domain(
                safe_eval(
                    self.domain or "[]",
                    {
                        "uid": self.user_id.id,
                        "datetime": datetime,
                        "time": time,
                        "context_today": lambda: fields.Date.context_today(self),
                        "relativedelta": date_utils.relativedelta,
                    },
                )
            )
            domain.validate(self.env["res.partner"].sudo())
        except (ValueError, TypeError, KeyError, SyntaxError, NameError) as error:
            raise ValidationError(
                self.env._(
                    "The filter of the audience %(audience)s can't be used: %(reason)s",
                    audience=self.name,
                    reason=error,
                )
            ) from error
        return domain

    def _as_owner(self):
        """Return the contacts model as the owner sees it: own rights, this company only.

        :raise UserError: if the owner no longer works here
        """
        self.ensure_one()
        owner = self.sudo().user_id
        if not owner.active or self.company_id not in owner.company_ids:
            raise UserError(
                self.env._(
                    "%(owner)s, who owns the audience %(audience)s, no longer works in %(company)s."
                    " Ask an administrator to appoint a new owner.",
                    owner=owner.name,
                    audience=self.name,
                    company=self.company_id.name,
                )
            )
        return self.env(
            user=owner.id,
            su=False,
            context={
                "allowed_company_ids": self.company_id.ids,
                "lang": owner.lang,
                "tz": owner.tz,
            },
        )["res.partner"]

    def _get_people_query(self):
        """Return SQL that selects the ids of the contacts in this audience.

        :rtype: SQL
        :raise AccessError: if the owner may not read contacts or a field of the filter
        """
        return self._as_owner()._search(self._get_domain()).select()

    def _refresh(self):
        """Choose the people anew in one statement.

        A failure is written on the audience, whose members stay as they were.

        :return: whether the refresh succeeded
        :rtype: bool
        """
        self.ensure_one()
        audience = self.sudo()
        audience.lock_for_update()
        try:
            with self.env.cr.savepoint():
                people, usable = audience._replace_members()
        except (AccessError, UserError) as error:
            audience.refresh_error = error.args[0]
            return False
        audience.write(
            {
                "people_count": people,
                "usable_count": usable,
                "refreshed_at": fields.Datetime.now(),
                "refresh_error": False,
            }
        )
        return True

    def _replace_members(self):
        """Replace the members by what the filter finds now; return (people, with an address)."""
        query = self._get_people_query()
        self.env["res.partner"].flush_model()
        self.env.execute_query(
            SQL(
                "DELETE FROM directmail_audience_member WHERE audience_id = %s RETURNING 1", self.id
            )
        )
        people, usable = self.env.execute_query(
            SQL(
                """WITH chosen AS (
                    INSERT INTO directmail_audience_member (audience_id, partner_id)
                    SELECT %(audience)s, people.id FROM (%(query)s) AS people(id)
                    RETURNING partner_id
                )
                SELECT count(*), count(*) FILTER (WHERE %(usable)s)
                  FROM chosen JOIN res_partner p ON p.id = chosen.partner_id""",
                audience=self.id,
                query=query,
                usable=usable_address(SQL("p.email_normalized")),
            )
        )[0]
        self.env["directmail.audience.member"].invalidate_model()
        return people, usable
