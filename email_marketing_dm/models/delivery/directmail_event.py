import hashlib
import logging
import time
from datetime import timedelta, timezone

from odoo import api, fields, models
from odoo.service.model import retrying
from odoo.tools import SQL

from ...engine import events, measuring
from ...privacy.address import normalise, scrub
from ...privacy.machines import is_machine
from ...privacy.providers import get_provider

_logger = logging.getLogger(__name__)
CRON = "email_marketing_dm.ir_cron_directmail_events"
BATCH = 20_000
#: Facts are applied this long after the end of the minute they came in; failed ones are retried
#: after this time.
GRACE, RETRY = timedelta(seconds=10), timedelta(minutes=1)
#: {database: minute (naive UTC) for which this process has triggered the cron}
_woken = {}
#: Facts of trials are applied at once, because somebody is watching, and so are complaints, because
#: the guard must see them; at most once in so many seconds for each process.
#: {database: when this process may trigger the cron again}
SOON_SECONDS = 2
_woken_soon = {}
MESSAGE_MAX = 250


class DirectmailEvent(models.Model):
    """A fact about a mail or an address: pushed or polled from DirectMail, or from own links.

    `_receive` only inserts; `_cron_apply` applies the facts per company. A fact has a delivery or
    an address key, never an address. It may come twice and in any order. A fact that matches no
    delivery is kept without effect on any delivery.
    """

    _name = "directmail.event"
    _description = "DirectMail Event"
    _inherit = ["directmail.seen"]
    _log_access = False
    _order = "id"
    _rec_name = "kind"

    company_id = fields.Many2one("res.company", required=True, readonly=True)
    account_id = fields.Many2one("directmail.account", readonly=True, ondelete="cascade")
    delivery_id = fields.Many2one(
        "directmail.delivery", readonly=True, index="btree_not_null", ondelete="cascade"
    )
    task_id = fields.Many2one(related="delivery_id.task_id", string="Email task")
    address_key = fields.Char(readonly=True, groups=fields.NO_ACCESS)
    kind = fields.Selection(
        [
            ("delivered", "Delivered"),
            ("failed", "Failed"),
            ("invalid", "Invalid address"),
            ("spam", "Spam"),
            ("open", "Opened"),
            ("click", "Clicked"),
            ("unsubscribe", "Unsubscribed"),
            ("subscribe", "Subscribed again"),
            ("complaint", "Reported as spam"),
            ("listed", "On DirectMail's list of invalid addresses"),
            ("other", "Other"),
        ],
        "Event",
        required=True,
        readonly=True,
    )
    source = fields.Selection(
        [
            ("push", "Pushed by DirectMail"),
            ("poll", "Fetched from DirectMail"),
            ("own", "Links and pages of this server"),
        ],
        required=True,
        readonly=True,
    )
    occurred_at = fields.Datetime("When", required=True, readonly=True)
    machine = fields.Boolean("By a machine", readonly=True)
    link_id = fields.Many2one(
        "directmail.link", readonly=True, index="btree_not_null", ondelete="set null"
    )
    # A name of `privacy.providers`, which only pushed events have.
    provider = fields.Char("Mailbox provider", readonly=True)
    code = fields.Char(readonly=True)
    message = fields.Char(readonly=True)
    fingerprint = fields.Char(readonly=True, groups=fields.NO_ACCESS)

    _fingerprint_unique = models.UniqueIndex("(fingerprint)")
    _subscribe_index = models.Index("(company_id, occurred_at) WHERE kind = 'subscribe'")
    _stray_index = models.Index("(account_id) WHERE delivery_id IS NULL")

    @api.model
    def _seen_to_sql(self, alias, query=None):
        """Override: a user sees an event if they see its delivery, or it has none."""
        delivery = SQL.identifier("seen_delivery")
        return SQL(
            """(%(alias)s.delivery_id IS NULL OR EXISTS (
                SELECT FROM directmail_delivery %(delivery)s
                 WHERE %(delivery)s.id = %(alias)s.delivery_id AND %(seen)s))""",
            alias=alias,
            delivery=delivery,
            seen=self.env["directmail.delivery"]._seen_to_sql(delivery),
        )

    def _receive(self, facts, soon=False):
        """Insert new facts and trigger the cron: see `engine.events.insert`.

        :param facts: a list of `engine.events.Fact`
        :param bool soon: whether to apply them at once, as those of trials
        :return: number of facts that were new
        :rtype: int
        """
        new = events.insert(self.env, facts)
        # The guard of the sender address must see a complaint before many more mails are out.
        soon = soon or any(fact.kind == "complaint" for fact in facts)
        # Opens and clicks that were counted anonymously are not among the new ones.
        if new or any(fact.source == "own" for fact in facts):
            self._wake_cron(soon)
        return new

    def _wake_cron(self, soon=False):
        """Trigger `_cron_apply` GRACE after the end of this minute, once a minute and process.

        One run then applies all facts of the minute. GRACE lets transactions commit that received
        facts in it.

        :param bool soon: whether to trigger it now as well, once in SOON_SECONDS and process
        """
        name, now = self.env.cr.dbname, fields.Datetime.now()
        minute = now.replace(second=0) + timedelta(minutes=1)
        times = []
        if _woken.get(name) != minute:
            times.append(minute + GRACE)
            self.env.cr.postcommit.add(lambda: _woken.update({name: minute}))
        if soon and _woken_soon.get(name, 0) <= time.monotonic():
            times.append(now)
            again = time.monotonic() + SOON_SECONDS
            self.env.cr.postcommit.add(lambda: _woken_soon.update({name: again}))
        cron = times and self.env.ref(CRON, raise_if_not_found=False)
        if cron:
            # sudo(): recipients' pages call this too, and may not read crons.
            cron.sudo()._trigger(times)

    @api.model
    def _get_fingerprint(self, *parts):
        """Return the first half of a SHA-256 in hexadecimal: equal for copies of one fact."""
        return hashlib.sha256("|".join(map(str, parts)).encode()).hexdigest()[:32]

    @api.model
    def _cron_apply(self):
        """Apply new facts: a batch of each company in turn, the company with the oldest fact first.

        An error with one company's facts is logged and does not keep the others from being applied.
        """
        cron = self.env["ir.cron"]
        companies = self.env["res.company"].browse(events.find_companies(self.env))
        cron._commit_progress(remaining=len(companies))
        while companies:
            for company in companies:
                try:
                    applied = retrying(lambda company=company: self._apply_batch(company), self.env)
                except Exception:
                    self.env.cr.rollback()
                    _logger.exception("The events of company %s can't be applied", company.id)
                    applied = 0
                if applied < BATCH:
                    companies -= company
                left = cron._commit_progress(int(applied < BATCH))
                if applied:
                    self._guard(company)
                if not left:
                    return
        retrying(lambda: measuring.count_anonymous(self.env), self.env)
        cron._commit_progress()
        if events.find_companies(self.env):
            # Facts that failed, came in meanwhile, or wait for their delivery's answer.
            # sudo(): the cron calls this, not a user.
            self.env.ref(CRON).sudo()._trigger(fields.Datetime.now() + RETRY)

    def _apply_batch(self, company, limit=BATCH):
        """Apply a company's oldest facts to deliveries, counters, link trackers and opt-outs.

        :param int limit: number of facts at most
        :return: number of facts that were applied
        :rtype: int
        """
        self.flush_model()
        last = events.find_batch(self.env, company.id, limit)
        if last is None:
            return 0
        events.match_strays(self.env, company.id, last)
        measuring.drop_erased(self.env, company.id, last)
        events.flag_bursts(self.env, company.id, last)
        self.env["link.tracker.click"]._copy_events(company, last)
        self.env["directmail.optout"]._import_facts(company, last)
        applied, invalid = events.apply_facts(self.env, company.id, last)
        if invalid:
            self.env["directmail.optout"]._import_bounces(invalid)
        self.env.invalidate_all()
        return applied

    def _guard(self, company):
        """Pause tasks whose mails are complained about too often; log an error with that."""
        try:
            retrying(lambda: self.env["directmail.sender"]._guard(company), self.env)
        except Exception:
            self.env.cr.rollback()
            _logger.exception("The sender addresses of company %s can't be guarded", company.id)

    def _apply_all(self, company):
        """Apply all facts of a company, for a user who waits for the result."""
        while self._apply_batch(company) == BATCH:
            pass
        self.env["directmail.sender"]._guard(company)
        measuring.count_anonymous(self.env)

    @api.model
    def _make_pushed(self, account, pushed, *, company_id=None, master_key=None):
        """Return pushed events as facts.

        :param pushed: [(`directmail.push.PushedEvent`, id of the delivery it names, or None)]
        :param int company_id: company of the account, if the caller knows it
        :param master_key: this server's `privacy.keys.MasterKey`, if the caller has it
        :rtype: list[engine.events.Fact]
        """
        company_id = company_id or account.company_id.id
        master_key = master_key or self.env["directmail.keyring"]._get_master_key()
        tags = {event.tag for event, delivery_id in pushed if event.tag and not delivery_id}
        tasks = {}
        if tags:
            rows = self.env["directmail.task"].search_fetch(
                [("tag_name", "in", list(tags)), ("account_id", "=", account.id)],
                ["tag_name"],
                order="id desc",
            )
            tasks = rows.grouped("tag_name")
        facts = [
            self._make_fact(
                account,
                "push",
                event.kind,
                event.occurred_at,
                company_id=company_id,
                master_key=master_key,
                address=event.address,
                delivery_id=delivery_id,
                task_id=None if delivery_id or event.tag not in tasks else tasks[event.tag].ids[-1],
                machine=is_machine(event.user_agent) if event.user_agent else None,
                code=event.code or None,
                provider=get_provider(event.esp) or None,
                message=event.message if event.kind != "other" else event.type,
                # DirectMail pushes an event again with the same `event_id`.
                fingerprint=self._get_fingerprint("push", account.id, event.event_id),
            )
            for event, delivery_id in pushed
        ]
        for sharing in tasks.values():
            facts = events.assign_tasks(self.env, facts, sharing.ids)
        return facts

    @api.model
    def _make_fact(
        self,
        account,
        source,
        kind,
        moment,
        *,
        company_id=None,
        master_key=None,
        address="",
        message="",
        **values,
    ):
        """Return a fact with the address as address key, and the message without the address.

        :param str source: a value of the field `source`
        :param str kind: a value of the field `kind`
        :param datetime moment: time zone aware; None: the current time
        :param int company_id: company of the account, if the caller knows it
        :param master_key: a `privacy.keys.MasterKey`, for callers that make many facts
        :param values: further fields of `engine.events.Fact`
        :rtype: engine.events.Fact
        """
        email = normalise(address)
        master_key = master_key or self.env["directmail.keyring"]._get_master_key()
        moment = moment.astimezone(timezone.utc).replace(tzinfo=None) if moment else None
        return events.Fact(
            kind=kind,
            source=source,
            occurred_at=moment or fields.Datetime.now(),
            company_id=company_id or account.company_id.id,
            account_id=account.id,
            address_key=master_key.address_key(email) if email else None,
            message=scrub(message, address)[:MESSAGE_MAX] or None,
            **values,
        )


