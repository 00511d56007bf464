from odoo import api, fields, models
from odoo.fields import Domain
from odoo.tools import SQL, format_datetime

from ...clock.spans import SPANS
from ...engine.events import Fact
from ...engine.fatigue import COUNTED
from ...privacy.address import spell
from ...privacy.machines import TOO_SOON, is_machine
from ..mixins.directmail_seen import is_administrator

STATES = [
    ("suppressed", "Suppressed"),
    ("waiting", "Waiting"),
    ("sending", "Sending"),
    ("unknown", "Unknown"),
    ("sent", "Sent"),
    ("refused", "Refused"),
    ("not_sent", "Not sent"),
    ("cancelled", "Cancelled"),
]
OUTCOMES = [
    ("delivered", "Delivered"),
    ("failed", "Failed"),
    ("invalid", "Invalid address"),
    ("spam", "Spam"),
]
#: states of people whom DirectMail has been asked to mail; the others may just as well be people
#: whom somebody else's list keeps out. A claim that ends without a call was *sending*, too.
HANDED_OVER = ("unknown", "sent", "refused", "not_sent")
# What a person does with a mail that arrived: the field that says when they first did it.
MARKS = {
    "opened": "opened_at",
    "clicked": "clicked_at",
    "unsubscribed": "unsubscribed_at",
    "complained": "complained_at",
}
REASONS = [
    ("excluded", "In an excluded audience"),
    ("gone", "No longer a contact"),
    ("no_address", "No email address"),
    ("no_encrypted_address", "No encrypted email address"),
    ("invalid_address", "Unusable email address"),
    ("cannot_decrypt", "Encrypted address can't be decrypted"),
    ("duplicate", "Same address as somebody else"),
    ("blacklisted", "Blacklisted"),
    ("opted_out", "Unsubscribed"),
    ("unverifiable", "Opt-outs can't be checked"),
    ("left_list", "Left the mailing list"),
    ("complained", "Reported spam before"),
    ("bounced", "Address does not exist"),
    ("fatigue", "Enough mail already"),
    ("quiet", "Quiet time"),
    ("too_late", "Later than the task allows"),
]
FATIGUE_RULES = [
    *((f"email_{code}", span.emails) for code, span in SPANS.items()),
    *((f"global_{code}", span.messages) for code, span in SPANS.items()),
    ("hours", "Do-not-disturb hours"),
    ("period", "Quiet period"),
]
OWN_PAGES = ("one_click", "page")  # origins of opt-outs


class CopiedMany2one(fields.Many2one):
    """What a delivery's task says too, here again for record rules and indexes.

    Without a foreign key of its own: the task's keeps the other record from being deleted, and
    checking it once more for every person takes a large part of the time of a plan.
    """

    def update_db_foreign_key(self, model, column):
        pass


