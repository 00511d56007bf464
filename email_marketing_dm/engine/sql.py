"""SQL fragments that the plan, the claim and the audience counts share."""

import contextlib

from odoo.tools import SQL

from ..directmail.const import ADDRESS_MAX
from ..privacy.address import ADDRESS_PATTERN
from .idn import in_ascii, is_international, may_be_written_otherwise, other_spelling

# First character of an address key that matches nobody and is never mailed: that of an encrypted
# address that can't be decrypted, or one that was made with a lost master key (`engine.rekey`).
UNMATCHABLE = "!"
# Memory for each sort or hash of a statement, before PostgreSQL writes temporary files.
WORK_MEM = "64MB"


def prepare_for_many(env):
    """Set `work_mem` and switch JIT off, for this transaction's statements on very many people.

    PostgreSQL compiles statements above a certain estimated cost, which takes seconds. These
    statements spend their time on index look-ups, which compiling does not make faster.
    """
    env.cr.execute(SQL("SET LOCAL work_mem = %s", WORK_MEM))
    env.cr.execute(SQL("SET LOCAL jit = off"))


def address_key(master_key, address):
    """Return SQL of the address key: the HMAC-SHA256 of a normalised address in ASCII.

    The HMAC is composed of PostgreSQL's sha256(), so that a million keys are computed without
    Python. The inner and outer pads are as secret as the key and so not part of the statement: see
    `set_pads`.

    :param master_key: a `privacy.keys.MasterKey` that `directmail.keyring` gave out in this
        transaction
    :param SQL address: an expression of type text
    :rtype: SQL
    """
    inner, outer = map(_read_setting, _name_settings(master_key))
    return SQL(
        "encode(sha256(%s || sha256(%s || convert_to(%s, 'UTF8'))), 'hex')",
        outer,
        inner,
        in_ascii(address),
    )


def set_pads(env, master_key):
    """Set a key's HMAC pads as settings of this transaction, which `address_key` reads.

    Odoo and PostgreSQL log the full text of statements that fail, take long or are cancelled.
    Statements with `address_key` name only the settings. This statement contains the pads, but is
    too simple to fail or to take long.
    """
    inner, outer = _name_settings(master_key)
    inner_pad, outer_pad = master_key.address_pads()
    # Use psycopg2's cursor, because Odoo's execute() writes statements to the log at the level
    # debug, and to the database while a profile is recorded.
    env.cr._obj.execute(
        "SELECT set_config(%s, %s, TRUE), set_config(%s, %s, TRUE)",
        (inner, inner_pad.hex(), outer, outer_pad.hex()),
    )


@contextlib.contextmanager
def index_lookups(env):
    """Plan the statements within with index scans, for those that fill the table they look up in.

    PostgreSQL plans them for the table as it is before. If that is empty, and a nightly VACUUM has
    noted so, it would read the whole table again for each row that the statement adds.
    """
    env.cr.execute(SQL("SET LOCAL enable_seqscan = off"))
    yield
    env.cr.execute(SQL("SET LOCAL enable_seqscan TO DEFAULT"))


def _name_settings(master_key):
    """Return the names of the settings for the inner and the outer pad of a key."""
    mark = master_key.fingerprint
    return f"directmail.inner_{mark}", f"directmail.outer_{mark}"


def _read_setting(name):
    """Return SQL of a pad as bytea, a subquery that is evaluated once per statement.

    If the pad is not set in this transaction, the statement fails: current_setting() raises, or for
    a setting that an earlier transaction left empty, decode() of the question mark does. Otherwise
    the statement would compute wrong keys, which match no one.
    """
    return SQL("(SELECT decode(COALESCE(NULLIF(current_setting(%s), ''), '?'), 'hex'))", name)


def usable_address(address):
    """Return SQL that tells whether a normalised address can be handed to DirectMail.

    :param SQL address: an expression of type text, perhaps null
    :rtype: SQL
    """
    return SQL(
        "(%s OR %s AND directmail_ascii_address(%s) IS NOT NULL)",
        usable_ascii_address(address),
        is_international(address),
        address,
    )


