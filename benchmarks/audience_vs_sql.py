"""How long a refresh takes, as a ratio to the same people chosen and kept by hand-written SQL.

Each kind of line, with and without a limit, and a mix of five; into an empty audience, and again
where people are already.
The figures are the highest ratios. The refresh runs as it does for a user: rights of the owner,
diff with the members before, sizes, count of usable addresses. By hand the people are chosen and
kept, and those who enter and leave are counted; the rest is left out.

    python -m benchmarks.audience_vs_sql          (SCALE=100000: contacts, with three orders each;
                                                   KINDS=moved,similar: only these lines)
"""

import os
import statistics
import sys
import time
from datetime import timedelta

from ._figures import alternate, report, scale, spread
from ._people import ORDERS, PEOPLE, environment, people_database, vacuum

GOAL = 1.5
BY_HAND_TABLE = """
    CREATE TABLE audience_by_hand (LIKE directmail_audience_member INCLUDING ALL);
    ALTER TABLE audience_by_hand ADD FOREIGN KEY (audience_id) REFERENCES directmail_audience
          ON DELETE CASCADE, ADD FOREIGN KEY (partner_id) REFERENCES res_partner ON DELETE CASCADE
"""

#: by hand, into an empty audience
FIRST = """
    INSERT INTO audience_by_hand (id, audience_id, partner_id)
    SELECT nextval('directmail_audience_member_id_seq'), %(audience)s, * FROM ({select}) people
"""
#: by hand, where people are already: who stays keeps the row
AGAIN = """
    WITH people AS MATERIALIZED (SELECT * FROM ({select}) people(id)), gone AS (
        DELETE FROM audience_by_hand m WHERE m.audience_id = %(audience)s
           AND NOT EXISTS (SELECT FROM people WHERE people.id = m.partner_id)
        RETURNING 1
    ), entered AS (
        INSERT INTO audience_by_hand (id, audience_id, partner_id)
        SELECT nextval('directmail_audience_member_id_seq'), %(audience)s, people.id FROM people
         WHERE NOT EXISTS (SELECT FROM audience_by_hand m
                            WHERE m.audience_id = %(audience)s AND m.partner_id = people.id)
        RETURNING 1
    )
    SELECT (SELECT count(*) FROM people), (SELECT count(*) FROM entered),
           (SELECT count(*) FROM gone)
"""
COMPARE = """
    SELECT count(*) FROM (SELECT partner_id FROM directmail_audience_member
                           WHERE audience_id = %(audience)s) m
      FULL JOIN ({select}) people(id) ON people.id = m.partner_id
     WHERE people.id IS NULL OR m.partner_id IS NULL
"""
#: tables that are filled before the first audience is refreshed
HISTORY = (
    "directmail_aipl_contact",
    "directmail_aipl_move",
    "directmail_audience_member",
    "directmail_delivery",
)
#: one in fifty has not entered yet, and some of those who are archived have not left
FILL = (
    """DELETE FROM directmail_audience_member
        WHERE audience_id = %(audience)s AND partner_id %% 50 = 7""",
    """INSERT INTO directmail_audience_member (audience_id, partner_id)
       SELECT %(audience)s, id FROM res_partner WHERE NOT active AND id %% 3 = 0""",
    """INSERT INTO audience_by_hand SELECT * FROM directmail_audience_member
        WHERE audience_id = %(audience)s""",
)


def main():
    people = scale(PEOPLE)
    size = f"{people:,} contacts, {people * ORDERS:,} orders"
    with people_database(people, ORDERS) as name, environment(name) as env:
        kinds = prepare(env, name)
        first = measure({kind: pair.sides() for kind, pair in kinds.items()})
        for pair in kinds.values():
            pair.fill()
        env.cr.commit()
        vacuum(name, "directmail_audience_member", "audience_by_hand")
        again = measure({kind: pair.sides(again=True) for kind, pair in kinds.items()})
    alike = "indexes and foreign keys alike on both sides; same people on both sides"
    good = [
        report_worst("audience_vs_sql", first, f"{size}; into an empty audience, {alike}"),
        report_worst(
            "audience_vs_sql_again", again,
            f"{size}; a second refresh, with one in fifty to enter and some to leave, {alike}",
        ),
    ]  # fmt: skip
    return all(good)


def measure(kinds):
    """Run both sides of each kind, and print how. :return: {kind: ratio}"""
    ratios = {}
    for kind, (refresh, by_hand) in kinds.items():
        refreshed, chosen = alternate(refresh, by_hand, minutes=5 / 6)
        ratios[kind] = statistics.median(refreshed) / statistics.median(chosen)
        print(
            f"  {kind}: ratio {ratios[kind]:.2f}, refresh {spread(refreshed, 2)} s,"
            f" by hand {spread(chosen, 2)} s",
            flush=True,
        )
    return ratios


