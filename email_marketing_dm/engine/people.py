"""Find the people of a task, and the address that each of them is mailed at.

A person is a contact, a record of another model, or a bare address: see `directmail.person`.
"""

from odoo.tools import SQL

from .idn import in_ascii
from .sql import address_key, usable_address

# Prefix of the address key of an encrypted address that can't be decrypted. Such a key only
# distinguishes people; it is never mailed.
UNREADABLE = "!"


# The reason for not mailing a contact or record that was archived or deleted.
GONE = "gone"


def addressed_people(task, audiences, case, among=None):
    """Return CTEs ending in `addressed`: each person of some audiences of the task once.

    :param task: a `directmail.task` record
    :param audiences: `directmail.audience` records
    :param case: a `fatigue.Case` of the task
    :param SQL among: a condition on rows of `directmail_audience_member`, to take only these
    :return: SQL; for the columns of `addressed` see `find_addresses`
    :rtype: SQL
    """
    return SQL(
        """members AS NOT MATERIALIZED (
            SELECT * FROM directmail_audience_member
             WHERE audience_id IN %(audiences)s %(among)s
        ), people AS (
            SELECT %(distinct)s partner_id, NULL AS res_model, NULL::int AS res_id, NULL AS email,
                   NULL AS email_encrypted, NULL AS address_key, TRUE AS is_contact,
                   %(only_lender)s AS lender_id
              FROM members WHERE partner_id IS NOT NULL
            UNION ALL
            -- The source's latest address counts, where audiences know different ones.
            (SELECT DISTINCT ON (res_model, res_id)
                    NULL::int, res_model, res_id, email, NULL, NULL, FALSE, %(lender)s
              FROM members WHERE partner_id IS NULL AND res_id IS NOT NULL
             ORDER BY res_model, res_id, id DESC)
            UNION ALL
            (SELECT %(distinct_address)s NULL::int, NULL, NULL::int, email, email_encrypted,
                    address_key, FALSE, %(lender)s
              FROM members WHERE partner_id IS NULL AND res_id IS NULL %(own_first)s)
        ), %(addressed)s""",
        audiences=tuple(audiences.ids) or (0,),
        among=SQL("AND %s", among) if among else SQL(),
        # No DISTINCT for a single audience: it has each person once, DISTINCT is slow, and the
        # planner misjudges the number of rows after it.
        distinct=SQL("DISTINCT") if len(audiences) > 1 else SQL(),
        **_get_lender(task, audiences),
        addressed=find_addresses(task.env, case),
    )


def _get_lender(task, audiences):
    """Return the parts of `addressed_people` that set `lender_id`: the audience's owner.

    For an address in several audiences, the task's owner is preferred. Contacts have a `lender_id`
    only if all audiences have the same owner, because it is not needed while the contact exists.

    :return: {"only_lender": for contacts, "lender": for others, "distinct_address" and "own_first":
        DISTINCT and ORDER BY of bare addresses}
    """
    # sudo() to read the owners only. The right to use the audiences was checked when they were
    # chosen for the task.
    owners = audiences.sudo().user_id
    if len(audiences) < 2:
        once = own_first = SQL()
    else:
        once = SQL("DISTINCT ON (email, email_encrypted, address_key)")
        own_first = SQL(
            """ORDER BY email, email_encrypted, address_key, audience_id IN (
                    SELECT id FROM directmail_audience WHERE user_id = %s) DESC""",
            task.user_id.id,
        )
    only_lender = lender = SQL("%s::int", owners.id if len(owners) == 1 else None)
    if len(owners) > 1:
        lender = SQL("(SELECT user_id FROM directmail_audience a WHERE a.id = audience_id)")
    return {
        "only_lender": only_lender,
        "lender": lender,
        "distinct_address": once,
        "own_first": own_first,
    }


def find_addresses(env, case, planned=False):
    """Return CTEs ending in `addressed`: the address at which each row of `people` is mailed now.

    The CTE `people`, which the caller defines, has the columns of a person and `is_contact`:
    whether the person is or was a contact. Before planning it also has `lender_id`, which
    `addressed` copies: see `directmail.delivery`.

    `addressed` has the columns of a person, and `flaw`: the reason for not mailing, or null. A
    usable address is in `email` (in clear) or `email_encrypted`, with its `address_key`. Without a
    usable address `address_key` is null; people who are gone may have one nevertheless. A record of
    another model that has a contact by now becomes that contact.

    :param case: a `fatigue.Case`
    :param bool planned: whether `people` are rows of `directmail_delivery`. `addressed` then has
        their `id`, and `moved`: whether the person or the address differs from the planned one
    :rtype: SQL
    """
    tables = env["directmail.data.table"]
    source = tables._select_present(case.company_id) if case.has_records else None
    return SQL(
        """found AS (
            SELECT %(first)s %(partner)s AS partner_id,
                   CASE WHEN p.id IS NULL THEN people.res_model END AS res_model,
                   CASE WHEN p.id IS NULL THEN people.res_id END AS res_id,
                   %(typed)s AS typed, %(clear)s AS email, %(encrypted)s AS email_encrypted,
                   %(encrypted_key)s AS encrypted_key, %(absent)s AS absent, %(gone)s AS gone
                   %(before)s
              FROM people %(source)s LEFT JOIN res_partner p ON p.id = %(partner)s
        ), keyed AS (
            SELECT *, CASE %(kept)s
                           WHEN email_encrypted IS NOT NULL THEN encrypted_key
                           WHEN %(usable)s THEN %(key)s END AS address_key
              FROM found
        ), addressed AS (
            SELECT %(id)s partner_id, res_model, res_id,
                   CASE WHEN address_key IS NOT NULL THEN %(mailed)s END AS email, email_encrypted,
                   address_key,
                   CASE WHEN gone THEN %(gone_reason)s
                        WHEN typed IS NULL THEN absent
                        WHEN address_key IS NOT NULL THEN NULL
                        WHEN email_encrypted IS NOT NULL THEN 'cannot_decrypt'
                        ELSE 'invalid_address' END AS flaw
                   %(moved)s
              FROM keyed
        )""",
        usable=usable_address(SQL("email")),
        mailed=in_ascii(SQL("email")),
        key=address_key(env["directmail.keyring"]._get_master_key(), SQL("email")),
        gone_reason=GONE,
        **_get_columns(case, bool(source)),
        **_get_plan_columns(planned),
        source=SQL("LEFT JOIN LATERAL (%s) AS source ON TRUE", source) if source else SQL(),
    )