def usable_ascii_address(address):
    """Return SQL that tells whether an address is ASCII and can be handed to DirectMail.

    :param SQL address: an expression of type text, perhaps null
    :rtype: SQL
    """
    return SQL(
        "(%(a)s IS NOT NULL AND length(%(a)s) <= %(max)s AND %(a)s ~ %(pattern)s)",
        a=address,
        max=ADDRESS_MAX,
        pattern=ADDRESS_PATTERN,
    )


def usable_contacts_index():
    """Return the definition of a partial index of the contacts with a usable ASCII address.

    Matching the pattern of each address would be the slowest part of an audience refresh. With this
    index PostgreSQL skips it, because the index condition is the same expression that
    `usable_ascii_address` writes.

    :rtype: str
    """
    pattern = ADDRESS_PATTERN.replace("'", "''")
    return (
        f"(id) WHERE email_normalized IS NOT NULL AND length(email_normalized) <= {ADDRESS_MAX}"
        f" AND email_normalized ~ '{pattern}'"
    )


def changing_reason(email, key, company, sender, lists=()):
    """Return SQL of the reason for not mailing an address now, or null.

    Only reasons that may change while a task runs: blacklist, opt-outs, mailing lists. The plan,
    the estimate and each claim evaluate this fragment.

    :param SQL email: the normalised address (text), null where it is encrypted
    :param SQL key: its address key
    :param SQL company: the sending company's id
    :param SQL sender: the sender address's id
    :param lists: ids of Odoo's mailing lists that the people were chosen from
    :rtype: SQL
    """
    return SQL(
        """CASE
            WHEN EXISTS (
                SELECT 1 FROM mail_blacklist b WHERE b.email = %(email)s AND b.active
            ) OR ((%(email)s IS NULL OR %(international)s) AND EXISTS (
                SELECT 1 FROM mail_blacklist b WHERE b.address_key = %(key)s AND b.active
            )) THEN 'blacklisted'
            WHEN EXISTS (
                SELECT 1 FROM directmail_optout o
                 WHERE o.address_key = %(key)s AND o.company_id = %(company)s
                   AND (o.sender_id IS NULL OR o.sender_id = %(sender)s)
            ) THEN (
                SELECT CASE o.origin WHEN 'bounce' THEN 'bounced' WHEN 'complaint' THEN 'complained'
                                     ELSE 'opted_out' END
                  FROM directmail_optout o
                 WHERE o.address_key = %(key)s AND o.company_id = %(company)s
                   AND (o.sender_id IS NULL OR o.sender_id = %(sender)s)
                 ORDER BY o.sender_id NULLS FIRST LIMIT 1)
            WHEN %(unverifiable)s THEN 'unverifiable'
            %(left_list)s
        END""",
        email=email,
        international=may_be_written_otherwise(email),
        key=key,
        company=company,
        sender=sender,
        unverifiable=unverifiable(email, key, company),
        left_list=SQL("WHEN %s THEN 'left_list'", left_lists(email, lists)) if lists else SQL(),
    )


def unverifiable(email, key, company, optouts=None):
    """Return SQL that tells whether an opt-out with a marked key may belong to this person.

    After a loss of the master key, some opt-outs can't be recomputed, and their keys begin with
    ``!`` (see `engine.rekey`). Such an opt-out with an encrypted address may belong to any person
    with an encrypted address. One without an address may belong to anyone, except people who were
    mailed until `known_until`: their keys were recomputed, and would have matched the opt-out.
    A person whose own key is marked is unverifiable too.

    :param SQL email: the normalised address (text), null where it is encrypted
    :param SQL key: its address key
    :param SQL company: the sending company's id
    :param SQL optouts: table and condition of other refusals with marked keys, instead of opt-outs
    :rtype: SQL
    """
    marked = SQL(
        "directmail_optout WHERE company_id = %s AND left(address_key, 1) = %s",
        company,
        UNMATCHABLE,
    )
    return SQL(
        """(COALESCE(left(%(key)s, 1) = %(unmatchable)s, FALSE) OR CASE (
                SELECT max(CASE WHEN email_encrypted IS NULL THEN 2 ELSE 1 END)
                  FROM %(marked)s)
            WHEN 1 THEN %(email)s IS NULL
            WHEN 2 THEN NOT EXISTS (
                SELECT 1 FROM directmail_delivery known
                 WHERE known.company_id = %(company)s AND known.address_key = %(key)s
                   AND known.state IN ('sending', 'unknown', 'sent')
                   AND known.claimed_at <= (SELECT known_until FROM directmail_data_key))
            ELSE FALSE END)""",
        email=email,
        key=key,
        unmatchable=UNMATCHABLE,
        company=company,
        marked=optouts or marked,
    )