def report_worst(name, ratios, how):
    worst = max(ratios, key=ratios.get)
    return report(
        name, ratios[worst], "<=", GOAL, f"the highest of the ratios, that of {worst}; {how}"
    )


def prepare(env, name):
    """Make the audiences. :return: {kind: `Pair`}"""
    from odoo import fields

    from ._audiences import (
        BY_HAND,
        audience_lines,
        make_audience,
        make_history,
        make_owner,
        make_task,
        move_line,
    )

    owner = make_owner(env)
    countries = env["res.country"].search([], order="id", limit=10).ids
    other = make_audience(env, owner, "Other", [{"domain": "[('is_company', '=', True)]"}])
    seed = make_audience(env, owner, "Seed", [{"domain": "[('city', '=like', 'City 1%')]"}])
    for source in (other, seed):
        source._refresh()
        # by hand nobody refreshes the other audience, so neither does the benchmark
        source.sudo().user_id = env.ref("base.user_admin")
        source.visibility = "public"
    task = make_task(env, owner)
    make_history(env, task)
    env.cr.execute(BY_HAND_TABLE)
    now = fields.Datetime.now()
    today = now.replace(hour=0, minute=0, second=0)
    # no order becomes due while the two sides are compared
    env.cr.execute(
        """UPDATE sale_order SET date_order = date_order - interval '2 hours'
            WHERE date_order BETWEEN %s AND %s""",
        [now, now + timedelta(hours=2)],
    )
    # Opens of people there are not recorded, so nothing is known of their engagement.
    codes = (env.company.directmail_unmeasured_countries or "").split(",")
    unmeasured = env["res.country"].search([("code", "in", codes)]).ids
    moved = move_line(env)
    values = {
        "aipl": moved["aipl_model_id"], "moved": now.date() - timedelta(days=30),
        "unmeasured": unmeasured,
        "countries": tuple(countries), "other": other.id, "seed": seed.id, "task": task.id,
        "first": today - timedelta(days=364), "month": today - timedelta(days=29),
        "end": now,
    }  # fmt: skip
    # Before the first audience is refreshed: statements are planned by the tables' statistics.
    env.cr.commit()
    vacuum(name, *HISTORY)
    kinds = {}
    lines_of = audience_lines(env, countries, other.id, task.id, seed.id) | {"moved": [moved]}
    chosen = os.environ.get("KINDS")
    for kind in chosen.split(",") if chosen else lines_of:
        lines = lines_of[kind]
        audience = make_audience(env, owner, kind, lines)
        kinds[kind] = Pair(env, name, audience, BY_HAND[kind], values)
        kinds[kind].compare()
    env.cr.commit()
    vacuum(name, *HISTORY)
    return kinds


class Pair:
    """An audience, and the SQL by which somebody would choose and keep the same people."""

    def __init__(self, env, name, audience, select, values):
        self._env, self._name, self._audience, self._select = env, name, audience, select
        salt = f"line/{audience.line_ids[:1].id}/"
        self._values = {**values, "audience": audience.id, "salt": salt}

    def sides(self, again=False):
        """:return: (function that refreshes, the same by hand), each returns seconds"""
        statement = (AGAIN if again else FIRST).format(select=self._select)
        return (
            lambda: timed(self._env, self._name, self._refresh),
            lambda: timed(
                self._env, self._name, lambda: self._execute(statement), "audience_by_hand"
            ),
        )

    def _refresh(self):
        if not self._audience._refresh():
            raise SystemExit(f"{self._audience.name}: {self._audience.refresh_error}")

    def _execute(self, statement):
        from odoo.addons.email_marketing_dm.engine.sql import prepare_for_many

        prepare_for_many(self._env)
        self._env.cr.execute(statement, self._values)

    def compare(self):
        """Check that both choose the same people; then nobody is in the audience."""
        self._refresh()
        self._execute(COMPARE.format(select=self._select))
        [(different,)] = self._env.cr.fetchall()
        if different:
            raise SystemExit(f"{self._audience.name}: {different} people differ")
        self._execute("DELETE FROM directmail_audience_member WHERE audience_id = %(audience)s")

    def fill(self):
        """Put people into both audiences as they were some days ago."""
        self._refresh()
        for statement in FILL:
            self._execute(statement)


def timed(env, name, action, table="directmail_audience_member"):
    """Return the seconds that an action takes; what it wrote is taken back."""
    begin = time.perf_counter()
    action()
    env.flush_all()
    seconds = time.perf_counter() - begin
    env.cr.rollback()
    env.invalidate_all()
    vacuum(name, table)
    return seconds


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
