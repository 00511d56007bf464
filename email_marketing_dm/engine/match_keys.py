"""Match rows with several IDs: by the first ID that exactly one contact has, in one statement."""

from odoo.tools import SQL

from ..lists.cells import DOUBTFUL_PATTERN
from .match import HOLDERS_MAX, select_contacts
from .sql import address_key, prepare_for_many


def match_rows(env, owner_env, master_key, upload_id, keys, skips_different):
    """Match the new lines of an upload with contacts, and set each line's status and person.

    The IDs of a line are in `match_keys`, with their ranks. A line whose IDs identify no contact
    is matched by its address if no contact has one of the IDs. Of several lines for a person, the
    first counts and the others are duplicates. A line that is not matched although contacts have
    its IDs keeps the ids of these contacts in `match_keys`: it goes when one of them is erased.
    Of an ID of more than `HOLDERS_MAX` contacts no ids are kept.

    :param env: whose transaction is written
    :param owner_env: the owner's environment; only contacts that the owner may read are found
    :param master_key: the data's `privacy.keys.MasterKey`
    :param list keys: of `directmail.upload._get_keys`
    :param bool skips_different: whether lines whose IDs identify different contacts are unmatched;
        otherwise the ID with the lowest rank counts
    :raise AccessError: if the owner may not read contacts, or a field with IDs
    """
    columns = [key.column for key in keys]
    env.flush_all()
    prepare_for_many(env)
    # PostgreSQL expects one new line, and would compare each ID with each in a nested loop.
    env.cr.execute("SET LOCAL enable_nestloop = off")
    env.cr.execute(
        SQL(
            """WITH wanted AS MATERIALIZED (
                    SELECT l.id, (pair.value ->> 0)::int AS rank, pair.value ->> 1 AS key
                      FROM directmail_upload_line l, jsonb_array_elements(l.match_keys) pair (value)
                     WHERE l.upload_id = %(upload)s AND l.status = 'new'
               ), contacts (rank, contact, key) AS (%(contacts)s
               ), holders AS MATERIALIZED (
                    SELECT rank, key, min(contact) AS lowest, max(contact) AS highest,
                           CASE WHEN count(*) <= %(holders_max)s
                                THEN array_agg(contact) END AS contacts
                      FROM contacts WHERE (rank, key) IN (SELECT rank, key FROM wanted)
                     GROUP BY rank, key
               ), hits AS (
                    SELECT id, rank, CASE WHEN min(lowest) = max(highest)
                                          THEN min(lowest) END AS contact
                      FROM wanted JOIN holders USING (rank, key) GROUP BY id, rank
               ), found AS (
                    SELECT id, min(rank) FILTER (WHERE contact IS NOT NULL) AS rank,
                           (array_agg(contact ORDER BY rank)
                            FILTER (WHERE contact IS NOT NULL))[1] AS contact,
                           %(skips_different)s AND min(contact) != max(contact) AS is_different
                      FROM hits GROUP BY id
               ), named AS (
                    SELECT l.id, l.number, found.id IS NOT NULL AS is_known, is_different,
                           a.key AS address, COALESCE(found.rank, a.rank) AS rank,
                           CASE WHEN is_different IS NOT TRUE THEN found.contact END AS contact
                      FROM directmail_upload_line l LEFT JOIN found ON found.id = l.id
                      -- Not a join of `wanted`: PostgreSQL expects one new line and its address,
                      -- and would read all addresses again for each line.
                      LEFT JOIN LATERAL (
                           SELECT (pair.value ->> 0)::int AS rank, pair.value ->> 1 AS key
                             FROM jsonb_array_elements(l.match_keys)
                                  WITH ORDINALITY pair (value, place)
                            WHERE (pair.value ->> 0)::int = ANY(%(addresses)s::int[])
                            ORDER BY 1, place LIMIT 1) AS a ON TRUE
                     WHERE l.upload_id = %(upload)s AND l.status = 'new'
               ), people AS (
                    SELECT *, CASE WHEN contact IS NOT NULL THEN 'contact ' || contact
                                   WHEN NOT is_known AND address !~ %(doubtful)s
                                   THEN address END AS person
                      FROM named
               ), judged AS (
                    SELECT *, CASE WHEN person IS NULL THEN 'unmatched'
                                   WHEN row_number() OVER (PARTITION BY person
                                                           ORDER BY number) > 1 THEN 'duplicate'
                                   WHEN contact IS NOT NULL THEN 'matched'
                                   ELSE 'bare' END AS status
                      FROM people
               ), kept AS (
                    SELECT wanted.id, jsonb_agg(DISTINCT contact.id) AS holders
                      FROM wanted JOIN holders USING (rank, key)
                      JOIN people ON people.id = wanted.id AND people.person IS NULL
                     CROSS JOIN LATERAL unnest(holders.contacts) AS contact (id)
                     GROUP BY wanted.id
               )
               UPDATE directmail_upload_line l
                  SET partner_id = judged.contact, status = judged.status,
                      column_id = CASE WHEN person IS NOT NULL
                                       THEN (%(columns)s::int[])[rank + 1] END,
                      match_key = person, match_keys = kept.holders,
                      reason = CASE WHEN person IS NULL THEN COALESCE(
                          l.reason,
                          CASE WHEN is_different THEN 'different' WHEN is_known THEN 'several'
                               WHEN address IS NOT NULL THEN 'doubtful' ELSE 'unknown' END) END,
                      email = CASE WHEN judged.status = 'bare' THEN address END,
                      address_key = CASE WHEN judged.status = 'bare' THEN %(key)s END
                 FROM judged LEFT JOIN kept ON kept.id = judged.id WHERE l.id = judged.id""",
            holders_max=HOLDERS_MAX,
            upload=upload_id,
            contacts=SQL(" UNION ALL ").join(
                SQL(
                    "SELECT %s, * FROM (%s) AS contacts",
                    key.rank,
                    select_contacts(key.kind, owner_env, key.match_field),
                )
                for key in keys
            ),
            skips_different=skips_different,
            addresses=[key.rank for key in keys if key.kind == "email"],
            doubtful=DOUBTFUL_PATTERN,
            columns=columns,
            key=address_key(master_key, SQL("address")),
        )
    )
    env.cr.execute("RESET enable_nestloop")
