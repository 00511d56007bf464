"""Find the people of a task, and the address that each of them is mailed at.

A person is a contact, a record of another model, or a bare address: see `directmail.person`.
"""

from collections import namedtuple

from odoo.tools import SQL

from .audience import COLUMNS
from .idn import in_ascii
from .person import person_columns
from .sql import UNMATCHABLE, address_key, usable_address

# The reason for not mailing a contact or record that was archived or deleted.
GONE = "gone"

Lenders = namedtuple("Lenders", "task_owner_id owner_ids")
Lenders.__doc__ = """Whose people a task mails: see `directmail.delivery.lender_id`.

Not the users of `directmail.template._get_lenders`, whose rights the values of placeholders need.

:ivar int task_owner_id: the user who owns the task
:ivar owner_ids: ids of the users who own the task's audiences, each once
"""

Addressing = namedtuple("Addressing", "company_id is_encrypted aes_reference has_records")
Addressing.__doc__ = """What `current_addresses` reads of `fatigue.TaskRules`, without a task."""


def has_others_than_contacts(env, audience_ids):
    """Tell whether some members of audiences are records of other models or bare addresses."""
    [(found,)] = env.execute_query(
        SQL(
            """SELECT EXISTS (SELECT FROM directmail_audience_member
                               WHERE audience_id = ANY(%s) AND partner_id IS NULL)""",
            list(audience_ids),
        )
    )
    return found


def addressed_people(env, context, rules, audience_ids, *, lenders=None, among=None):
    """Return CTEs ending in `addressed`: each person of some audiences once.

    :param PeopleContext context: how to find people and addresses
    :param rules: the `fatigue.TaskRules` of the task, or an `Addressing`
    :param audience_ids: ids of the audiences
    :param Lenders lenders: for the column `lender_id`; null without it
    :param SQL among: a condition on rows of `directmail_audience_member`, to take only these
    :return: SQL; for the columns of `addressed` see `current_addresses`
    :rtype: SQL
    """
    several = len(audience_ids) > 1
    return SQL(
        """members AS NOT MATERIALIZED (
            SELECT * FROM directmail_audience_member
             WHERE audience_id IN %(audiences)s %(among)s
        ), people AS (
            SELECT %(distinct)s %(contact)s, TRUE AS is_contact, %(only_lender)s AS lender_id
              FROM members WHERE partner_id IS NOT NULL
            UNION ALL
            -- The source's latest address counts, where audiences know different ones.
            (SELECT DISTINCT ON (res_model, res_id) %(record)s, FALSE, %(lender)s
              FROM members WHERE partner_id IS NULL AND res_id IS NOT NULL
             ORDER BY res_model, res_id, id DESC)
            UNION ALL
            (SELECT %(distinct_address)s %(address)s, FALSE, %(lender)s
              FROM members WHERE partner_id IS NULL AND res_id IS NULL %(own_first)s)
        ), %(addressed)s""",
        audiences=tuple(audience_ids) or (0,),
        among=SQL("AND %s", among) if among else SQL(),
        contact=person_columns(*COLUMNS["contact"]),
        record=person_columns(*COLUMNS["record"]),
        address=person_columns(*COLUMNS["address"]),
        # No DISTINCT for a single audience: it has each person once, DISTINCT is slow, and the
        # planner misjudges the number of rows after it.
        distinct=SQL("DISTINCT") if several else SQL(),
        distinct_address=SQL("DISTINCT ON (email, email_encrypted, address_key)")
        if several
        else SQL(),
        **_get_lender(lenders, several),
        addressed=current_addresses(env, context, rules),
    )


def _get_lender(lenders, several):
    """Return the parts of `addressed_people` that set `lender_id`: the audience's owner.

    For an address in several audiences, the task's owner is preferred. Contacts have a `lender_id`
    only if all audiences have the same owner, because it is not needed while the contact exists.

    :param bool several: whether there are several audiences
    :return: {"only_lender": for contacts, "lender": for others, "own_first": ORDER BY of bare
        addresses}
    """
    owner_ids = lenders.owner_ids if lenders else ()
    only_lender = SQL("%s::int", owner_ids[0] if len(owner_ids) == 1 else None)
    if len(owner_ids) < 2:
        return {"only_lender": only_lender, "lender": only_lender, "own_first": SQL()}
    return {
        "only_lender": only_lender,
        "lender": SQL("(SELECT user_id FROM directmail_audience a WHERE a.id = audience_id)"),
        "own_first": SQL(
            """ORDER BY email, email_encrypted, address_key, audience_id IN (
                    SELECT id FROM directmail_audience WHERE user_id = %s) DESC""",
            lenders.task_owner_id,
        )
        if several
        else SQL(),
    }


