from markupsafe import Markup

from odoo import api, models

STARTS = 4  # designs shown in the empty list


class DirectmailTemplate(models.Model):
    """Designs to begin with in an empty list of templates, and the button *New email task*."""

    _inherit = "directmail.template"

    def action_new_task(self):
        """Open a new email task that sends this template, to the only audience if there is one."""
        self.ensure_one()
        self.check_access("read")
        audiences = self.env["directmail.audience"].search(
            [("company_id", "=", self.company_id.id), ("people_count", ">", 0)], limit=2
        )
        only = audiences if len(audiences) == 1 else None
        return self.env["directmail.home"]._open_new_task(only, self)

    @api.model
    def _make_start(self):
        """Override: show designs as pictures, each a link to a template that begins with it."""
        designs = self.env["directmail.design"].search([], limit=STARTS)
        return Markup(
            '<div class="o_directmail_starts">%s</div>'
            '<p class="mt-3"><a type="action" href="#" class="btn btn-primary"'
            ' name="email_marketing_dm.directmail_design_action">%s</a></p>'
        ) % (Markup().join(map(self._make_design_link, designs)), self.env._("All designs"))

    @api.model
    def _make_design_link(self, design):
        context = {
            "active_model": design._name,
            "active_id": design.id,
            "active_ids": design.ids,
        }
        return Markup(
            '<a type="action" href="#" name="email_marketing_dm.directmail_design_action_use"'
            ' data-context="%s" class="card text-reset">'
            '<span class="o_directmail_thumbnail d-block border-bottom" aria-hidden="true">'
            '<iframe src="/directmail/thumbnail/design/%s" sandbox="" loading="lazy" tabindex="-1"'
            ' scrolling="no"></iframe></span><span class="d-block px-1 py-2 small">%s</span></a>'
        ) % (str(context), design.id, design.name)
