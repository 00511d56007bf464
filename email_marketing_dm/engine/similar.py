"""Find contacts who are like the people of an audience, by a score that can be said in a sentence.

For each country, tag and customer type, the number of people of the audience who have it is
counted. A contact's score is the sum of three of these numbers: that of the contact's country, that
of the customer type, and the highest of the contact's tags.
"""

from odoo.tools import SQL

from .limit import CONTACT, get_rank
from .person import person_columns

TAGS = SQL("res_partner_res_partner_category_rel")


def select_similar(audience_id, number, salt, contacts, types=None):
    """Return SQL that selects the contacts with the highest scores, each once.

    People of the audience, and contacts who have nothing in common with it, are left out.

    :param int audience_id: the audience whose people the contacts are to be like
    :param int number: how many contacts to take at most
    :param str salt: of the order of contacts with the same score: see `limit.get_rank`
    :param SQL contacts: selects id and country_id of the contacts that may be taken, and whose
        countries, tags and types count
    :param SQL types: selects partner_id and customer_type; None if types do not count
    :return: SQL with the columns of a person
    """
    return SQL(
        """SELECT %(person)s
             FROM (WITH %(counts)s
                   SELECT p.id AS partner_id,
                          COALESCE(country.people, 0) + COALESCE(tag.people, 0) + %(score)s AS score
                     FROM (%(contacts)s) AS p
                     LEFT JOIN countries AS country ON country.country_id = p.country_id
                     LEFT JOIN (SELECT r.partner_id, max(tags.people) AS people
                                  FROM %(tags)s AS r JOIN tags ON tags.category_id = r.category_id
                                 GROUP BY r.partner_id) AS tag ON tag.partner_id = p.id
                     %(join)s
                    WHERE NOT EXISTS (SELECT FROM directmail_audience_member m
                                       WHERE m.audience_id = %(audience)s
                                         AND m.partner_id = p.id)) AS scored
            WHERE score > 0
            ORDER BY score DESC, %(rank)s, partner_id LIMIT %(number)s""",
        person=person_columns("partner_id"),
        counts=_count_traits(audience_id, contacts, types),
        score=SQL("COALESCE(type.people, 0)") if types else SQL("0"),
        tags=TAGS,
        join=SQL(
            """LEFT JOIN (SELECT r.partner_id, types.people
                           FROM sorted AS r JOIN types ON types.customer_type = r.customer_type
                        ) AS type ON type.partner_id = p.id"""
        )
        if types
        else SQL(),
        audience=audience_id,
        contacts=contacts,
        rank=get_rank(salt, CONTACT),
        number=number,
    )


def select_traits(audience_id, contacts, types=None):
    """Return SQL of the number of people of an audience with each country, tag and customer type.

    :param audience_id, contacts, types: as for `select_similar`
    :return: SQL; columns trait ("country", "tag" or "type"), id (of the country or tag), name (of
        the type), people
    """
    parts = [
        SQL("SELECT 'country', country_id, NULL::varchar, people FROM countries"),
        SQL("SELECT 'tag', category_id, NULL::varchar, people FROM tags"),
    ]
    if types:
        parts.append(SQL("SELECT 'type', NULL::int, customer_type, people FROM types"))
    return SQL(
        "WITH %s %s", _count_traits(audience_id, contacts, types), SQL(" UNION ALL ").join(parts)
    )


def _count_traits(audience_id, contacts, types):
    """Return the CTEs `countries`, `tags`, and, with types, `sorted` and `types`.

    `contacts` is repeated instead of materialized: of a CTE PostgreSQL has no statistics, and would
    look its contacts up one by one.
    """
    counts = [
        SQL(
            """people AS MATERIALIZED (
                SELECT p.id, p.country_id FROM (%s) AS p
                 WHERE p.id IN (SELECT partner_id FROM directmail_audience_member
                                 WHERE audience_id = %s AND partner_id IS NOT NULL))""",
            contacts,
            audience_id,
        ),
        SQL(
            """countries AS (SELECT country_id, count(*) AS people FROM people
                              WHERE country_id IS NOT NULL GROUP BY country_id)"""
        ),
        SQL(
            """tags AS (SELECT r.category_id, count(*) AS people
                          FROM %s AS r JOIN people ON people.id = r.partner_id
                         GROUP BY r.category_id)""",
            TAGS,
        ),
    ]
    if types:
        counts += [
            SQL("sorted AS MATERIALIZED (%s)", types),
            SQL(
                """types AS (SELECT r.customer_type, count(*) AS people
                               FROM sorted AS r JOIN people ON people.id = r.partner_id
                              WHERE r.customer_type IS NOT NULL GROUP BY r.customer_type)"""
            ),
        ]
    return SQL(", ").join(counts)
