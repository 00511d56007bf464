"""Match: find the people for the IDs of an upload, in one statement."""

from odoo.tools import SQL

from ..lists.cells import DOUBTFUL_PATTERN
from ..lists.identifiers import KEEPS_ZERO
from .idn import in_ascii, is_international
from .sql import UNMATCHABLE, address_key, prepare_for_many

#: A line keeps the ids of the contacts who share its ID if there are at most so many: an ID of more
#: contacts, such as "none", tells of none of them, and ids in each line would grow without limit.
HOLDERS_MAX = 20


def match_lines(env, owner_env, master_key, upload_id, id_kind, match_field=None):
    """Match the new lines of an upload with contacts, and set each line's status and person.

    Of several lines for a person, the first counts and the others are duplicates. Of several
    contacts with the same ID, the one with the lowest id is taken; of those with the same value of
    `match_field`, none is, and the line keeps their ids in `match_keys`, of at most
    `HOLDERS_MAX`.

    :param env: whose transaction is written
    :param owner_env: the owner's environment; only contacts that the owner may read are found
    :param master_key: the data's `privacy.keys.MasterKey`
    :param str id_kind: of the upload
    :param str match_field: of the upload, if `id_kind` is "field"
    :raise AccessError: if the owner may not read contacts, or the field with the ID
    """
    is_address = id_kind in ("email", "encrypted")
    env.flush_all()
    prepare_for_many(env)
    env.cr.execute(
        SQL(
            """WITH contacts (id, key) AS (%(contacts)s),
               oldest AS (
                    SELECT key, %(holder)s AS id, count(*) > 1 AS is_several, %(holders)s AS holders
                      FROM contacts WHERE key IS NOT NULL GROUP BY key
               ), found AS (
                    SELECT l.id, l.match_key, l.value, oldest.id AS partner_id, oldest.is_several,
                           oldest.holders, row_number() OVER (
                               PARTITION BY COALESCE('contact ' || oldest.id, l.match_key)
                               ORDER BY l.number) AS copy
                      FROM directmail_upload_line l
                      LEFT JOIN oldest ON oldest.key = l.match_key
                     WHERE l.upload_id = %(upload)s AND l.status = 'new'
               ), judged AS (
                    SELECT *, CASE
                        WHEN match_key IS NULL THEN 'unmatched'
                        WHEN partner_id IS NULL AND NOT %(is_address)s THEN 'unmatched'
                        WHEN partner_id IS NULL AND %(is_doubtful)s THEN 'unmatched'
                        WHEN copy > 1 THEN 'duplicate'
                        WHEN partner_id IS NOT NULL THEN 'matched'
                        WHEN match_key LIKE %(unreadable)s THEN 'unreadable'
                        ELSE 'bare' END AS status
                      FROM found
               )
               UPDATE directmail_upload_line l
                  SET partner_id = judged.partner_id, status = judged.status,
                      reason = CASE WHEN judged.status = 'unmatched' THEN COALESCE(
                          l.reason,
                          CASE WHEN %(is_address)s THEN 'doubtful'
                               WHEN judged.is_several THEN 'several'
                               ELSE 'unknown' END) END,
                      match_keys = CASE WHEN judged.status = 'unmatched' THEN judged.holders END,
                      email = CASE WHEN is_bare AND NOT %(is_encrypted)s
                                   THEN judged.match_key END,
                      email_encrypted = CASE WHEN is_bare AND %(is_encrypted)s
                                             THEN judged.value END,
                      address_key = CASE WHEN NOT is_bare THEN NULL
                                         WHEN %(is_encrypted)s THEN judged.match_key
                                         ELSE %(key)s END
                 FROM (SELECT *, status IN ('bare', 'unreadable') AS is_bare FROM judged) judged
                WHERE l.id = judged.id""",
            contacts=select_contacts(id_kind, owner_env, match_field),
            holder=SQL("CASE WHEN count(*) = 1 THEN min(id) END")
            if id_kind == "field"
            else SQL("min(id)"),
            # The line goes when one of them is erased.
            holders=SQL(
                "CASE WHEN count(*) BETWEEN 2 AND %s THEN to_jsonb(array_agg(id)) END", HOLDERS_MAX
            )
            if id_kind == "field"
            else SQL("NULL::jsonb"),
            upload=upload_id,
            is_address=is_address,
            is_doubtful=SQL("match_key ~ %s", DOUBTFUL_PATTERN)
            if id_kind == "email"
            else SQL("false"),
            is_encrypted=id_kind == "encrypted",
            unreadable=UNMATCHABLE + "%",
            key=address_key(master_key, SQL("judged.match_key")),
        )
    )


