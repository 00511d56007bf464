"""Re-key: give the database's address keys a new master key, from the addresses that are there.

A key that can't be recomputed is kept behind a mark, ``!<fingerprint>:<old key>``. Everything that
begins with ``!`` is never mailed and matches nobody; the mark keeps equal people equal, and becomes
the key again where the old master key comes back.
"""

from collections import namedtuple

from odoo.tools import SQL

from .sql import address_key

Rekey = namedtuple("Rekey", "key reader old new")
Rekey.__doc__ = """What keys are recomputed with.

:ivar key: the new `privacy.keys.MasterKey`
:ivar reader: an `engine.encrypted.AddressReader` with the AES keys that are known
:ivar old: fingerprint of the key that unmarked address keys belong to. Equal to `new`, they are
    right already and only marked ones are looked at
:ivar new: fingerprint of the new key
"""

#: A key of another master key, as SQL's LIKE has it.
MARKED = "!%:%"
#: Rows of one transaction.
CHUNK = 5000
#: In this order: opt-outs and facts find missing addresses in the others, by the old key.
TABLES = (
    "directmail_optout",
    "directmail_event",
    "directmail_delivery",
    "directmail_audience_member",
    "directmail_upload_line",
    "mail_blacklist",
    "res_partner",
)
#: What finds a person's rows where one of them has no address.
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
    """Count what a re-key will find, without changing anything.

    :return: [(table, rows with a plain address, with an encrypted one, without any)]
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
    """Recompute the keys of the next rows of a table.

    Repeating a chunk that was not committed gives the same result.

    :param Rekey rekey: what to do it with
    :param int after: id of the last row that is done
    :return: id of the last row that is done now, or None behind the end; rows recomputed; rows that
        can't be
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
    targets = _find_targets(env, rekey, table, chunk)
    if table == "directmail_optout":
        _merge_optouts(env, targets)
    [(done, left)] = env.execute_query(
        SQL(
            """WITH targets AS MATERIALIZED (%(targets)s), changed AS (
                   UPDATE %(table)s t SET address_key = targets.target
                     FROM targets WHERE targets.id = t.id
                RETURNING t.address_key LIKE '!%%' AS marked)
               SELECT count(*) FILTER (WHERE NOT marked), count(*) FILTER (WHERE marked)
                 FROM changed""",
            targets=targets,
            table=SQL.identifier(table),
        )
    )
    return last, done, left


def _columns(table):
    """Return (SQL of a row's plain address, SQL of its encrypted one)."""
    if table == "directmail_event":
        return SQL("NULL::text"), SQL("NULL::text")
    if table == "mail_blacklist":
        return SQL("lower(btrim(email))"), SQL("NULL::text")
    if table == "res_partner":
        return SQL("NULL::text"), SQL("email_encrypted")
    # An encrypted person's clear address is nowhere.
    return SQL("CASE WHEN email_encrypted IS NULL THEN email END"), SQL("email_encrypted")


def _is_keyed(table, rekey=None):
    """Return SQL: a row has a key that a re-key looks at."""
    if table == "res_partner":
        return SQL("email_encrypted IS NOT NULL")
    keyed = SQL("address_key IS NOT NULL")
    if table == "directmail_upload_line" and not (rekey and rekey.old == rekey.new):
        # Lines of encrypted lists are matched by the key of the address.
        keyed = SQL(
            """(address_key IS NOT NULL OR match_key IS NOT NULL AND EXISTS (
                   SELECT FROM directmail_upload u
                    WHERE u.id = upload_id AND u.id_kind = 'encrypted'))"""
        )
    if rekey and rekey.old == rekey.new:
        return SQL("%s AND address_key LIKE %s", keyed, MARKED)
    return keyed