def is_anybody_addressed(task, case):
    """Tell whether at least one of the task's people has a usable address.

    :param case: a `fatigue.Case` of the task
    """
    task.env.flush_all()
    [(found,)] = task.env.execute_query(
        SQL(
            "WITH %s SELECT EXISTS (SELECT FROM addressed WHERE flaw IS NULL)",
            addressed_people(task, task.audience_ids, case),
        )
    )
    return found


def _get_plan_columns(planned):
    """Return the parts of `find_addresses` that compare people with their planned delivery.

    Before planning there is nothing to compare, and the parts copy `lender_id` instead.
    """
    if not planned:
        return {
            "first": SQL(),
            "id": SQL(),
            "before": SQL(", people.lender_id"),
            "kept": SQL(),
            "moved": SQL(", lender_id"),
        }
    return {
        "first": SQL("people.id,"),
        "id": SQL("id,"),
        "before": SQL(
            """, people.partner_id AS partner_before, people.email AS email_before,
               people.email_encrypted AS encrypted_before, people.address_key AS key_before"""
        ),
        # An unchanged address keeps its address key, so that deliveries stay valid while the AES
        # key is missing and has to be entered again.
        "kept": SQL(
            """WHEN email IS NOT DISTINCT FROM email_before
                AND email_encrypted IS NOT DISTINCT FROM encrypted_before THEN key_before"""
        ),
        "moved": SQL(
            """, address_key IS DISTINCT FROM key_before
              OR email_encrypted IS DISTINCT FROM encrypted_before
              OR partner_id IS DISTINCT FROM partner_before AS moved"""
        ),
    }


def _get_columns(case, has_source):
    """Return the parts of `find_addresses` that read a person's address from its source.

    For a contact (`p`) the task decides between the address in clear and the encrypted one. The
    address of a record of another model is read from `source`, a bare address from `people` itself.
    A contact's encrypted address counts as readable if it was decrypted with the company's present
    AES key (`email_encrypted_aes`): see `res.partner`.
    """
    email, active = SQL("people.email"), SQL("people.res_id IS NULL")
    if has_source:
        email = SQL("CASE WHEN people.res_id IS NULL THEN people.email ELSE source.email END")
        active = SQL("people.res_id IS NULL OR source.is_there")
    return {
        "partner": SQL("COALESCE(people.partner_id, source.partner_id)")
        if has_source
        else SQL("people.partner_id"),
        "typed": SQL(
            """NULLIF(btrim(CASE WHEN p.id IS NULL
                    THEN COALESCE(%s, people.email_encrypted) ELSE %s END), '')""",
            email,
            SQL("p.email_encrypted") if case.is_encrypted else SQL("p.email"),
        ),
        "clear": SQL(
            "CASE WHEN p.id IS NULL THEN %s %s END",
            email,
            SQL() if case.is_encrypted else SQL("ELSE p.email_normalized"),
        ),
        "encrypted": SQL(
            "CASE WHEN p.id IS NULL THEN people.email_encrypted %s END",
            SQL("ELSE p.email_encrypted") if case.is_encrypted else SQL(),
        ),
        "encrypted_key": SQL(
            """CASE WHEN p.id IS NULL
                    THEN CASE WHEN people.address_key NOT LIKE %s THEN people.address_key END
                    WHEN p.email_encrypted_aes = %s THEN p.email_encrypted_key END""",
            UNREADABLE + "%",
            case.aes_reference,
        ),
        "absent": SQL(
            "CASE WHEN p.id IS NULL THEN 'no_address' ELSE %s END",
            "no_encrypted_address" if case.is_encrypted else "no_address",
        ),
        "gone": SQL(
            """CASE WHEN p.id IS NOT NULL THEN p.active IS NOT TRUE
                    ELSE people.is_contact IS TRUE OR (%s) IS NOT TRUE END""",
            active,
        ),
    }
