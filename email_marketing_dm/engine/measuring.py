"""Measuring: whether opens and clicks of a person may be recorded.

A person's latest answer in `directmail.consent` decides; without one, the company's rule for the
country where they live. The plan, the estimate, claims and each fact that arrives use this one
fragment.
"""

from collections import namedtuple

from odoo.tools import SQL

from .sql import UNMATCHABLE

#: `directmail.consent.purpose` of answers about opens and clicks.
PURPOSE = "measuring"
#: Values of `directmail.delivery.measuring`; NULL: opens and clicks are recorded.
NOTHING, CLICKS_ONLY, WITHDRAWN = "no", "clicks", "withdrawn"
#: {kind of fact: values of `measuring` with which the plan or the claim ruled it out}. Rates are
#: over the other people: who withdraws later was measured until then.
RULED_OUT = {"open": (NOTHING, CLICKS_ONLY), "click": (NOTHING,)}
#: {kind of fact: values of `measuring` with which it is not recorded now}
UNRECORDED = {"open": (NOTHING, CLICKS_ONLY, WITHDRAWN), "click": (NOTHING, WITHDRAWN)}

MeasuringRules = namedtuple(
    "MeasuringRules", "default_no unknown_no countries clicks_recorded has_answers has_unmatched"
)
MeasuringRules.__doc__ = """What a company does with people who were not asked.

:ivar default_no: whether they are not measured, unless another rule applies
:ivar unknown_no: the same of people whose country is unknown
:ivar countries: ids of the countries where they are not measured
:ivar clicks_recorded: whether their clicks are recorded nevertheless
:ivar has_answers: whether any person of the company was asked
:ivar has_unmatched: whether a refusal can't be matched since the master key was lost. It may be
    anybody's, so nobody is measured without a consent
"""


def select_rules(company):
    """Return SQL of a company's rules as one JSON array: see `make_rules`.

    :param SQL company: id of the company
    """
    return SQL(
        """(SELECT jsonb_build_array(
                   COALESCE(c.directmail_measuring_default, 'yes') = 'no',
                   COALESCE(c.directmail_measuring_unknown, 'yes') = 'no',
                   ARRAY(SELECT k.id FROM res_country k WHERE k.code = ANY(
                         string_to_array(c.directmail_unmeasured_countries, ','))),
                   COALESCE(c.directmail_unasked_clicks, 'anonymous') = 'recorded',
                   EXISTS (SELECT FROM directmail_consent o
                            WHERE o.company_id = c.id AND o.purpose = %(purpose)s),
                   EXISTS (SELECT FROM directmail_consent o
                            WHERE o.company_id = c.id AND o.purpose = %(purpose)s
                              AND left(o.address_key, 1) = %(unmatchable)s AND o.answer = 'no'))
              FROM res_company c WHERE c.id = %(company)s)""",
        purpose=PURPOSE,
        unmatchable=UNMATCHABLE,
        company=company,
    )


def make_rules(row):
    """Return what `select_rules` selected as `MeasuringRules`."""
    return MeasuringRules(*row)


def read_rules(env, company_id):
    """Return a company's rules; the caller has flushed its settings.

    :rtype: MeasuringRules
    """
    [(row,)] = env.execute_query(SQL("SELECT %s", select_rules(SQL("%s", company_id))))
    return make_rules(row)


def is_everybody_measured(rules):
    """Tell whether nobody is left out, so that the plan need not look."""
    return not (
        rules.default_no
        or rules.unknown_no
        or rules.countries
        or rules.has_answers
        or rules.has_unmatched
    )


def get_measuring(rules, answer, country):
    """Return SQL of a person's `measuring`: null if opens and clicks may be recorded.

    A refusal covers clicks in any case; `clicks_recorded` is about people who were not asked.

    :param SQL answer: the person's latest answer, null if they were not asked
    :param SQL country: id of the country where they live, null if it is unknown
    :rtype: SQL
    """
    unasked = CLICKS_ONLY if rules.clicks_recorded else NOTHING
    is_no = SQL(
        "CASE WHEN %(country)s IS NULL THEN %(unknown)s"
        " WHEN %(country)s = ANY(%(countries)s::int[]) THEN TRUE ELSE %(default)s END",
        country=country,
        unknown=rules.unknown_no or rules.has_unmatched,
        countries=list(rules.countries),
        default=rules.default_no or rules.has_unmatched,
    )
    return SQL(
        """(CASE %(answer)s WHEN 'yes' THEN NULL::varchar WHEN 'no' THEN %(nothing)s
                 ELSE CASE WHEN %(is_no)s THEN %(unasked)s END END)""",
        answer=answer,
        nothing=NOTHING,
        is_no=is_no,
        unasked=unasked,
    )