def _find_targets(env, rekey, table, chunk):
    """Return SQL of (id, target): the new key of each row of a chunk, or the marked old one."""
    plain, encrypted = _columns(table)
    name = SQL.identifier(table)
    evidence = SQL()
    if table in ("directmail_optout", "directmail_event"):
        evidence = SQL(
            """, homeless AS MATERIALIZED (
                   SELECT DISTINCT address_key FROM rows WHERE plain IS NULL AND encrypted IS NULL
               ), evidence AS MATERIALIZED (%s)""",
            _EVIDENCE,
        )
        if table == "directmail_optout":
            _keep_encrypted(env, rekey, chunk)
    read = _read_encrypted(env, rekey, table, chunk, encrypted, evidence)
    return SQL(
        """WITH rows AS MATERIALIZED (
               SELECT id, address_key, %(plain)s AS plain, %(encrypted)s AS encrypted
                 FROM %(table)s WHERE %(chunk)s AND address_key IS NOT NULL
           ) %(evidence)s
           SELECT rows.id, COALESCE(%(key)s, read.key, %(by_evidence)s CASE
               WHEN address_key LIKE %(own)s THEN substr(address_key, %(cut)s)
               WHEN address_key LIKE '!%%' THEN address_key
               WHEN %(is_new)s THEN address_key
               ELSE %(mark)s || address_key END) AS target
             FROM rows LEFT JOIN (VALUES %(read)s) AS read (id, key) ON read.id = rows.id
             %(join)s""",
        plain=plain,
        encrypted=encrypted,
        table=name,
        chunk=chunk,
        evidence=evidence,
        key=address_key(rekey.key, SQL("rows.plain")),
        by_evidence=SQL("%s,", address_key(rekey.key, SQL("evidence.email")))
        if evidence
        else SQL(),
        join=SQL("LEFT JOIN evidence USING (address_key)") if evidence else SQL(),
        own=f"!{rekey.new}:%",
        cut=len(rekey.new) + 3,
        is_new=rekey.old == rekey.new,
        mark=f"!{rekey.old}:",
        read=read,
    )


def _keep_encrypted(env, rekey, chunk):
    """Copy the encrypted address of opt-outs that lack one from the same person's other rows.

    It is needed until the AES key is entered, and by the next re-key.
    """
    env.cr.execute(
        SQL(
            """WITH homeless AS MATERIALIZED (
                   SELECT DISTINCT address_key FROM directmail_optout
                    WHERE %s AND email IS NULL AND email_encrypted IS NULL
               ), evidence AS MATERIALIZED (%s)
               UPDATE directmail_optout o SET email_encrypted = evidence.email_encrypted
                 FROM evidence
                WHERE o.address_key = evidence.address_key AND evidence.email IS NULL
                  AND o.email IS NULL AND o.email_encrypted IS NULL""",
            chunk,
            _EVIDENCE,
        )
    )


def _read_encrypted(env, rekey, table, chunk, encrypted, evidence):
    """Return SQL VALUES (id, key) of the rows of a chunk whose encrypted address can be read."""
    company = {
        "directmail_audience_member": SQL(
            "(SELECT company_id FROM directmail_audience a WHERE a.id = audience_id)"
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
            encrypted,
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
    """Delete opt-outs that say the same as another one once their keys are recomputed.

    Two keys were in use, and the same person has unsubscribed under both. The strongest stays: a
    wish or a complaint before what DirectMail or a bounce says.
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


def _convert_match_keys(env, rekey, chunk):
    """Recompute the keys by which lines of encrypted lists are matched."""
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
                              WHEN match_key LIKE '!%%' OR %s THEN match_key
                              ELSE %s || match_key END)
                     FROM (VALUES %s) AS read (id, key) WHERE read.id = l.id""",
                rekey.old == rekey.new,
                f"!{rekey.old}:",
                SQL(", ").join(
                    SQL("(%s::int, %s::text)", number, rekey.reader.find_key(value, company_id)[0])
                    for number, value, company_id in rows
                ),
            )
        )


def _convert_partners(env, rekey, chunk):
    """Read encrypted contacts anew. Without the AES key they are unreadable until it is entered."""
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
    """Return how many opt-outs have no address, nor the same person's anywhere else.

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
