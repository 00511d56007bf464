"""Email tasks while processes are killed, calls fail, connections are lost or servers overlap."""

import contextlib
import threading
import time
from dataclasses import dataclass, field
from random import Random

from directmail_emulator.nat import WAYS, Nat
from tests.server.common.odoo_server import PATIENCE, OdooServer, RpcError, wait_until
from tests.server.common.runs_events import prepare
from tests.server.common.shop import Books

THREADS = 32  # an account's default
LATENCY = 0.06  # seconds, so that calls are under way whenever the server dies


def run_kills(shop, people, kills, seed, group="kill"):
    """Kill Odoo at random moments of a task and start it again each time.

    :return: (task, ids of the deliveries caught *sending* by each kill)
    """
    caught = []

    def kill_odoo(task):
        shop.server.kill()
        caught.append(
            {
                row_id
                for (row_id,) in shop.server.query(
                    "SELECT id FROM directmail_delivery WHERE task_id = %s AND state = 'sending'",
                    task,
                )
            }
        )
        shop.server.start()

    return run_blows(shop, people, [kill_odoo] * kills, seed, group), caught


def run_blows(shop, people, blows, seed, group):
    """Deal blows at random moments of a task, and wait until it is done.

    :param blows: functions, called with the task's id; each leaves everything running again
    :return: the task's id
    """
    random = Random(seed)
    _slow_down(shop.emulator)
    task = shop.make_task(group, people)
    shop.act(task, "send")
    for number, blow in enumerate(blows):
        if not _wait_for_progress(shop, task, people, len(blows) - number, random):
            break
        blow(task)
        _slow_down(shop.emulator)  # a killed emulator has forgotten
    shop.wait(task, "done", seconds=PATIENCE + people / 10)
    shop.emulator.clear_faults()
    return task


def _slow_down(emulator):
    if not emulator.faults():
        emulator.set_fault("slow", action="SingleSendMail", delay=LATENCY)


def _wait_for_progress(shop, task, people, kills_left, random):
    """Wait until a random number of mails more is out, then for a random moment.

    :return: False if the task ended meanwhile
    """
    before = _count_out(shop, task)
    if before >= people:
        return False
    # Small steps enough, so that something is left to be sent at the last kill.
    step = random.randint(1, max(2, int((people - before) / (kills_left + 1))))
    target = min(before + step, people)
    wait_until(
        lambda: _count_out(shop, task) >= target,
        lambda: f"nothing is sent: {_count_out(shop, task)} of {people} are out",
        shop.server.wake_crons,
    )
    out = _count_out(shop, task)
    time.sleep(random.uniform(0, 0.5))
    return out < people


def _count_out(shop, task):
    rows = shop.count_rows(task)
    return sum(rows.get(state, 0) for state in ("sent", "unknown", "not_sent"))


def unknown_ids(shop, task):
    """Return the ids of the task's deliveries that are or once were unknown, resolved or not."""
    return {
        row_id
        for (row_id,) in shop.server.query(
            """SELECT id FROM directmail_delivery
                WHERE task_id = %s AND (state IN ('unknown', 'not_sent')
                                        OR state = 'sent' AND envelope IS NULL)""",
            task,
        )
    }


@dataclass(frozen=True)
class Fault:
    """What a fault means for those whom it strikes (research on SDK 1.11.1).

    :ivar unknown: 'each' of them becomes unknown, 'none', or 'some' where the process at the other
        end dies and what was under way is a matter of chance
    :ivar accepted: the mail was accepted although nobody heard of it
    :ivar stops: DirectMail refuses the account, so that the task pauses
    :ivar line: further settings of the emulator's fault
    """

    unknown: str = "each"
    accepted: bool = True
    stops: bool = False
    line: dict = field(default_factory=dict)


