from odoo import api, fields, models
from odoo.tools import SQL, format_datetime

from ...clock.spans import SPANS
from ...engine.content import get_database_uuid, make_tokens
from ...engine.dispatcher import CANNOT_DECRYPT
from ...engine.events import Fact
from ...engine.fatigue import COUNTED
from ...engine.versions import LETTERS
from ...privacy.machines import TOO_SOON, is_machine
from ..copied_many2one import CopiedMany2one
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
#: What is not recorded of a person: see `engine.measuring`.
MEASURING = [
    ("no", "Opens and clicks"),
    ("clicks", "Opens"),
    ("withdrawn", "Opens and clicks since a refusal"),
]
#: States after a call to DirectMail: readers who may not see everybody are shown these deliveries.
#: The other states may depend on another user's excluded audience. "sending" is not among them: a
#: claim may end without a call.
HANDED_OVER = ("unknown", "sent", "refused", "not_sent")
# {reaction of a recipient to a mail: field with the moment of the first one}
REACTION_FIELDS = {
    "opened": "opened_at",
    "clicked": "clicked_at",
    "unsubscribed": "unsubscribed_at",
    "complained": "complained_at",
}
# Decided by the plan, and again by the claim just before the mail is sent. Where: "excluded" in
# `engine.exclusion`; "series_left" to "series_record" in `engine.series_exits`; "gone" to
# "cannot_decrypt" in `engine.people.current_addresses`; "duplicate" in `engine.plan`, and in
# `engine.readdress` for a changed address; "family" in `engine.family`; "blacklisted" to "bounced"
# in `engine.sql.changing_reason`; "topic_refused" and "not_agreed" in `engine.mailing_consent`,
# which also decides "unverifiable"; "paused" and "less_often" in `engine.preferences`; the control
# groups in `engine.control`; the others in `engine.fatigue.Eligibility`. `engine.series_exits` also
# decides "too_late", for mails of a series. The order is about that in which reasons are checked:
# `engine.plan.select_judged` and `engine.claim._judge_next` have the exact one.
REASONS = [
    ("excluded", "In an excluded audience"),
    ("series_left", "Left the audience of the series"),
    ("series_exit", "In an audience that calls off the series"),
    ("series_record", "The record of the series no longer matches"),
    ("gone", "No longer a contact"),
    ("no_address", "No email address"),
    ("no_encrypted_address", "No encrypted email address"),
    ("invalid_address", "Unusable email address"),
    ("cannot_decrypt", "Encrypted address can't be decrypted"),
    ("duplicate", "Same address as another person"),
    ("family", "Already got this mail"),
    ("blacklisted", "Blacklisted"),
    ("opted_out", "Unsubscribed"),
    ("unverifiable", "Opt-outs can't be checked"),
    ("left_list", "Left the mailing list"),
    ("complained", "Reported an earlier mail as spam"),
    ("bounced", "Address does not exist"),
    ("topic_refused", "Refused this topic"),
    ("not_agreed", "Has not agreed to this topic"),
    ("paused", "The recipient has paused emails"),
    ("less_often", "The recipient wants fewer emails"),
    ("fatigue", "Frequency limit reached"),
    ("quiet", "Quiet time"),
    ("too_late", "Sending deadline passed"),
    # After all others: see `engine.control`.
    ("global_control", "Global control group"),
    ("control_group", "Control group"),
]
# Decided by the plan, of tasks with control groups only.
ASSIGNMENTS = [
    ("mail", "Gets the mail"),
    ("control", "Control group"),
    ("global", "Global control group"),
]
FATIGUE_RULES = [
    *((f"email_{code}", span.emails) for code, span in SPANS.items()),
    *((f"global_{code}", span.messages) for code, span in SPANS.items()),
    ("hours", "Do-not-disturb hours"),
    ("period", "Quiet period"),
    ("series_hours", "Hours of the series"),
]


