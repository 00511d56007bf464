"""Insert facts from outside into `directmail.event`, and apply them to the deliveries in bulk."""

from collections import namedtuple

from odoo.tools import SQL

from .measuring import CLICKS_ONLY, RULED_OUT, is_unrecorded
from .sql import count_changes

# Outcomes of a mail, weakest first: of facts with the same `occurred_at`, the strongest counts.
WEAKEST_FIRST = ("failed", "invalid", "spam", "delivered")
REACTIONS = ("opened", "clicked", "unsubscribed", "complained")
#: Counters of delivered mails to people of whom opens or clicks are not recorded.
UNMEASURED = tuple(f"unmeasured_{kind}" for kind in RULED_OUT)
#: Stands between the name of a counter and a mailbox provider.
BY = "@"
# Clicks on BURST_LINKS different links of a mail within BURST_SECONDS are a machine's, because mail
# scanners follow all links at once.
BURST_LINKS = 3
BURST_SECONDS = 10

#: One fact. It names its mail by ``delivery_id``, or by ``task_id`` and ``address_key``, or (kinds
#: unsubscribe, subscribe, complaint and listed) by ``address_key`` alone. ``occurred_at`` is naive
#: UTC. Copies of a fact have the same ``fingerprint``; None if each arrival is a separate fact.
#: ``provider`` is a name of `privacy.providers`.
Fact = namedtuple(
    "Fact",
    "kind source occurred_at company_id account_id delivery_id task_id address_key machine"
    " link_id code message fingerprint provider",
    defaults=(None,) * 9,
)


def insert(env, facts):
    """Insert facts that are new by their fingerprint, as pending; deliveries are not changed.

    Opens and clicks of people who are not measured are not inserted: see `engine.measuring`. Those
    on our own links are counted in `directmail.anonymous.hit`. Opens and clicks that match no mail
    lose the address key.

    :param facts: a list of `Fact`
    :return: number of new facts
    :rtype: int
    """
    if not facts:
        return 0
    values = SQL(", ").join(
        SQL(
            "(%s, %s, %s::timestamp, %s, %s::int, %s::int, %s::int, %s, %s::boolean, %s::int, %s,"
            " %s, %s, %s)",
            *fact,
        )
        for fact in facts
    )
    companies = {fact.company_id for fact in facts if fact.kind in ("open", "click")}
    # NOT EXISTS in addition to ON CONFLICT, because a conflict uses up an id of the sequence, and
    # DirectMail's records are fetched repeatedly, so that most of their facts are not new.
    rows = env.execute_query(
        SQL(
            """WITH given AS MATERIALIZED (
               SELECT v.kind, v.source, v.occurred_at, v.company_id, v.account_id, m.id AS mail_id,
                      CASE WHEN m.id IS NULL AND v.kind NOT IN ('open', 'click')
                           THEN v.address_key END AS address_key,
                      v.machine, v.link_id, v.code, v.message, v.fingerprint, v.provider,
                      m.task_id, %(unrecorded)s AS is_unrecorded
                 FROM (VALUES %(values)s) AS v (kind, source, occurred_at, company_id, account_id,
                       delivery_id, task_id, address_key, machine, link_id, code, message,
                       fingerprint, provider)
                 LEFT JOIN directmail_delivery named
                   ON named.id = v.delivery_id AND named.account_id = v.account_id
                 -- Only runs of a series mail an address again in a task.
                 LEFT JOIN LATERAL (
                      SELECT k.id FROM directmail_delivery k
                       WHERE v.delivery_id IS NULL AND k.task_id = v.task_id
                         AND k.address_key = v.address_key AND k.state != 'suppressed'
                       ORDER BY COALESCE(k.claimed_at <= v.occurred_at, FALSE) DESC, k.id DESC
                       LIMIT 1) keyed ON TRUE
                 LEFT JOIN directmail_delivery m ON m.id = COALESCE(named.id, keyed.id)
                WHERE v.fingerprint IS NULL OR NOT EXISTS (
                      SELECT 1 FROM directmail_event e WHERE e.fingerprint = v.fingerprint)
               ), anonymous AS (
               INSERT INTO directmail_anonymous_hit (task_id, kind, machine)
               SELECT task_id, kind, COALESCE(machine, FALSE) FROM given
                WHERE is_unrecorded AND source = 'own'
               ), arrived AS (INSERT INTO directmail_event
                      (kind, source, occurred_at, company_id, account_id, delivery_id, address_key,
                       machine, link_id, code, message, fingerprint, provider)
               SELECT kind, source, LEAST(occurred_at, clock_timestamp() AT TIME ZONE 'UTC'),
                      company_id, account_id, mail_id, address_key, machine, link_id, code, message,
                      fingerprint, provider
                 FROM given WHERE NOT is_unrecorded
                   ON CONFLICT (fingerprint) DO NOTHING
            RETURNING id, company_id)
               INSERT INTO directmail_event_pending (id, company_id)
               SELECT id, company_id FROM arrived RETURNING id""",
            values=values,
            unrecorded=SQL("COALESCE(%s, FALSE)", is_unrecorded(env, companies))
            if companies
            else SQL("FALSE"),
        )
    )
    return len(rows)


