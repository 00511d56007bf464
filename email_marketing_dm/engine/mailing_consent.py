"""Consent to be mailed: whether a person may be mailed for a task's purpose now.

A purpose (`directmail.purpose`) is what users call a topic. The field `purpose` of
`directmail.consent` is something else: what an answer is about, here "mailing"; its `purpose_id` is
the topic.

A person's latest answer about the purpose in `directmail.consent` decides, by the purpose's rule
for the country where they live; of several rules for a country, the strictest counts. The plan,
the estimate and claims use this one fragment. Opt-outs come before it, whatever was answered.
"""

from odoo.tools import SQL

from .sql import UNMATCHABLE, unverifiable

#: `directmail.consent.purpose` of answers about being mailed.
PURPOSE = "mailing"
#: Answers with which people are not mailed, and with which they have agreed.
REFUSALS, AGREEMENTS = ("no", "withdrawn"), ("yes", "confirmed")
#: Rules of purposes, in the order in which those for a country are tried.
STRICTEST_FIRST = ("confirmed", "opt_in", "not_refused")


def select_purpose(task):
    """Return SQL of a scalar subquery: the rules of a task's purpose, as JSON.

    Null without a purpose, and for notifications, which are no advertising.

    :param SQL task: name of a row of `directmail_task`
    :return: SQL of {"id", "rule", "countries", "has_answers", "has_unmatched"}: `countries` is
        {rule: [country id]} or null, the last two tell whether anybody was asked, and whether a
        refusal can't be matched since the master key was lost
    """
    return SQL(
        """(SELECT json_build_object(
                   'id', p.id, 'rule', p.rule, 'countries', (
                       SELECT json_object_agg(rule, countries) FROM (
                           SELECT r.rule, array_agg(DISTINCT country) AS countries
                             FROM directmail_purpose_rule r CROSS JOIN LATERAL (
                                  SELECT c.res_country_id
                                    FROM directmail_purpose_rule_res_country_rel c
                                   WHERE c.directmail_purpose_rule_id = r.id
                                   UNION ALL
                                  SELECT m.res_country_id
                                    FROM directmail_purpose_rule_res_country_group_rel g
                                    JOIN res_country_res_country_group_rel m
                                      ON m.res_country_group_id = g.res_country_group_id
                                   WHERE g.directmail_purpose_rule_id = r.id) AS named (country)
                            WHERE r.purpose_id = p.id GROUP BY r.rule) AS by_rule),
                   'has_answers', EXISTS (SELECT FROM %(answers)s),
                   'has_unmatched', EXISTS (SELECT FROM %(unmatched)s))
              FROM directmail_purpose p
             WHERE p.id = %(task)s.purpose_id AND %(task)s.is_notification IS NOT TRUE)""",
        answers=_from_answers(SQL("p.company_id"), SQL("p.id")),
        unmatched=_from_unmatched(SQL("p.company_id"), SQL("p.id")),
        task=task,
    )


def read_purpose(env, task_id):
    """Return the rules of a task's purpose, as `get_mailing_reason` takes them, or None."""
    [(rules,)] = env.execute_query(
        SQL("SELECT %s FROM directmail_task t WHERE t.id = %s", select_purpose(SQL("t")), task_id)
    )
    return rules


def get_mailing_reason(rules, company_id, person):
    """Return SQL of the reason why a person may not be mailed for a purpose now, or null.

    :param rules: of the task's purpose: see `select_purpose`; None without one
    :param int company_id: of the task
    :param SQL person: name of a row with email, address_key and country_id
    :rtype: SQL
    """
    if not rules:
        return SQL("NULL")
    company, key = SQL("%s", company_id), SQL("%s.address_key", person)
    answer = SQL("NULL::varchar")
    if rules["has_answers"]:
        answer = find_answer(company, SQL("%s", rules["id"]), key)
    unverified = SQL()
    if rules["has_unmatched"]:
        unverified = SQL(
            "WHEN asked.answer IS NULL AND %s THEN 'unverifiable'",
            unverifiable(
                SQL("%s.email", person), key, company, _from_unmatched(company, rules["id"])
            ),
        )
    return SQL(
        """(SELECT CASE
                   WHEN asked.answer IN %(refusals)s THEN 'topic_refused'
                   WHEN asked.rule = 'opt_in' AND asked.answer IS NULL
                     OR asked.rule = 'confirmed' AND asked.answer IS DISTINCT FROM 'confirmed'
                   THEN 'not_agreed'
                   %(unverified)s END
              FROM (SELECT %(answer)s AS answer, %(rule)s AS rule OFFSET 0) AS asked)""",
        refusals=REFUSALS,
        unverified=unverified,
        answer=answer,
        rule=_get_rule(rules, SQL("%s.country_id", person)),
    )


def _get_rule(rules, country):
    """Return SQL of the rule for a person who lives in a country.

    :param rules: see `select_purpose`
    :param SQL country: its id, null if it is unknown
    """
    by_rule = rules["countries"] or {}
    cases = [
        SQL("WHEN %s = ANY(%s) THEN %s", country, by_rule[rule], rule)
        for rule in STRICTEST_FIRST
        if rule in by_rule
    ]
    if not cases:
        return SQL("%s", rules["rule"])
    return SQL("CASE %s ELSE %s END", SQL(" ").join(cases), rules["rule"])


def find_answer(company, purpose, key):
    """Return SQL of the answer of one person about a purpose that counts now; null for none.

    Who has agreed and later leaves all mail has to agree again, unless they undo that: the latest
    answer about all mail (without a purpose) is then "yes", which agrees to nothing new.

    :param SQL company: id of the company
    :param SQL purpose: id of the purpose
    :param SQL key: the address key
    :rtype: SQL
    """
    columns = SQL("o.answer, o.recorded_at, o.id")
    latest = SQL("ORDER BY o.recorded_at DESC, o.id DESC LIMIT 1")
    return SQL(
        # CASE looks up the answer about all mail only for people who have agreed.
        """(SELECT CASE WHEN topic.answer IN %(agreements)s
                        THEN CASE WHEN (
                             SELECT whole.answer IN %(refusals)s
                                    AND (whole.recorded_at, whole.id)
                                        > (topic.recorded_at, topic.id)
                               FROM (SELECT %(columns)s FROM %(about_all)s
                                        AND o.address_key = %(key)s %(latest)s) AS whole)
                             THEN NULL ELSE topic.answer END
                        ELSE topic.answer END
              FROM (SELECT %(columns)s FROM %(about_topic)s
                       AND o.address_key = %(key)s %(latest)s) AS topic)""",
        agreements=AGREEMENTS,
        refusals=REFUSALS,
        columns=columns,
        about_topic=_from_answers(company, purpose),
        about_all=_from_answers(company, SQL("0")),
        key=key,
        latest=latest,
    )


def _from_answers(company, purpose):
    """Return SQL of the answers `o` about a purpose, by `_mailing_index`."""
    return SQL(
        """directmail_consent o WHERE o.company_id = %s AND o.purpose = 'mailing'
              AND COALESCE(o.purpose_id, 0) = %s""",
        company,
        purpose,
    )


def _from_unmatched(company, purpose):
    """Return SQL of the refusals of a purpose whose keys can't be matched."""
    return SQL(
        "%s AND left(o.address_key, 1) = %s AND o.answer IN %s",
        _from_answers(company, purpose),
        UNMATCHABLE,
        REFUSALS,
    )