class DirectmailDelivery(models.Model):
    """One person in one email task, in exactly one of eight states.

    Written in bulk by the engine. No unique or check constraint holds the contact: merging
    contacts deletes rows that violate one, and with them what happened.
    """

    _name = "directmail.delivery"
    _description = "Delivery"
    _inherit = ["directmail.person"]
    _log_access = False
    _order = "id"

    task_id = fields.Many2one(
        "directmail.task", "Email task", required=True, readonly=True, ondelete="restrict"
    )
    account_id = CopiedMany2one("directmail.account", required=True, readonly=True)
    company_id = CopiedMany2one("res.company", required=True, readonly=True)
    # Without it, a contact that was deleted would look like a bare address.
    is_contact = fields.Boolean(readonly=True, help="Planned as a contact.")
    # Whose audience the person came from: see `engine.people`.
    lender_id = CopiedMany2one("res.users", readonly=True, groups=fields.NO_ACCESS)
    state = fields.Selection(STATES, required=True, readonly=True)
    reason = fields.Selection(REASONS, "Why suppressed", readonly=True)
    fatigue_rule = fields.Selection(
        FATIGUE_RULES, "Held back by", readonly=True, help="Of a waiting mail: what holds it."
    )
    uncounted = fields.Boolean(
        readonly=True, help="Does not count towards the limits of fatigue control."
    )
    outcome = fields.Selection(OUTCOMES, readonly=True)
    code = fields.Char("DirectMail's code", readonly=True)
    message = fields.Char("DirectMail's answer", readonly=True)
    envelope = fields.Char("Envelope ID", readonly=True)
    claim_token = fields.Char(readonly=True, groups=fields.NO_ACCESS)
    claimed_at = fields.Datetime("Handed over", readonly=True)
    lease_until = fields.Datetime(readonly=True)
    resent = fields.Boolean("Second attempt", readonly=True)
    not_before = fields.Datetime("Goes out after", readonly=True)
    # Of a waiting mail: with a code that may concern this person or everybody. See `engine.doubts`.
    refused_at = fields.Datetime("Last refused", readonly=True)
    refusals = fields.Integer("Times refused", readonly=True)
    sent_at = fields.Datetime("Accepted", readonly=True)
    outcome_at = fields.Datetime("Result known", readonly=True)
    # By a person: what machines do with a mail is counted apart, and moves no date. A click is an
    # opening too, whether or not the images were loaded.
    opened_at = fields.Datetime("First opened", readonly=True)
    clicked_at = fields.Datetime("First clicked", readonly=True)
    open_count = fields.Integer("Opens", readonly=True)
    click_count = fields.Integer("Clicks", readonly=True)
    machine_open_count = fields.Integer("Opens by machines", readonly=True)
    machine_click_count = fields.Integer("Clicks by machines", readonly=True)
    unsubscribed_at = fields.Datetime("Unsubscribed", readonly=True)
    complained_at = fields.Datetime("Reported as spam", readonly=True)
    converted_at = fields.Datetime("First success", readonly=True)
    conversion_count = fields.Integer("Successes", readonly=True)
    # In the currency of the company.
    conversion_amount = fields.Float("Revenue", digits=(16, 2), readonly=True)
    explanation = fields.Char(compute="_compute_explanation")
    _address_unique = models.UniqueIndex("(task_id, address_key) WHERE state != 'suppressed'")
    # In the order of claims; those who are held until later come last and are never looked at.
    _waiting_index = models.Index(
        "(task_id, COALESCE(not_before, '-infinity'::timestamp), id) WHERE state = 'waiting'"
    )
    _sending_index = models.Index("(account_id, lease_until) WHERE state = 'sending'")
    # Without the outcome: what becomes of a mail, and what its person does, changes nothing that is
    # indexed, so that it is written where the row is, and in none of these indexes.
    _state_index = models.Index("(task_id, state)")
    # Both for `engine.doubts`: who was refused, and whether anybody was accepted after that.
    _refused_index = models.Index("(task_id, refused_at) WHERE refusals > 0")
    _sent_index = models.Index("(task_id, sent_at) WHERE state = 'sent'")
    # Fatigue reads nothing but these two: who was mailed when. Events and bounces look for a
    # person's mails by the first, those that do not count included.
    _address_index = models.Index(
        "(company_id, address_key, claimed_at) INCLUDE (uncounted)"
        " WHERE state IN ('sending', 'unknown', 'sent')"
    )
    _contact_index = models.Index(
        f"(company_id, partner_id, claimed_at) WHERE partner_id IS NOT NULL AND {COUNTED}"
    )
    _record_index = models.Index("(res_model, res_id) WHERE partner_id IS NULL")
    # Tells of nearly every task, at once, that all of its people are contacts.
    _others_index = models.Index("(task_id) WHERE partner_id IS NULL")
    _reason_index = models.Index("(task_id, reason, fatigue_rule) WHERE state = 'suppressed'")
    # A new address is looked for among those that the plan left out.
    _excluded_index = models.Index("(task_id, address_key) WHERE reason = 'excluded'")
    _held_index = models.Index(
        "(task_id, fatigue_rule, not_before) WHERE state = 'waiting' AND fatigue_rule IS NOT NULL"
    )
    event_ids = fields.One2many("directmail.event", "delivery_id", "What happened", readonly=True)

    def init(self):
        """Leave room on each page for another version of all its rows.

        Each will have three more at least: handed over, answered, its outcome. While a cron runs,
        its own job keeps the older ones from being cleared away.
        """
        self.env.cr.execute("ALTER TABLE directmail_delivery SET (fillfactor = 50)")

    @api.model
    def _seen_to_sql(self, alias, query=None):
        """Override: where people whom the user may not see decide, only mails are listed.

        Who is suppressed would tell whose address those people have, and so would who waits: see
        `directmail.task.in_tens`.
        """
        seen = super()._seen_to_sql(alias, query)
        if is_administrator(self.env):
            return seen
        return SQL(
            """(%(seen)s AND (%(alias)s.state IN %(handed_over)s
                OR NOT EXISTS (SELECT FROM directmail_task t
                                WHERE t.id = %(alias)s.task_id AND t.in_tens)))""",
            seen=seen,
            alias=alias,
            handed_over=HANDED_OVER,
        )

    @api.model
    def _bare_to_sql(self, alias):
        """Override: addresses of a colleague's audience stay the colleague's.

        Who might see a contact that was deleted can't be told any more: only whoever had it in
        their audience does.
        """
        lender = SQL("%s.lender_id = %s", alias, self.env.uid)
        if is_administrator(self.env):
            return SQL("(%s OR %s.is_contact IS NOT TRUE)", lender, alias)
        return lender

    def _compute_explanation(self):
        reasons = dict(self._fields["reason"]._description_selection(self.env))
        rules = dict(self._fields["fatigue_rule"]._description_selection(self.env))
        for delivery in self:
            if delivery.state == "suppressed":
                delivery.explanation = ": ".join(
                    filter(None, (reasons.get(delivery.reason), rules.get(delivery.fatigue_rule)))
                )
            elif delivery.state == "waiting" and delivery.fatigue_rule:
                delivery.explanation = self.env._(
                    "%(rule)s: goes out after %(time)s",
                    rule=rules[delivery.fatigue_rule],
                    time=format_datetime(self.env, delivery.not_before, dt_format="short"),
                )
            elif delivery.state == "unknown":
                delivery.explanation = self.env._(
                    "The connection broke before DirectMail's answer came. It is not sent again;"
                    " DirectMail's records will tell."
                )
            elif delivery.state == "not_sent":
                delivery.explanation = self.env._(
                    "DirectMail's records show that this mail never left."
                )
            else:
                # What a mail server says of a mail that arrived explains nothing.
                delivered = delivery.outcome == "delivered"
                delivery.explanation = False if delivered else delivery.message

    # === OPENS AND CLICKS === #
    # What our own links and pages tell about a delivery.

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
