"""Who the people of a task are, and which address each of them is mailed at.

A person is a contact, a record of another model, or a bare address: see `directmail.person`.
"""

from odoo.tools import SQL

from .sql import address_key, usable_address


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
        """members AS (
            SELECT * FROM directmail_audience_member WHERE audience_id IN %(audiences)s
        ), people AS (
            SELECT DISTINCT partner_id, NULL AS res_model, NULL::int AS res_id, NULL AS email,
                   NULL AS email_encrypted, NULL AS address_key
              FROM members WHERE partner_id IS NOT NULL
            UNION ALL
            -- The source's latest address counts, where audiences know different ones.
            (SELECT DISTINCT ON (res_model, res_id) NULL::int, res_model, res_id, email, NULL, NULL
              FROM members WHERE partner_id IS NULL AND res_id IS NOT NULL
             ORDER BY res_model, res_id, id DESC)
            UNION ALL
            SELECT DISTINCT NULL::int, NULL, NULL::int, email, email_encrypted, address_key
              FROM members WHERE partner_id IS NULL AND res_id IS NULL
        ), found AS (
            SELECT people.partner_id, res_model, res_id, %(typed)s AS typed,
                   %(clear)s AS email, %(encrypted)s AS email_encrypted,
                   %(encrypted_key)s AS encrypted_key
              FROM people LEFT JOIN res_partner p ON p.id = people.partner_id
        ), keyed AS (
            SELECT *, CASE WHEN email_encrypted IS NOT NULL THEN encrypted_key
                           WHEN %(usable)s THEN %(key)s END AS address_key
              FROM found
        ), addressed AS (
            SELECT partner_id, res_model, res_id,
                   CASE WHEN address_key IS NOT NULL THEN email END AS email, email_encrypted,
                   address_key,
                   CASE WHEN typed IS NULL THEN %(absent)s
                        WHEN address_key IS NOT NULL THEN NULL
                        WHEN email_encrypted IS NOT NULL THEN 'cannot_decrypt'
                        ELSE 'invalid_address' END AS flaw
              FROM keyed
        )""",
        audiences=tuple(audiences.ids) or (0,),
        usable=usable_address(SQL("email")),
        key=address_key(task.env["directmail.keyring"]._get_master_key(), SQL("email")),
        **_get_columns(task),
    )


def _get_columns(task):
    """Return where the address of a contact (p) and of anybody else (people) is found.

    A contact has two: the task says which. An uploaded or source address is what it is.
    """
    return {
        "typed": SQL(
            """NULLIF(btrim(CASE WHEN people.partner_id IS NULL
                    THEN COALESCE(people.email, people.email_encrypted) ELSE p.email END), '')"""
        ),
        "clear": SQL(
            """CASE WHEN people.partner_id IS NULL THEN people.email
                    ELSE p.email_normalized END"""
        ),
        "encrypted": SQL("people.email_encrypted"),
        "encrypted_key": SQL("people.address_key"),
        "absent": "no_address",
    }
