"""Which rows depend on the master key, and which key they were made with.

Address keys can be recognized without decrypting anything: a row that also holds the plain address
tells whether a key is the one it was made with.
"""

from odoo.tools import SQL

from ..privacy.keys import WrongKeyError
from .sql import address_key

#: Stands for the fingerprint of a key that is not known, or of more than one.
UNKNOWN = "?"
# How many rows of the large tables are compared: the oldest and the latest.
SAMPLE = 1000

#: What only the right key can read or match. `mail_blacklist` is not among them: all its keys can
#: be recomputed at any time.
_KEYED = (
    SQL("directmail_optout"),
    SQL("directmail_account WHERE access_key_secret_sealed IS NOT NULL"),
    # Contacts have address keys only where there is an AES key.
    SQL("directmail_aes_key WHERE fingerprint IS NOT NULL"),
    SQL("directmail_delivery WHERE address_key IS NOT NULL"),
    SQL("directmail_event WHERE address_key IS NOT NULL"),
    SQL("directmail_upload_line WHERE address_key IS NOT NULL"),
    SQL("directmail_audience_member WHERE address_key IS NOT NULL"),
)
_SEALED = (
    ("directmail_account", "access_key_secret_sealed"),
    ("directmail_account", "security_token_sealed"),
    ("directmail_aes_key", "key_sealed"),
)


def has_keyed_rows(env):
    """Tell whether anything in the database belongs to a master key."""
    # One after the other: the first that has a row answers, and the large tables come last.
    return any(
        env.execute_query(SQL("SELECT EXISTS (SELECT FROM %s)", source))[0][0] for source in _KEYED
    )


def identify(env, key):
    """Return the fingerprint of the key that the database's rows were made with.

    :param key: the `privacy.keys.MasterKey` of this server
    :return: that of `key`, another one that an account remembers, or `UNKNOWN`
    :rtype: str
    """
    fits, differs = _compare_addresses(env, key)
    if not fits and not differs:
        fits, differs = _compare_sealed(env, key)
    if fits and not differs:
        return key.fingerprint
    if fits:
        return UNKNOWN  # of several keys
    remembered = {
        fingerprint
        for (fingerprint,) in env.execute_query(
            SQL(
                """SELECT DISTINCT master_key_fingerprint FROM directmail_account
                    WHERE master_key_fingerprint IS NOT NULL"""
            )
        )
    }
    # A secret that was entered again says nothing of the rows made before.
    return remembered.pop() if len(remembered) == 1 and remembered != {key.fingerprint} else UNKNOWN


def _compare_addresses(env, key):
    """Return how many rows with a plain address have the key's address key, and how many not."""
    [(fits, differs)] = env.execute_query(
        SQL(
            """SELECT count(*) FILTER (WHERE same), count(*) FILTER (WHERE NOT same)
                 FROM (SELECT address_key = %(key)s AS same FROM (
                           SELECT email, address_key FROM directmail_optout
                           UNION ALL (SELECT email, address_key FROM directmail_delivery
                                       ORDER BY id LIMIT %(sample)s)
                           UNION ALL (SELECT email, address_key FROM directmail_delivery
                                       ORDER BY id DESC LIMIT %(sample)s)
                           UNION ALL (SELECT email, address_key FROM directmail_upload_line
                                       WHERE email IS NOT NULL ORDER BY id DESC LIMIT %(sample)s)
                       ) keyed
                        WHERE email IS NOT NULL AND address_key NOT LIKE '!%%'
                       -- How other letters are normalised has changed between versions.
                          AND octet_length(email) = length(email)) compared""",
            key=address_key(key, SQL("email")),
            sample=SAMPLE,
        )
    )
    return fits, differs


def _compare_sealed(env, key):
    """Return how many of the sealed secrets the key opens, and how many not."""
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
    """Give entries of Odoo's blacklist the address key by which encrypted people are spared.

    :param bool anew: also those that have one
    """
    env.cr.execute(
        SQL(
            "UPDATE mail_blacklist SET address_key = %s WHERE email IS NOT NULL %s",
            address_key(key, SQL("lower(btrim(email))")),
            SQL() if anew else SQL("AND address_key IS NULL"),
        )
    )
