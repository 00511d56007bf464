from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.fields import Domain
from odoo.tools import format_date

from ...engine.mailing_consent import AGREEMENTS
from .directmail_upload import ANSWER_FIELDS

#: of the questions about being measured and mailed, to be raised with each change of them
TEXT_VERSION = "1"
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
    _guarded_fields = frozenset(
        (
            "consent_user_id",
            "consent_at",
            "consent_text",
            "consent_recorded_count",
            "consent_refused_count",
            "consent_agreed_count",
            "consent_kept_count",
        )
    )

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
    consent_measuring = fields.Selection(
        [
            ("unasked", "They were not asked"),
            ("yes", "Yes, all of them agreed"),
            ("no", "No, all of them refused"),
        ],
        "Did they agree to their opens and clicks being recorded?",
        default="unasked",
        copy=False,
        help="The answer is stored for each person when the list is matched. A person who has"
        " refused stays refused, whatever you answer here.",
    )
    consent_recorded_count = fields.Integer("Answers recorded", readonly=True, copy=False)
    # People for whom "yes" was not stored, because they have refused.
    consent_refused_count = fields.Integer("Refusals that stay in force", readonly=True, copy=False)
    has_purposes = fields.Boolean(compute="_compute_has_purposes")
    consent_mailing = fields.Selection(
        [
            ("unasked", "They were not asked"),
            ("yes", "Yes, all of them agreed"),
            ("confirmed", "Yes, and all of them confirmed it by email"),
        ],
        "Did they agree to get emails about a topic?",
        default="unasked",
        copy=False,
        help="The answer is stored for each person when the list is matched. A person who has"
        " refused the topic, or has unsubscribed, stays as they are, whatever you answer here.",
    )
    consent_purpose_ids = fields.Many2many(
        "directmail.purpose",
        "directmail_upload_purpose_rel",
        string="Topics they agreed to",
        domain="[('company_id', '=', company_id)]",
        copy=False,
    )
    consent_agreed_count = fields.Integer("Agreements recorded", readonly=True, copy=False)
    # Answers that were not stored, because the person has refused the topic or unsubscribed.
    consent_kept_count = fields.Integer("Refused or unsubscribed before", readonly=True, copy=False)
    consent_summary = fields.Char("Source of the addresses", compute="_compute_consent_summary")

    @api.depends("consent_source", "consent_note", "consent_user_id", "consent_at")
    @api.depends_context("lang")
    def _compute_consent_summary(self):
        for upload in self:
            upload.consent_summary = upload._describe_consent()

    @api.depends("company_id")
    def _compute_has_purposes(self):
        for upload in self:
            upload.has_purposes = bool(
                self.env["directmail.purpose"].search_count(
                    [("company_id", "=", upload.company_id.id)], limit=1
                )
            )

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

    def _record_answers(self):
        """Store the answers about measuring and topics for each person, with their proof.

        As the owner: of contacts, only for those whom the owner may change.
        """
        self.ensure_one()
        if self.consent_measuring in ("yes", "no"):
            recorded, refused = self._record_answer("consent_measuring")
            self.write({"consent_recorded_count": recorded, "consent_refused_count": refused})
        if self.consent_mailing in AGREEMENTS:
            answers = [
                self._record_answer("consent_mailing", purpose)
                # sudo(): an archived topic, or one of a company that the cron's user left.
                for purpose in self.sudo().with_context(active_test=False).consent_purpose_ids
            ]
            self.write(
                {
                    "consent_agreed_count": sum(recorded for recorded, _refused in answers),
                    "consent_kept_count": sum(refused for _recorded, refused in answers),
                }
            )

    def _record_answer(self, name, purpose=None):
        """Store the answer to a question for each person of the list.

        :param str name: of the question's field
        :param purpose: the `directmail.purpose` that the answer is about, or None
        :return: (number of answers stored, number of people who have refused)
        """
        user = self.consent_user_id or self.user_id
        shown = self.with_context(lang=user.lang)
        question = shown._fields[name]
        labels = dict(question._description_selection(shown.env))
        contacts = self._get_owner_env()["res.partner"]
        may_change = contacts.env["ir.rule"]._compute_domain("res.partner", "write")
        text = f"{question._description_string(shown.env)} {labels[self[name]]}"
        if purpose:
            text = f"{text}: {purpose.with_context(lang=user.lang).name}"
        return self.env["directmail.consent"]._import_answers(
            self,
            contacts._search(Domain.TRUE if may_change is None else Domain(may_change)),
            self[name],
            purpose,
            user_id=user.id,
            lang=user.lang or None,
            note=self._describe_source(shown.env) or None,
            text=text,
            text_version=TEXT_VERSION,
        )

    def _describe_source(self, env):
        """Return the answer to where the people come from, with its details.

        :param env: with the language of the user who answered
        """
        labels = dict(self._fields["consent_source"]._description_selection(env))
        return ": ".join(filter(None, (labels.get(self.consent_source), self.consent_note)))

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
        self._check_topics()
        if self.consent_measuring in ("yes", "no") and not self.env["res.partner"].has_access(
            "write"
        ):
            raise UserError(
                self.env._(
                    "You may not change contacts, so you can't record whether they agreed to being"
                    " measured. Choose “They were not asked”, or ask an administrator for the right"
                    " to change contacts."
                )
            )
        if self.consent_source == "other" and not (self.consent_note or "").strip():
            raise UserError(self.env._("Describe under Details where you have these people from."))

    def _check_topics(self):
        """Check the answer about topics: see `_check_consent`."""
        if self.consent_mailing not in AGREEMENTS:
            return
        if not self.consent_purpose_ids:
            raise UserError(
                self.env._("Choose the topics that these people agreed to, under Consent.")
            )
        if self.consent_mailing == "confirmed" and not (self.consent_note or "").strip():
            raise UserError(
                self.env._(
                    "Describe under Details when these people confirmed it, and where the proof is"
                    " kept. You need it if somebody complains."
                )
            )
        if not self.env["res.partner"].has_access("write"):
            raise UserError(
                self.env._(
                    "You may not change contacts, so you can't record what they agreed to. Choose"
                    " “They were not asked”, or ask an administrator for the right to change"
                    " contacts."
                )
            )
