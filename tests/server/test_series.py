"""Series: each person gets each mail once, whatever is killed, on two servers."""

from concurrent.futures import ThreadPoolExecutor

from tests.server.common.odoo_server import OdooServer, connect, wait_until

PEOPLE = 40
BLOCKED = "SELECT count(*) FROM pg_locks WHERE relation = %s::regclass AND NOT granted"
LET_DUE = """UPDATE directmail_series_entry SET due_at = due_at - interval '1 day'
              WHERE state = 'inside'"""
WAITING = """SELECT count(*) FROM directmail_series_entry e
               JOIN directmail_series_step s ON s.id = e.step_id
              WHERE e.series_id = %s AND s.kind = 'wait'"""
STATES = """SELECT state, count(*) FROM directmail_series_entry
             WHERE series_id = %s GROUP BY state ORDER BY state"""
EVERYBODY = """SELECT series_id, partner_id, state, step_id::varchar FROM directmail_series_entry
                 UNION ALL
                SELECT series_id, record_id, 'candidate', changed_at::varchar
                  FROM directmail_series_candidate ORDER BY 1, 2"""
CANDIDATES = """SELECT record_id FROM directmail_series_candidate
                 WHERE series_id = %s ORDER BY record_id"""
TASKS = """SELECT t.tag_name, t.state FROM directmail_task t
             JOIN directmail_series_step s ON s.id = t.series_step_id
            WHERE s.series_id = %s ORDER BY s.sequence"""


def test_a_kill_and_two_servers_mail_everybody_once(shop):
    series = start(shop, "welcome")
    plan_while_killed(shop, series)
    let_advance(shop, lambda: shop.server.query(WAITING, series) == [(PEOPLE,)])
    assert count_mailed(shop, series) == [PEOPLE, 0]
    set_cron(shop, False)  # only the two servers advance people
    shop.server.query(LET_DUE)
    with OdooServer(shop.server.database, 2, shop.server.environment) as second:
        advance_at_once(shop, second)
        set_cron(shop, True)
        let_advance(shop, lambda: shop.server.query(STATES, series) == [("finished", PEOPLE)])
    assert count_mailed(shop, series) == [PEOPLE, PEOPLE]
    for tag, _state in shop.server.query(TASKS, series):
        mailed = [row["to"] for row in shop.emulator.ledger(tag=tag)]
        assert len(mailed) == len(set(mailed)) == PEOPLE


def make(shop, group, **vals):
    """Make a series of two mails with a day between them, for everybody in an audience."""
    shop.add_people(group, PEOPLE)
    audience = shop.make_audience(group)
    shop.user.call("directmail.audience", "action_refresh", [[audience]])
    steps = [{"template_id": shop.template}, {"kind": "wait"}, {"template_id": shop.template}]
    return shop.user.call(
        "directmail.series",
        "create",
        [
            {
                "name": group,
                "account_id": shop.account,
                "sender_id": shop.sender,
                "audience_id": audience,
                "entry": "all",
                "step_ids": [(0, 0, {"sequence": n, **step}) for n, step in enumerate(steps)],
                **vals,
            }
        ],
    )


def start(shop, group, **vals):
    """Start a series, as `make` makes it, and let its email tasks begin."""
    series = make(shop, group, **vals)
    set_cron(shop, False)  # so that all cron threads begin only where the test lets them
    shop.user.call("directmail.series", "action_start", [[series]])
    wait_until(
        lambda: [state for _tag, state in shop.server.query(TASKS, series)] == ["sending"] * 2,
        lambda: f"tasks: {shop.server.query(TASKS, series)}",
        shop.server.wake_crons,
    )
    return series


def start_by_contacts(shop, group, **vals):
    """Start such a series for contacts, as soon as they match a filter."""
    [table] = shop.user.call("directmail.data.table", "search", [[("preset", "=", "contacts")]])
    values = {"start_kind": "record", "start_table_id": table, "audience_id": False, **vals}
    return start(shop, group, **values)


def set_cron(shop, active):
    shop.server.query("UPDATE ir_cron SET active = %s WHERE id = %s", active, get_cron(shop))


def get_cron(shop):
    [(cron,)] = shop.server.query(
        "SELECT res_id FROM ir_model_data WHERE name = 'ir_cron_directmail_series'"
    )
    return cron