FAULTS = {
    "hang": Fault(),
    "close": Fault(),
    "reset": Fault(),
    "truncated": Fault(),
    "html": Fault(),
    "empty": Fault(),
    "no_env_id": Fault(),
    "blank": Fault(),
    "list": Fault(),
    "code_in_200": Fault(),
    # Below the read time-out an answer is an answer, however it dawdles.
    "slow": Fault("none", line={"delay": 1.0}),
    "trickle": Fault("none", line={"delay": 0.01}),
    "error": Fault(accepted=False),
    "idle_reset": Fault(accepted=False),
    "throttle": Fault("none", line={"times": 6, "retry_after": 500}),
    "unavailable": Fault("none", line={"times": 6}),
    "refuse": Fault("none", line={"delay": 4.0}),
    "connect_stall": Fault("none", line={"delay": 4.0}),
    "expired_token": Fault("none", stops=True, line={"times": 3}),
    "clock_skew": Fault("none", stops=True, line={"times": 3}),
    "die": Fault("some", line={"after": 40, "times": 1}),
}
LISTENER = ("refuse", "connect_stall")


@dataclass(frozen=True)
class FaultRun:
    """``before`` and ``after`` are the books before and after the results were imported."""

    before: Books
    after: Books
    hits: int
    paused: bool


def run_fault(shop, kind, people, share=1.0):
    """Send a task while a fault strikes a share of its calls; mend what it broke, and go on."""
    emulator, line = shop.emulator, dict(FAULTS[kind].line)
    shop.stop_importing()
    task = shop.make_task(kind.replace("_", ""), people)
    if kind in LISTENER:
        # Such a fault lasts for seconds, so it has to begin when the sending begins.
        emulator.set_fault("slow", action="SingleSendMail", delay=0.2)
        shop.act(task, "send")
        shop.wait_sent(task, 1)
        emulator.set_fault(kind, **line)
        return _finish_fault(shop, task, people, kind, hits=1)
    if kind != "die":
        line = {"rate": share, "seed": 7, **line}
    emulator.set_fault(kind, action="SingleSendMail", **line)
    shop.act(task, "send")
    if kind == "die":
        shop.server.wake_crons()
        emulator.wait_dead(PATIENCE)
        shop.wait_answered(task)
        emulator.start()
        return _finish_fault(shop, task, people, kind, hits=1)
    return _finish_fault(shop, task, people, kind)


def _finish_fault(shop, task, people, kind, hits=None):
    paused = False
    while shop.wait(task, "done", "paused") == "paused":
        assert FAULTS[kind].stops, shop.read(task, "state_message")
        assert not paused, "one refusal of the account pauses once"
        paused = True
        shop.wait_quiet(task)
        books = shop.check(task, people)
        assert books.ok and books.states["waiting"], books
        shop.emulator.clear_faults()
        shop.mend(task)
    if hits is None:
        lines = [line for line in shop.emulator.faults() if line["kind"] == kind]
        hits = lines[0]["hits"] if lines else 1
    before = shop.check(task, people)
    shop.emulator.clear_faults()
    shop.import_results(task)
    return FaultRun(before, shop.check(task, people), hits, paused)


def run_idle(shop, way, people, pauses):
    """Send tasks with a pause before each, in which the network forgets every connection.

    :param way: one of `directmail_emulator.nat.WAYS`
    :return: [(books of a task, what is wrong besides)]
    """
    rows = []
    # Longer than the client keeps an unused connection, shorter than the pauses.
    with Nat(shop.emulator.endpoint, forget_after=3, way=way) as nat:
        branch = shop.open_branch(100 + WAYS.index(way), nat.endpoint)
        for number in range(pauses + 1):
            task = branch.make_task(f"{way}{number}", people)
            nat.wait_forgotten()
            branch.act(task, "send")
            branch.wait(task, "done")
            books = branch.check(task, people)
            calls = f"{nat.swallowed} calls met a forgotten connection"
            lost = f"{way}: {books.states}"
            rows.append(
                (
                    books,
                    [calls] * bool(nat.swallowed) + [lost] * (books.states != {"sent": people}),
                )
            )
    return rows


