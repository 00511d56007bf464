"""Re-key: recompute the database's address keys for a new master key, from stored addresses.

An address key that can't be recomputed becomes ``!<fingerprint of the old master key>:<old key>``
(a *marked* key). Keys that begin with `UNMATCHABLE` are never mailed and match no one. Rows with
equal old keys still have equal marked keys, and if the old master key comes back, the mark is
removed.
"""

from collections import namedtuple

from odoo.tools import SQL

from .family import follow_keys
from .sql import UNMATCHABLE, address_key

Rekey = namedtuple("Rekey", "key reader old new")
Rekey.__doc__ = """The keys of a re-key.

:ivar key: the new `privacy.keys.MasterKey`
:ivar reader: an `engine.encrypted.AddressReader` with the AES keys that are known
:ivar old: fingerprint of the master key of unmarked address keys. If it equals `new`, unmarked keys
    are right already, and only marked ones are processed
:ivar new: fingerprint of the new master key
"""

#: LIKE pattern of marked keys.
MARKED = f"{UNMATCHABLE}%:%"
#: Number of rows per transaction.
CHUNK = 5000
#: In this order, because opt-outs and events look up missing addresses in the other tables by the
#: old key, so the other tables must not have been converted before.
TABLES = (
    "directmail_optout",
    "directmail_consent",
    "directmail_preference",
    "directmail_event",
    "directmail_delivery",
    "directmail_audience_member",
    "directmail_audience_stay",
    "directmail_series_entry",
    "directmail_upload_line",
    "mail_blacklist",
    "res_partner",
)
#: Their rows may have no address; `_EVIDENCE` looks it up.
WITHOUT_ADDRESS = ("directmail_optout", "directmail_consent", "directmail_event")
#: SQL (address_key, email, email_encrypted) that looks up the address for each key in the CTE
#: `homeless` (address keys of rows without an address) in the person's rows of other tables.
_EVIDENCE = SQL(
    """SELECT DISTINCT ON (address_key) address_key, email, email_encrypted FROM (
           SELECT address_key, email, email_encrypted FROM directmail_delivery
            WHERE company_id IN (SELECT id FROM res_company)
              AND state IN ('sending', 'unknown', 'sent')
              AND address_key IN (SELECT address_key FROM homeless)
            UNION ALL
           SELECT address_key, email, email_encrypted FROM directmail_audience_member
            WHERE address_key IN (SELECT address_key FROM homeless)
            UNION ALL
           SELECT address_key, email, email_encrypted FROM directmail_upload_line
            WHERE address_key IN (SELECT address_key FROM homeless)
            UNION ALL
           SELECT address_key, email, NULL FROM mail_blacklist
            WHERE address_key IN (SELECT address_key FROM homeless)
            UNION ALL
           SELECT email_encrypted_key, NULL, email_encrypted FROM res_partner
            WHERE email_encrypted_key IN (SELECT address_key FROM homeless)
       ) rows WHERE COALESCE(email, email_encrypted) IS NOT NULL
        ORDER BY address_key, email NULLS LAST, email_encrypted"""
)


def count_rows(env):
    """Count the rows that a re-key will process, without changing anything.

    :return: [(table, rows with an address in clear, with an encrypted one, without any)]
    :rtype: list[tuple]
    """
    found = []
    for table in TABLES:
        plain, encrypted = _columns(table)
        found += env.execute_query(
            SQL(
                """SELECT %s, count(*) FILTER (WHERE plain IS NOT NULL),
                          count(*) FILTER (WHERE plain IS NULL AND encrypted IS NOT NULL),
                          count(*) FILTER (WHERE plain IS NULL AND encrypted IS NULL)
                     FROM (SELECT %s AS plain, %s AS encrypted FROM %s WHERE %s) rows""",
                table,
                plain,
                encrypted,
                SQL.identifier(table),
                _is_keyed(table),
            )
        )
    return found


