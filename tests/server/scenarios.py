"""The runs of which `make test` has a short form and `make torture` a long one."""

import time
from random import Random

THREADS = 32  # an account's default
LATENCY = 0.06  # seconds, so that calls are under way whenever the server dies


def run_kills(shop, people, kills, seed, group="kill", hurt=None):
    """Kill Odoo at random moments of a task and start it again each time.

    :param hurt: called with the number of each kill while Odoo is dead, to kill something else
    :return: (task, ids of the deliveries caught *sending* by each kill)
    """
    random = Random(seed)
    slow = shop.emulator.set_fault("slow", action="SingleSendMail", delay=LATENCY)
    task = shop.make_task(group, people)
    shop.act(task, "send")
    caught = []
    for number in range(kills):
        if not _wait_for_progress(shop, task, people, kills - number, random):
            break
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
        if hurt:
            hurt(number)
        shop.server.start()
    shop.wait(task, "done", seconds=60 + people / 10)
    if slow in shop.emulator.faults():
        shop.emulator.clear_faults()
    return task, caught


def _wait_for_progress(shop, task, people, kills_left, random):
    """Wait until a random number of mails more is out, then for a random moment.

    :return: False if the task ended meanwhile
    """
    before = _count_out(shop, task)
    # Small steps enough, so that something is left to be sent at the last kill.
    target = before + random.randint(1, max(2, int((people - before) / (kills_left + 1))))
    deadline = time.monotonic() + 90
    while (out := _count_out(shop, task)) < target:
        assert time.monotonic() < deadline, f"nothing is sent: {out} of {people} are out"
        shop.server.wake_crons()
        time.sleep(0.1)
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
