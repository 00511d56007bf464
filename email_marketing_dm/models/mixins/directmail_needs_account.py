from lxml.builder import E
from markupsafe import Markup

from odoo import api, fields, models

from .banner import insert_banner


class DirectmailNeedsAccount(models.AbstractModel):
    """Records that are of use only with an active account (`account_id`).

    Without one, the form of a draft says what to do, or whom to ask.
    """

    _name = "directmail.needs.account"
    _description = "Record That Needs an Active Account"

    account_notice = fields.Char(compute="_compute_account_notice")

    @api.depends("account_id.state")
    @api.depends_context("uid", "company", "lang")
    def _compute_account_notice(self):
        notice = self.env["directmail.home"]._explain_no_account()
        for record in self:
            record.account_notice = record.account_id.state != "active" and notice

    @api.model
    def get_empty_list_help(self, help_message):
        """Override: add buttons to begin with to the text of an empty list.

        The web client caches the text, so it does not depend on whether an account is active.
        """
        return super().get_empty_list_help(
            Markup("%s%s") % (Markup(help_message or ""), self._make_start())
        )

    @api.model
    def _make_start(self):
        """Return what an empty list shows below its text, as HTML."""
        return Markup(
            '<p><a type="action" href="#" class="btn btn-primary"'
            ' name="email_marketing_dm.directmail_home_action">%s</a></p>'
        ) % self.env._("See the next step on Home")

    @api.model
    def _get_view(self, view_id=None, view_type="form", **options):
        """Override: add a banner with `account_notice` to each form."""
        arch, view = super()._get_view(view_id, view_type, **options)
        if view_type == "form":
            insert_banner(arch, self._make_account_banner())
        return arch, view

    def _make_account_banner(self):
        return E.div(
            E.field(name="account_notice", nolabel="1"),
            E.a(
                self.env._("See the next step on Home"),
                href="/odoo/action-email_marketing_dm.directmail_home_action",
                **{"class": "alert-link ms-2"},
            ),
            role="status",
            invisible="not account_notice or state != 'draft'",
            **{"class": "alert alert-warning mb-0"},
        )