def left_lists(email, lists):
    """Return SQL that tells whether an address was on one of the lists and has left all it was on.

    As in Odoo's own mailings, a person who left one list but is still on another may be mailed.

    :param SQL email: the normalised address
    :param lists: ids of `mailing.list` records
    :rtype: SQL
    """
    return SQL(
        """EXISTS (
            SELECT 1 FROM (
                SELECT id FROM mailing_contact WHERE email_normalized = %s
                 UNION ALL
                SELECT id FROM mailing_contact WHERE %s
             ) c JOIN mailing_subscription s ON s.contact_id = c.id
             WHERE s.list_id = ANY(%s)
            HAVING bool_and(s.opt_out IS TRUE))""",
        email,
        other_spelling(SQL("email_normalized"), email),
        list(lists),
    )


def count_changes(changed, writer, marks=()):
    """Return CTEs that add a statement's changes of state and outcome to `directmail_task_counter`.

    Each writer has its own counter rows, so that the sender, the event job and a user's button do
    not wait for each other's row locks.

    :param SQL changed: name of a CTE with task_id, old_state, new_state, old_outcome, new_outcome
    :param str writer: 'sender', 'events' or 'user'
    :param marks: names of further counters; for each, `changed` has an integer column of that name
        with the number to add
    :rtype: SQL
    """
    sums = SQL("").join(
        SQL(", sum(%(mark)s) AS %(mark)s", mark=SQL.identifier(mark)) for mark in marks
    )
    extra = SQL("").join(
        SQL(
            " UNION ALL SELECT task_id, %s, %s FROM kinds WHERE %s != 0",
            mark,
            SQL.identifier(mark),
            SQL.identifier(mark),
        )
        for mark in marks
    )
    # Grouped first, so that the changed rows are read once and not for each counter.
    return SQL(
        """kinds AS (
            SELECT task_id, old_state, new_state, old_outcome, new_outcome, count(*) AS value
                   %(sums)s
              FROM %(changed)s GROUP BY task_id, old_state, new_state, old_outcome, new_outcome
        ), transitions AS (
            SELECT task_id, old_state AS name, -value AS value FROM kinds
             WHERE old_state IS DISTINCT FROM new_state AND old_state IS NOT NULL
            UNION ALL
            SELECT task_id, new_state, value FROM kinds
             WHERE old_state IS DISTINCT FROM new_state
            UNION ALL
            SELECT task_id, old_outcome, -value FROM kinds
             WHERE old_outcome IS DISTINCT FROM new_outcome AND old_outcome IS NOT NULL
            UNION ALL
            SELECT task_id, new_outcome, value FROM kinds
             WHERE old_outcome IS DISTINCT FROM new_outcome AND new_outcome IS NOT NULL
            %(extra)s
        ), counted AS (
            INSERT INTO directmail_task_counter AS c (task_id, writer, name, value)
            SELECT task_id, %(writer)s, name, sum(value) FROM transitions
             GROUP BY task_id, name HAVING sum(value) != 0
                ON CONFLICT (task_id, writer, name)
                DO UPDATE SET value = c.value + EXCLUDED.value
        )""",
        sums=sums,
        changed=changed,
        writer=writer,
        extra=extra,
    )