def convert_chunk(env, rekey, table, after):
    """Recompute the address keys of the next `CHUNK` rows of a table.

    Repeating a chunk that was not committed gives the same result.

    :param str table: one of `TABLES`
    :param int after: id of the last row of the chunk before; 0 at first
    :return: (id of the chunk's last row, or None if no rows were left; number of rows recomputed;
        number of rows marked instead)
    :rtype: tuple
    """
    [(last,)] = env.execute_query(
        SQL(
            """SELECT max(id) FROM (
                    SELECT id FROM %s WHERE id > %s AND %s ORDER BY id LIMIT %s) rows""",
            SQL.identifier(table),
            after,
            _is_keyed(table, rekey),
            CHUNK,
        )
    )
    if last is None:
        return None, 0, 0
    chunk = SQL("id > %s AND id <= %s AND %s", after, last, _is_keyed(table, rekey))
    if table == "res_partner":
        return last, *_convert_partners(env, rekey, chunk)
    if table == "directmail_upload_line":
        _convert_match_keys(env, rekey, chunk)
    if table in ("directmail_optout", "directmail_consent"):
        _keep_encrypted(env, table, chunk)
    targets = _select_targets(rekey, table, chunk, _read_encrypted(env, rekey, table, chunk))
    if table == "directmail_optout":
        _merge_optouts(env, targets)
    if table == "directmail_preference":
        _merge_preferences(env, targets)
    [(done, left)] = env.execute_query(
        SQL(
            """WITH targets AS MATERIALIZED (%(targets)s), changed AS (
                   UPDATE %(table)s t SET address_key = targets.target
                     FROM targets WHERE targets.id = t.id
                RETURNING left(t.address_key, 1) = %(unmatchable)s AS marked)
               SELECT count(*) FILTER (WHERE NOT marked), count(*) FILTER (WHERE marked)
                 FROM changed""",
            unmatchable=UNMATCHABLE,
            targets=targets,
            table=SQL.identifier(table),
        )
    )
    if table == "directmail_delivery":
        follow_keys(env, after, last)
    return last, done, left


def _columns(table):
    """Return (SQL of a row's address in clear, SQL of its encrypted one)."""
    if table == "directmail_event":
        return SQL("NULL::text"), SQL("NULL::text")
    if table == "mail_blacklist":
        return SQL("lower(btrim(email))"), SQL("NULL::text")
    if table == "res_partner":
        return SQL("NULL::text"), SQL("email_encrypted")
    # With `email_encrypted`, no column holds the address in clear.
    return SQL("CASE WHEN email_encrypted IS NULL THEN email END"), SQL("email_encrypted")


def _is_keyed(table, rekey=None):
    """Return SQL of the condition that a row has a key which the re-key processes.

    :param Rekey rekey: None for all rows with a key
    """
    if table == "res_partner":
        return SQL("email_encrypted IS NOT NULL")
    keyed = SQL("address_key IS NOT NULL")
    if table == "directmail_upload_line" and not (rekey and rekey.old == rekey.new):
        # Lines of encrypted lists hold the address key in `match_key` too.
        keyed = SQL(
            """(address_key IS NOT NULL OR match_key IS NOT NULL AND EXISTS (
                   SELECT FROM directmail_upload u
                    WHERE u.id = upload_id AND u.id_kind = 'encrypted'))"""
        )
    if rekey and rekey.old == rekey.new:
        return SQL("%s AND address_key LIKE %s", keyed, MARKED)
    return keyed


