import re
from datetime import timedelta

from odoo import fields, models
from odoo.fields import Domain
from odoo.tools import html2plaintext

from ...engine.measuring import erase_reactions
from ...privacy.address import spell

OWN_PAGES = ("one_click", "page")  # values of `directmail.optout.origin`
MISTAKE = timedelta(days=1)  # in which the link of a mail undoes an unsubscription


class DirectmailRecipient(models.AbstractModel):
    """A person who opens the recipients' pages; the signed token of the record is the proof.

    Inherited by records that stand for one address of one company: a mail (`directmail.delivery`),
    or a link that was asked for without one (`directmail.preference.link`). They have the fields
    company_id, address_key, email, email_encrypted and partner_id.
    """

    _name = "directmail.recipient"
    _description = "Recipient of the Public Pages"

    def _get_delivery(self):
        """Return the mail from which the recipient came, as `directmail.delivery`; empty without.

        To be overridden by the model of the mails.
        """
        return self.env["directmail.delivery"]

    def _is_trial(self):
        """Return whether the recipient came from the mail of a trial, which must change nothing."""
        # sudo(): recipients may not read accounts; only the kind of account is told.
        return self.sudo()._get_delivery().account_id.is_trial

    def _get_sender(self):
        """Return the sender address of the mail; empty without a mail."""
        return self._get_delivery().task_id.sender_id

    # === CONSENT TO BEING MEASURED === #

    def _get_measuring_answer(self):
        """Return the recipient's latest answer about being measured: "yes", "no" or False."""
        self.ensure_one()
        return self.env["directmail.consent"]._get_answer(self.company_id, self.address_key)

    def _answer_measuring(self, answer, **proof):
        """Record the recipient's answer about being measured, effective at once.

        :param str answer: "yes" or "no"
        :param proof: values of further fields of `directmail.consent`
        """
        self.ensure_one()
        if self._is_trial():  # An answer to a trial must not count for real mails.
            return
        # sudo(): the token in the request proves that the address is the caller's.
        recipient = self.sudo()
        recipient.env["directmail.consent"]._add(
            recipient.company_id,
            recipient._get_consent_person(),
            answer,
            "page",
            delivery_id=recipient._get_delivery().id,
            **proof,
        )

    def _get_consent_person(self):
        """Return the recipient as `directmail.consent` stores them; see `_add` there."""
        self.ensure_one()
        return {
            "address_key": self.address_key,
            "email": not self.email_encrypted and self.email,
            "email_encrypted": self.email_encrypted,
            "partner_id": self.partner_id.id,
        }

    def _get_measuring_text(self):
        """Return the question about being measured as the recipient's page shows it."""
        return self._render_text(
            "email_marketing_dm.recipient_measuring", answer=False, erased=True
        )

    def _render_text(self, template, **values):
        """Return a part of the recipient's page as text, as the recipient sees it."""
        self.ensure_one()
        # sudo(): every recipient may see the text and the company's name.
        view = self.env["ir.ui.view"].sudo()
        page = view._render_template(template, {"company": self.company_id, "token": "", **values})
        # Of the tags of a heading, `html2plaintext` would leave stars.
        page = re.sub(r"<(/?)h2\b", r"<\1p", str(page))
        return html2plaintext(page, include_references=False).strip()

    def _erase_reactions(self):
        """Delete the recorded opens and clicks of the recipient; see `erase_reactions`."""
        self.ensure_one()
        if self._is_trial() or not self.address_key:
            return
        self.env.flush_all()
        erase_reactions(self.env, self.company_id.id, self.address_key)
        self.env.invalidate_all()

    # === OPT-OUTS === #

    def _unsubscribe(self, origin, scope="company", **proof):
        """Record an opt-out of the recipient, effective at once and in running tasks too.

        :param str origin: a value of `directmail.optout.origin`
        :param str scope: "company": no mail from this company; "sender": none from this sender
            address; "all": no mailing of any company, Odoo's own included (Odoo's blacklist)
        :param proof: values of further fields of `directmail.consent`
        """
        self.ensure_one()
        if not self._is_trial():  # The unsubscription from a trial is only a figure.
            sender = self._get_sender() if scope == "sender" else None
            optout = self.env["directmail.optout"]._record(self, origin, sender)
            if not sender:
                self.env["directmail.consent"]._record_optout(self, origin, **proof)
            if scope == "all" and self.email:
                optout._blacklist([self.email])
        if delivery := self._get_delivery():
            delivery._record_fact("unsubscribe")

    def _explain_unsubscription(self, scope, reason, feedback):
        """Write reason and feedback to the opt-out that `_unsubscribe` recorded.

        :param str scope: "sender": the opt-out from this sender address; else the company's
        :param reason: a `mailing.subscription.optout`, or empty
        :param str feedback: text that the recipient entered
        """
        self.ensure_one()
        sender = self._get_sender() if scope == "sender" else self.env["directmail.sender"]
        optouts = self._get_own_optouts().filtered(lambda optout: optout.sender_id == sender)
        optouts.write({"reason_id": reason.id, "feedback": feedback.strip() or False})

    def _can_undo(self):
        """Return whether the recipient gets mail again once opt-outs from our pages are deleted.

        False if there is an opt-out of another origin (complaint, bounce, reported by DirectMail),
        or an entry on Odoo's blacklist: other companies rely on it, and who wanted it is unknown.
        """
        self.ensure_one()
        # sudo(): the token in the request proves that the address is the caller's.
        recipient = self.sudo()
        if not recipient.address_key or recipient._is_trial():
            return False
        address = Domain("address_key", "=", recipient.address_key)
        company = Domain("company_id", "=", recipient.company_id.id)
        others = address & company & Domain("origin", "not in", OWN_PAGES)
        listed = address | Domain("email", "in", list(spell(recipient.email or "")))
        return not (
            recipient.env["directmail.optout"].search_count(others, limit=1)
            or recipient.env["mail.blacklist"].search_count(listed, limit=1)
        )

    def _may_undo(self):
        """Return whether the holder of the token may delete opt-outs from our own pages.

        Later than `MISTAKE` it takes a link that was mailed to the address on request, because a
        mail's link is forwarded with it. An earlier opt-out from one sender address stays, and does
        not keep a later one from being undone.
        """
        self.ensure_one()
        optouts = self._get_own_optouts()
        recent = self._get_undoable()
        return not optouts or bool(recent) and all(one.sender_id for one in optouts - recent)

    def _get_undoable(self):
        """Return those of `_get_own_optouts` that the holder of the token may delete."""
        optouts = self._get_own_optouts()
        if self._reads_mailbox():
            return optouts
        begin = fields.Datetime.now() - MISTAKE
        return optouts.filtered(lambda one: one.occurred_at and one.occurred_at > begin)

    def _undo_unsubscription(self, **proof):
        """Delete the recipient's opt-outs from our own pages, if `_can_undo` and `_may_undo`.

        :param proof: values of further fields of `directmail.consent`
        :return: whether they were deleted
        :rtype: bool
        """
        self.ensure_one()
        if not self._can_undo() or not self._may_undo():
            return False
        optouts = self._get_undoable()
        if optouts.filtered(lambda optout: not optout.sender_id):
            self.env["directmail.consent"]._record_optout(self, "page", "yes", **proof)
        optouts.unlink()
        return True

    def _get_scope_text(self, scope):
        """Return the question what to unsubscribe from, with the chosen answer, as text.

        :param str scope: see `_unsubscribe`
        """
        return self._render_text("email_marketing_dm.recipient_scopes", chosen=scope)

    def _get_undo_text(self, mistake):
        """Return the text with which the page offers to undo an unsubscription.

        :param bool mistake: whether it stood on the page that follows the unsubscription
        """
        return self._render_text("email_marketing_dm.recipient_undo", mistake=mistake)

    def _get_own_optouts(self):
        """Return the recipient's opt-outs from this company that were made on our own pages.

        None for a mail of a trial, which must not change what a real mail brought about.
        """
        # sudo(): as in `_can_undo`.
        recipient = self.sudo()
        if not recipient.address_key or recipient._is_trial():
            return self.env["directmail.optout"].sudo()
        return (
            self.env["directmail.optout"]
            .sudo()
            .search(
                [
                    ("address_key", "=", recipient.address_key),
                    ("company_id", "=", recipient.company_id.id),
                    ("origin", "in", OWN_PAGES),
                ]
            )
        )