def assign_tasks(env, facts, task_ids):
    """Return facts with the task that has mailed their address, of several that share a tag.

    Tasks of a step of a series share one: see `directmail.task._get_first_of_month`. If several
    have mailed it, the latest mail before the fact counts, as in `insert`.

    :param facts: a list of `Fact`; only those of one of the tasks are changed
    :param task_ids: ids of the tasks that share the tag
    """
    theirs = [(number, fact) for number, fact in enumerate(facts) if fact.task_id in task_ids]
    if not theirs or len(task_ids) < 2:
        return facts
    rows = env.execute_query(
        SQL(
            """SELECT v.number, found.task_id
                 FROM unnest(%s::int[], %s::varchar[], %s::timestamp[])
                      AS v (number, address_key, occurred_at)
                CROSS JOIN LATERAL (
                      SELECT k.task_id FROM directmail_delivery k
                       WHERE k.task_id = ANY(%s) AND k.address_key = v.address_key
                         AND k.state != 'suppressed'
                       ORDER BY COALESCE(k.claimed_at <= v.occurred_at, FALSE) DESC, k.id DESC
                       LIMIT 1) found""",
            [number for number, _fact in theirs],
            [fact.address_key for _number, fact in theirs],
            [fact.occurred_at for _number, fact in theirs],
            list(task_ids),
        )
    )
    found = dict(rows)
    return [
        fact._replace(task_id=found.get(number, fact.task_id)) for number, fact in enumerate(facts)
    ]


def find_companies(env):
    """Return the ids of the companies with pending facts, oldest fact first."""
    rows = env.execute_query(
        SQL("SELECT company_id FROM directmail_event_pending GROUP BY company_id ORDER BY min(id)")
    )
    return [company_id for (company_id,) in rows]


def find_batch(env, company_id, limit):
    """Return the highest id of the next batch of a company's pending facts, or None if none.

    Facts about *sending* deliveries stay pending, because the sender is about to update the same
    row, and one of the two transactions would fail with a conflict.

    :param int limit: maximum number of facts
    """
    [(last,)] = env.execute_query(
        # The pending facts lead: a plan that begins with all facts would read each of them.
        SQL(
            """SELECT max(id)
                 FROM (SELECT o.id FROM directmail_event_pending o
                        WHERE o.company_id = %s AND NOT EXISTS (
                              SELECT FROM directmail_event e
                                JOIN directmail_delivery d ON d.id = e.delivery_id
                               WHERE e.id = o.id AND d.state = 'sending')
                        ORDER BY o.id LIMIT %s) picked""",
            company_id,
            limit,
        )
    )
    return last