def is_anybody_addressed(env, context, rules, audience_ids):
    """Tell whether at least one person of some audiences has a usable address.

    :param PeopleContext context: how to find people and addresses
    :param rules: the `fatigue.TaskRules` of the task
    """
    env.flush_all()
    [(found,)] = env.execute_query(
        SQL(
            "WITH %s SELECT EXISTS (SELECT FROM addressed WHERE flaw IS NULL)",
            addressed_people(env, context, rules, audience_ids),
        )
    )
    return found


def current_addresses(env, context, rules, planned=False, carried=("lender_id",)):
    """Return CTEs ending in `addressed`: the address at which each row of `people` is mailed now.

    The CTE `people`, which the caller defines, has the columns of a person and `is_contact`:
    whether the person is or was a contact. Before planning it also has `lender_id`.

    `addressed` has the columns of a person, `country_id`: where the person lives, null if it is
    unknown, and `flaw`: the reason for not mailing, or null. A
    usable address is in `email` (in clear) or `email_encrypted`, with its `address_key`. Without a
    usable address `address_key` is null; people who are gone may have one nevertheless. A record of
    another model that has a contact by now becomes that contact. Before planning `addressed` also
    has `lender_id`, copied from `people`.

    :param PeopleContext context: how to find people and addresses
    :param rules: the `fatigue.TaskRules` of the task, or an `Addressing`
    :param bool planned: whether `people` are rows of `directmail_delivery`. `addressed` then has
        their `id`, and `moved`: whether the person or the address differs from the planned one
    :param carried: names of the columns that are copied from `people` before planning
    :rtype: SQL
    """
    records = context.select_records(env, rules.company_id) if rules.has_records else None
    return SQL(
        "found AS (%s), keyed AS (%s), addressed AS (%s)",
        _select_found(rules, records, planned, carried),
        _select_keyed(context.get_master_key(env), planned),
        _select_addressed(planned, carried),
    )