def _select_targets(rekey, table, chunk, decrypted):
    """Return SQL (id, target): the new address key of each row of a chunk, or the marked old one.

    The new key is computed from the first of these that there is: the row's address in clear, its
    decrypted address, the address in clear that `_EVIDENCE` finds.

    :param SQL decrypted: VALUES (id, key): see `_read_encrypted`
    """
    plain, encrypted = _columns(table)
    evidence = SQL("SELECT NULL::varchar AS address_key, NULL::varchar AS email WHERE FALSE")
    return SQL(
        """WITH rows AS MATERIALIZED (
               SELECT id, address_key, %(plain)s AS plain, %(encrypted)s AS encrypted
                 FROM %(table)s WHERE %(chunk)s AND address_key IS NOT NULL
           ), homeless AS MATERIALIZED (
               SELECT DISTINCT address_key FROM rows WHERE plain IS NULL AND encrypted IS NULL
           ), evidence AS MATERIALIZED (%(evidence)s)
           SELECT rows.id,
                  COALESCE(%(key)s, decrypted.key, %(key_by_evidence)s, %(marked)s) AS target
             FROM rows
             LEFT JOIN (VALUES %(decrypted)s) AS decrypted (id, key) ON decrypted.id = rows.id
             LEFT JOIN evidence USING (address_key)""",
        plain=plain,
        encrypted=encrypted,
        table=SQL.identifier(table),
        chunk=chunk,
        evidence=_EVIDENCE if table in WITHOUT_ADDRESS else evidence,
        key=address_key(rekey.key, SQL("rows.plain")),
        decrypted=decrypted,
        key_by_evidence=address_key(rekey.key, SQL("evidence.email")),
        marked=_mark(rekey, SQL("address_key")),
    )


def _mark(rekey, key):
    """Return SQL of a key that can't be recomputed, marked; a mark of the new key is removed.

    :param SQL key: the old address key, marked or not
    """
    return SQL(
        """CASE WHEN %(key)s LIKE %(own)s THEN substr(%(key)s, %(cut)s)
                WHEN left(%(key)s, 1) = %(unmatchable)s OR %(is_new)s THEN %(key)s
                ELSE %(mark)s || %(key)s END""",
        key=key,
        unmatchable=UNMATCHABLE,
        own=f"{UNMATCHABLE}{rekey.new}:%",
        cut=len(rekey.new) + 3,
        is_new=rekey.old == rekey.new,
        mark=f"{UNMATCHABLE}{rekey.old}:",
    )


def _keep_encrypted(env, table, chunk):
    """Copy the encrypted address to rows without an address, from the person's other rows.

    Once the other rows are converted, the row could not be matched with them any more. It needs
    the address when the AES key is entered later, and for the next re-key.
    """
    env.cr.execute(
        SQL(
            """WITH homeless AS MATERIALIZED (
                   SELECT DISTINCT address_key FROM %(table)s
                    WHERE %(chunk)s AND email IS NULL AND email_encrypted IS NULL
               ), evidence AS MATERIALIZED (%(evidence)s)
               UPDATE %(table)s o SET email_encrypted = evidence.email_encrypted
                 FROM evidence
                WHERE o.address_key = evidence.address_key AND evidence.email IS NULL
                  AND o.email IS NULL AND o.email_encrypted IS NULL""",
            table=SQL.identifier(table),
            chunk=chunk,
            evidence=_EVIDENCE,
        )
    )


def _read_encrypted(env, rekey, table, chunk):
    """Return SQL VALUES (id, address key) of a chunk's rows with a readable encrypted address."""
    company = {
        **dict.fromkeys(
            ("directmail_audience_member", "directmail_audience_stay"),
            SQL("(SELECT company_id FROM directmail_audience a WHERE a.id = audience_id)"),
        ),
        "directmail_upload_line": SQL(
            "(SELECT company_id FROM directmail_upload u WHERE u.id = upload_id)"
        ),
        "mail_blacklist": SQL("NULL::int"),
    }.get(table, SQL("company_id"))
    rows = env.execute_query(
        SQL(
            """SELECT id, value, company FROM (
                   SELECT id, %s AS value, %s AS company FROM %s WHERE %s) rows
                WHERE value IS NOT NULL""",
            _columns(table)[1],
            company,
            SQL.identifier(table),
            chunk,
        )
    )
    read = [
        (number, key)
        for number, value, company_id in rows
        if (key := rekey.reader.find_key(value, company_id)[0])
    ]
    return SQL(", ").join(SQL("(%s::int, %s::text)", *pair) for pair in (read or [(None, None)]))


