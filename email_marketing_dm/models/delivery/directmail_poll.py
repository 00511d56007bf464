import logging
from datetime import datetime, timedelta, timezone
from functools import partial

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.fields import Domain
from odoo.service.model import retrying
from odoo.tools import formatLang

from ...directmail.const import BLOCK_REPORTED, BLOCK_UNSUBSCRIBED, WINDOW_DAYS
from ...directmail.errors import DirectMailError
from ...engine.clock import describe_moment
from ...engine.events import assign_tasks
from ...privacy.address import scrub
from ...privacy.keys import WrongKeyError

# DirectMail's records are read back to this age.
KEEP = timedelta(days=WINDOW_DAYS)
# A window whose `begin` is older than this is replaced by a new one, even if not read to its end.
STALE = KEEP + timedelta(hours=12)
# Hours until the next attempt after DirectMail refused a window; doubled by each refusal, up to
# the maximum.
RETRY_HOURS, RETRY_HOURS_MAX = 2, 24
# A window begins this long before the end of the last one, for records that came late.
OVERLAP = timedelta(hours=24)
LISTS = ("unsubscribed", "complained", "invalid")
_logger = logging.getLogger(__name__)
# Account or network error: stop polling this account. Its other records would fail too, and the
# time-out of each would delay the other accounts.
TROUBLE = ("credentials", "clock", "unreachable", "not_directmail", "throttled", "server")
# A task whose last mail went out more than QUICKLY ago is read only once per SLOWLY.
QUICKLY, SLOWLY = timedelta(hours=6), timedelta(hours=1)


