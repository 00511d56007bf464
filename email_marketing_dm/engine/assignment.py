"""Assignment of people to versions and control groups, by a hash instead of a random draw.

The same person gets the same share after a restart, a refresh or a restore, and on every server.
People of different addresses are spread evenly; shares of different salts are independent.
"""

from odoo.tools import SQL

# Number of values of the eight hexadecimal digits that `get_share` takes of a hash.
_VALUES = 16**8


def get_share(salt, address_key):
    """Return SQL of a number from 0 to below 1 for an address, null without an address key.

    :param str salt: what the assignment is for, such as "version/42"
    :param SQL address_key: an expression of type text
    :rtype: SQL
    """
    return SQL(
        "(('x' || left(md5(%s || %s), 8))::bit(32)::bigint / %s::float)",
        f"{salt}/",
        address_key,
        _VALUES,
    )
