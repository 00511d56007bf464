"""`Shop`: a company on a real Odoo server that sends email tasks to a real emulator.

`Books` compare a task's deliveries with the mails that the emulator has accepted.
"""

import copy
from dataclasses import dataclass

from directmail_emulator.testing import ACCESS_KEY_ID, ACCESS_KEY_SECRET
from tests.server.common.odoo_server import PATIENCE, RpcError, wait_until

PASSWORD = "a long password 1"
BODY = """<div><p>Dear <t t-out="object.name">friend</t>,</p><p>our spring collection is here.</p>
<p>Azure Interior, 1 Orchard Road, Singapore. You get this mail because you are our customer.
<a href="/unsubscribe_from_list">Unsubscribe</a></p></div>"""
STATES = (
    "suppressed", "waiting", "sending", "unknown", "sent", "refused", "not_sent", "cancelled",
)  # fmt: skip
# What the web client shows as a message to the user, and not as a fault.
USER_ERRORS = ("UserError", "ValidationError", "AccessError", "MasterKeyProblem")
OUTCOMES = ("delivered", "failed", "invalid", "spam")
COUNTERS = [f"{name}_count" for name in (*STATES, *OUTCOMES)]
#: Waits that only end what hangs: a call that takes longer makes its mail unknown.
PATIENT = {"lease_seconds": 600, "read_timeout": PATIENCE, "unknown_wait_seconds": 1}
#: The `SECONDS` of modules that kill servers or lose answers, and then wait until a lease or a call
#: runs out. A lease must be longer than the longest call.
SHORT = {"lease_seconds": 15, "read_timeout": 10}
EMULATOR = {
    "throttle": {"operations": {"SingleSendMail": "0", "DescAccountSummary": "0"}},
    "outcomes": {"follow_links": False},
}
#: what *Check results* says while it has not read everything
MORE_RESULTS = "There are more delivery results."
#: the cron that imports results
IMPORT = "cron_name = 'DirectMail: import results'"


