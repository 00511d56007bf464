import logging

from markupsafe import Markup

from odoo import fields, models
from odoo.exceptions import UserError

from ...content.sameness import find_difference, is_same
from ...directmail.errors import DirectMailError

_logger = logging.getLogger(__name__)


class DirectmailTemplate(models.Model):
    """Comparison of a template with the text that DirectMail stores.

    A service that stores HTML may change line ends, entities or the order of attributes. So the
    text read back after the submission (`stored_text`) is the reference for later comparisons.
    """

    _inherit = "directmail.template"

    def _take_reference(self):
        """Read the template back while it is in review, and store it as the reference.

        If that fails, `_follow` tries again with the next listing.
        """
        self.ensure_one()
        try:
            remote = self.account_id._call(lambda client: describe(client, self.remote_ref))
        except UserError as error:
            _logger.warning("Template %s can't be read back yet: %s", self.id, error)
            return
        if remote is None or remote.status not in ("in_review", "approved"):
            return
        if remote.status == "approved" and not self._is_submitted(remote):
            return  # `_compare` reports the difference
        self._keep_reference(remote)

    def _keep_reference(self, remote):
        """Store DirectMail's text as the reference; note if it differs from the submitted text.

        :param remote: a `directmail.records.Template`
        """
        # sudo(): the fields are guarded; they hold what DirectMail has.
        self.sudo().write({"stored_subject": remote.subject, "stored_text": remote.text})
        if not self._is_submitted(remote):
            self._post_note(
                self.env._("DirectMail stored a text that differs from the submitted one:"),
                self._get_difference(remote),
            )

    def _is_submitted(self, remote):
        """Return whether a `directmail.records.Template` has the submitted subject and text."""
        return _same_subject(remote.subject, self.submitted_subject) and is_same(
            remote.text, self.submitted_text or ""
        )

    def _compare(self):
        """Read the template back; let it lapse unless it is approved and equals the reference.

        Does nothing if `content_mode` is "body": mails then contain the approved text themselves.

        :return: explanation of the lapse; False if the template is unchanged
        :raise UserError: if DirectMail can't be called
        """
        self.ensure_one()
        if self.account_id.content_mode == "body":
            return False
        remote = self.account_id._call(
            lambda client: describe(client, self.remote_ref) if self.remote_ref else None
        )
        if remote is None:
            return self._lapse("deleted")
        if not self.stored_text and remote.status == "approved" and self._is_submitted(remote):
            self._keep_reference(remote)
        if remote.status != "approved" or not self._is_stored(remote):
            return self._lapse("changed", self._get_difference(remote))
        # sudo(): callers have checked write access, or are a cron; `checked_at` is guarded.
        self.sudo().checked_at = fields.Datetime.now()
        return False

    def _is_stored(self, remote):
        return bool(self.stored_text) and (
            _same_subject(remote.subject, self.stored_subject)
            and is_same(remote.text, self.stored_text)
        )

    def _read_difference(self):
        """Return the difference to DirectMail's current text, as `_get_difference`.

        Empty if DirectMail can't be called: the difference is for information only.
        """
        try:
            remote = self.account_id._call(lambda client: describe(client, self.remote_ref))
        except UserError:
            remote = None
        return self._get_difference(remote) if remote else Markup()

    def _get_difference(self, remote):
        """Return the difference between the reference (or submitted) text and DirectMail's.

        :param remote: a `directmail.records.Template`
        :return: HTML for a message, empty if nothing differs
        :rtype: Markup
        """
        subject = self.stored_subject or self.submitted_subject or ""
        found = find_difference(self.stored_text or self.submitted_text or "", remote.text)
        if not _same_subject(remote.subject, subject):
            found = [("-", subject), ("+", remote.subject), *found]
        labels = {"-": self.env._("Before:"), "+": self.env._("Now:")}
        rows = [Markup("<li><b>%s</b> %s</li>") % (labels[sign], piece) for sign, piece in found]
        return Markup("<ul>%s</ul>") % Markup().join(rows) if rows else Markup()


def describe(client, remote_ref):
    """Return DirectMail's `directmail.records.Template`; None if DirectMail does not have it."""
    try:
        return client.describe_template(remote_ref)
    except DirectMailError as error:
        if error.kind != "not_found":
            raise
        return None


def _same_subject(one, other):
    return " ".join((one or "").split()) == " ".join((other or "").split())