def _select_found(rules, records, planned, carried):
    """Return the CTE `found`: who each row of `people` is now, and what the source has as address.

    Columns: partner_id, res_model and res_id of the present person; typed, the address as it stands
    in the source, null if there is none; email and email_encrypted, one of them or neither, still
    unchecked; encrypted_key, the address key of `email_encrypted`, null if it can't be decrypted;
    absent, the reason if `typed` is null; gone, whether the person was archived or deleted;
    country_id, where the person lives, null if it is unknown. Before
    planning also `carried`; of deliveries also id and the four columns that `keyed` and
    `addressed` compare.

    :param SQL records: see `PeopleContext.select_records`; None if all people are contacts or bare
        addresses
    """
    source = SQL("LEFT JOIN LATERAL (%s) AS source ON TRUE", records) if records else SQL()
    contact_id = SQL("people.partner_id")
    own_email, is_there = SQL("people.email"), SQL("people.res_id IS NULL")
    if records:
        contact_id = SQL("COALESCE(people.partner_id, source.partner_id)")
        own_email = SQL("CASE WHEN people.res_id IS NULL THEN people.email ELSE source.email END")
        is_there = SQL("people.res_id IS NULL OR source.is_there")
    # A contact (p) is mailed at the address in clear or at the encrypted one, as the task says.
    if rules.is_encrypted:
        contact_typed = contact_encrypted = SQL("p.email_encrypted")
        contact_email, contact_absent = SQL("NULL"), "no_encrypted_address"
    else:
        contact_typed, contact_email = SQL("p.email"), SQL("p.email_normalized")
        contact_encrypted, contact_absent = SQL("NULL"), "no_address"
    # A contact's encrypted address is readable if it was decrypted with the company's present AES
    # key (`email_encrypted_aes`): see `res.partner`.
    contact_key = SQL(
        "CASE WHEN p.email_encrypted_aes = %s THEN p.email_encrypted_key END", rules.aes_reference
    )
    own_key = SQL(
        "CASE WHEN people.address_key NOT LIKE %s THEN people.address_key END", UNMATCHABLE + "%"
    )
    return SQL(
        """SELECT %(contact_id)s AS partner_id,
                  CASE WHEN p.id IS NULL THEN people.res_model END AS res_model,
                  CASE WHEN p.id IS NULL THEN people.res_id END AS res_id,
                  NULLIF(btrim(%(typed)s), '') AS typed,
                  %(email)s AS email,
                  %(encrypted)s AS email_encrypted,
                  %(encrypted_key)s AS encrypted_key,
                  %(absent)s AS absent,
                  %(gone)s AS gone,
                  %(country)s AS country_id,
                  %(copied)s
             FROM people %(source)s LEFT JOIN res_partner p ON p.id = %(contact_id)s""",
        contact_id=contact_id,
        typed=_of_contact_else(
            contact_typed, SQL("COALESCE(%s, people.email_encrypted)", own_email)
        ),
        email=_of_contact_else(contact_email, own_email),
        encrypted=_of_contact_else(contact_encrypted, SQL("people.email_encrypted")),
        encrypted_key=_of_contact_else(contact_key, own_key),
        absent=_of_contact_else(SQL("%s", contact_absent), SQL("'no_address'")),
        gone=_of_contact_else(
            SQL("p.active IS NOT TRUE"),
            SQL("people.is_contact IS TRUE OR (%s) IS NOT TRUE", is_there),
        ),
        country=_of_contact_else(
            SQL("p.country_id"), SQL("source.country_id") if records else SQL("NULL::int")
        ),
        copied=SQL(
            """people.id, people.partner_id AS partner_before, people.email AS email_before,
               people.email_encrypted AS encrypted_before, people.address_key AS key_before"""
        )
        if planned
        else SQL(", ").join(SQL.identifier("people", column) for column in carried),
        source=source,
    )


def _of_contact_else(contact, other):
    """Return SQL: `contact` of a person who is a contact (p) now, `other` of anybody else."""
    return SQL("CASE WHEN p.id IS NOT NULL THEN %s ELSE %s END", contact, other)


def _select_keyed(master_key, planned):
    """Return the CTE `keyed`: `found` with the address key, null without a usable address."""
    # An unchanged address keeps its address key, so that deliveries stay valid while the AES key is
    # missing and has to be entered again.
    kept = SQL(
        """WHEN email IS NOT DISTINCT FROM email_before
            AND email_encrypted IS NOT DISTINCT FROM encrypted_before THEN key_before"""
    )
    # OFFSET 0 keeps the planner from copying this expression to each place where `addressed` uses
    # the address key, and computing it three times for each person.
    return SQL(
        """SELECT *, CASE %s
                          WHEN email_encrypted IS NOT NULL THEN encrypted_key
                          WHEN %s THEN %s END AS address_key
             FROM found OFFSET 0""",
        kept if planned else SQL(),
        usable_address(SQL("email")),
        address_key(master_key, SQL("email")),
    )


def _select_addressed(planned, carried):
    """Return the CTE `addressed`: see `current_addresses`."""
    moved = SQL(
        """id, address_key IS DISTINCT FROM key_before
               OR email_encrypted IS DISTINCT FROM encrypted_before
               OR partner_id IS DISTINCT FROM partner_before AS moved"""
    )
    return SQL(
        """SELECT partner_id, res_model, res_id,
                  CASE WHEN address_key IS NOT NULL THEN %(mailed)s END AS email,
                  email_encrypted, address_key, country_id,
                  CASE WHEN gone THEN %(gone)s
                       WHEN typed IS NULL THEN absent
                       WHEN address_key IS NOT NULL THEN NULL
                       WHEN email_encrypted IS NOT NULL THEN 'cannot_decrypt'
                       ELSE 'invalid_address' END AS flaw,
                  %(copied)s
             FROM keyed""",
        mailed=in_ascii(SQL("email")),
        gone=GONE,
        copied=moved if planned else SQL(", ").join(map(SQL.identifier, carried)),
    )
