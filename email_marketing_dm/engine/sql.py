"""SQL fragments that the plan, the claim and the audience counts share."""

from odoo.tools import SQL

from ..directmail.const import ADDRESS_MAX
from ..privacy.address import ADDRESS_PATTERN
from .idn import in_ascii, is_international, may_be_written_otherwise, other_spelling

# What PostgreSQL may use for each sorting before it writes to disk.
WORK_MEM = "64MB"


def prepare_for_many(env):
    """Let the transaction's statements work on very many people.

    Compiling them, which PostgreSQL does from a certain size on, takes seconds and gains nothing:
    these statements wait for indexes, not for expressions.
    """
    env.cr.execute(SQL("SET LOCAL work_mem = %s", WORK_MEM))
    env.cr.execute(SQL("SET LOCAL jit = off"))


def address_key(master_key, address):
    """Return SQL for the address key of a normalised address, of its form in ASCII.

    HMAC-SHA256 spelled out with PostgreSQL's own sha256(), so that a million keys need no Python.
    The pads, which are as secret as the key, are not in the statement: see `set_pads`.

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
    """Make a key's pads known to the statements of this transaction that compute address keys.

    A statement that fails, takes long or is cancelled is logged by Odoo and PostgreSQL as it
    stands. This one does nothing that could; the others only name the setting.
    """
    inner, outer = _name_settings(master_key)
    inner_pad, outer_pad = master_key.address_pads()
    # Not by Odoo's own execute(), which writes statements to the log at the level debug, and to the
    # database while somebody records a profile.
    env.cr._obj.execute(
        "SELECT set_config(%s, %s, TRUE), set_config(%s, %s, TRUE)",
        (inner, inner_pad.hex(), outer, outer_pad.hex()),
    )


def _name_settings(master_key):
    """Return the names of the settings for the inner and the outer pad of a key."""
    mark = master_key.fingerprint
    return f"directmail.inner_{mark}", f"directmail.outer_{mark}"


def _read_setting(name):
    """Return SQL for a pad, evaluated once per statement.

    Where it is not set in this transaction, the statement fails: by the missing setting, or by the
    question mark. Else it would compute keys that match nobody.
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
    """Return SQL that tells the same of the addresses that are ASCII: nearly all of them.

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
    """Return the definition of an index of the contacts with a usable address.

    Reading an address by its pattern takes longer than all else that a refresh does, and it says
    the same each time. PostgreSQL recognises the condition that `usable_ascii_address` writes.

    :rtype: str
    """
    pattern = ADDRESS_PATTERN.replace("'", "''")
    return (
        f"(id) WHERE email_normalized IS NOT NULL AND length(email_normalized) <= {ADDRESS_MAX}"
        f" AND email_normalized ~ '{pattern}'"
    )


def changing_reason(email, key, company, sender, lists=()):
    """Return SQL for the reason that holds a mail back *now*, or null.

    These reasons may come and go while a task runs, so the plan, the estimate and every claim
    evaluate this same fragment.

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


def unverifiable(email, key, company):
    """Return SQL that tells whether an opt-out that can't be matched may be this person's.

    After the master key was lost some opt-outs can't be recomputed: their keys begin with ``!``
    (see `engine.rekey`). One with an encrypted address may be any encrypted person's; one without
    any may be everybody's whose own key was not recomputed from a mail before the loss.

    :param SQL email: the normalised address (text), null where it is encrypted
    :param SQL key: its address key
    :param SQL company: the sending company's id
    :rtype: SQL
    """
    return SQL(
        """(COALESCE(%(key)s LIKE '!%%', FALSE) OR CASE (
                SELECT max(CASE WHEN email_encrypted IS NULL THEN 2 ELSE 1 END)
                  FROM directmail_optout
                 WHERE company_id = %(company)s AND left(address_key, 1) = '!')
            WHEN 1 THEN %(email)s IS NULL
            WHEN 2 THEN NOT EXISTS (
                SELECT 1 FROM directmail_delivery known
                 WHERE known.company_id = %(company)s AND known.address_key = %(key)s
                   AND known.state IN ('sending', 'unknown', 'sent')
                   AND known.claimed_at <= (SELECT known_until FROM directmail_data_key))
            ELSE FALSE END)""",
        email=email,
        international=may_be_written_otherwise(email),
        key=key,
        company=company,
    )


def left_lists(email, lists):
    """Return SQL that tells whether an address has left all of those mailing lists it was on.

    As for Odoo's own mailings: whoever left one list and stays on another may be mailed.

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
    """Return CTEs that add a statement's transitions to the counters of the tasks.

    Every writer has counter rows of its own, so that the sender, the event job and a user who
    presses a button never wait for one another.

    :param SQL changed: name of a CTE with task_id, old_state, new_state, old_outcome, new_outcome
    :param str writer: 'sender', 'events' or 'user'
    :param marks: further counters; `changed` has an integer column of each one's name, by how much
        it grows
    :rtype: SQL
    """
    extra = SQL("").join(
        SQL(
            " UNION ALL SELECT task_id, %s, %s FROM %s WHERE %s != 0",
            mark,
            SQL.identifier(mark),
            changed,
            SQL.identifier(mark),
        )
        for mark in marks
    )
    return SQL(
        """transitions AS (
            SELECT task_id, old_state AS name, -1 AS value FROM %(changed)s
             WHERE old_state IS DISTINCT FROM new_state AND old_state IS NOT NULL
            UNION ALL
            SELECT task_id, new_state, 1 FROM %(changed)s
             WHERE old_state IS DISTINCT FROM new_state
            UNION ALL
            SELECT task_id, old_outcome, -1 FROM %(changed)s
             WHERE old_outcome IS DISTINCT FROM new_outcome AND old_outcome IS NOT NULL
            UNION ALL
            SELECT task_id, new_outcome, 1 FROM %(changed)s
             WHERE old_outcome IS DISTINCT FROM new_outcome AND new_outcome IS NOT NULL
            %(extra)s
        ), counted AS (
            INSERT INTO directmail_task_counter AS c (task_id, writer, name, value)
            SELECT task_id, %(writer)s, name, sum(value) FROM transitions
             GROUP BY task_id, name HAVING sum(value) != 0
                ON CONFLICT (task_id, writer, name)
                DO UPDATE SET value = c.value + EXCLUDED.value
        )""",
        changed=changed,
        writer=writer,
        extra=extra,
    )
