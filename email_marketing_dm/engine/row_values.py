"""Read the values that rows of uploaded lists have for people."""

from odoo.tools import SQL


def read_row_values(env, upload_ids, people):
    """Return the values of people in uploaded lists; those of a newer list come first.

    A row belongs to a person with the same contact, or the same address key. An encrypted address
    and the same address in clear are two people: otherwise a preview would reveal whose the
    encrypted address is.

    :param upload_ids: ids of the `directmail.upload`s; the caller has decided that they may be used
    :param people: objects with `id`, `partner_id`, `address_key` and `email_encrypted`, such as
        `engine.claim.Claimed`
    :return: {person.id: ({key of a column: value}, {use of a column: value})}; the second is for
        people without a contact
    :rtype: dict
    """
    rows = env.execute_query(
        SQL(
            """WITH people AS (
                    SELECT * FROM unnest(%(ids)s::bigint[], %(contacts)s::int[], %(keys)s::text[],
                                         %(encrypted)s::bool[])
                        AS p (id, partner_id, address_key, is_encrypted)
               )
               SELECT p.id, l.upload_id, l.kept_values, l.contact_values
                 FROM people p JOIN directmail_upload_line l ON l.partner_id = p.partner_id
                WHERE l.upload_id = ANY(%(uploads)s)
               UNION ALL
               SELECT p.id, l.upload_id, l.kept_values, l.contact_values
                 FROM people p JOIN directmail_upload_line l ON l.address_key = p.address_key
                WHERE l.upload_id = ANY(%(uploads)s)
                  AND (l.email_encrypted IS NOT NULL) = p.is_encrypted
                ORDER BY 1, 2""",
            ids=[person.id for person in people],
            contacts=[person.partner_id or None for person in people],
            keys=[person.address_key or None for person in people],
            encrypted=[bool(person.email_encrypted) for person in people],
            uploads=list(upload_ids),
        )
    )
    found = {}
    for number, _upload, kept, for_contact in rows:
        values, contact_values = found.setdefault(number, ({}, {}))
        values.update(kept or {})
        contact_values.update(for_contact or {})
    return found
