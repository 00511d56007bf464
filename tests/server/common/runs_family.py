"""Follow-ups of one email task that start at the same moment, on servers that are killed."""

from collections import Counter
from dataclasses import dataclass

from tests.server.common.odoo_server import OdooServer, connect, wait_until

OTHERS = 30
LATENCY = 0.06  # seconds, so that calls are under way when the server dies


@dataclass(frozen=True)
class Family:
    """The result of a run.

    :ivar mailed: {address: number of mails in the emulator's ledger, of all email tasks}
    :ivar states: {state: number of deliveries of the follow-ups}
    :ivar chosen: number of people with a delivery that is not suppressed, of the follow-ups
    :ivar wrong: complaints of the books, in words
    """

    mailed: Counter
    states: Counter
    chosen: int
    wrong: list


def run_family(shop, people, joined, group="family"):
    """Send a task, let people join, start two follow-ups for them at once, and kill a server.

    The follow-ups belong to two accounts, whose crons run side by side, and send the same content.
    """
    branch = shop.open_branch(1)
    first = shop.make_task(group, people)
    shop.act(first, "send")
    shop.wait(first, "done")
    shop.add_people(f"{group}new", joined)
    shop.server.query("UPDATE res_partner SET ref = %s WHERE ref = %s", group, f"{group}new")
    tasks = [_follow(shop, first), _follow(shop, first)]
    for task in tasks:
        _add_others(shop, task, f"{group}{task}")
    shop.user.call(
        "directmail.task",
        "write",
        [
            [tasks[1]],
            {
                "account_id": branch.account,
                "sender_id": branch.sender,
                "template_id": branch.template,
                # A refresh would let the second plan wait for the first one's end already.
                "use_as_is": True,
            },
        ],
    )
    shop.emulator.set_fault("slow", action="SingleSendMail", delay=LATENCY)
    with OdooServer(shop.server.database, 2, shop.server.environment) as second:
        _start_at_once(shop, branch, second, tasks)
        wait_until(
            lambda: any(shop.count_rows(task).get("sent") for task in tasks),
            "nothing is sent",
            shop.server.wake_crons,
        )
        shop.server.kill()
        second.kill()
        shop.server.start()
        for task in tasks:
            shop.wait(task, "done")
    shop.emulator.clear_faults()
    for one, task in zip((shop, branch), tasks, strict=True):
        one.import_results(task)
    return _account(shop, branch, first, tasks, joined)


def _follow(shop, task):
    """Press the buttons of *Follow up*; return the draft's id."""
    wizard = shop.user.call(
        "directmail.task.follow.up",
        "create",
        [{"task_id": task, "people": "joined", "mail": "same"}],
    )
    action = shop.user.call("directmail.task.follow.up", "action_create", [[wizard]])
    return action["res_id"]


def _add_others(shop, task, group):
    """Add people to a follow-up who are in no other, so that each one has somebody to mail."""
    shop.add_people(group, OTHERS)
    audience = shop.make_audience(group)
    shop.user.call("directmail.audience", "action_refresh", [[audience]])
    shop.user.call("directmail.task", "write", [[task], {"audience_ids": [(4, audience)]}])


def _start_at_once(shop, branch, second, tasks):
    """Hold both plans where they take the content, until both have begun."""
    waiting = """SELECT count(*) FROM pg_locks
                  WHERE relation = 'directmail_family_content'::regclass AND NOT granted"""
    with connect(shop.server.database, shop.server.environment) as cursor:
        cursor.execute("BEGIN; LOCK TABLE directmail_family_content IN EXCLUSIVE MODE")
        for task in tasks:
            shop.act(task, "send")

        def wake():
            shop.server.wake_crons()
            second.wake_crons()

        wait_until(
            lambda: shop.server.query(waiting) == [(2,)],
            lambda: f"the plans don't meet: {[shop.state(task) for task in tasks]}",
            wake,
        )


def _account(shop, branch, first, tasks, joined):
    books = [shop.check(tasks[0], joined + OTHERS), branch.check(tasks[1], joined + OTHERS)]
    rows = shop.emulator.ledger(tag=shop.tag(first))
    for task in tasks:
        rows += shop.emulator.ledger(tag=shop.tag(task))
    states = sum((Counter(book.states) for book in books), Counter())
    [(chosen,)] = shop.server.query(
        """SELECT count(DISTINCT address_key) FROM directmail_delivery
            WHERE task_id = ANY(%s) AND state != 'suppressed'""",
        tasks,
    )
    return Family(
        mailed=Counter(row["to"].lower() for row in rows),
        states=states,
        chosen=chosen,
        wrong=[sentence for book in books for sentence in book.wrong],
    )