class Shop:
    """An administrator with an active account, and a marketing user with an approved template.

    :param server: a running `OdooServer`
    :param emulator: a running `directmail_emulator.testing.Emulator`
    """

    def __init__(self, server, emulator, activate=True, body=BODY, **seconds):
        self.server, self.emulator, self.body = server, emulator, body
        self.root = root = server.login("admin", "admin")
        self.seconds = {**PATIENT, **seconds}
        for name, value in self.seconds.items():
            root.call(
                "ir.config_parameter", "set_param", [f"email_marketing_dm.{name}", str(value)]
            )
        self.admin = self.make_user("dm_admin", "group_admin")
        self.user = self.make_user("dm_user", "group_user")
        self.account = self._make_account("Emulator", ACCESS_KEY_ID, ACCESS_KEY_SECRET)
        self.sender = self.template = None
        if activate:
            self.activate()

    def _make_account(self, name, access_key_id, secret, endpoint=None):
        return self.admin.call(
            "directmail.account",
            "create",
            [
                {
                    "name": name,
                    "connection": "test",
                    "endpoint": endpoint or self.emulator.endpoint,
                    "access_key_id": access_key_id,
                    "access_key_secret": secret,
                    "public_url": "https://www.example.com",
                    "test_domains": "example.com",
                    "tz": "Asia/Singapore",
                    "rate_limit": 100,
                }
            ],
        )

    def open_branch(self, number, endpoint=None):
        """Return the same company with another DirectMail account, which shares nothing.

        :param endpoint: of what is between it and the emulator
        """
        name, secret, domain = f"LTAIBRANCH{number}", f"secret-{number}", f"b{number}.example"
        self.emulator.create_account(
            name,
            secret,
            daily_quota=10**6,
            senders=[{"address": f"news@{domain}", "type": "batch"}],
            domains=[{"name": domain, "verified": True, "spf": True, "mx": True, "dkim": True}],
        )
        branch = copy.copy(self)
        branch.account = self._make_account(f"Branch {number}", name, secret, endpoint)
        branch.sender = branch.template = None
        branch.activate()
        return branch

    def make_user(self, login, group, **values):
        """Make a user with this one group on top of an ordinary employee's; return a session."""
        root = self.root
        _model, group_id = root.call(
            "ir.model.data", "check_object_reference", ["email_marketing_dm", group]
        )
        _model, employee = root.call(
            "ir.model.data", "check_object_reference", ["base", "group_user"]
        )
        root.call(
            "res.users",
            "create",
            [
                {
                    "name": login,
                    "login": login,
                    "password": PASSWORD,
                    "email": f"{login}@example.com",
                    "group_ids": [(6, 0, [employee, group_id])],
                    **values,
                }
            ],
            {"context": {"no_reset_password": True}},
        )
        return self.server.login(login, PASSWORD)

    def set_pace(self, rate=100):
        """Let so many mails a second go out, by default as many as at first.

        A test that needs a task under way can't be too late when the whole task takes much longer
        than what the test does meanwhile, also on a busy machine.
        """
        self.admin.call("directmail.account", "write", [[self.account], {"rate_limit": rate}])

    def activate(self):
        """Activate the account, find its sender and have a template approved."""
        self.admin.call("directmail.account", "action_activate", [[self.account]])
        [self.sender] = self.user.call(
            "directmail.sender",
            "search",
            [[("account_id", "=", self.account), ("ready", "=", True)]],
        )
        if not self.template:
            self.template = self.make_template()
            self.review(self.template)

    def make_template(self, version=""):
        """Make a template as the user and submit it.

        :param version: the beginning of its subject
        """
        template = self.user.call(
            "directmail.template",
            "create",
            [
                {
                    "name": f"Spring {version}".strip(),
                    "account_id": self.account,
                    "subject": f"{version} News for {{{{ object.name }}}}".strip(),
                    "sender_name": "Azure",
                    "body_arch": self.body,
                    "body_html": self.body,
                }
            ],
        )
        self.user.call("directmail.template", "action_submit", [[template]])
        return template

    def review(self, template, comment=None):
        """Let DirectMail's people approve it, or reject it with a comment, and take that over."""
        ref = self.user.read("directmail.template", template, "remote_ref")["remote_ref"]
        if comment:
            self.emulator.reject(ref, comment)
        else:
            self.emulator.approve(ref)
        self.user.call("directmail.template", "action_check_review", [[template]])

    def add_people(self, group, count, addressed=True):
        """Make contacts; ``group`` becomes their reference and the start of their addresses.

        The first one properly, the others in SQL as copies of it: thousands in no time.
        """
        address = f"p-{group}-%s@customer.example"
        first = self.root.call(
            "res.partner",
            "create",
            [{"name": "Person 1", "ref": group, "email": addressed and address % 1}],
        )
        changed = ["name", "complete_name", "email", "email_normalized"]
        [(names,)] = self.server.query(
            """SELECT string_agg(quote_ident(column_name), ', ')
                 FROM information_schema.columns
                WHERE table_name = 'res_partner' AND NOT column_name = ANY(%s)""",
            ["id", "commercial_partner_id", *changed],
        )
        self.server.query(
            f"""INSERT INTO res_partner ({names}, {", ".join(changed)})
                SELECT {names}, 'Person ' || n, 'Person ' || n,
                       replace(email, '-1@', '-' || n || '@'),
                       replace(email, '-1@', '-' || n || '@')
                  FROM res_partner, generate_series(2, %s) n WHERE id = %s""",
            count,
            first,
        )
        self.server.query(
            "UPDATE res_partner SET commercial_partner_id = id WHERE commercial_partner_id IS NULL"
        )

    def make_audience(self, group):
        """Make the audience of everybody with this reference."""
        return self.user.call(
            "directmail.audience",
            "create",
            [
                {
                    "name": f"Audience {group}",
                    "line_ids": [(0, 0, {"domain": f"[('ref', '=', {group!r})]"})],
                }
            ],
        )

    def make_task(self, group, people=0, **values):
        """Make a task for so many new people and return its id; it is not sent yet."""
        if people:
            self.add_people(group, people)
        return self.user.call(
            "directmail.task",
            "create",
            [
                {
                    "name": f"Task {group}",
                    "account_id": self.account,
                    "template_id": self.template,
                    "sender_id": self.sender,
                    "audience_ids": [(6, 0, [self.make_audience(group)])],
                    **values,
                }
            ],
        )

    def act(self, task, action):
        """Press a button of the task, as the user."""
        return self.user.call("directmail.task", f"action_{action}", [[task]])

    def state(self, task):
        return self.read(task, "state")["state"]

    def read(self, task, *names):
        return self.user.read("directmail.task", task, *names)

    def tag(self, task):
        return self.read(task, "tag_name")["tag_name"]

    def wait(self, task, *states, seconds=PATIENCE):
        """Wait until the task is in one of the states; return which.

        Due crons are run by Odoo's own cron threads, which otherwise look once a minute.
        """

        def found():
            state = self.state(task)
            return state in states and state

        def complain():
            return f"not {states}: {self.read(task, 'state', 'state_message', *COUNTERS)}"

        return wait_until(found, complain, self.server.wake_crons, seconds, longest_pause=0.5)

    def wait_quiet(self, task, seconds=PATIENCE):
        """Wait until no call is under way: those of a paused task still finish."""
        wait_until(
            lambda: not self.count_rows(task).get("sending"),
            "calls are under way for too long",
            self.server.wake_crons,
            seconds,
        )

    def wait_answered(self, task):
        """Wait until each mail that is being sent now has an answer, or its lease has run out.

        For a test that has ended DirectMail or the database under these calls.
        """
        left = """SELECT 1 FROM directmail_delivery
                   WHERE id = ANY(%s) AND state = 'sending'
                     AND claimed_at > now() AT TIME ZONE 'UTC' - %s * interval '1 s'"""
        under_way = "SELECT id FROM directmail_delivery WHERE task_id = %s AND state = 'sending'"
        ids = [row_id for (row_id,) in self.server.query(under_way, task)]
        wait_until(lambda: not self.server.query(left, ids, self.seconds["lease_seconds"]))

    def wait_sent(self, task, number):
        """Wait until so many of a task's mails are sent, or more."""
        wait_until(
            lambda: self.count_rows(task).get("sent", 0) >= number,
            lambda: f"the task does not get on: {self.count_rows(task)}",
            self.server.wake_crons,
        )

    def let_account_run(self, server=None):
        """Let the account's cron run once, on `server`'s threads if another one is meant."""
        (server or self.server).let_cron_run(self.get_cron())

    def get_cron(self):
        """Return the id of the account's cron."""
        [(cron,)] = self.server.query(
            "SELECT cron_id FROM directmail_account WHERE id = %s", self.account
        )
        return cron

    def count_rows(self, task):
        """Return {state: number of deliveries}, from the rows themselves."""
        return dict(
            self.server.query(
                "SELECT state, count(*) FROM directmail_delivery WHERE task_id = %s GROUP BY 1",
                task,
            )
        )

    def stop_importing(self):
        """Switch off the cron that imports results, for tests that count what is unknown first."""
        self.server.query(f"UPDATE ir_cron SET active = FALSE WHERE {IMPORT}")

    def import_results(self, task, until_known=True, seconds=PATIENCE):
        """Let time pass at DirectMail and import, until no mail is unknown; return how many are.

        :param until_known: False to import once, when every unknown mail may be proved absent
        """
        self._wait_provable(task)

        def is_known():
            self.emulator.flush_outcomes()
            self.read_results(task, max(seconds, PATIENCE))
            return not until_known or not self.count_rows(task).get("unknown")

        wait_until(is_known, lambda: f"unknown mails stay: {self.count_rows(task)}", None, seconds)
        return self.count_rows(task).get("unknown", 0)

    def _wait_provable(self, task):
        """Wait until the addon may judge every unknown mail by DirectMail's records."""
        young = """SELECT 1 FROM directmail_delivery
                    WHERE task_id = %s AND state = 'unknown'
                      AND claimed_at > now() AT TIME ZONE 'UTC' - %s * interval '1 s'"""
        # one second more, because the addon counts whole ones
        wait = self.seconds["unknown_wait_seconds"] + 1
        wait_until(lambda: not self.server.query(young, task, wait))

    def read_results(self, task, seconds=PATIENCE):
        """Press *Check results*, and let the cron that it wakes read what is left.

        Where that cron is switched off, press again until nothing is left.

        :param seconds: how long at most: a press reads the results of some thousand mails
        """
        left = """SELECT 1 FROM directmail_poll WHERE task_id = %s AND "end" IS NOT NULL
                   UNION ALL SELECT 1 FROM directmail_event_pending"""
        cron = self.server.query(f"SELECT id FROM ir_cron WHERE {IMPORT} AND active")

        def press():
            message = self.act(task, "import_results")["params"]["message"]
            return MORE_RESULTS not in message

        def is_read():
            return not self.server.query(left, task) if cron else press()

        def go_on():
            # One run of the cron makes no more calls than the account allows.
            if cron:
                self.server.make_due(cron[0][0])
            self.server.wake_crons()

        if not press():
            wait_until(is_read, "the results are not read to their end", go_on, seconds)

    def mend(self, task):
        """What an administrator and the user do after DirectMail refused the account."""
        state = self.admin.read("directmail.account", self.account, "state")["state"]
        if state != "active":
            self.admin.call("directmail.account", "action_activate", [[self.account]])
        self.act(task, "resume")

    def check(self, task, planned):
        """Compare the task's deliveries with the emulator's ledger.

        :return: `Books`; what is wrong is in words
        """
        query = "SELECT state, lower(email), outcome FROM directmail_delivery WHERE task_id = %s"
        rows, counted = None, {}
        # Results may come in between: rows and counters are of the same moment if nothing changed.
        while rows is None or rows != sorted(self.server.query(query, task), key=str):
            rows = sorted(self.server.query(query, task), key=str)
            counted = self.read(task, *COUNTERS)
        people = {state: set() for state in STATES}
        for state, address, _outcome in rows:
            people[state].add(address)
        mailed = [row["to"].lower() for row in self.emulator.ledger(tag=self.tag(task))]
        ledger = set(mailed)
        wrong = []
        if people["sent"] - ledger:
            wrong.append(f"{len(people['sent'] - ledger)} sent are not in the ledger")
        for state in ("not_sent", "waiting", "refused", "suppressed", "cancelled"):
            if people[state] & ledger:
                wrong.append(f"{len(people[state] & ledger)} {state} are in the ledger")
        for name in STATES:
            number = sum(state == name for state, _address, _outcome in rows)
            if counted[f"{name}_count"] != number:
                wrong.append(f"{name}: counter {counted[f'{name}_count']}, rows {number}")
        for name in OUTCOMES:
            number = sum(outcome == name for _state, _address, outcome in rows)
            if counted[f"{name}_count"] != number:
                wrong.append(f"{name}: counter {counted[f'{name}_count']}, rows {number}")
        return Books(
            states={state: len(found) for state, found in people.items() if found},
            duplicates=len(mailed) - len(ledger),
            lost=planned - len(rows),
            unknown=len(people["unknown"]),
            mailed=len(ledger),
            wrong=wrong,
        )


@dataclass(frozen=True)
class Books:
    """What a task's deliveries and the ledger say together.

    :ivar lost: people in the audience who are in none of the eight states
    """

    states: dict
    duplicates: int
    lost: int
    unknown: int
    mailed: int
    wrong: list

    @property
    def ok(self):
        return not (self.duplicates or self.lost or self.wrong)


def refusal(session, model, method, ids):
    """Return what the user reads when this is refused; fails if it is not.

    :rtype: str
    """
    try:
        session.call(model, method, [ids])
    except RpcError as error:
        assert error.kind in USER_ERRORS, error.debug
        return str(error)
    raise AssertionError(f"{model}.{method} was not refused")
