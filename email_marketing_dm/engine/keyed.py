"""Find the rows that depend on the master key, and identify the key they were made with.

Nothing needs to be decrypted for address keys: for a row that also holds the address in clear, the
address key is computed again with the server's key and compared.
"""

from odoo.tools import SQL

from ..privacy.keys import WrongKeyError
from .sql import UNMATCHABLE, address_key

#: In place of a fingerprint: the key is not known, or the rows were made with several keys.
UNKNOWN = "?"
# Number of rows compared at each end (oldest and latest ids) of a large table.
SAMPLE = 1000

#: Rows that only the right key can read or match. `mail_blacklist` is left out, because it holds
#: all its addresses in clear, so that its keys can be recomputed at any time.
_KEYED = (
    SQL("directmail_optout"),
    SQL("directmail_consent"),
    SQL("directmail_preference"),
    SQL("directmail_account WHERE access_key_secret_sealed IS NOT NULL"),
    # Covers the address keys of contacts too: they exist only where there is an AES key.
    SQL("directmail_aes_key WHERE fingerprint IS NOT NULL"),
    SQL("directmail_delivery WHERE address_key IS NOT NULL"),
    SQL("directmail_event WHERE address_key IS NOT NULL"),
    SQL("directmail_upload_line WHERE address_key IS NOT NULL"),
    SQL("directmail_audience_member WHERE address_key IS NOT NULL"),
    SQL("directmail_audience_stay WHERE address_key IS NOT NULL"),
    SQL("directmail_series_entry WHERE address_key IS NOT NULL"),
)
_SEALED = (
    ("directmail_account", "access_key_secret_sealed"),
    ("directmail_account", "security_token_sealed"),
    ("directmail_aes_key", "key_sealed"),
)


def has_keyed_rows(env):
    """Tell whether any row in the database depends on a master key."""
    # One query per table, small tables first: `any` stops at the first table that has a row.
    return any(
        env.execute_query(SQL("SELECT EXISTS (SELECT FROM %s)", source))[0][0] for source in _KEYED
    )


def identify(env, key):
    """Return the fingerprint of the master key that the database's rows were made with.

    :param key: the `privacy.keys.MasterKey` of this server
    :return: the fingerprint of `key` if all compared rows fit it, `UNKNOWN` if only some do. If
        none does: `master_key_fingerprint` of the accounts if it is a single other one, else
        `UNKNOWN`
    :rtype: str
    """
    fits, differs = _compare_addresses(env, key)
    if not fits and not differs:
        fits, differs = _compare_sealed(env, key)
    if fits and not differs:
        return key.fingerprint
    if fits:
        return UNKNOWN  # rows of several keys
    remembered = {
        fingerprint
        for (fingerprint,) in env.execute_query(
            SQL(
                """SELECT DISTINCT master_key_fingerprint FROM directmail_account
                    WHERE master_key_fingerprint IS NOT NULL"""
            )
        )
    }
    # An account has the fingerprint of `key` if its secret was entered again under `key`, which
    # does not tell the key of the older rows.
    return remembered.pop() if len(remembered) == 1 and remembered != {key.fingerprint} else UNKNOWN


def _compare_addresses(env, key):
    """Return how many rows with an address in clear have `key`'s address key, and how many not."""
    [(fits, differs)] = env.execute_query(
        SQL(
            """SELECT count(*) FILTER (WHERE same), count(*) FILTER (WHERE NOT same)
                 FROM (SELECT address_key = %(key)s AS same FROM (
                           SELECT email, address_key FROM directmail_optout
                           UNION ALL SELECT email, address_key FROM directmail_consent
                           UNION ALL SELECT email, address_key FROM directmail_preference
                           UNION ALL (SELECT email, address_key FROM directmail_delivery
                                       ORDER BY id LIMIT %(sample)s)
                           UNION ALL (SELECT email, address_key FROM directmail_delivery
                                       ORDER BY id DESC LIMIT %(sample)s)
                           UNION ALL (SELECT email, address_key FROM directmail_upload_line
                                       WHERE email IS NOT NULL ORDER BY id DESC LIMIT %(sample)s)
                       ) keyed
                        WHERE email IS NOT NULL AND left(address_key, 1) <> %(unmatchable)s
                       -- How other letters are normalised has changed between versions.
                          AND octet_length(email) = length(email)) compared""",
            key=address_key(key, SQL("email")),
            unmatchable=UNMATCHABLE,
            sample=SAMPLE,
        )
    )
    return fits, differs


def _compare_sealed(env, key):
    """Return how many of the sealed secrets `key` decrypts, and how many not."""
    fits = differs = 0
    for table, column in _SEALED:
        table, column = SQL.identifier(table), SQL.identifier(column)
        for (sealed,) in env.execute_query(
            SQL("SELECT %s FROM %s WHERE %s IS NOT NULL", column, table, column)
        ):
            try:
                key.decrypt(sealed)
                fits += 1
            except WrongKeyError:
                differs += 1
    return fits, differs


def key_blacklist(env, key, anew=False):
    """Set the address keys of `mail_blacklist`, which match people with encrypted addresses.

    :param bool anew: whether to recompute the keys of entries that have one
    """
    env.cr.execute(
        SQL(
            "UPDATE mail_blacklist SET address_key = %s WHERE email IS NOT NULL %s",
            address_key(key, SQL("lower(btrim(email))")),
            SQL() if anew else SQL("AND address_key IS NULL"),
        )
    )
