from datetime import datetime, timedelta, timezone

from odoo import fields, models

from ...content.languages import join_sentences
from ...directmail import probe
from ...directmail.answers import Verdict, verdict_of_code
from ...directmail.behaviors import find_suspect
from ...directmail.errors import DirectMailError
from ...engine.claim import add_usage, lock_gate

REMARK = "First contact from Odoo"
# Behavior -> field of `directmail.first.contact` with the administrator's answer.
ANSWER_OF = {
    "emoji": "answer_emoji",
    "right_to_left": "answer_direction",
    "reply": "answer_reply",
}
PUSH_PATIENCE = timedelta(hours=24)
# Verdicts that may be about this variant of the mail, so that another one is worth an attempt.
REFUSED = (Verdict.DOUBTFUL, Verdict.PERSON_REFUSED, Verdict.TASK_PAUSED)


class DirectmailFirstContactStep(models.Model):
    """The steps that create something at DirectMail, wait for results, or delete it again."""

    _inherit = "directmail.first.contact.step"

    # The template ----------------------------------------------------------------------------

    def _run_template(self):
        contact, account = self.contact_id, self.account_id
        client = account._get_client()
        name, text = contact._get_remote_name(), contact._get_text()
        try:
            # Look for it first: the answer to its creation may have been lost, and a duplicate
            # would take a second slot.
            row = client.find_template(name)
            ref = row.template_id if row else client.create_template(
                name, probe.SUBJECT_OF_TEMPLATE, probe.SENDER_NAME, text, REMARK
            )  # fmt: skip
            stored = client.describe_template(ref)
        except DirectMailError as error:
            kind = {"permission": "denied", "not_directmail": "missing"}.get(error.kind)
            if kind and (kind == "denied" or error.code.startswith("Invalid")):
                return self._do_without_templates(kind, error)
            raise
        contact.remote_ref = ref
        stored_text = probe.compare_text(text, stored.text)
        account._observe(
            "template",
            template_operations="available",
            stored_text=stored_text,
            returns_nickname="yes" if stored.sender_name else "no",
        )
        if stored_text == "changed":
            return "warning", self.env._(
                "DirectMail stored the template, but changed its visible content. Compare it in"
                " DirectMail's console before you send a campaign."
            )
        return "ok", self.env._("DirectMail stored the template correctly.")

    def _do_without_templates(self, kind, error):
        self.account_id._observe("template", template_operations=kind)
        message = (
            self.env._(
                "The AccessKey may not create templates. Ask your Alibaba Cloud administrator to"
                " allow dm:CreateTemplate in RAM, then press Check again. Until then Odoo fills in"
                " the content of emails itself."
            )
            if kind == "denied"
            else self.env._(
                "DirectMail does not let this account create templates through the API. Odoo fills"
                " in the content of emails itself."
            )
        )
        return "warning", message, error.code

    def _run_review(self):
        contact = self.contact_id
        if not contact.remote_ref:
            return "skipped", self.env._("There is no template to approve.")
        rows = self.account_id._call(lambda client: list(client.list_templates()))
        row = next((row for row in rows if row.template_id == contact.remote_ref), None)
        if row is None:
            return "warning", self.env._(
                "The test template was deleted in DirectMail's console. The mail is sent without"
                " it."
            )
        if row.status == "approved":
            return "ok", self.env._("DirectMail approved the test template.")
        if row.status == "rejected":
            return "warning", (
                self.env._(
                    "DirectMail rejected the test template: “%s”. The mail is sent without it.",
                    row.comment,
                )
                if row.comment
                else self.env._(
                    "DirectMail rejected the test template without a reason. The mail is sent"
                    " without it."
                )
            )
        return "waiting", self.env._(
            "Alibaba Cloud's reviewers are checking the template. You can leave this page: Odoo"
            " checks automatically whether they have decided."
        )

    # The mail --------------------------------------------------------------------------------

    def _run_mail(self):
        """Send the mail; after a refusal, send variants without the suspect (`probe.Attempt`)."""
        contact, account = self.contact_id, self.account_id
        contact._ensure_tag()
        client, builder = account._get_client(), account._make_mail_builder()
        approved = contact._get_step("review").state == "ok"
        # Try an approved template whatever `content_mode` is, to find out whether it is accepted.
        following, codes = probe.Attempt("template" if approved else "body"), []
        while following:
            attempt = following
            builder.content_mode = attempt.mode
            answer = client.send(attempt.dress(contact._make_mail(builder)))
            suspect = find_suspect(answer.code, attempt.mode)
            if suspect == "template_senders":
                account._observe("mail", template_senders="trigger")
            following = attempt.get_next(answer.code) if answer.verdict in REFUSED else None
            codes.append(answer.code)
        mode = attempt.mode
        if answer.verdict in (Verdict.ACCEPTED, Verdict.UNKNOWN):
            contact.write({"mailed_at": fields.Datetime.now(), "mail_mode": mode})
        else:
            self._give_back()
            return self._explain_answer(answer, suspect)
        if answer.verdict == Verdict.UNKNOWN:
            return self._tell_lost()
        account._observe("mail", **attempt.get_found(codes))
        # sudo() reads the address of the administrator who started First contact.
        address = contact.sudo().user_id.email
        if mode == "template":
            return "ok", self.env._(
                "DirectMail accepted the mail to %s, made with the approved template.", address
            )
        return "ok", self.env._(
            "DirectMail accepted the mail to %s, with its content filled in by Odoo.", address
        )

    def _give_back(self):
        """Give the mail back to the day's quota, because DirectMail refused it."""
        lock_gate(self.env)
        add_usage(self.env, self.account_id.id, -1)

    def _explain_answer(self, answer, suspect):
        kind = verdict_of_code(answer.code)[1]
        message = self.account_id._explain(DirectMailError(kind, answer.code, answer.message))
        if suspect:
            names = self.env["directmail.behavior"]._fields["name"]
            question = dict(names._description_selection(self.env))[suspect]
            message = self.env._(
                "%(refusal)s\nThis open question about the account may be the cause: %(question)s",
                refusal=message,
                question=question,
            )
        return "failed", message, answer.code

    # Results ---------------------------------------------------------------------------------

    def _run_eyes(self):
        contact = self.contact_id
        if not contact.mailed_at:
            return "skipped", self.env._("No mail was sent, so there are no questions to answer.")
        if contact.adapted:
            return "asked", self.env._(
                "Your answers show that DirectMail encodes special characters itself. Odoo no"
                " longer does so, and has sent the mail again. Open the newest mail, then answer"
                " the questions again."
            )
        return "asked", self.env._("Open the mail in your mailbox, then answer the questions.")

    def _take_answers(self):
        """Store the administrator's answers as behaviors.

        If they change `value_escaping`, the mail is made differently, so it is sent again.
        """
        contact, account, found = self.contact_id, self.account_id, {}
        for name in ("emoji", "right_to_left", "reply"):
            if contact[ANSWER_OF[name]] in ("yes", "no"):
                found[name] = contact[ANSWER_OF[name]]
        escaping = account._get_behavior("value_escaping")
        if contact.mail_mode == "template":
            if contact.answer_name != "other":
                # A right name confirms the present value; codes show that DirectMail escapes, too.
                found["value_escaping"] = escaping if contact.answer_name == "right" else "html"
            if contact.answer_subject in ("call", "template"):
                found["subject_source"] = contact.answer_subject
        account._observe("eyes", **found)
        if found.get("value_escaping", escaping) != escaping:
            contact._reset("mail", "eyes", "records", "push")
            contact.adapted = True
            return
        told = self._explain_answers()
        self.write(
            {
                "state": "warning" if told else "ok",
                "message": join_sentences(self.env.lang, told)
                or self.env._("The mail arrived as expected."),
                "ended_at": fields.Datetime.now(),
            }
        )

    def _explain_answers(self):
        """Return a sentence with advice for each unexpected answer."""
        contact = self.contact_id
        told = []
        if contact.answer_name == "codes":
            told.append(
                self.env._(
                    "Special characters in personal values are shown as codes. Send the"
                    " diagnostics to your support before you send a campaign."
                )
            )
        if "other" in (contact.answer_name, contact.answer_subject):
            told.append(
                self.env._(
                    "The mail has unexpected content. Compare it with the expected content on this"
                    " page before you send a campaign."
                )
            )
        if contact.answer_emoji == "no":
            told.append(self.env._("Emoji do not arrive. Avoid them in mails of this account."))
        if contact.answer_direction == "no":
            told.append(
                self.env._(
                    "Before you send a mail in a right-to-left language, send yourself a test of"
                    " it."
                )
            )
        if contact.answer_reply == "no":
            told.append(
                self.env._(
                    "Your reply did not arrive. Enter another reply address on the account, and"
                    " check it in DirectMail's console."
                )
            )
        return told

    def _run_records(self):
        contact = self.contact_id
        if not contact.mailed_at:
            return "skipped", self.env._("No mail was sent, so there is nothing to wait for.")
        begin = contact.mailed_at.replace(tzinfo=timezone.utc) - timedelta(minutes=1)
        # End a minute ago, because DirectMail may refuse a period that ends in the future; the
        # period is at least a minute long.
        end = max(datetime.now(timezone.utc) - timedelta(minutes=1), begin + timedelta(minutes=1))
        client = self.account_id._get_client()
        rows = []
        for page in client.list_delivery_details(contact.tag_name, begin, end):
            rows += page.rows
        # sudo() reads the address of the administrator who started First contact.
        row = probe.find_own_row(rows, contact.sudo().user_id.email)
        if row is None:
            return "waiting", self.env._(
                "DirectMail's records do not show the mail yet. Odoo checks again automatically."
            )
        delay = (row.updated_at and row.updated_at.replace(tzinfo=None)) or fields.Datetime.now()
        seconds = max(0, round((delay - contact.mailed_at).total_seconds()))
        if row.status == "delivered":
            return "ok", self.env._(
                "DirectMail's records show that the mail was delivered after %s s.", seconds
            )
        return (
            "warning",
            self.env._(
                "DirectMail's records show that the mail was not delivered: %(reason)s",
                reason=row.message or row.error_classification or row.status,
            ),
            row.error_classification,
        )

    def _run_push(self):
        contact = self.contact_id
        if not contact.mailed_at:
            return "skipped", self.env._("No mail was sent, so there is nothing to wait for.")
        if not self.account_id._call(lambda client: client.get_events()):
            return "skipped", self.env._(
                "DirectMail does not push its events. Results are fetched from its records every"
                " ten minutes. To get them at once, see the page Results of the account."
            )
        if fields.Datetime.now() - contact.mailed_at > PUSH_PATIENCE:
            return "warning", self.env._(
                "No event arrived within a day, although DirectMail pushes its events. Check the"
                " rule in EventBridge as the page Results of the account describes."
            )
        return "waiting", self.env._("The delivery event has not arrived yet.")

    def _take_push(self, found):
        """Store what an event with this mail's token shows about DirectMail's events.

        :param dict found: from `push_forms.describe_push`
        """
        contact = self.contact_id
        self.account_id._observe("push", **found)
        # Not `mailed_at`, which is still empty if the event arrives before the call's answer.
        since = contact._get_step("mail").started_at or fields.Datetime.now()
        seconds = max(0, round((fields.Datetime.now() - since).total_seconds()))
        complete = found.get("echo_field") != "none"
        self.write(
            {
                "state": "ok" if complete else "warning",
                "message": self.env._("The event arrived %s s after the mail was sent.", seconds)
                if complete
                else self.env._(
                    "The event arrived after %s s, without the mail's own header. Odoo recognizes"
                    " mails by their Message-ID instead.",
                    seconds,
                ),
                "ended_at": fields.Datetime.now(),
            }
        )

    def _run_cleanup(self):
        contact = self.contact_id
        client = self.account_id._get_client()
        for delete, ref in (
            (client.delete_template, contact.remote_ref),
            (client.delete_tag, contact.tag_ref),
        ):
            if ref:
                try:
                    delete(ref)
                except DirectMailError as error:
                    if error.kind != "not_found":
                        raise
        had_template = bool(contact.remote_ref)
        contact.write({"remote_ref": False, "tag_ref": False})
        if not had_template:
            return "ok", self.env._("There was no test template. The tag of the mail is deleted.")
        return "ok", self.env._("The test template is deleted; its slot is free again.")
