"""Take a part of the people of a line: some at random, or those with the highest amounts.

*At random* means by a hash of the person and a salt, so that each refresh takes the same people as
long as the line finds the same people. A new person with a lower hash takes the place of the one
with the highest.
"""

from odoo.tools import SQL

from .person import PERSON, person_columns

#: SQL of a text that identifies a person; an address and the same one encrypted are two people
IDENTITY = SQL(
    """CASE WHEN partner_id IS NOT NULL THEN 'contact,' || partner_id
            WHEN res_id IS NOT NULL THEN res_model || ',' || res_id
            WHEN email_encrypted IS NOT NULL THEN 'encrypted,' || address_key
            ELSE 'address,' || address_key END"""
)
#: `IDENTITY` of rows that are all contacts
CONTACT = SQL("'contact,' || partner_id")


def get_rank(salt, identity):
    """Return SQL of a whole number by which people are in a random order that never changes.

    :param str salt: another one gives another order
    :param SQL identity: text that identifies the person
    """
    return SQL("('x' || left(md5(%s || %s), 16))::bit(64)::bigint", f"{salt}/", identity)


def take_at_random(people, number, salt, visible, contacts_only):
    """Return SQL that selects people at random, each once.

    :param SQL people: selects the columns of a person; may return a person several times
    :param int number: how many people to take at most
    :param str salt: of the order: see `get_rank`
    :param SQL visible: selects the ids of the contacts that may be taken; None if `people` selects
        no other ones, and each of them once
    :param bool contacts_only: whether `people` selects only contacts
    """
    if contacts_only and not visible:
        return SQL(
            "SELECT %s FROM (%s) AS found ORDER BY %s, partner_id LIMIT %s",
            person_columns("partner_id"),
            people,
            get_rank(salt, CONTACT),
            number,
        )
    if contacts_only:
        return SQL(
            """SELECT %(person)s
                 FROM (%(visible)s) AS seen (partner_id)
                WHERE partner_id IN (SELECT partner_id FROM (%(people)s) AS found)
                ORDER BY %(rank)s, partner_id LIMIT %(number)s""",
            person=person_columns("partner_id"),
            visible=visible,
            people=people,
            rank=get_rank(salt, CONTACT),
            number=number,
        )
    return SQL(
        """SELECT %(person)s
             FROM (SELECT DISTINCT ON (identity) *
                     FROM (SELECT *, %(identity)s AS identity FROM (%(people)s) AS found
                            WHERE partner_id IS NULL OR partner_id IN (%(visible)s)) AS named
                    ORDER BY identity, email_encrypted, email) AS people
            ORDER BY %(rank)s, identity LIMIT %(number)s""",
        person=PERSON,
        identity=IDENTITY,
        people=people,
        visible=visible,
        rank=get_rank(salt, SQL("identity")),
        number=number,
    )


def take_highest(facts, number, salt, visible, having, has_records):
    """Return SQL that selects the people with the highest total amounts, each once.

    People without an amount are left out. Of people with equal amounts, the order is random.

    :param SQL facts: as `directmail.data.table._select_facts` returns them
    :param having: conditions on the rows of a person
    :param bool has_records: whether some facts are about records without a contact
    :param int number, str salt, SQL visible: as for `take_at_random`
    """
    found = ("partner_id", "res_model", "res_id", "email") if has_records else ("partner_id",)
    identity = (
        SQL("COALESCE('contact,' || partner_id, res_model || ',' || res_id)")
        if has_records
        else CONTACT
    )
    return SQL(
        """SELECT %(person)s
             FROM (SELECT %(names)s, sum(amount) AS total FROM (%(facts)s) AS facts
                    WHERE (%(is_record)s OR partner_id IN (%(visible)s))
                    GROUP BY %(names)s HAVING %(having)s) AS people
            ORDER BY total DESC, %(rank)s, %(identity)s LIMIT %(number)s""",
        person=person_columns(*found),
        names=SQL(", ").join(map(SQL.identifier, found)),
        facts=facts,
        is_record=SQL("partner_id IS NULL") if has_records else SQL("FALSE"),
        visible=visible,
        having=SQL(" AND ").join([SQL("sum(amount) IS NOT NULL"), *having]),
        rank=get_rank(salt, identity),
        identity=identity,
        number=number,
    )