def join_answers(rules, company_id, person):
    """Return SQL that joins the latest answers of very many people as `answers`, and the answer.

    :param SQL person: name of a row with address_key
    :return: {"join_answers", "answer"}
    :rtype: dict
    """
    if not rules.has_answers:
        return {"join_answers": SQL(), "answer": SQL("NULL::varchar")}
    return {
        "join_answers": SQL(
            """LEFT JOIN (SELECT DISTINCT ON (address_key) address_key, answer
                            FROM directmail_consent
                           WHERE company_id = %s AND purpose = %s
                           ORDER BY address_key, recorded_at DESC, id DESC
                   ) AS answers ON answers.address_key = %s.address_key""",
            company_id,
            PURPOSE,
            person,
        ),
        "answer": SQL("answers.answer"),
    }


def find_answer(rules, company_id, key):
    """Return SQL that looks up the latest answer of one person: null if they were not asked.

    :param SQL key: the address key
    """
    if not rules.has_answers:
        return SQL("NULL::varchar")
    return SQL(
        """(SELECT o.answer FROM directmail_consent o
             WHERE o.company_id = %s AND o.purpose = %s AND o.address_key = %s
             ORDER BY o.recorded_at DESC, o.id DESC LIMIT 1)""",
        company_id,
        PURPOSE,
        key,
    )


def is_unrecorded(env, company_ids):
    """Return SQL that tells whether a fact `v` about a delivery `m` must not be recorded.

    Decided for this moment, so that a refusal holds for mails that were sent before; the country
    only of contacts. Of a task with a template whose links and pixel have no variables of their
    own, nothing is recorded if any of its mails went to a person who is not measured: their mails
    name the person, as all others do.

    :param company_ids: of the facts
    :rtype: SQL
    """
    return SQL(
        """(v.kind IN ('open', 'click') AND (
            COALESCE(m.measuring IN (%(nothing)s, %(withdrawn)s), FALSE)
            OR COALESCE(v.kind = 'open' AND m.measuring = %(clicks)s, FALSE)
            OR CASE m.company_id %(now)s END
            OR (SELECT t.nobody_measured IS TRUE FROM directmail_task t WHERE t.id = m.task_id)
            OR EXISTS (SELECT FROM directmail_delivery u
                        WHERE u.task_id = m.task_id AND (u.measuring = %(nothing)s
                           OR u.measuring = %(clicks)s AND v.kind = 'open'))
               AND %(is_old)s))""",
        nothing=NOTHING,
        withdrawn=WITHDRAWN,
        clicks=CLICKS_ONLY,
        now=SQL(" ").join(
            SQL("WHEN %s THEN %s", company_id, _is_refused(env, company_id))
            for company_id in company_ids
        ),
        is_old=has_old_template(SQL("m.task_id")),
    )


def has_old_template(task):
    """Return SQL that tells whether a template of a task has to be submitted again.

    :param SQL task: id of the task
    """
    return SQL(
        """EXISTS (SELECT FROM directmail_template x
                    WHERE x.needs_new_review AND x.id IN (
                          SELECT template_id FROM directmail_task WHERE id = %(task)s
                           UNION ALL
                          SELECT template_id FROM directmail_task_version
                           WHERE task_id = %(task)s))""",
        task=task,
    )


def _is_refused(env, company_id):
    """Return SQL that tells whether the person of a delivery `m` may not be measured now."""
    rules = read_rules(env, company_id)
    if is_everybody_measured(rules):
        return SQL("FALSE")
    measuring = get_measuring(rules, SQL("asked.answer"), SQL("p.country_id"))
    return SQL(
        """COALESCE((SELECT CASE WHEN v.kind = 'open' THEN now.measuring IS NOT NULL
                                 ELSE now.measuring = %(nothing)s END
              FROM (SELECT %(answer)s AS answer) AS asked
              LEFT JOIN res_partner p ON p.id = m.partner_id
             CROSS JOIN LATERAL (SELECT CASE WHEN p.id IS NOT NULL OR asked.answer IS NOT NULL
                                             THEN %(measuring)s END) AS now (measuring)), FALSE)""",
        nothing=NOTHING,
        answer=find_answer(rules, company_id, SQL("m.address_key")),
        measuring=measuring,
    )