def match_strays(env, company_id, last):
    """Set the delivery of facts that name only an address key: the latest mail before the fact.

    Only *sent* deliveries qualify. `apply_facts` takes a fact as proof that its mail was sent, and
    this guess is no proof.
    """
    env.cr.execute(
        SQL(
            """UPDATE directmail_event e SET delivery_id = found.delivery_id, address_key = NULL
                 FROM (SELECT s.id, d.id AS delivery_id
                         FROM directmail_event_pending o JOIN directmail_event s ON s.id = o.id
                        CROSS JOIN LATERAL (
                              SELECT d.id FROM directmail_delivery d
                               WHERE d.company_id = s.company_id
                                 AND d.address_key = s.address_key
                                 AND d.account_id = s.account_id
                                 AND d.claimed_at <= s.occurred_at + interval '1 minute'
                                 AND d.state = 'sent'
                               ORDER BY d.claimed_at DESC LIMIT 1) d
                        WHERE o.company_id = %s AND o.id <= %s
                          AND s.delivery_id IS NULL AND s.address_key IS NOT NULL
                          AND s.kind IN ('unsubscribe', 'subscribe', 'complaint', 'listed')
                      ) found
                WHERE e.id = found.id""",
            company_id,
            last,
        )
    )


def flag_bursts(env, company_id, last):
    """Mark clicks on many links of a mail at once as a machine's: see `BURST_LINKS`.

    Clicks of such a burst that were applied as a person's are moved to `machine_click_count`, and
    `clicked_at` and `opened_at` are computed again without them.
    """
    applied = SQL("NOT EXISTS (SELECT 1 FROM directmail_event_pending w WHERE w.id = e.id)")
    env.execute_query(
        SQL(
            """WITH clicked AS (
                   SELECT DISTINCT delivery_id
                     FROM directmail_event_pending o JOIN directmail_event e ON e.id = o.id
                    WHERE o.company_id = %(company)s AND o.id <= %(last)s
                      AND kind = 'click' AND link_id IS NOT NULL AND delivery_id IS NOT NULL
               ), bursts AS (
                   SELECT e.delivery_id, e.occurred_at AS start
                     FROM clicked JOIN directmail_event e USING (delivery_id)
                     JOIN directmail_event near ON near.delivery_id = e.delivery_id
                      AND near.kind = 'click'
                      AND near.occurred_at BETWEEN e.occurred_at AND e.occurred_at + %(span)s
                    WHERE e.kind = 'click'
                    GROUP BY e.id HAVING count(DISTINCT near.link_id) >= %(links)s
               ), flagged AS (
                   UPDATE directmail_event e SET machine = TRUE
                    WHERE e.kind = 'click' AND e.machine IS NOT TRUE AND EXISTS (
                          SELECT 1 FROM bursts b WHERE b.delivery_id = e.delivery_id
                             AND e.occurred_at BETWEEN b.start AND b.start + %(span)s)
                      AND e.delivery_id IN (SELECT delivery_id FROM bursts)
                RETURNING e.id, e.delivery_id, %(applied)s AS applied
               ), changed AS (%(changed)s), %(counted)s
               SELECT count(*) FROM changed""",
            company=company_id,
            last=last,
            span=SQL("%s * interval '1 second'", BURST_SECONDS),
            links=BURST_LINKS,
            applied=applied,
            changed=_take_back(applied),
            counted=count_changes(SQL("changed"), "events", ("clicked", "opened")),
        )
    )