def run_overlap(shop, people, branches=2, crons=4):
    """Send from several accounts at once with two servers that push each other's crons.

    :param shop: its server has as many cron threads
    :return: [(branch, task)], all done
    """
    shop.emulator.set_fault("slow", action="SingleSendMail", delay=LATENCY)
    shops = [shop, *(shop.open_branch(number) for number in range(1, branches + 1))]
    tasks = [
        (branch, branch.make_task(f"overlap{number}", people))
        for number, branch in enumerate(shops)
    ]
    ended = threading.Event()

    def press(server, cron):
        """Press *Run Manually*, again and again, whoever else runs the same cron."""
        root = server.login("admin", "admin")
        while not ended.wait(0.2):
            with contextlib.suppress(RpcError):  # it runs already
                root.call("ir.cron", "method_direct_trigger", [[cron]])

    with OdooServer(shop.server.database, crons, shop.server.environment) as second:
        crons = [
            cron
            for branch in shops
            for (cron,) in branch.server.query(
                "SELECT cron_id FROM directmail_account WHERE id = %s", branch.account
            )
        ]
        threads = [
            threading.Thread(target=press, args=(server, cron), daemon=True)
            for server in (shop.server, second)
            for cron in crons
        ]
        try:
            for branch, task in tasks:
                branch.act(task, "send")
            for thread in threads:
                thread.start()
            for branch, task in tasks:
                branch.wait(task, "done", seconds=PATIENCE + people / 10)
        finally:
            ended.set()
            for thread in threads:
                if thread.ident:
                    thread.join(60)
    shop.emulator.clear_faults()
    return tasks


def run_warm_up(shop, people, start):
    """Send two tasks of a sender address that warms up, with two servers, until all mails are out.

    Some calls are refused and tried again, and days pass as soon as nothing is sent any more.

    :return: (tasks, mails that DirectMail has accepted after each day)
    """
    # Mails that other tests have sent today would count.
    shop.server.query(
        """UPDATE directmail_delivery SET claimed_at = claimed_at - interval '2 days'
            WHERE account_id = %s""",
        shop.account,
    )
    shop.admin.call("directmail.sender.warm.up", "action_start", [[
        shop.admin.call("directmail.sender.warm.up", "create", [
            {"sender_id": shop.sender, "start": start, "growth": 100, "end": 100 * people}
        ])
    ]])  # fmt: skip
    shop.emulator.set_fault("slow", action="SingleSendMail", delay=LATENCY)
    shop.emulator.set_fault("throttle", action="SingleSendMail", times=6, retry_after=200)
    tasks = [shop.make_task(f"warm{number}", people) for number in range(2)]
    days = []
    with OdooServer(shop.server.database, shop.server.crons, shop.server.environment) as second:
        for task in tasks:
            shop.act(task, "send")
        while not days or days[-1] < 2 * people:
            limit = start * 2 ** len(days)
            goal = min(sum(days[-1:]) + limit, 2 * people)
            wait_until(
                lambda goal=goal: _count_accepted(shop, tasks) >= goal,
                lambda: f"nothing is sent: {_count_accepted(shop, tasks)} after {days}",
                shop.server.wake_crons,
            )
            for server in (shop.server, second):
                shop.let_account_run(server)
            days.append(_count_accepted(shop, tasks))
            _pass_a_day(shop)
            if days[-1] < 2 * people:
                shop.server.make_due(shop.get_cron())
        for task in tasks:
            shop.wait(task, "done")
    shop.emulator.clear_faults()
    # Other tests use the same sender address.
    shop.admin.call("directmail.sender", "action_end_warm_up", [[shop.sender]])
    return tasks, days