class DirectmailPoll(models.Model):
    """Progress of reading one kind of DirectMail's records, by windows of time.

    A window (`begin` to `end`) is read page by page. The facts of a page and the cursor behind it
    (`position`) are written in one transaction, so reading continues there after an interruption.
    When the window is complete, `covered_until` is its end; the next window begins OVERLAP before.
    """

    _name = "directmail.poll"
    _description = "Fetching of Delivery Results"
    _log_access = False
    _rec_name = "kind"

    account_id = fields.Many2one(
        "directmail.account", required=True, readonly=True, ondelete="cascade"
    )
    kind = fields.Selection(
        [
            ("details", "Delivery results"),
            ("unsubscribed", "Unsubscribes"),
            ("complained", "Spam reports"),
            ("invalid", "Invalid addresses"),
        ],
        "Records",
        required=True,
        readonly=True,
    )
    task_id = fields.Many2one("directmail.task", "Email task", readonly=True, ondelete="cascade")
    begin = fields.Datetime("Period from", readonly=True)
    end = fields.Datetime("Period to", readonly=True)
    # Encrypted with the master key, because DirectMail's cursors may contain an address.
    position = fields.Char(readonly=True, groups=fields.NO_ACCESS)
    rows_read = fields.Integer("Records fetched", readonly=True)
    covered_until = fields.Datetime("Complete up to", readonly=True)
    error = fields.Char(readonly=True)
    refusals = fields.Integer("Refusals in a row", readonly=True)
    retry_at = fields.Datetime("Next attempt", readonly=True)
    read_at = fields.Datetime("Last attempt", readonly=True)

    _source_unique = models.UniqueIndex("(account_id, kind, COALESCE(task_id, 0))")
    _task_index = models.Index("(task_id) WHERE task_id IS NOT NULL")

    def _get(self, account, kind, task=None):
        """Return the poll of an account, kind and task; create it if there is none."""
        domain = [
            ("account_id", "=", account.id),
            ("kind", "=", kind),
            ("task_id", "=", (task and task.id) or False),
        ]
        return self.search(domain) or self.create(
            {"account_id": account.id, "kind": kind, "task_id": task and task.id}
        )

    def _read(self, calls, begin=None):
        """Continue the window, or begin a new one, until it is complete or calls are used up.

        In a cron it commits after each page, stops when the cron's time is over, and does nothing
        before `retry_at`. It stops where `_lock_poll` fails: the other transaction reads on.

        :param int calls: number of calls to DirectMail that may be made
        :param begin: begin of a new window (naive UTC): see `_begin_window`
        :return: number of calls that are left
        :rtype: int
        :raise UserError: if a call fails; `position` is kept unless DirectMail refused the window
        """
        self.ensure_one()
        if calls <= 0:
            return 0
        now = fields.Datetime.now()
        cron = self.env.context.get("cron_id")
        if cron and self.retry_at and self.retry_at > now:
            return calls
        if not self._lock_poll():
            return calls
        self.read_at = now
        master_key = self.env["directmail.keyring"]._get_master_key()
        place = self._get_place(master_key)
        if not self.end or self.begin < now - STALE:
            self._begin_window(now, begin)
            place = None
        client = self.account_id._get_client()
        try:
            for page, following in self._pages(client, place):
                calls -= 1
                self.env["directmail.event"]._receive(self._make_facts(master_key, page.rows))
                place = following and master_key.encrypt(following)
                self.write({"position": place, "rows_read": self.rows_read + len(page.rows)})
                if not following:
                    self._end_window()
                in_time = not cron or self.env["ir.cron"]._commit_progress()
                if calls <= 0 or not in_time or not self._lock_poll():
                    break
        except DirectMailError as error:
            if error.kind in ("invalid", "not_found"):
                # DirectMail may refuse the window itself: repeated unchanged, it would always fail.
                self.error = self._refuse_window(error)
            else:
                self.error = scrub(self.account_id._explain(error))
            raise UserError(self.error) from error
        return calls

    def _lock_poll(self):
        """Lock this poll until the end of the transaction.

        :return: False if another transaction is reading these records: the cron, or the button
            *Check results* of another user
        """
        return bool(self.try_lock_for_update(allow_referencing=True))

    def _get_place(self, master_key):
        """Return DirectMail's cursor behind the last page read, decrypted; None if there is none.

        A cursor encrypted with another master key can't be decrypted: the window begins again.
        """
        if not self.position:
            return None
        try:
            return master_key.decrypt(self.position)
        except WrongKeyError:
            self.write({"position": False, "end": False})
            return None

    def _begin_window(self, now, begin=None):
        """Begin a window that ends now; after each refusal, its maximal length is halved.

        The maximal length is KEEP at first, and at least 24 hours.

        :param now: naive UTC
        :param begin: begin of the window (naive UTC); by default OVERLAP before `covered_until`
        """
        longest = max(KEEP / 2 ** min(self.refusals, 5), timedelta(hours=24))
        begin = begin or (self.covered_until and self.covered_until - OVERLAP) or now - KEEP
        # The client rounds both down to the precision of the call, minutes or days. OVERLAP of the
        # next window covers what is lost at the end.
        begin = min(max(begin, now - longest), now - timedelta(minutes=1))
        self.write({"begin": begin, "end": now, "position": False, "rows_read": 0})

    def _end_window(self):
        self.write(
            {
                "covered_until": self.end,
                "end": False,
                "error": False,
                "refusals": 0,
                "retry_at": False,
            }
        )

    def _refuse_window(self, error):
        """Give up a window that DirectMail refused; the next one is shorter, after `retry_at`.

        :param error: a `DirectMailError`
        :return: explanation for the account's form
        :rtype: str
        """
        hours = min(RETRY_HOURS * 2 ** min(self.refusals, 10), RETRY_HOURS_MAX)
        tz = self.account_id.tz
        said = {
            "begin": describe_moment(self.env, self.begin, tz),
            "end": describe_moment(self.env, self.end, tz),
            "hours": hours,
            "code": error.code,
        }
        self.write(
            {
                "end": False,
                "position": False,
                "refusals": self.refusals + 1,
                "retry_at": fields.Datetime.now() + timedelta(hours=hours),
            }
        )
        return self.env._(
            "DirectMail refuses to return these records for the period from %(begin)s to %(end)s"
            " (%(code)s). They are requested again in %(hours)s hours, for a shorter period; the"
            " other records are still read. If this message stays, check the server's clock, then"
            " send the code to Alibaba Cloud's support.",
            **said,
        )

    def _pages(self, client, place):
        """Iterate over (page, DirectMail's cursor behind it or None) of the window.

        :param client: a `directmail.client.DirectMailClient`
        :param place: cursor to continue at; None: from the window's begin
        """
        begin, end = (moment.replace(tzinfo=timezone.utc) for moment in (self.begin, self.end))
        if self.kind == "details":
            pages = client.list_delivery_details(self.task_id.tag_name, begin, end, place)
            return ((page, page.next_start) for page in pages)
        if self.kind == "invalid":
            pages = client.list_invalid(begin, end, place)
            return ((page, page.next_start) for page in pages)
        block = BLOCK_UNSUBSCRIBED if self.kind == "unsubscribed" else BLOCK_REPORTED
        pages = client.list_blocked(block, begin, end, next_token=place)
        return ((page, page.next_token) for page in pages)

    def _make_facts(self, master_key, rows):
        """Return rows of a page as `engine.events.Fact`, of the tasks that mailed the addresses.

        :param master_key: a `privacy.keys.MasterKey`
        """
        events = self.env["directmail.event"]
        made = [fact for row in rows if (fact := self._make_fact(master_key, row))]
        tasks = self.task_id._get_sharing_tag()
        facts = assign_tasks(self.env, [fact for fact, _when in made], tasks.ids)
        return [
            fact._replace(
                fingerprint=events._get_fingerprint(
                    "poll",
                    self.account_id.id,
                    fact.task_id or False,
                    fact.address_key,
                    fact.kind,
                    when,
                )
            )
            for fact, (_fact, when) in zip(facts, made, strict=True)
        ]

    def _make_fact(self, master_key, row):
        """Return (`engine.events.Fact` of a row, moment for its fingerprint).

        None if the row has no status yet or no valid address.

        :param master_key: a `privacy.keys.MasterKey`
        """
        events = self.env["directmail.event"]
        if self.kind == "details":
            if not row.status:
                return None
            kind, moment, details = row.status, row.updated_at, row
        elif self.kind == "invalid":
            kind, moment, details = "listed", row.updated_at, None
        else:
            kind = "unsubscribe" if self.kind == "unsubscribed" else "complaint"
            moment, details = row.blocked_at, None
        fact = events._make_fact(
            self.account_id,
            "poll",
            kind,
            moment,
            master_key=master_key,
            address=row.address,
            task_id=self.task_id.id or None,
            code=(details and details.error_classification) or None,
            message=details.message if details else "",
        )
        if not fact.address_key:
            return None
        # Without a time in the row, `occurred_at` is the time of reading: keep it out of the
        # fingerprint, so that the row is the same fact whenever it is read.
        return fact, fact.occurred_at if moment else ""

    def _get_message(self):
        """Return the error of the last attempt, or the number of rows read; False if neither."""
        self.ensure_one()
        if self.error:
            return self.error
        if self.end:
            return self.env._(
                "Delivery results are being fetched. Records fetched so far: %s",
                formatLang(self.env, self.rows_read, digits=0),
            )
        return False

    # === TURNS === #
    # Whose records are read next, and what becomes of them.
    #
    # Calls go one way. The cron calls `_read_accounts`, which calls `_read_account`, which calls
    # `_read_task` for tasks and `_read` for the lists of an account; the button *Check results* of
    # a task calls `_read_task`. `_read_task` calls `_read`, then `directmail.task._apply_results`.
    # `_read` asks DirectMail with the account's client. Accounts and tasks do not call back.

    @api.model
    def _read_accounts(self):
        """Read the records of every active or stopped account, longest waiting first.

        An account that is not reached is read first by the next run. An error of one account is
        logged and does not keep the others from being read.
        """
        accounts = self.env["directmail.account"].search([("state", "in", ("active", "stopped"))])
        self.env["ir.cron"]._commit_progress(remaining=len(accounts))
        for account in self._order_accounts(accounts):
            try:
                self._read_account(account)
            except Exception:
                self.env.cr.rollback()
                _logger.exception("The results of DirectMail account %s can't be read", account.id)
                account.poll_ids.read_at = fields.Datetime.now()
            if not self.env["ir.cron"]._commit_progress(1):
                break

    @api.model
    def _read_account(self, account):
        """Read an account's records in at most `poll_calls` calls.

        Lists and tasks that have just stopped come first, each kind least recently read first.
        """
        if account.state == "active" and not account._is_armed():
            return
        sources = [(self._get(account, kind), None) for kind in LISTS]
        sources += [
            (self._get(account, "details", task), task)
            for task in self._get_unsettled_tasks(account)
        ]
        calls, cron = account.poll_calls, self.env.context.get("cron_id")

        def get_turn(source):
            poll, task = source
            is_urgent = not task or task._has_just_stopped()
            return not is_urgent, poll.read_at or datetime.min

        for poll, task in sorted(sources, key=get_turn):
            try:
                calls = self._read_task(task, calls)[0] if task else poll._read(calls)
            except UserError as error:
                _logger.warning("DirectMail account %s: %s", account.id, error)
                if getattr(error.__cause__, "kind", None) in TROUBLE:
                    break
                # Go on after other errors: RAM may allow the key to read the other records.
            if calls <= 0 or cron and not self.env["ir.cron"]._commit_progress():
                break

    @api.model
    def _read_task(self, task, calls, facts=None):
        """Continue reading DirectMail's records of a task, and apply them.

        :param int calls: number of calls to DirectMail that may be made
        :param int facts: number of facts to apply at most; all by default
        :return: (number of calls that are left, False if records or facts may be left)
        :rtype: tuple[int, bool]
        :raise UserError: if DirectMail can't be called
        """
        if not task.planned_at:
            return calls, True
        poll = self._get(task.account_id, "details", task)
        if not poll._lock_poll():
            return calls, False
        was_begun = bool(poll.end)
        calls = poll._read(calls, begin=task._get_first_open())
        if was_begun and not poll.end and task._has_just_stopped():
            # The window had begun before the last mails went out, so they were not in it.
            calls = poll._read(calls, begin=task._get_first_open())
        apply = partial(task._apply_results, poll, facts)
        complete = retrying(apply, self.env) if self.env.context.get("cron_id") else apply()
        return calls, complete and not poll.end

    @api.model
    def _order_accounts(self, accounts):
        """Return these accounts, least recently read first."""
        rows = self._read_group(
            [("account_id", "in", accounts.ids)], ["account_id"], ["read_at:max"]
        )
        read_at = {account: moment for account, moment in rows if moment}
        return accounts.sorted(lambda account: read_at.get(account, datetime.min))

    @api.model
    def _get_unsettled_tasks(self, account):
        """Return an account's tasks with mails without an outcome, least recently read first.

        A task whose last mail is older than QUICKLY is left out if it was read within SLOWLY. A
        window of records that was begun is read to its end, whatever the task's outcomes.
        """
        now = fields.Datetime.now()
        task = self.env["directmail.task"]
        tasks = task.search(task._get_unsettled_domain() & Domain("account_id", "=", account.id))
        begun = account.poll_ids.filtered(lambda poll: poll.end and not poll.error).task_id
        return (
            (tasks | begun)
            .filtered(
                lambda task: (
                    task in begun
                    or not task._is_settled()
                    and not (
                        (last := task._get_last_moment())
                        and last < now - QUICKLY
                        and task.results_at
                        and task.results_at > now - SLOWLY
                    )
                )
            )
            .sorted(lambda task: task.results_at or task.planned_at)
        )
