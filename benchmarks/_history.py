"""Two years of campaigns of ten accounts, written by SQL, for `history`."""

from devenv import database

from ._people import vacuum

ACCOUNTS = 10
PEOPLE = 100_000  # of each campaign
DAYS = 730
RESULTS = 10_000

# The account gets its state by SQL, because activation asks DirectMail. One campaign per task, at
# even distances, the newest last.
TASKS = """
    UPDATE directmail_account SET state = 'active', threads = 32, daily_quota = 10000000;
    UPDATE directmail_task t
       SET state = 'done', planned_at = at, finished_at = at + interval '2 hours'
      FROM (SELECT id, now() AT TIME ZONE 'UTC' - interval '1 day' * (1 + %(days)s
                   * (1 - row_number() OVER (ORDER BY id)::float / count(*) OVER ())) AS at
              FROM directmail_task WHERE id = ANY(%(tasks)s)) past
     WHERE t.id = past.id
"""
# Of 100 people 5 were suppressed; of those mailed 97 % got the mail, 22 % opened it, 3 % clicked.
DELIVERIES = """
    INSERT INTO directmail_delivery (task_id, account_id, company_id, partner_id, is_contact, email,
           address_key, state, reason, claim_token, claimed_at, sent_at, envelope, outcome,
           outcome_at, code, message, opened_at, clicked_at, open_count, click_count)
    SELECT t.id, t.account_id, t.company_id, p.id, true, NULL, k.address_key,
           CASE WHEN mailed THEN 'sent' ELSE 'suppressed' END,
           CASE WHEN NOT mailed THEN 'opted_out' END,
           CASE WHEN mailed THEN md5(t.id::text) END,
           CASE WHEN mailed THEN moment END, CASE WHEN mailed THEN moment END,
           CASE WHEN mailed THEN (600000000000 + t.id::bigint * 1000000 + p.id)::text END,
           CASE WHEN NOT mailed THEN NULL WHEN chance < 0.03 THEN 'invalid' ELSE 'delivered' END,
           CASE WHEN mailed THEN moment + interval '20 seconds' END,
           CASE WHEN mailed AND chance < 0.03 THEN 'SmtpNxBox' END,
           CASE WHEN mailed AND chance < 0.03 THEN '550 user does not exist'
                WHEN mailed THEN '250 Send Mail OK' END,
           CASE WHEN mailed AND chance > 0.78 THEN moment + chance * interval '1 day' END,
           CASE WHEN mailed AND chance > 0.97 THEN moment + chance * interval '1 day' END,
           CASE WHEN mailed AND chance > 0.78 THEN 1 ELSE 0 END,
           CASE WHEN mailed AND chance > 0.97 THEN 1 ELSE 0 END
      FROM directmail_task t, bench_keys k JOIN res_partner p ON p.id = k.id,
           LATERAL (SELECT (hashint8(p.id * 7919::bigint + t.id) & 65535) / 65536.0 AS chance,
                           (hashint8(p.id * 104729::bigint + t.id) & 1023) %% 100 >= 5 AS mailed,
                           t.planned_at + p.id %% 7200 * interval '1 second' AS moment) c
     WHERE t.id = %(task)s ORDER BY p.id
"""
EVENTS = """
    INSERT INTO directmail_event (company_id, account_id, delivery_id, kind, source, occurred_at,
                                  machine, message, fingerprint)
    SELECT d.company_id, d.account_id, d.id, f.kind, f.source, f.at, false, f.message,
           md5(d.id || f.kind)
      FROM directmail_delivery d, LATERAL (VALUES
           (CASE d.outcome WHEN 'invalid' THEN 'invalid' ELSE 'delivered' END, 'push',
            d.outcome_at, d.message),
           ('open', 'own', d.opened_at, NULL), ('click', 'own', d.clicked_at, NULL)
           ) f (kind, source, at, message)
     WHERE d.task_id = %(task)s AND f.at IS NOT NULL
"""
COUNTERS = """
    INSERT INTO directmail_task_counter (task_id, writer, name, value)
    SELECT task_id, 'sender', state, count(*) FROM directmail_delivery
     WHERE task_id = %(task)s GROUP BY 1, 3 UNION ALL
    SELECT task_id, 'events', outcome, count(*) FROM directmail_delivery
     WHERE task_id = %(task)s AND outcome IS NOT NULL GROUP BY 1, 3 UNION ALL
    SELECT task_id, 'events', 'opened', count(opened_at) FROM directmail_delivery
     WHERE task_id = %(task)s GROUP BY 1 UNION ALL
    SELECT task_id, 'events', 'clicked', count(clicked_at) FROM directmail_delivery
     WHERE task_id = %(task)s GROUP BY 1
"""
# What the sender and the events of a campaign write, in the same steps.
CAMPAIGN = (
    ("claimed", "state = 'sending', claim_token = 'run', claimed_at = now() AT TIME ZONE 'UTC',"
     " lease_until = now() AT TIME ZONE 'UTC'"),
    ("answered", "state = 'sent', envelope = '600000000000', lease_until = NULL,"
     " claim_token = NULL, sent_at = now() AT TIME ZONE 'UTC'"),
    ("outcome", "outcome = 'delivered', outcome_at = now() AT TIME ZONE 'UTC',"
     " message = '250 Send Mail OK'"),
    ("opened", "opened_at = now() AT TIME ZONE 'UTC', open_count = 1"),
)  # fmt: skip
LIMITS = {"minute": 1, "hour": 2, "day": 3, "week": 6, "month": 12}