def _take_back(applied):
    """Return an UPDATE that takes the clicks in ``flagged`` back from people: see `flag_bursts`.

    :param SQL applied: whether a fact ``e`` was applied
    """
    return SQL(
        """UPDATE directmail_delivery d
              SET click_count = COALESCE(d.click_count, 0) - taken.clicks,
                  machine_click_count = COALESCE(d.machine_click_count, 0) + taken.clicks,
                  clicked_at = taken.first_click,
                  opened_at = taken.first_look
             FROM (SELECT o.id, o.clicked_at, o.opened_at, count(*) AS clicks,
                          (SELECT min(occurred_at) FROM directmail_event e
                            WHERE e.delivery_id = o.id AND e.kind = 'click' AND %(applied)s
                              AND e.machine IS NOT TRUE AND e.id != ALL(array_agg(f.id)))
                              AS first_click,
                          (SELECT min(occurred_at) FROM directmail_event e
                            WHERE e.delivery_id = o.id AND e.kind IN ('open', 'click')
                              AND o.measuring IS DISTINCT FROM %(clicks_only)s
                              AND %(applied)s
                              AND e.machine IS NOT TRUE AND e.id != ALL(array_agg(f.id)))
                              AS first_look
                     FROM flagged f JOIN directmail_delivery o ON o.id = f.delivery_id
                    WHERE f.applied GROUP BY o.id) taken
            WHERE d.id = taken.id
        RETURNING d.task_id, NULL AS old_state, NULL AS new_state, NULL AS old_outcome,
                  NULL AS new_outcome,
                  (d.clicked_at IS NOT NULL)::int - (taken.clicked_at IS NOT NULL)::int AS clicked,
                  (d.opened_at IS NOT NULL)::int - (taken.opened_at IS NOT NULL)::int AS opened""",
        applied=applied,
        clicks_only=CLICKS_ONLY,
    )


