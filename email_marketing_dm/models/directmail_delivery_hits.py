from odoo import fields, models
from odoo.fields import Domain

from ..engine.events import Fact
from ..privacy.address import spell
from ..privacy.machines import TOO_SOON, is_machine

OWN_PAGES = ("one_click", "page")  # origins of opt-outs


class DirectmailDelivery(models.Model):
    """What our own links and pages tell about a delivery."""

    _inherit = "directmail.delivery"

    event_ids = fields.One2many("directmail.event", "delivery_id", "What happened", readonly=True)

    def _record_hit(self, kind, link=None, user_agent="", method="GET", headers=None):
        """Keep that the mail's image was loaded, or one of its links followed.

        :param str kind: "open" or "click"
        :param link: the `directmail.link` that was followed
        :param headers: the request's, with ``get`` that ignores case
        """
        self.ensure_one()
        now = fields.Datetime.now()
        age = (now - self.claimed_at).total_seconds() if self.claimed_at else None
        limit = self.account_id._get_seconds("machine_seconds", TOO_SOON)
        machine = is_machine(user_agent, method=method, age=age, too_soon=limit, headers=headers)
        self._record_fact(kind, machine=machine, link_id=link.id if link else None)

    def _record_fact(self, kind, **values):
        """Keep a fact that we have seen ourselves, now."""
        self.ensure_one()
        self.env["directmail.event"]._receive(
            [
                Fact(
                    kind=kind,
                    source="own",
                    occurred_at=fields.Datetime.now(),
                    company_id=self.company_id.id,
                    account_id=self.account_id.id,
                    delivery_id=self.id,
                    **values,
                )
            ]
        )

    # === UNSUBSCRIBING === #

    def _unsubscribe(self, origin, scope="company"):
        """Do what the recipient asks for, at once and for running tasks too.

        :param str origin: a value of the field `origin` of opt-outs
        :param str scope: "company": no more mail from it; "sender": none from this sender address;
            "all": no mailing of any company, Odoo's own included
        """
        self.ensure_one()
        sender = self.task_id.sender_id if scope == "sender" else None
        optout = self.env["directmail.optout"]._record(self, origin, sender)
        if scope == "all" and self.email:
            optout._blacklist([self.email])
        self._record_fact("unsubscribe")

    def _explain_unsubscription(self, scope, reason, feedback):
        """Keep why the recipient unsubscribed.

        :param reason: a `mailing.subscription.optout`, or empty
        """
        self.ensure_one()
        sender = self.task_id.sender_id if scope == "sender" else self.env["directmail.sender"]
        optouts = self._get_own_optouts().filtered(lambda optout: optout.sender_id == sender)
        optouts.write({"reason_id": reason.id, "feedback": feedback.strip() or False})

    def _can_undo(self):
        """Tell whether the recipient gets mail again without the wishes from our own pages.

        Not with a complaint, a bounce or a wish that DirectMail reported, and not on the blacklist,
        which other companies and senders rely on: nobody can tell who else wants the entry there.
        """
        self.ensure_one()
        # With all rights: the token of the request says that the address is the caller's.
        delivery = self.sudo()
        if not delivery.address_key:
            return False
        address = Domain("address_key", "=", delivery.address_key)
        company = Domain("company_id", "=", delivery.company_id.id)
        others = address & company & Domain("origin", "not in", OWN_PAGES)
        listed = address | Domain("email", "in", list(spell(delivery.email or "")))
        return not (
            delivery.env["directmail.optout"].search_count(others, limit=1)
            or delivery.env["mail.blacklist"].search_count(listed, limit=1)
        )

    def _undo_unsubscription(self):
        """Take back what the recipient did with our own pages, if they get mail again then.

        :rtype: bool
        """
        self.ensure_one()
        if not self._can_undo():
            return False
        self._get_own_optouts().unlink()
        return True

    def _get_own_optouts(self):
        delivery = self.sudo()
        if not delivery.address_key:
            return self.env["directmail.optout"].sudo()
        return (
            self.env["directmail.optout"]
            .sudo()
            .search(
                [
                    ("address_key", "=", delivery.address_key),
                    ("company_id", "=", delivery.company_id.id),
                    ("origin", "in", OWN_PAGES),
                ]
            )
        )