class DirectmailEventPending(models.Model):
    """Queue of facts to apply: a row per `directmail.event`, deleted once the fact is applied.

    A flag on `directmail.event` would need an UPDATE of each fact: a new version of its row and
    entries in all of its indexes.
    """

    _name = "directmail.event.pending"
    _description = "Pending DirectMail Event"
    _log_access = False
    _order = "id"

    # Shares its id with `directmail.event`; company_id is a plain copy, no foreign key needed.
    company_id = fields.Integer(required=True, readonly=True)

    _fact_exists = models.Constraint(
        "FOREIGN KEY (id) REFERENCES directmail_event (id) ON DELETE CASCADE"
    )
    _company_index = models.Index("(company_id, id)")


class DirectmailEventCount(models.Model):
    """Number of facts per account and name, and the moment of the last one (`last_at`).

    Names are the sources of facts and "stray" for facts without a delivery (`engine.events`), and
    others that callers of `_add` count.
    """

    _name = "directmail.event.count"
    _description = "Count of Events"
    _log_access = False

    account_id = fields.Many2one(
        "directmail.account", required=True, readonly=True, ondelete="cascade"
    )
    name = fields.Char(required=True, readonly=True)
    value = fields.Integer(required=True, readonly=True)
    last_at = fields.Datetime(readonly=True)

    _name_unique = models.UniqueIndex("(account_id, name)")

    def _add(self, account, name, value=1):
        self.env.cr.execute(
            SQL(
                """INSERT INTO directmail_event_count AS c (account_id, name, value, last_at)
                   VALUES (%s, %s, %s, now() AT TIME ZONE 'UTC')
                       ON CONFLICT (account_id, name) DO UPDATE
                      SET value = c.value + EXCLUDED.value, last_at = EXCLUDED.last_at""",
                account.id,
                name,
                value,
            )
        )