def _pass_a_day(shop):
    """Let today's mails of the warm-up be those of yesterday."""
    shop.server.query(
        """DELETE FROM directmail_sender_usage
            WHERE day < (SELECT max(day) FROM directmail_sender_usage)"""
    )
    shop.server.query(
        """UPDATE directmail_sender_usage SET day = day - 1,
                  starts_at = starts_at - interval '1 day'"""
    )
    shop.server.query("UPDATE directmail_sender SET warmup_since = warmup_since - 1")


def _count_accepted(shop, tasks):
    return sum(shop.emulator.summary(shop.tag(task))["accepted"] for task in tasks)


@dataclass(frozen=True)
class Collision:
    """What met in one task: how often it was paused, results were read, events were pushed."""

    task: int
    pauses: int
    imports: int
    pushes: int

    @property
    def is_complete(self):
        return bool(self.pauses and self.imports and self.pushes)


def run_collision(shop, people, seed, group="collide"):
    """Let a user pause and resume, and results come in both ways, while the same mails go out.

    Mails go out slowly until all of it has happened. So that the task does not end before, it stays
    paused after the first pause until a pushed event is applied, and with half of its mails sent
    until results were read: each conflict with the sender makes Odoo repeat that request later.
    Results are read only after a pushed event: what was read first would not count as pushed.
    """
    random = Random(seed)
    prepare(shop, push=True)
    shop.emulator.set_fault("slow", action="SingleSendMail", delay=1.0)
    task = shop.make_task(group, people)
    shop.act(task, "send")
    ended, is_pushed, imports = threading.Event(), threading.Event(), []

    def import_results():
        while not (is_pushed.wait(0.1) or ended.is_set()):
            shop.emulator.flush_outcomes()
        while not ended.wait(0.2):  # as often as somebody can press
            shop.emulator.flush_outcomes()
            with contextlib.suppress(RpcError):  # the button may lose the race, the mails may not
                shop.act(task, "import_results")
                imports.append(1)

    def may_go_on():
        return is_pushed.is_set() and (imports or shop.count_rows(task).get("sent", 0) < people / 2)

    thread = threading.Thread(target=import_results, daemon=True)
    thread.start()
    pauses, deadline = 0, time.monotonic() + PATIENCE + people / 5
    met = Collision(task, 0, 0, 0)
    try:
        while (state := shop.state(task)) != "done":
            assert time.monotonic() < deadline, shop.count_rows(task)
            shop.server.wake_crons()
            time.sleep(random.uniform(0, 0.4))
            if state == "sending" or state == "paused" and may_go_on():
                shop.act(task, "pause" if state == "sending" else "resume")
                pauses += state == "sending"
            if not met.is_complete:
                met = Collision(task, pauses, len(imports), _count_pushes(shop, task))
                if met.pushes:
                    is_pushed.set()
                if met.is_complete:
                    shop.emulator.clear_faults()
                    shop.emulator.set_fault("slow", action="SingleSendMail", delay=LATENCY)
    finally:
        ended.set()
        thread.join(60)
        shop.emulator.clear_faults()
    return met


def _count_pushes(shop, task):
    """Return how many pushed events are in a task's books by now."""
    [(number,)] = shop.server.query(
        """SELECT count(*) FROM directmail_event e
             JOIN directmail_delivery d ON d.id = e.delivery_id
            WHERE d.task_id = %s AND e.source = 'push'
              AND NOT EXISTS (SELECT 1 FROM directmail_event_pending o WHERE o.id = e.id)""",
        task,
    )
    return number


def count_most(shop, account):
    """Return how many mails of an account were under way at most at one moment."""
    [(most,)] = shop.server.query(
        """SELECT max(level) FROM (
               SELECT sum(step) OVER (ORDER BY moment, step) AS level FROM (
                   SELECT claimed_at AS moment, 1 AS step FROM directmail_delivery
                    WHERE account_id = %s AND sent_at IS NOT NULL
                    UNION ALL
                   SELECT sent_at, -1 FROM directmail_delivery
                    WHERE account_id = %s AND sent_at IS NOT NULL
               ) steps) levels""",
        account,
        account,
    )
    return most
