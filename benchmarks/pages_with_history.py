"""How much slower the pages get with years of history behind them.

Two databases side by side: one with a single small email task, one with 200 tasks and SCALE
deliveries (5,000,000), a fifth of them opened and a twentieth clicked. A marketing user's calls are
made as the web client makes them: the task list, a task's page, the overview.

    python -m benchmarks.pages_with_history            (SCALE=100000: deliveries)
"""

from __future__ import annotations

import os
import statistics
import time

from devenv import database as databases
from tests.server.common.odoo_server import OdooServer

GOAL = 3.0
TASKS = 200
SMALL = 50  # people of the one task in the other database
RUNS = 15
LIST = {
    "name": {}, "priority": {}, "state": {}, "calendar_at": {}, "progress": {}, "people_count": {},
    "sent_count": {}, "delivered_count": {}, "failed_count": {}, "invalid_count": {},
    "audience_ids": {"fields": {"display_name": {}}}, "user_id": {"fields": {"display_name": {}}},
}  # fmt: skip
FORM = LIST | {
    "template_id": {"fields": {"display_name": {}}}, "waiting_for": {}, "suppressed_count": {},
    "opened_count": {}, "clicked_count": {}, "converted_count": {}, "revenue": {},
    "held_back": {},
}  # fmt: skip

HISTORY = """
account = env["directmail.account"].create(
    {{"name": "A", "public_url": "https://www.example.com", "endpoint": "127.0.0.1:1"}})
sender = env["directmail.sender"].create({{"account_id": account.id, "email": "a@b.example"}})
template = env["directmail.template"].create(
    {{"name": "T", "account_id": account.id, "subject": "S", "sender_name": "S"}})
audience = env["directmail.audience"].create({{"name": "All"}})
tasks = env["directmail.task"].create([
    {{"name": f"Task {{n}}", "account_id": account.id, "sender_id": sender.id,
     "template_id": template.id, "audience_ids": [(6, 0, audience.ids)]}} for n in range({tasks})])
env.flush_all()
env.cr.execute(\"\"\"
    UPDATE directmail_task
       SET state = 'done', planned_at = now() AT TIME ZONE 'UTC' - n * interval '3 days',
           finished_at = now() AT TIME ZONE 'UTC' - n * interval '3 days'
      FROM (SELECT id AS task, row_number() OVER (ORDER BY id DESC) AS n FROM directmail_task) t
     WHERE id = task\"\"\")
env.cr.execute(\"\"\"
    INSERT INTO directmail_delivery (task_id, account_id, company_id, email, address_key, state,
           reason, outcome, code, sent_at, opened_at, clicked_at, open_count, click_count)
    SELECT t.id, t.account_id, t.company_id, 'p' || p || '@customer.example', md5(p::text),
           CASE WHEN p % 20 = 0 THEN 'suppressed' ELSE 'sent' END,
           CASE WHEN p % 20 = 0 THEN 'opted_out' END,
           CASE WHEN p % 20 = 0 THEN NULL WHEN p % 50 = 1 THEN 'invalid' ELSE 'delivered' END,
           CASE WHEN p % 50 = 1 THEN 'SmtpNxBox' END, t.planned_at,
           CASE WHEN p % 5 = 2 THEN t.planned_at + (p % 4000) * interval '1 minute' END,
           CASE WHEN p % 20 = 2 THEN t.planned_at + (p % 4000) * interval '1 minute' END,
           CASE WHEN p % 5 = 2 THEN 1 ELSE 0 END, CASE WHEN p % 20 = 2 THEN 1 ELSE 0 END
      FROM directmail_task t, generate_series(1, {people}) AS p ORDER BY t.id, p\"\"\")
env.cr.execute(\"\"\"
    INSERT INTO directmail_task_counter (task_id, writer, name, value)
    SELECT task_id, 'sender', state, count(*) FROM directmail_delivery GROUP BY 1, 3 UNION ALL
    SELECT task_id, 'events', outcome, count(*) FROM directmail_delivery
     WHERE outcome IS NOT NULL GROUP BY 1, 3 UNION ALL
    SELECT task_id, 'events', 'opened', count(opened_at) FROM directmail_delivery GROUP BY 1
     UNION ALL
    SELECT task_id, 'events', 'clicked', count(clicked_at) FROM directmail_delivery
     GROUP BY 1\"\"\")
env.cr.commit()
"""


def make_history(name, tasks, people):
    """Return a new database with so many tasks of so many people each."""
    database = databases.fresh(name)
    databases.odoo(
        ["shell", "-d", database, "--no-http"], name, "making history",
        text=HISTORY.format(tasks=tasks, people=people),
    )  # fmt: skip
    databases.execute("CHECKPOINT")
    with databases.connect(database) as connection, connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
    return database


def pages(user):
    """Yield (page, function that makes the calls of that page)."""
    [task] = user.call("directmail.task", "search", [[]], {"limit": 1, "order": "id desc"})
    yield (
        "task list",
        lambda: user.call(
            "directmail.task",
            "web_search_read",
            [],
            {"domain": [], "specification": LIST, "limit": 80},
        ),
    )

    def task_page():
        user.call("directmail.task", "web_read", [[task]], {"specification": FORM})
        user.call("directmail.task", "get_progress", [[task]])
        user.call("directmail.task", "get_effectiveness", [[task]])

    yield "task page", task_page
    yield "overview", lambda: user.call("directmail.task.report", "get_overview", [30])


def measure(call):
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


def compare(few, many):
    """Return {page: (seconds with little, seconds with much history)}, medians of turns."""
    found = {}
    for (page, little), (_page, much) in zip(pages(few), pages(many), strict=True):
        little(), much()  # the first call of each fills caches
        turns = [(measure(little), measure(much)) for _ in range(RUNS)]
        found[page] = tuple(map(statistics.median, zip(*turns, strict=True)))
    return found


def main():
    deliveries = int(os.environ.get("SCALE") or 5_000_000)
    names = []
    try:
        names.append(make_history("bench_pages_few", 1, SMALL))
        begin = time.monotonic()
        names.append(make_history("bench_pages_many", TASKS, max(1, deliveries // TASKS)))
        seconds = time.monotonic() - begin
        with OdooServer(names[0], crons=0) as few, OdooServer(names[1], crons=0) as many:
            [(count,)] = many.query("SELECT count(*) FROM directmail_delivery")
            found = compare(few.login("admin", "admin"), many.login("admin", "admin"))
    finally:
        for name in names:
            databases.drop(name)
    report(found, count, seconds)


def report(found, count, seconds):
    ratios = {page: much / little for page, (little, much) in found.items()}
    worst = max(ratios.values())
    verdict = "ok" if worst <= GOAL else "short"
    print(f"BENCH pages_with_history {worst:.2f} goal <= {GOAL:g} {verdict}")
    print(
        f"  the slowest page with {TASKS} email tasks and {count:,} deliveries against the same"
        f" with one task of {SMALL} people; median of {RUNS} alternating calls, through HTTP;"
        f" the history took {seconds:.0f} s to make"
    )
    for page, (little, much) in found.items():
        print(f"  {page}: {little * 1000:.0f} ms, {much * 1000:.0f} ms ({ratios[page]:.2f}x)")
    print(f"  load of the machine {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores", flush=True)


if __name__ == "__main__":
    main()