def select_contacts(kind, env, match_field=None):
    """Return SQL of (id, match key) of the contacts that the user of `env` may read.

    An encrypted address matches only contacts whose encrypted address it is. Matching contacts
    that have the same address in clear would reveal the encrypted address.

    :param str kind: `id_kind` of the upload
    :param str match_field: name of the text field with the IDs, if the kind is "field"
    """
    partners = env["res.partner"]
    query = partners._search([])
    table = query.table

    def column(name):
        return partners._field_to_sql(table, name, query)

    contact_id = SQL.identifier(table, "id")
    if kind == "phone":
        code = SQL(
            "COALESCE((SELECT phone_code FROM res_country c WHERE c.id = %s), %s)",
            column("country_id"),
            env.company.country_id.phone_code or None,
        )
        return SQL(
            "%s UNION ALL %s",
            query.select(contact_id, _digits(column("phone_sanitized"))),
            query.select(contact_id, _international_digits(column("phone"), code)),
        )
    if kind == "external":
        return SQL(
            """SELECT d.res_id, d.module || '.' || d.name FROM ir_model_data d
                WHERE d.model = 'res.partner' AND d.res_id IN (%s)""",
            query.select(),
        )
    if kind == "encrypted":
        column("email_encrypted")  # raises AccessError unless the user may read the field
        key = SQL.identifier(table, "email_encrypted_key")
    elif kind == "contact":
        key = SQL("%s::text", contact_id)
    elif kind in ("reference", "field"):
        # raises AccessError unless the user may read the field
        key = SQL("NULLIF(btrim(%s), '')", column(match_field if kind == "field" else "ref"))
    elif kind in ("md5", "sha256"):
        # An internationalized domain may have been hashed as typed or in ASCII, so offer both.
        address = column("email_normalized")
        return SQL(
            "%s UNION ALL SELECT id, key FROM (%s) other WHERE key IS NOT NULL",
            query.select(contact_id, _digest(kind, address)),
            query.select(
                SQL("%s AS id", contact_id),
                SQL(
                    "CASE WHEN %s THEN %s END AS key",
                    is_international(address),
                    _digest(kind, SQL("directmail_ascii_address(%s)", address)),
                ),
            ),
        )
    else:
        key = in_ascii(column("email_normalized"))
    return query.select(contact_id, key)


def _digest(kind, address):
    if kind == "md5":
        return SQL("md5(%s)", address)
    return SQL("encode(sha256(convert_to(%s, 'UTF8')), 'hex')", address)


def _digits(column):
    return SQL(
        "NULLIF(regexp_replace(regexp_replace(%s, '[^0-9]', '', 'g'), '^00', ''), '')", column
    )


def _international_digits(column, code):
    """Return SQL of a phone number's international digits, as `identifiers.international_digits`.

    :param SQL column: the phone number as typed
    :param SQL code: the country's calling code, or null
    """
    return SQL(
        """CASE WHEN %(column)s ~ '^[( ]*0[^0]' AND %(code)s IS NOT NULL
                THEN %(code)s || substr(%(digits)s,
                                        CASE WHEN %(code)s IN %(keeps)s THEN 1 ELSE 2 END)
                ELSE %(digits)s END""",
        column=column,
        code=code,
        keeps=KEEPS_ZERO,
        digits=SQL(
            "NULLIF(regexp_replace(regexp_replace(regexp_replace(%s, '\\(0\\)', ''),"
            " '[^0-9]', '', 'g'), '^00', ''), '')",
            column,
        ),
    )