def is_refused(delivery):
    """Return SQL that tells whether the person of a delivery refuses to be measured by now.

    For what is built on opens and clicks that did *not* happen: `measuring` of a mail that was
    claimed at the moment of the refusal may not tell it.

    :param SQL delivery: its table's alias
    """
    return SQL(
        """COALESCE((SELECT o.answer = 'no' FROM directmail_consent o
                     WHERE o.company_id = %(d)s.company_id AND o.purpose = %(purpose)s
                       AND o.address_key = %(d)s.address_key
                     ORDER BY o.recorded_at DESC, o.id DESC LIMIT 1), FALSE)""",
        d=delivery,
        purpose=PURPOSE,
    )


def record_withdrawal(env, company_id, keys, answer):
    """Bring the mails that people got before in line with a new answer.

    After a refusal nothing more is recorded of them (`WITHDRAWN`); a later consent ends that.

    :param SQL keys: address keys of the people: "(a, b)" or "(SELECT ...)"
    :param str answer: "yes" or "no"
    """
    if answer == "no":
        _refuse_waiting(env, company_id, keys)
        _refuse_clicks(env, company_id, keys)
    env.cr.execute(
        SQL(
            """UPDATE directmail_delivery SET measuring = %s
                WHERE company_id = %s AND address_key IN %s
                  AND state IN ('sending', 'unknown', 'sent') AND %s""",
            WITHDRAWN if answer == "no" else None,
            company_id,
            keys,
            SQL("measuring IS NULL") if answer == "no" else SQL("measuring = %s", WITHDRAWN),
        )
    )


def _refuse_waiting(env, company_id, keys):
    """Rule out opens and clicks in mails that wait, which the claim decides again.

    "Not suppressed" repeats the condition of `_address_unique`, by which the rows are found. Rows
    that are right already are updated, too: of a refusal and a claim that do not see each other,
    one fails with a conflict and is retried, so that the mail is either claimed as refused or
    found by `record_withdrawal` as *sending*.
    """
    env.cr.execute(
        SQL(
            """UPDATE directmail_delivery d SET measuring = %s
                 FROM directmail_task t
                WHERE t.company_id = %s AND t.state NOT IN ('draft', 'done', 'cancelled')
                  AND d.task_id = t.id AND d.address_key IN %s
                  AND d.state = 'waiting' AND d.state != 'suppressed'""",
            NOTHING,
            company_id,
            keys,
        )
    )


def _refuse_clicks(env, company_id, keys):
    """Rule out the clicks in earlier mails to people who were not asked when they were sent."""
    env.cr.execute(
        SQL(
            """WITH changed AS (
                   UPDATE directmail_delivery SET measuring = %s
                    WHERE company_id = %s AND address_key IN %s AND measuring = %s
                      AND state IN ('sending', 'unknown', 'sent')
                RETURNING task_id, outcome
               )
               INSERT INTO directmail_task_counter AS c (task_id, writer, name, value)
               SELECT task_id, 'measuring', 'unmeasured_click', count(*)
                 FROM changed WHERE outcome = 'delivered' GROUP BY task_id
                   ON CONFLICT (task_id, writer, name)
                   DO UPDATE SET value = c.value + EXCLUDED.value""",
            NOTHING,
            company_id,
            keys,
            CLICKS_ONLY,
        )
    )


def erase_reactions(env, company_id, key):
    """Delete the recorded opens and clicks of a person, also those not applied yet.

    Their numbers move to the anonymous counts of the email tasks, so that the totals stay; the
    people are counted as ruled out, so that rates are over the people who are measured.

    :return: number of mails of which something was deleted
    :rtype: int
    """
    _delete_reactions(env, company_id, key)
    return _move_to_anonymous(env, company_id, key)


def _delete_reactions(env, company_id, key):
    """Delete the events of a person's opens and clicks, and the clicks of link trackers."""
    env.cr.execute(
        SQL(
            """WITH mails AS MATERIALIZED (
                   SELECT id, task_id FROM directmail_delivery
                    WHERE company_id = %(company)s AND address_key = %(key)s
                      AND state IN ('sending', 'unknown', 'sent')
               ), copies AS (
                   DELETE FROM link_tracker_click WHERE directmail_event_id IN (
                          SELECT e.id FROM directmail_event e JOIN mails m ON m.id = e.delivery_id
                           WHERE e.kind = 'click')
               )
               DELETE FROM directmail_event e USING mails m
                WHERE e.delivery_id = m.id AND e.kind IN ('open', 'click')""",
            company=company_id,
            key=key,
        )
    )


