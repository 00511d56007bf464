"""Traits: count the contacts of an audience, or of two, by what they have in common.

A trait is a property of a contact with few values, such as the country. Its counts are kept apart
for the contacts who are only in audience A, only in B, and in both, because the two may overlap.
"""

from odoo.tools import SQL

#: Values of the column `side`: a contact or person is only in A, only in B, or in both.
ONLY_A, ONLY_B, BOTH = 1, 2, 3
SIDES = (ONLY_A, BOTH, ONLY_B)


def join_sides(first, second=None):
    """Return SQL (partner_id, side) of the contacts of one or two audiences, each once.

    :param SQL first: selects the partner_id of the contacts in A; may return one several times
    :param SQL second: the same of B; None to select those in A only
    """
    if second is None:
        return SQL("SELECT DISTINCT partner_id, %s AS side FROM (%s) people", ONLY_A, first)
    return SQL(
        """SELECT partner_id, bit_or(side) AS side
             FROM (SELECT partner_id, %s AS side FROM (%s) first
                    UNION ALL SELECT partner_id, %s FROM (%s) second) people
            GROUP BY partner_id""",
        ONLY_A,
        first,
        ONLY_B,
        second,
    )


def count_traits(env, contacts, names):
    """Count contacts by each of several traits, in one scan.

    :param SQL contacts: selects the columns `side` and ``names``, a row per contact
    :param names: of the columns, one per trait
    :return: {name: {value: [number of people only in A, in both, only in B]}}
    :rtype: dict
    """
    columns = [SQL.identifier(name) for name in names]
    rows = env.execute_query(
        SQL(
            """SELECT side, count(*), GROUPING(%s), %s
                 FROM (%s) contacts GROUP BY GROUPING SETS (%s)""",
            SQL(", ").join(columns),
            SQL(", ").join(columns),
            contacts,
            SQL(", ").join(SQL("(side, %s)", column) for column in columns),
        )
    )
    # GROUPING has a bit for each column, the first one the highest; the bit of the column that a
    # row is about is 0.
    everything = 2 ** len(names) - 1
    number_of = {
        everything - 2 ** (len(names) - 1 - number): number for number in range(len(names))
    }
    counts = {name: {} for name in names}
    for side, count, bits, *values in rows:
        number = number_of[bits]
        sides = counts[names[number]].setdefault(values[number], [0, 0, 0])
        sides[SIDES.index(side)] = count
    return counts


def count_links(env, contacts, table, contact, value):
    """Count contacts by what a table of links connects them with; a contact may have several.

    :param SQL contacts: selects the columns `id` and `side`, a row per contact
    :param str table: with a row per link
    :param str contact: its column with the contact
    :param str value: its column with the value
    :return: {value, or None for the contacts without any: as in `count_traits`}
    :rtype: dict
    """
    # NOT EXISTS: for NOT IN, PostgreSQL reads all links for every contact if they do not fit into
    # `work_mem`.
    rows = env.execute_query(
        SQL(
            """WITH contacts AS MATERIALIZED (%(contacts)s), linked AS (
                   SELECT contacts.side, link.%(value)s AS value
                     FROM contacts JOIN %(table)s link ON link.%(contact)s = contacts.id)
               SELECT side, value, count(*) FROM linked GROUP BY side, value
                UNION ALL
               SELECT side, NULL, count(*) FROM contacts
                WHERE NOT EXISTS (SELECT FROM %(table)s link WHERE link.%(contact)s = contacts.id)
                GROUP BY side""",
            contacts=contacts,
            table=SQL.identifier(table),
            contact=SQL.identifier(contact),
            value=SQL.identifier(value),
        )
    )
    counts = {}
    for side, found, count in rows:
        counts.setdefault(found, [0, 0, 0])[SIDES.index(side)] = count
    return counts


def count_overlap(env, first, second, identity):
    """Count the people who are only in A, in both, and only in B.

    :param SQL first: selects the columns of a person of those in A
    :param SQL second: the same of B
    :param SQL identity: one value of such a row that identifies a person without a contact
    :return: [only in A, in both, only in B]
    :rtype: list[int]
    """
    rows = dict(
        env.execute_query(
            SQL(
                """SELECT side, count(*) FROM (
                       SELECT bit_or(side) AS side FROM (
                           SELECT %(a)s AS side, partner_id, %(other)s AS other FROM (%(first)s) a
                            UNION ALL
                           SELECT %(b)s, partner_id, %(other)s FROM (%(second)s) b) people
                        GROUP BY partner_id, other) sides
                    GROUP BY side""",
                a=ONLY_A,
                b=ONLY_B,
                first=first,
                second=second,
                other=SQL("CASE WHEN partner_id IS NULL THEN %s END", identity),
            )
        )
    )
    return [rows.get(side, 0) for side in SIDES]
