from odoo import models

from ...directmail import probe
from ...engine.context import TaskContent


class DirectmailFirstContact(models.Model):
    """The template, tag and mail that First contact creates at DirectMail."""

    _inherit = "directmail.first.contact"

    def _get_remote_name(self):
        """Return the template's name, by which `_run_template` finds it after an interruption."""
        # sudo(): users may not read parameters; the name shows six characters.
        uuid = self.env["ir.config_parameter"].sudo().get_param("database.uuid") or ""
        return f"First contact {self.id}-{uuid[:6]}"

    def _get_text(self):
        return probe.make_text((self.account_id.public_url or "").rstrip("/"))

    def _ensure_tag(self):
        """Find or create the tag by which DirectMail's records of this mail are read."""
        # sudo(): users may not read parameters; the name shows six characters.
        uuid = self.env["ir.config_parameter"].sudo().get_param("database.uuid") or ""
        name = f"first_contact_{self.id}_{uuid[:6]}"
        client = self.account_id._get_client()
        found = client.find_tag(name)
        self.tag_ref = found.tag_id if found else client.create_tag(name)
        self.tag_name = name

    def _make_mail(self, builder):
        """Return the mail.

        :param engine.content.MailBuilder builder: the class that makes the mails of email tasks
        """
        token = self._get_token()
        # The call and the template have different subjects, to see which one DirectMail uses: only
        # the call's can be chosen per mail.
        content = TaskContent(
            sender=self.sender_id.email,
            address_type=1,
            sender_name=probe.SENDER_NAME,
            reply=self.sender_id._get_reply(self.reply_to),
            tag=self.tag_name,
            template_ref=self.remote_ref,
            subject=probe.SUBJECT_OF_CALL,
            text=self._get_text(),
            plain_names=frozenset(("NameSubject",)),
        )
        # sudo() reads the address of the administrator who started First contact.
        return builder.make(content, token, self.sudo().user_id.email, probe.make_values(token))