def plan_while_killed(shop, series):
    """Kill the server where mails are planned, after people have entered and moved."""
    with connect(shop.server.database, shop.server.environment) as cursor:
        cursor.execute("BEGIN; LOCK TABLE directmail_delivery IN EXCLUSIVE MODE")
        set_cron(shop, True)
        shop.server.make_due(get_cron(shop))
        wait_until(
            lambda: is_blocked(shop, "directmail_delivery"),
            "no mail is planned",
            shop.server.wake_crons,
        )
        shop.server.kill()
        cursor.execute("COMMIT")
    assert shop.server.query(STATES, series) == []
    shop.server.start()


def is_blocked(shop, table):
    return shop.server.query(BLOCKED, table)[0][0] > 0


def let_advance(shop, is_reached):
    """Let the cron of series run, and people be looked at at once, until a state is reached."""

    def go_on():
        shop.server.query(
            """UPDATE directmail_series_entry SET due_at = mailed_at
                WHERE state = 'inside' AND delivery_id IS NOT NULL"""
        )
        shop.server.make_due(get_cron(shop))
        shop.server.wake_crons()

    wait_until(
        is_reached,
        lambda: f"{shop.server.query(EVERYBODY)}",
        go_on,
    )


def count_mailed(shop, series):
    """Return how many mails of each step the emulator has accepted."""
    tags = [tag for tag, _state in shop.server.query(TASKS, series)]
    return [len(list(shop.emulator.ledger(tag=tag))) for tag in tags]


def advance_at_once(shop, second):
    """Advance people on two servers, which meet where mails are planned."""
    model = shop.root.call("ir.model", "search", [[("model", "=", "directmail.series")]])[0]
    action = shop.root.call(
        "ir.actions.server",
        "create",
        [
            {
                "name": "Advance",
                "model_id": model,
                "state": "code",
                "code": "model.sudo()._cron_advance()",  # as the cron's user does
            }
        ],
    )
    sessions = [server.login("admin", "admin") for server in (shop.server, second)]
    with (
        ThreadPoolExecutor(2) as pool,
        connect(shop.server.database, shop.server.environment) as cursor,
    ):
        cursor.execute("BEGIN; LOCK TABLE directmail_delivery IN EXCLUSIVE MODE")
        runs = [
            pool.submit(session.call, "ir.actions.server", "run", [[action]])
            for session in sessions
        ]
        wait_until(
            lambda: is_blocked(shop, "directmail_delivery") and is_blocked(shop, "directmail_gate"),
            "the two don't meet",
        )
        cursor.execute("COMMIT")
        for run in runs:
            run.result()


def test_records_that_are_committed_late_start_a_series(shop):
    """A record is dated by the begin of its transaction, which others have overtaken."""
    shop.add_people("calm", 2)
    late, prompt = shop.root.call("res.partner", "search", [[("ref", "=", "calm")]])
    series = start_by_contacts(
        shop,
        "record",
        start_domain="[('ref', '=', 'won')]",
    )
    set_cron(shop, True)
    with connect(shop.server.database, shop.server.environment) as cursor:
        cursor.execute("BEGIN")
        cursor.execute(
            """UPDATE res_partner SET ref = 'won', write_date = now() AT TIME ZONE 'UTC'
                WHERE id = %s""",
            [late],
        )
        shop.root.call("res.partner", "write", [[prompt], {"ref": "won"}])
        let_advance(shop, lambda: find_entered(shop, series) == [prompt])
        cursor.execute("COMMIT")
    let_advance(shop, lambda: find_entered(shop, series) == sorted([late, prompt]))


def test_a_change_of_a_related_record_starts_a_series(shop):
    """PostgreSQL's statistics of the related table tell it; the record itself is not changed."""
    shop.add_people("abroad", 2)
    people = shop.root.call("res.partner", "search", [[("ref", "=", "abroad")]])
    [country] = shop.root.call("res.country", "search", [[("code", "=", "FJ")]])
    series = start_by_contacts(
        shop,
        "related",
        start_domain="[('ref', '=', 'abroad'), ('country_id.phone_code', '=', 9679)]",
    )
    set_cron(shop, True)
    shop.root.call("res.partner", "write", [people[:1], {"country_id": country}])
    # Not "==": the other one is a candidate, too, if it was made in the second of the start.
    let_advance(shop, lambda: (people[0],) in shop.server.query(CANDIDATES, series))
    assert find_entered(shop, series) == []
    shop.root.call("res.country", "write", [[country], {"phone_code": 9679}])
    let_advance(shop, lambda: find_entered(shop, series) == people[:1])


def find_entered(shop, series):
    rows = shop.server.query(
        "SELECT partner_id FROM directmail_series_entry WHERE series_id = %s ORDER BY 1", series
    )
    return [row[0] for row in rows]
