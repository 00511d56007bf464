"""Who the people of a task are, and which address each of them is mailed at.

A person is a contact, a record of another model, or a bare address: see `directmail.person`.
"""

from odoo.tools import SQL

from .idn import in_ascii
from .sql import address_key, usable_address

# Begins the key of an encrypted address that can't be read: it tells people apart, no more.
UNREADABLE = "!"


def addressed_people(task, audiences):
    """Return CTEs ending in `addressed`: every person of some audiences of the task once.

    `addressed` has the columns of a person, and `flaw`: the fixed reason against a mail, or null.
    A usable address in clear is `email`, an encrypted one `email_encrypted`; either has its
    `address_key`, and nobody else has one.

    :param task: a `directmail.task` record
    :param audiences: `directmail.audience` records
    :rtype: SQL
    """
    return SQL(
        """members AS NOT MATERIALIZED (
            SELECT * FROM directmail_audience_member WHERE audience_id IN %(audiences)s
        ), people AS (
            SELECT %(distinct)s partner_id, NULL AS res_model, NULL::int AS res_id, NULL AS email,
                   NULL AS email_encrypted, NULL AS address_key
              FROM members WHERE partner_id IS NOT NULL
            UNION ALL
            -- The source's latest address counts, where audiences know different ones.
            (SELECT DISTINCT ON (res_model, res_id) NULL::int, res_model, res_id, email, NULL, NULL
              FROM members WHERE partner_id IS NULL AND res_id IS NOT NULL
             ORDER BY res_model, res_id, id DESC)
            UNION ALL
            SELECT %(distinct)s NULL::int, NULL, NULL::int, email, email_encrypted, address_key
              FROM members WHERE partner_id IS NULL AND res_id IS NULL
        ), found AS (
            SELECT people.partner_id, res_model, res_id, %(typed)s AS typed,
                   %(clear)s AS email, %(encrypted)s AS email_encrypted,
                   %(encrypted_key)s AS encrypted_key, %(absent)s AS absent
              FROM people LEFT JOIN res_partner p ON p.id = people.partner_id
        ), keyed AS (
            SELECT *, CASE WHEN email_encrypted IS NOT NULL THEN encrypted_key
                           WHEN %(usable)s THEN %(key)s END AS address_key
              FROM found
        ), addressed AS (
            SELECT partner_id, res_model, res_id,
                   CASE WHEN address_key IS NOT NULL THEN %(mailed)s END AS email, email_encrypted,
                   address_key,
                   CASE WHEN typed IS NULL THEN absent
                        WHEN address_key IS NOT NULL THEN NULL
                        WHEN email_encrypted IS NOT NULL THEN 'cannot_decrypt'
                        ELSE 'invalid_address' END AS flaw
              FROM keyed
        )""",
        audiences=tuple(audiences.ids) or (0,),
        # An audience has nobody twice. Looking for it would take long, and PostgreSQL can't guess
        # how many are left.
        distinct=SQL("DISTINCT") if len(audiences) > 1 else SQL(),
        usable=usable_address(SQL("email")),
        mailed=in_ascii(SQL("email")),
        key=address_key(task.env["directmail.keyring"]._get_master_key(), SQL("email")),
        **_get_columns(task),
    )


def is_anybody_addressed(task):
    """Tell whether at least one of the task's people has an address to send to."""
    task.env.flush_all()
    [(found,)] = task.env.execute_query(
        SQL(
            "WITH %s SELECT EXISTS (SELECT FROM addressed WHERE flaw IS NULL)",
            addressed_people(task, task.audience_ids),
        )
    )
    return found


def _get_columns(task):
    """Return where the address of a contact (p) and of anybody else (people) is found.

    A contact has two: the task says which. An uploaded or source address is what it is. What was
    encrypted counts as readable if the company's present key has read it: see `res.partner`.
    """
    encrypted = task.address_form == "encrypted"
    return {
        "typed": SQL(
            """NULLIF(btrim(CASE WHEN people.partner_id IS NULL
                    THEN COALESCE(people.email, people.email_encrypted) ELSE %s END), '')""",
            SQL("p.email_encrypted") if encrypted else SQL("p.email"),
        ),
        "clear": SQL(
            "CASE WHEN people.partner_id IS NULL THEN people.email %s END",
            SQL() if encrypted else SQL("ELSE p.email_normalized"),
        ),
        "encrypted": SQL(
            "CASE WHEN people.partner_id IS NULL THEN people.email_encrypted %s END",
            SQL("ELSE p.email_encrypted") if encrypted else SQL(),
        ),
        "encrypted_key": SQL(
            """CASE WHEN people.partner_id IS NULL
                    THEN CASE WHEN people.address_key NOT LIKE %s THEN people.address_key END
                    WHEN p.email_encrypted_aes = %s THEN p.email_encrypted_key END""",
            UNREADABLE + "%",
            task.env["directmail.aes.key"]._get_reference(task.company_id),
        ),
        "absent": SQL(
            "CASE WHEN people.partner_id IS NULL THEN 'no_address' ELSE %s END",
            "no_encrypted_address" if encrypted else "no_address",
        ),
    }