def _move_to_anonymous(env, company_id, key):
    """Rule a person's mails out of the rates, and move their figures to the anonymous counts.

    :return: as `erase_reactions`
    """
    rows = env.execute_query(
        SQL(
            """WITH before AS MATERIALIZED (
                   SELECT * FROM directmail_delivery
                    WHERE company_id = %(company)s AND address_key = %(key)s
                      AND state IN ('sending', 'unknown', 'sent')
                      AND measuring IS DISTINCT FROM %(nothing)s
                      FOR UPDATE
               ), changed AS (
                   UPDATE directmail_delivery d
                      SET measuring = %(nothing)s, opened_at = NULL, clicked_at = NULL,
                          open_count = NULL, click_count = NULL, machine_open_count = NULL,
                          machine_click_count = NULL
                     FROM before b WHERE d.id = b.id
                RETURNING d.id
               ), moved AS (
                   SELECT b.task_id, n.name, sum(n.value) AS value
                     FROM before b CROSS JOIN LATERAL (VALUES
                          ('opened', -(b.opened_at IS NOT NULL)::int),
                          ('clicked', -(b.clicked_at IS NOT NULL)::int),
                          ('anonymous_open', b.open_count),
                          ('anonymous_click', b.click_count),
                          ('anonymous_machine_open', b.machine_open_count),
                          ('anonymous_machine_click', b.machine_click_count),
                          ('unmeasured_open', (b.outcome = 'delivered'
                              AND b.measuring IS DISTINCT FROM %(clicks)s)::int),
                          ('unmeasured_click', (b.outcome = 'delivered')::int)
                        ) AS n (name, value)
                    GROUP BY b.task_id, n.name HAVING COALESCE(sum(n.value), 0) != 0
               ), counted AS (
                   INSERT INTO directmail_task_counter AS c (task_id, writer, name, value)
                   SELECT task_id, 'measuring', name, value FROM moved
                       ON CONFLICT (task_id, writer, name)
                       DO UPDATE SET value = c.value + EXCLUDED.value
               )
               SELECT count(*) FROM changed""",
            company=company_id,
            key=key,
            nothing=NOTHING,
            clicks=CLICKS_ONLY,
        )
    )
    return rows[0][0]


def drop_erased(env, company_id, last):
    """Delete pending opens and clicks of people who had theirs erased, and count them anonymously.

    `erase_reactions` does not see a fact whose transaction had not ended by then.

    :param int last: highest id of a fact: see `engine.events.find_batch`
    """
    env.cr.execute(
        SQL(
            """WITH dropped AS (
                   DELETE FROM directmail_event e
                    USING directmail_event_pending o, directmail_delivery d
                    WHERE o.company_id = %s AND o.id <= %s AND e.id = o.id
                      AND e.kind IN ('open', 'click') AND d.id = e.delivery_id
                      AND d.measuring = %s AND d.state != 'sending'
                RETURNING d.task_id, e.kind, e.machine, e.source
               )
               INSERT INTO directmail_anonymous_hit (task_id, kind, machine)
               SELECT task_id, kind, COALESCE(machine, FALSE) FROM dropped WHERE source = 'own'""",
            company_id,
            last,
            NOTHING,
        )
    )


def count_anonymous(env):
    """Add anonymous hits that came in to the counters of their tasks, and delete them.

    Hits are only inserted as they come: to add each to a counter would make all of them wait for
    one row.
    """
    env.cr.execute(
        SQL(
            """WITH taken AS (
                   DELETE FROM directmail_anonymous_hit RETURNING task_id, kind, machine
               )
               INSERT INTO directmail_task_counter AS c (task_id, writer, name, value)
               SELECT task_id, 'anonymous',
                      'anonymous_' || CASE WHEN machine THEN 'machine_' ELSE '' END || kind,
                      count(*)
                 FROM taken GROUP BY 1, 3
                   ON CONFLICT (task_id, writer, name)
                   DO UPDATE SET value = c.value + EXCLUDED.value"""
        )
    )