def apply_facts(env, company_id, last):
    """Apply the pending facts of a batch to the deliveries, and remove them from the queue.

    They are counted in `directmail.event.count` by account and source, and those without a delivery
    as "stray".

    The outcome is that of the latest fact. Of opens, clicks, unsubscriptions and complaints the
    first moment is kept; opens and clicks are counted too. A fact about an *unknown* mail proves
    that it was sent. So each fact counts once, and the result does not depend on their order.

    :param int last: highest id of a fact: see `find_batch`
    :return: (number of facts applied, ids of deliveries whose outcome became "invalid")
    :rtype: tuple[int, list[int]]
    """
    [result] = env.execute_query(
        SQL(
            """WITH picked AS MATERIALIZED (
                SELECT e.id, e.account_id, e.source, e.delivery_id, e.kind, e.occurred_at, e.code,
                       e.message, e.machine IS TRUE AS machine, e.provider
                  FROM directmail_event_pending o JOIN directmail_event e ON e.id = o.id
                  LEFT JOIN directmail_delivery d ON d.id = e.delivery_id
                 WHERE o.company_id = %(company)s AND o.id <= %(last)s
                   AND d.state IS DISTINCT FROM 'sending'
            ), taken AS (
                DELETE FROM directmail_event_pending o USING picked WHERE o.id = picked.id
            ), received AS (%(received)s
            ), latest AS (
                SELECT DISTINCT ON (delivery_id) * FROM picked
                 WHERE delivery_id IS NOT NULL AND kind IN %(outcomes)s
                 ORDER BY delivery_id, occurred_at DESC, %(rank)s DESC
            ), marks AS (
                SELECT delivery_id,
                       min(occurred_at) FILTER (WHERE kind = 'open' AND NOT machine) AS opened_at,
                       min(occurred_at) FILTER (WHERE kind = 'click' AND NOT machine) AS clicked_at,
                       min(occurred_at) FILTER (WHERE kind = 'unsubscribe') AS unsubscribed_at,
                       min(occurred_at) FILTER (WHERE kind = 'complaint') AS complained_at,
                       count(*) FILTER (WHERE kind = 'open' AND NOT machine) AS opens,
                       count(*) FILTER (WHERE kind = 'click' AND NOT machine) AS clicks,
                       count(*) FILTER (WHERE kind = 'open' AND machine) AS machine_opens,
                       count(*) FILTER (WHERE kind = 'click' AND machine) AS machine_clicks
                  FROM picked
                 WHERE delivery_id IS NOT NULL
                   AND kind IN ('open', 'click', 'unsubscribe', 'complaint')
                 GROUP BY delivery_id
            ), facts AS (
                SELECT o.id, o.state, o.outcome, o.opened_at, o.clicked_at, o.unsubscribed_at,
                       o.complained_at, l.kind, l.occurred_at, l.code, l.message, l.provider,
                       m.delivery_id IS NOT NULL AS marked,
                       o.measuring,
                       -- Also a click shows that the mail was opened, which may not be recorded.
                       LEAST(m.opened_at, CASE WHEN o.measuring IS DISTINCT FROM %(clicks)s
                                               THEN m.clicked_at END) AS new_opened_at,
                       m.clicked_at AS new_clicked_at, m.unsubscribed_at AS new_unsubscribed_at,
                       m.complained_at AS new_complained_at,
                       COALESCE(m.opens, 0) AS opens, COALESCE(m.clicks, 0) AS clicks,
                       COALESCE(m.machine_opens, 0) AS machine_opens,
                       COALESCE(m.machine_clicks, 0) AS machine_clicks,
                       l.kind IS NOT NULL AND (o.outcome IS NULL
                           OR (l.occurred_at, %(new_rank)s)
                              > (o.outcome_at, %(old_rank)s)) AS newer
                  FROM latest l FULL JOIN marks m ON m.delivery_id = l.delivery_id
                  JOIN directmail_delivery o ON o.id = COALESCE(l.delivery_id, m.delivery_id)
                 WHERE o.state IN ('unknown', 'sent', 'not_sent')
                    -- The first try arrived after all, so there must be no second one.
                    OR (o.state IN ('waiting', 'suppressed', 'cancelled') AND o.resent)
            ), changed AS (
                UPDATE directmail_delivery d
                   SET outcome = CASE WHEN f.newer THEN f.kind ELSE d.outcome END,
                       outcome_at = CASE WHEN f.newer THEN f.occurred_at ELSE d.outcome_at END,
                       code = CASE WHEN f.newer THEN f.code ELSE d.code END,
                       message = CASE WHEN f.newer THEN f.message ELSE d.message END,
                       state = 'sent', reason = NULL, fatigue_rule = NULL,
                       claimed_at = COALESCE(d.claimed_at, f.occurred_at, f.new_opened_at,
                                             now() AT TIME ZONE 'UTC'),
                       sent_at = COALESCE(d.sent_at, d.claimed_at, f.occurred_at,
                                          f.new_opened_at, now() AT TIME ZONE 'UTC'),
                       opened_at = LEAST(d.opened_at, f.new_opened_at),
                       clicked_at = LEAST(d.clicked_at, f.new_clicked_at),
                       unsubscribed_at = LEAST(d.unsubscribed_at, f.new_unsubscribed_at),
                       complained_at = LEAST(d.complained_at, f.new_complained_at),
                       open_count = COALESCE(d.open_count, 0) + f.opens,
                       click_count = COALESCE(d.click_count, 0) + f.clicks,
                       machine_open_count = COALESCE(d.machine_open_count, 0) + f.machine_opens,
                       machine_click_count = COALESCE(d.machine_click_count, 0) + f.machine_clicks
                  FROM facts f
                 WHERE d.id = f.id AND (f.newer OR f.marked OR d.state != 'sent')
             RETURNING d.id, d.task_id, f.state AS old_state, d.state AS new_state,
                       f.outcome AS old_outcome, d.outcome AS new_outcome, f.provider, %(marks)s,
                       %(unmeasured)s
            ), %(counted)s, %(by_provider)s
            SELECT (SELECT count(*) FROM picked),
                   ARRAY(SELECT id FROM changed WHERE new_outcome = 'invalid'
                            AND old_outcome IS DISTINCT FROM new_outcome)""",
            company=company_id,
            last=last,
            received=_count_received(),
            outcomes=WEAKEST_FIRST,
            rank=_rank(SQL("kind")),
            new_rank=_rank(SQL("l.kind")),
            old_rank=_rank(SQL("o.outcome")),
            marks=_count_first_reactions(),
            clicks=CLICKS_ONLY,
            unmeasured=_count_unmeasured(),
            counted=count_changes(SQL("changed"), "events", (*REACTIONS, *UNMEASURED)),
            by_provider=_count_by_provider(),
        )
    )
    return result