class History:
    """A company with ten accounts and a task for each past campaign."""

    def __init__(self, env, name, people, rows):
        self.env, self.name, self.people = env, name, people
        accounts = env["directmail.account"].create(
            [
                {"name": f"A{number}", "public_url": "https://www.example.com", "tz": "UTC"}
                for number in range(ACCOUNTS)
            ]
        )
        audience = env["directmail.audience"].create(
            {
                "name": "Everybody",
                "line_ids": [(0, 0, {"domain": "[('name', '=like', 'Person %')]"})],
                "user_id": env.ref("base.user_admin").id,
            }
        )
        assert audience._refresh(), audience.refresh_error
        tasks = env["directmail.task"].create(
            [
                {
                    "name": f"Campaign {number}",
                    "account_id": accounts[number % ACCOUNTS].id,
                    "audience_ids": [(6, 0, audience.ids)],
                    "use_as_is": True,
                }
                for number in range(rows // people + 1)
            ]
        )
        self.past, self.task = tasks[:-1], tasks[-1]
        self.rules = env["directmail.fatigue"].create({}).rule_ids
        for rule in self.rules:
            rule.email_limit = rule.global_limit = LIMITS[rule.span]
        env.flush_all()
        env.cr.commit()

    def fill(self):
        """Write deliveries, events and counters, a campaign per transaction, then the indexes."""
        from odoo.tools import SQL

        from odoo.addons.email_marketing_dm.engine.sql import address_key

        cursor = self.env.cr
        key = address_key(
            self.env["directmail.keyring"]._get_master_key(), SQL("p.email_normalized")
        )
        # Contacts without an address get a key, too, so that all campaigns are equally large.
        cursor.execute(
            SQL(
                "CREATE TABLE bench_keys AS SELECT id, CASE WHEN email_normalized IS NOT NULL"
                " THEN %s ELSE md5(id::text) || md5('x' || id) END AS address_key"
                " FROM res_partner p WHERE name LIKE %s",
                key,
                "Person %",
            )
        )
        cursor.execute(TASKS, {"days": DAYS, "tasks": self.past.ids})
        indexes = []
        for table in ("directmail_delivery", "directmail_event"):
            cursor.execute(
                """SELECT i.indexrelid::regclass::text, pg_get_indexdef(i.indexrelid)
                     FROM pg_index i
                    WHERE i.indrelid = %s::regclass AND NOT i.indisprimary""",
                [table],
            )
            indexes += cursor.fetchall()
        for index, _definition in indexes:
            cursor.execute(SQL("DROP INDEX %s", SQL.identifier(index)))
        state = next(row for row in indexes if "task_id, state" in row[1])
        cursor.execute(state[1])
        indexes.remove(state)
        cursor.commit()
        for task in self.past.ids:
            cursor.execute("SET LOCAL session_replication_role = replica")
            for statement in (DELIVERIES, EVENTS, COUNTERS):
                cursor.execute(statement, {"task": task})
            cursor.commit()
        for _index, definition in indexes:
            cursor.execute("SET LOCAL maintenance_work_mem = '512MB'")
            cursor.execute(definition)
            cursor.commit()
        self.env.invalidate_all()
        vacuum(self.name, "directmail_delivery", "directmail_event", "directmail_task_counter")

    def pages(self):
        """Yield (page, function that makes its calls), as a marketing administrator."""
        user = self.env.ref("base.user_admin")
        env = self.env(user=user, su=False)
        task = self.past[-1].with_env(env)
        partner = self.env["res.partner"].search([("name", "=", "Person 700")])
        columns = {"task_id": {"fields": {"display_name": {}}}, "state": {}, "outcome": {}}

        def task_page():
            task.web_read({"sent_count": {}, "opened_count": {}, "suppressed_count": {}})
            task.get_progress()

        yield "Home", env["directmail.home"].get_home
        yield (
            "task list",
            lambda: env["directmail.task"].web_search_read(
                [], {"name": {}, "sent_count": {}, "delivered_count": {}}, limit=80
            ),
        )
        yield "task", task_page
        yield "effectiveness", task.get_effectiveness
        yield "report of 30 days", lambda: env["directmail.task.report"].get_overview(30)
        yield (
            "a contact's history",
            lambda: env["directmail.delivery"].web_search_read(
                [("partner_id", "=", partner.id)], columns, limit=80, count_limit=10_001
            ),
        )
        yield (
            "people of a task",
            lambda: env["directmail.delivery"].web_search_read(
                [("task_id", "=", task.id)], columns, limit=80, count_limit=10_001
            ),
        )

    def plan(self):
        """Plan the new campaign; the caller commits or rolls back."""
        from odoo.addons.email_marketing_dm.engine import plan

        self.found = plan.insert_deliveries(self.env, self.task._get_task_plan())

    def plan_only(self):
        self.plan()
        self.env.cr.rollback()

    def lift_limits(self):
        """Remove the limits of fatigue control, so that many mails wait after the next plan."""
        self.rules.write({"email_limit": 0, "global_limit": 0})
        self.env.cr.commit()

    def claim(self):
        """Claim 32 of the mails that wait, without sending them."""
        from odoo.addons.email_marketing_dm.engine import claim

        self.env.cr.execute(
            "UPDATE directmail_task SET state = 'sending', planned_at = now() AT TIME ZONE 'UTC'"
            " WHERE id = %s",
            [self.task.id],
        )
        claim.lock_gate(self.env)
        context = self.task.account_id._make_claim_context()
        found = claim.claim(self.env, context, "t" * 32, 32, 600)
        self.env.cr.rollback()
        assert len(found) == 32, len(found)

    def add_results(self):
        """Receive and apply results of the newest campaign: opens of 10,000 people."""
        from odoo import fields

        from odoo.addons.email_marketing_dm.engine import events

        self.env.cr.execute(
            "SELECT id, account_id, company_id FROM directmail_delivery"
            " WHERE task_id = %s AND state = 'sent' LIMIT %s",
            [self.past[-1].id, RESULTS],
        )
        facts = [
            events.Fact(
                kind="open", source="own", occurred_at=fields.Datetime.now(), delivery_id=delivery,
                account_id=account, company_id=company, machine=False,
            )
            for delivery, account, company in self.env.cr.fetchall()
        ]  # fmt: skip
        for start in range(0, len(facts), 1000):
            events.insert(self.env, facts[start : start + 1000])
        self.env["directmail.event"]._apply_all(self.env.company)
        self.env.cr.commit()

    def retain(self):
        """Delete the details of the oldest campaign, as the cron of retention does."""
        while self.past[0]._remove_details():
            self.env.cr.commit()
        self.env.cr.commit()

    def send(self):
        """Write what a campaign writes: plan it, then the four updates of each mail, in SQL."""
        self.plan()
        self.env.cr.commit()
        for _step, change in CAMPAIGN:
            self.env.cr.execute(
                f"UPDATE directmail_delivery SET {change}"
                " WHERE task_id = %s AND state != 'suppressed'",
                [self.task.id],
            )
            self.env.cr.commit()
        self.task = self.task.copy()
        self.env.cr.commit()


def dead_rows(name, table):
    """Return how many dead rows a table has, by PostgreSQL's statistics."""
    with database.connect(name) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT n_dead_tup FROM pg_stat_user_tables WHERE relname = %s", [table])
        return cursor.fetchone()[0]
