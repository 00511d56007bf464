from odoo import models

from ..content.lengths import cut_units
from ..content.placeholders import assemble
from ..directmail.const import SENDER_NAME_MAX, SUBJECT_MAX
from ..engine.content import Person

# In place of a person's own token: the links of a preview lead nowhere.
PREVIEW_TOKEN = "preview"


class DirectmailTemplate(models.Model):
    """What somebody will get, before anybody gets it."""

    _inherit = "directmail.template"

    def preview_content(self, values, partner_id):
        """Return the mail that a contact would get of content that may not be saved yet.

        :param values: as in `check_content`; empty for what was submitted
        :param int partner_id: a contact that the user may read, or False for the defaults only
        :return: {"subject", "sender_name", "html", "public_url"}; pictures of this server are
            under the latter
        :raise AccessError: for a contact that the user may not read, or of another company than
            the account's
        """
        template, subject, text, filled = self._fill_content(values, partner_id)
        return {
            "subject": cut_units(assemble(subject or "", filled), SUBJECT_MAX),
            "sender_name": cut_units(template.sender_name or "", SENDER_NAME_MAX),
            "html": assemble(text or "", filled),
            "public_url": template._get_public_url(),
        }

    def _fill_content(self, values, partner_id):
        """Return content and what a contact's mail has in the place of each variable.

        :param values, partner_id: as in `preview_content`
        :return: the template, subject and text with their variables, {variable: text}
        :raise AccessError: as `preview_content`
        """
        if values:
            template = self._make_draft(values)
            compiled = template._compile_content(template.body_html)
            subject, text, variables = compiled.subject, compiled.text, compiled.variables
        else:
            self.ensure_one()
            self.check_access("read")
            template, variables = self, self.variables or []
            subject, text = self.submitted_subject, self.submitted_text
        company = template.account_id.company_id
        partner = self.env["res.partner"].browse(partner_id or [])
        partner.with_context(allowed_company_ids=company.ids).check_access("read")
        person = Person(partner.id or 0, partner.id, None, None)
        vals = {
            "user_id": template.user_id.id,
            "content_user_id": template.content_user_id.id,
            "account_id": template.account_id.id,
            "variables": variables,
        }
        # The preview must not show what its reader may not see.
        filled = template.new(vals)._get_values([person], reader=self.env.user)[person.id]
        return template, subject, text, {**filled, "Token": PREVIEW_TOKEN}