class DirectmailDelivery(models.Model):
    """One person in one email task, in one of eight states; written in bulk by `engine`.

    No unique or check constraint includes `partner_id`: when contacts are merged, Odoo deletes rows
    that would violate one, and their history would be lost.
    """

    _name = "directmail.delivery"
    _description = "Delivery"
    _inherit = ["directmail.person", "directmail.recipient"]
    _log_access = False
    # Of the people of a task, an order that only `_page_index` has. Ordered by id, PostgreSQL would
    # read the primary key from its beginning, that is, all earlier tasks.
    _order = "partner_id.id, id"

    task_id = fields.Many2one(
        "directmail.task", "Email task", required=True, readonly=True, ondelete="restrict"
    )
    account_id = CopiedMany2one("directmail.account", required=True, readonly=True)
    company_id = CopiedMany2one("res.company", required=True, readonly=True)
    # Still tells a contact from a bare address after the contact was deleted (`partner_id` NULL).
    is_contact = fields.Boolean(
        readonly=True, help="The person was a contact when the email task started."
    )
    # Owner of the audience that the person came from: see `engine.people._get_lender`.
    lender_id = CopiedMany2one("res.users", readonly=True, groups=fields.NO_ACCESS)
    # Of the mails of a series, whose entries are never deleted before their deliveries are over.
    series_entry_id = CopiedMany2one("directmail.series.entry", "Entry in a series", readonly=True)
    # How often the person had entered the series by then; empty outside of a series.
    series_run = fields.Integer(readonly=True, groups=fields.NO_ACCESS)
    state = fields.Selection(STATES, required=True, readonly=True)
    reason = fields.Selection(REASONS, "Why suppressed", readonly=True)
    fatigue_rule = fields.Selection(
        FATIGUE_RULES,
        "Held back by",
        readonly=True,
        help="The frequency limit or quiet time because of which the mail waits or was suppressed.",
    )
    # Empty without an A/B test, and for the rest until the decision: see `engine.versions`.
    version = fields.Selection([(letter, letter) for letter in LETTERS], readonly=True)
    is_rest = fields.Boolean("Not in the test group", readonly=True)
    uncounted = fields.Boolean(
        readonly=True, help="The mail does not count toward the limits of fatigue control."
    )
    assignment = fields.Selection(
        ASSIGNMENTS,
        "Compared as",
        readonly=True,
        help="The group in which the person is compared, whatever happens to the mail later. Empty"
        " for people who could not be mailed when the email task started.",
    )
    # Decided by the plan and again by the claim, as `engine.measuring` says; a refusal after the
    # mail was sent makes it "withdrawn".
    measuring = fields.Selection(
        MEASURING,
        "Not recorded",
        readonly=True,
        help="Empty if opens and clicks of this person are recorded.",
    )
    outcome = fields.Selection(OUTCOMES, "Delivery result", readonly=True)
    code = fields.Char("DirectMail's code", readonly=True)
    message = fields.Char("DirectMail's answer", readonly=True)
    envelope = fields.Char("Envelope ID", readonly=True)
    claim_token = fields.Char(readonly=True, groups=fields.NO_ACCESS)
    claimed_at = fields.Datetime("Submitted to DirectMail", readonly=True)
    lease_until = fields.Datetime(readonly=True)
    resent = fields.Boolean("Second attempt", readonly=True)
    not_before = fields.Datetime("Held until", readonly=True)
    # For waiting mails that DirectMail refused with a code that may concern this person or all
    # mails of the task: see `engine.doubts`.
    refused_at = fields.Datetime("Last refused", readonly=True)
    refusals = fields.Integer("Number of refusals", readonly=True)
    sent_at = fields.Datetime("Sent on", readonly=True)
    outcome_at = fields.Datetime("Result received", readonly=True)
    # Dates and counts of a person's actions; actions of machines have counts of their own and set
    # no date. A click counts as an opening too, even if no image was loaded.
    opened_at = fields.Datetime("First opened", readonly=True)
    clicked_at = fields.Datetime("First clicked", readonly=True)
    open_count = fields.Integer("Opens", readonly=True)
    click_count = fields.Integer("Clicks", readonly=True)
    machine_open_count = fields.Integer("Opens by machines", readonly=True)
    machine_click_count = fields.Integer("Clicks by machines", readonly=True)
    unsubscribed_at = fields.Datetime("Unsubscribed", readonly=True)
    complained_at = fields.Datetime("Reported as spam", readonly=True)
    converted_at = fields.Datetime("First conversion", readonly=True)
    conversion_count = fields.Integer("Conversions", readonly=True)
    # In the company's currency.
    conversion_amount = fields.Float("Revenue", digits=(16, 2), readonly=True)
    explanation = fields.Char(compute="_compute_explanation")
    # Once per address; in a series, once per address and run.
    _address_unique = models.UniqueIndex(
        "(task_id, address_key, COALESCE(series_run, 1)) WHERE state != 'suppressed'"
    )
    # The order of claims, as `engine.claim.FREE_AT`: held mails come last, so a claim stops before
    # it reads them.
    _waiting_index = models.Index(
        "(task_id, COALESCE(not_before, '-infinity'::timestamp), id) WHERE state = 'waiting'"
    )
    _sending_index = models.Index("(account_id, lease_until) WHERE state = 'sending'")
    # No index on `outcome` or the marks: an UPDATE of these columns can be a HOT update, which
    # writes to no index.
    _state_index = models.Index("(task_id, state)")
    # Both for `engine.doubts`: refused deliveries, and deliveries accepted after a refusal.
    _refused_index = models.Index("(task_id, refused_at) WHERE refusals > 0")
    _sent_index = models.Index("(task_id, sent_at) WHERE state = 'sent'")
    # Fatigue control reads only these two, index-only. Events and bounces look up deliveries by
    # `_address_index`, so it includes `uncounted` ones.
    _address_index = models.Index(
        "(company_id, address_key, claimed_at) INCLUDE (uncounted)"
        " WHERE state IN ('sending', 'unknown', 'sent')"
    )
    _contact_index = models.Index(
        f"(company_id, partner_id, claimed_at) WHERE partner_id IS NOT NULL AND {COUNTED}"
    )
    _page_index = models.Index("(task_id, partner_id, id)")
    _record_index = models.Index("(res_model, res_id) WHERE partner_id IS NULL")
    # Makes `EXISTS (delivery without a contact)` an index lookup; nearly always none exists.
    _others_index = models.Index("(task_id) WHERE partner_id IS NULL")
    _reason_index = models.Index("(task_id, reason, fatigue_rule) WHERE state = 'suppressed'")
    # A claim looks up a changed address among the addresses that the plan excluded.
    _excluded_index = models.Index("(task_id, address_key) WHERE reason = 'excluded'")
    # Control groups: `engine.readdress` looks up addresses in them.
    _control_index = models.Index(
        "(task_id, address_key) WHERE assignment IN ('control', 'global')"
    )
    _held_index = models.Index(
        "(task_id, fatigue_rule, not_before) WHERE state = 'waiting' AND fatigue_rule IS NOT NULL"
    )
    # Of whom opens or clicks are not recorded, and how many.
    _unmeasured_index = models.Index("(task_id, measuring) WHERE measuring IS NOT NULL")
    _entry_index = models.Index("(series_entry_id) WHERE series_entry_id IS NOT NULL")
    event_ids = fields.One2many("directmail.event", "delivery_id", "Events", readonly=True)

    def init(self):
        """Set fillfactor 50: room on each page for another version of all its rows.

        A row gets at least three more versions (claimed, answered, outcome). PostgreSQL can't prune
        old versions while a cron runs: Odoo keeps the transaction open that locks the cron's job.
        """
        self.env.cr.execute("ALTER TABLE directmail_delivery SET (fillfactor = 50)")

    @api.model
    def _seen_to_sql(self, alias, query=None):
        """Override: of tasks with `in_tens`, show only deliveries in HANDED_OVER.

        The list of suppressed or waiting people would reveal whose address is also that of a person
        whom the user may not see. Administrators see all.
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
        """Override: show deliveries without a contact only to `lender_id`, the audience's owner.

        Also where the contact was deleted (`is_contact`), because its access can't be checked any
        more. Administrators see those that were bare addresses as well.
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
                delivery.explanation = reasons.get(delivery.reason)
                if delivery.fatigue_rule:
                    delivery.explanation = self.env._(
                        "%(reason)s (%(rule)s)",
                        reason=delivery.explanation,
                        rule=rules[delivery.fatigue_rule],
                    )
            elif delivery.state == "waiting" and delivery.is_rest and not delivery.version:
                delivery.explanation = self.env._("Waiting for the decision of the A/B test")
            elif delivery.state == "waiting" and delivery.fatigue_rule:
                delivery.explanation = self.env._(
                    "Waiting until %(time)s (%(rule)s)",
                    rule=rules[delivery.fatigue_rule],
                    time=format_datetime(self.env, delivery.not_before, dt_format="short"),
                )
            elif delivery.state == "refused" and delivery.code == CANNOT_DECRYPT:
                delivery.explanation = reasons["cannot_decrypt"]
            elif delivery.state == "unknown":
                delivery.explanation = self.env._(
                    "The connection broke before DirectMail confirmed the mail. The mail is not"
                    " sent again. DirectMail's records will show whether it was sent."
                )
            elif delivery.state == "not_sent":
                delivery.explanation = self.env._(
                    "DirectMail's records show that this mail was not sent."
                )
            else:
                # The mail server's message explains nothing if the mail was delivered.
                delivered = delivery.outcome == "delivered"
                delivery.explanation = False if delivered else delivery.message

    # === OPENS AND CLICKS === #
    # Events from this server's own links and pages.

    def _record_hit(self, kind, link=None, user_agent="", method="GET", headers=None):
        """Record that the tracking pixel was loaded or a link followed, by a person or a machine.

        :param str kind: "open" or "click"
        :param link: the `directmail.link` that was followed
        :param str user_agent: the request's User-Agent
        :param str method: the request's HTTP method
        :param headers: the request's headers, with a case-insensitive ``get``
        """
        self.ensure_one()
        now = fields.Datetime.now()
        age = (now - self.claimed_at).total_seconds() if self.claimed_at else None
        limit = self.account_id._get_seconds("machine_seconds", TOO_SOON)
        machine = is_machine(user_agent, method=method, age=age, too_soon=limit, headers=headers)
        self._record_fact(kind, machine=machine, link_id=link.id if link else None)

    def _record_fact(self, kind, **values):
        """Insert a `directmail.event` of source "own" for this delivery, at the current time.

        :param str kind: a value of `directmail.event.kind`
        :param values: further fields of `engine.events.Fact`
        """
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
            ],
            soon=self.account_id.is_trial,
        )

    def _get_delivery(self):
        """Override: the mail is the record itself."""
        return self

    def _get_tokens(self):
        """Return {variable: token} of the mail's own links and pixel, as of now."""
        self.ensure_one()
        master_key = self.env["directmail.keyring"]._get_master_key()
        return make_tokens(
            master_key,
            get_database_uuid(self.env),
            self.id,
            self.task_id.id,
            self.measuring,
        )