def _count_first_reactions():
    """Return SQL of a column for each of REACTIONS: 1 if it is the first of its mail, else 0."""
    return SQL(", ").join(
        SQL(
            "(f.%(at)s IS NULL AND d.%(at)s IS NOT NULL)::int AS %(mark)s",
            at=SQL.identifier(f"{mark}_at"),
            mark=SQL.identifier(mark),
        )
        for mark in REACTIONS
    )


def _count_unmeasured():
    """Return SQL of a column for each of UNMEASURED: by how much the counter changes."""
    return SQL(", ").join(
        SQL(
            """CASE WHEN d.measuring IN %s
                    THEN COALESCE(d.outcome = 'delivered', FALSE)::int
                         - COALESCE(f.outcome = 'delivered', FALSE)::int
                    ELSE 0 END AS %s""",
            values,
            SQL.identifier(f"unmeasured_{kind}"),
        )
        for kind, values in RULED_OUT.items()
    )


def _count_received():
    return SQL(
        """INSERT INTO directmail_event_count AS c (account_id, name, value, last_at)
           SELECT account_id, name, count(*), now() AT TIME ZONE 'UTC'
             FROM picked CROSS JOIN LATERAL (VALUES
                  (source), (CASE WHEN delivery_id IS NULL THEN 'stray' END)) n (name)
            WHERE account_id IS NOT NULL AND name IS NOT NULL
            GROUP BY account_id, name
               ON CONFLICT (account_id, name) DO UPDATE
              SET value = c.value + EXCLUDED.value, last_at = EXCLUDED.last_at"""
    )


def _count_by_provider():
    """Return a CTE that counts outcomes and complaints by mailbox provider, for the guard.

    Names of these counters end in `BY` and the provider. Only events of deliveries name the
    provider, so that of a complaint is that of its mail.

    :rtype: SQL
    """
    return SQL(
        """by_provider AS (
            INSERT INTO directmail_task_counter AS c (task_id, writer, name, value)
            SELECT task_id, 'providers', name || %(by)s || provider, sum(value)
              FROM (SELECT task_id, new_outcome AS name, provider, count(*) AS value
                      FROM changed WHERE provider IS NOT NULL
                       AND old_outcome IS DISTINCT FROM new_outcome GROUP BY 1, 2, 3
                     UNION ALL
                    SELECT task_id, old_outcome, provider, -count(*)
                      FROM changed WHERE provider IS NOT NULL AND old_outcome IS NOT NULL
                       AND old_outcome IS DISTINCT FROM new_outcome GROUP BY 1, 2, 3
                     UNION ALL
                    SELECT task_id, 'complained', COALESCE(provider, (
                               SELECT provider FROM directmail_event e
                                WHERE e.delivery_id = changed.id AND provider IS NOT NULL LIMIT 1)),
                           1
                      FROM changed WHERE complained = 1) kinds
             WHERE provider IS NOT NULL
             GROUP BY task_id, name, provider HAVING sum(value) != 0
                ON CONFLICT (task_id, writer, name)
                DO UPDATE SET value = c.value + EXCLUDED.value
        )""",
        by=BY,
    )


def _rank(outcome):
    return SQL("array_position(%s::varchar[], %s)", list(WEAKEST_FIRST), outcome)
