from odoo import api, fields, models

from ..directmail.machines import TOO_SOON, is_machine
from ..engine.events import Fact


class DirectmailDelivery(models.Model):
    """What our own links and pages tell about a delivery."""

    _inherit = "directmail.delivery"

    event_ids = fields.One2many("directmail.event", "delivery_id", "What happened", readonly=True)

    @api.private
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

    @api.private
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

    @api.private
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

    @api.private
    def _explain_unsubscription(self, scope, reason, feedback):
        """Keep why the recipient unsubscribed.

        :param reason: a `mailing.subscription.optout`, or empty
        """
        self.ensure_one()
        sender = self.task_id.sender_id if scope == "sender" else self.env["directmail.sender"]
        optouts = self._get_own_optouts().filtered(lambda optout: optout.sender_id == sender)
        optouts.write({"reason_id": reason.id, "feedback": feedback.strip() or False})

    @api.private
    def _undo_unsubscription(self):
        """Take back what the recipient did with our own pages; complaints and bounces stay."""
        self.ensure_one()
        self._get_own_optouts().unlink()

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
                    ("origin", "in", ("one_click", "page")),
                ]
            )
        )
