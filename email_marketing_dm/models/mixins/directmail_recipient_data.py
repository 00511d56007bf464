from odoo import fields, models
from odoo.tools import format_datetime

from ...content.filling import VARIABLE

#: States after a call to DirectMail; the others say who was left out, and why, which is internal.
HANDED_OVER = ("unknown", "sent", "refused", "not_sent")


def _write(moment):
    """Return a moment as text without microseconds, "" without one."""
    return fields.Datetime.to_string(moment) or ""


class DirectmailRecipient(models.AbstractModel):
    """What a company has stored about a recipient, for the recipient."""

    _inherit = "directmail.recipient"

    def _reads_mailbox(self):
        """Return whether the token proves that its holder reads the mail of the address.

        False for a mail: it may be forwarded, and its links stay valid. To be overridden by the
        model of what is mailed to the address on request.
        """
        return False

    def _can_get_link(self):
        """Return whether a link that is valid for a day can be mailed to the recipient."""
        self.ensure_one()
        is_plain = bool(self.address_key and self.email and not self.email_encrypted)
        return is_plain and not self._is_trial()

    def _get_known(self):
        """Return what is stored under the address key in the company, as values for JSON.

        Only what the recipient chose, got and did: no names of email tasks or users, no notes of
        users, and nothing of other addresses of the same contact. Times are UTC.

        :return: {"company", "address" ("" if it is encrypted), "preferences", "opt_outs",
            "answers", "mails"}; the latest ones first
        :rtype: dict
        """
        self.ensure_one()
        # sudo(): the token in the request proves that the address is the caller's.
        recipient = self.sudo()
        address = [
            ("company_id", "=", recipient.company_id.id),
            ("address_key", "=", recipient.address_key),
        ]
        env = recipient.env
        return {
            "company": recipient.company_id.name,
            "address": not recipient.email_encrypted and recipient.email or "",
            "preferences": recipient._get_preference()._export(),
            "opt_outs": [
                {
                    "since": _write(optout.occurred_at),
                    "sender": optout.sender_id.email or "",
                    "origin": optout.origin,
                    "reason": optout.reason_id.name or "",
                    "feedback": optout.feedback or "",
                }
                for optout in env["directmail.optout"].search(address)
            ],
            "answers": [
                {name: value for name, value in answer.items() if name != "note"}
                for answer in env["directmail.consent"].search(address)._export_proof()
            ],
            "mails": recipient._get_known_mails(address),
        }

    def _get_known_mails(self, address):
        """Return the mails to the address as values for JSON; see `_get_known`.

        Variables of subjects are shown as "…": the values that filled them are not stored.
        """
        deliveries = self.env["directmail.delivery"].search(
            [
                *address,
                ("state", "in", HANDED_OVER),
                ("claimed_at", "!=", False),
            ],
            order="claimed_at desc, id desc",
        )
        return [
            {
                "subject": VARIABLE.sub("…", self._get_sent_subject(delivery)),
                "sent_on": _write(delivery.sent_at or delivery.claimed_at),
                "delivered": delivery.outcome == "delivered",
                "opened_on": _write(delivery.opened_at),
                "clicked_on": _write(delivery.clicked_at),
                "unsubscribed_on": _write(delivery.unsubscribed_at),
                "reported_as_spam_on": _write(delivery.complained_at),
            }
            for delivery in deliveries
            if not delivery.account_id.is_trial
        ]

    def _get_sent_subject(self, delivery):
        template = delivery.task_id._get_version_template(delivery.version)
        return template.submitted_subject or template.subject or ""

    def _describe_known(self):
        """Return `_get_known` as texts, in the language of the context; times are UTC.

        :return: [(title, [(headline, [line])])]; titles of what is not stored are left out
        :rtype: list
        """
        known = self._get_known()
        mails = [(mail["subject"], self._describe_mail(mail)) for mail in known["mails"]]
        sections = [
            (self.env._("Emails that you got"), mails),
            (
                self.env._("Your answers and choices"),
                [self._describe_answer(answer) for answer in known["answers"]],
            ),
            (
                self.env._("Unsubscribed"),
                [
                    (
                        self._format(optout["since"]),
                        [
                            text
                            for text in (
                                self._get_label("directmail.optout", "origin", optout["origin"]),
                                optout["sender"],
                                optout["reason"],
                                optout["feedback"],
                            )
                            if text
                        ],
                    )
                    for optout in known["opt_outs"]
                ],
            ),
        ]
        return [section for section in sections if section[1]]

    def _describe_mail(self, mail):
        lines = [self.env._("Sent on %s", self._format(mail["sent_on"]))]
        if mail["delivered"]:
            lines.append(self.env._("Delivered"))
        texts = {
            "opened_on": self.env._("First opened on %s"),
            "clicked_on": self.env._("First clicked on %s"),
            "unsubscribed_on": self.env._("Unsubscribed on %s"),
            "reported_as_spam_on": self.env._("Reported as spam on %s"),
        }
        lines += [text % self._format(mail[name]) for name, text in texts.items() if mail[name]]
        return lines

    def _describe_answer(self, answer):
        """Return (headline, lines) of an answer, as `directmail.consent` exports it."""
        model = "directmail.consent"
        preferences = self.env["directmail.preference"]
        about = answer["topic"] or self._get_label(model, "purpose", answer["purpose"])
        said = preferences._describe_value(answer["purpose"], answer["choice"])
        lines = [
            said or self._get_label(model, "answer", answer["answer"]),
            self._format(answer["answered_on"]),
            self._get_label(model, "origin", answer["origin"]),
            ", ".join(filter(None, (answer["ip_address"], answer["program"]))),
        ]
        return about, [line for line in lines if line]

    def _get_label(self, model, name, value):
        return dict(self.env[model]._fields[name]._description_selection(self.env)).get(value, "")

    def _format(self, moment):
        return moment and format_datetime(self.env, moment, tz="UTC", dt_format="short")
