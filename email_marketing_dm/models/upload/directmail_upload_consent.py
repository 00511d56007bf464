from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import format_date

from .directmail_upload import ANSWER_FIELDS

#: lists that may not be mailed
REFUSED = "bought"
SOURCES = [
    ("signup", "They signed up for our emails"),
    ("customer", "They bought from us"),
    ("inquiry", "They asked us for an offer or information"),
    ("event", "They gave us their address at an event or in a shop"),
    ("member", "They are our employees, members or partners"),
    ("other", "Another way"),
    (REFUSED, "The list was bought, rented or collected from websites"),
]


class DirectmailUpload(models.Model):
    """The question where the people of an upload come from, and the answer with user and date.

    Uploads of versions before 19.0.1.7.0 have no answer.
    """

    _inherit = "directmail.upload"
    _guarded_fields = frozenset(("consent_user_id", "consent_at", "consent_text"))

    consent_source = fields.Selection(
        SOURCES,
        "Where do you have these people from?",
        copy=False,
        help="Asked once for each list, and kept with your name and the date as a record of why you"
        " may mail these people.",
    )
    consent_note = fields.Char(
        "Details",
        copy=False,
        help="When and how they agreed, so that you can prove it later.",
    )
    consent_user_id = fields.Many2one("res.users", "Answered by", readonly=True, copy=False)
    consent_at = fields.Datetime("Answered on", readonly=True, copy=False)
    # The question and the answer in the language in which the user read them.
    consent_text = fields.Char(readonly=True, copy=False)
    consent_summary = fields.Char("Source of the addresses", compute="_compute_consent_summary")

    @api.depends("consent_source", "consent_note", "consent_user_id", "consent_at")
    @api.depends_context("lang")
    def _compute_consent_summary(self):
        for upload in self:
            upload.consent_summary = upload._describe_consent()

    def _describe_consent(self):
        """Return the answer with its details, user and date; "Not asked" if there is none."""
        if not self.consent_source:
            return self.env._("Not asked")
        labels = dict(self._fields["consent_source"]._description_selection(self.env))
        answer = labels[self.consent_source]
        if self.consent_note:
            answer = self.env._("%(answer)s: %(details)s", answer=answer, details=self.consent_note)
        if not self.consent_at:
            return answer  # the form is not saved yet
        return self.env._(
            "%(answer)s (answered by %(user)s on %(date)s)",
            answer=answer,
            user=self.consent_user_id.name,
            date=format_date(self.env, fields.Datetime.context_timestamp(self, self.consent_at)),
        )

    def _keep_answer(self, vals):
        """Store user, date and text of the answer, if there is one in the values written.

        :param dict vals: of `create` or `write`
        """
        if not ANSWER_FIELDS & set(vals):
            return
        question = self._fields["consent_source"]
        labels = dict(question._description_selection(self.env))
        for upload in self:
            answer = labels.get(upload.consent_source)
            # sudo(): the fields are guarded; `create` and `write` have checked the rights.
            upload.sudo().write(
                {
                    "consent_user_id": answer and self.env.uid,
                    "consent_at": answer and fields.Datetime.now(),
                    "consent_text": answer and f"{question._description_string(self.env)} {answer}",
                }
            )

    def _check_consent(self):
        """Check that the question was answered, and that the people may be mailed.

        :raise UserError: with what to do instead
        """
        if not self.consent_source:
            raise UserError(
                self.env._(
                    "Answer the question “Where do you have these people from?” first. The answer"
                    " is kept with the list."
                )
            )
        if self.consent_source == REFUSED:
            raise UserError(
                self.env._(
                    "People on bought, rented or collected lists did not agree to get your emails,"
                    " so the list can't be used. DirectMail can block accounts that mail such"
                    " lists, and many countries forbid it."
                )
            )
        if self.consent_source == "other" and not (self.consent_note or "").strip():
            raise UserError(self.env._("Describe under Details where you have these people from."))