def _merge_optouts(env, targets):
    """Delete opt-outs that would become duplicates when their address keys are recomputed.

    Duplicates arise if a person unsubscribed under two master keys. Of opt-outs with the same
    company, key and sender, one with another origin than 'directmail' and 'bounce' is kept, else
    the oldest.
    """
    env.cr.execute(
        SQL(
            """WITH targets AS MATERIALIZED (%s), claimants AS (
                   SELECT o.id, o.company_id, o.sender_id, o.origin,
                          COALESCE(t.target, o.address_key) AS target
                     FROM directmail_optout o LEFT JOIN targets t ON t.id = o.id
                    WHERE t.id IS NOT NULL
                       OR o.address_key IN (SELECT target FROM targets)
               ), ranked AS (
                   SELECT id, row_number() OVER (
                              PARTITION BY company_id, target, COALESCE(sender_id, 0)
                              ORDER BY origin IN ('directmail', 'bounce'), id) AS place
                     FROM claimants
               )
               DELETE FROM directmail_optout WHERE id IN (SELECT id FROM ranked WHERE place > 1)""",
            targets,
        )
    )


def _merge_preferences(env, targets):
    """Delete preferences that would become duplicates, except the latest: as `_merge_optouts`."""
    env.cr.execute(
        SQL(
            """WITH targets AS MATERIALIZED (%s), ranked AS (
                   SELECT w.id, row_number() OVER (
                              PARTITION BY company_id, COALESCE(t.target, w.address_key)
                              ORDER BY w.write_date DESC, w.id DESC) AS place
                     FROM directmail_preference w LEFT JOIN targets t ON t.id = w.id
                    WHERE t.id IS NOT NULL OR w.address_key IN (SELECT target FROM targets)
               )
               DELETE FROM directmail_preference
                WHERE id IN (SELECT id FROM ranked WHERE place > 1)""",
            targets,
        )
    )


def _convert_match_keys(env, rekey, chunk):
    """Recompute `match_key` of the lines of encrypted lists, or mark it."""
    rows = env.execute_query(
        SQL(
            """SELECT l.id, l.value, u.company_id
                 FROM directmail_upload_line l JOIN directmail_upload u ON u.id = l.upload_id
                WHERE u.id_kind = 'encrypted' AND l.match_key IS NOT NULL AND l.id IN (
                      SELECT id FROM directmail_upload_line WHERE %s)""",
            chunk,
        )
    )
    if rows:
        env.cr.execute(
            SQL(
                """UPDATE directmail_upload_line l
                      SET match_key = COALESCE(read.key, CASE
                              WHEN left(match_key, 1) = %s OR %s THEN match_key
                              ELSE %s || match_key END)
                     FROM (VALUES %s) AS read (id, key) WHERE read.id = l.id""",
                UNMATCHABLE,
                rekey.old == rekey.new,
                f"{UNMATCHABLE}{rekey.old}:",
                SQL(", ").join(
                    SQL("(%s::int, %s::text)", number, rekey.reader.find_key(value, company_id)[0])
                    for number, value, company_id in rows
                ),
            )
        )


def _convert_partners(env, rekey, chunk):
    """Recompute the address keys of contacts' encrypted addresses.

    Without the company's AES key the addresses are invalid until the key is entered again.

    :return: (number of contacts recomputed, number of contacts that are invalid)
    """
    if rekey.old == rekey.new:
        chunk = SQL("%s AND email_encrypted_valid IS NOT TRUE", chunk)
    rows = env.execute_query(
        SQL("SELECT id, email_encrypted, company_id FROM res_partner WHERE %s", chunk)
    )
    if rows:
        rekey.reader.write_partners(env, rows)
    [(read,)] = env.execute_query(
        SQL(
            "SELECT count(*) FROM res_partner WHERE id = ANY(%s) AND email_encrypted_valid",
            [row[0] for row in rows],
        )
    )
    return read, len(rows) - read


def count_unmatched_optouts(env):
    """Return the number of opt-out keys for which no row in the database has an address.

    :rtype: int
    """
    [(count,)] = env.execute_query(
        SQL(
            """WITH homeless AS MATERIALIZED (
                   SELECT address_key FROM directmail_optout
                    WHERE email IS NULL AND email_encrypted IS NULL
               ), evidence AS MATERIALIZED (%s)
               SELECT count(*) FROM homeless WHERE address_key NOT IN (
                      SELECT address_key FROM evidence)""",
            _EVIDENCE,
        )
    )
    return count
