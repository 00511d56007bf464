"""Tens: figures that mix in people whom the reader may not see, or whose address is encrypted.

Whoever may count again and again, each time with other people of their own added, could find out
from exact figures whether one address is among the others. So a figure is told for ten people or
more only, and as a multiple of ten at most as high as it is. Where the next ten begins is moved by
a number that belongs to these very people and can't be foreseen: the same question has the same
answer, and adding people whose fate is known tells next to nothing about one more.
"""

from odoo.tools import SQL

TEN = 10
#: by how much a figure is lowered at most, before it is rounded down
SHIFT_MAX = 2 * TEN


def in_tens(env, count, *marks):
    """Return a number of people, rounded down to tens.

    :param int count: how many people there are
    :param marks: what tells these people and this question from others, such as `people_mark`
    :return: a multiple of ten, at most ``count``; 0 means that it is not told
    :rtype: int
    """
    text = "/".join(map(str, ("tens", count, *marks)))
    secret = env["directmail.keyring"]._get_master_key().address_key(text)
    shift = int(secret[:12], 16) % SHIFT_MAX
    return max(0, count - shift) // TEN * TEN


def people_mark(person):
    """Return SQL of an aggregate that differs for different sets of people.

    :param SQL person: name of a row with partner_id, res_model, res_id, email, email_encrypted
    """
    return SQL(
        "sum(hashtext(concat_ws('/', %(p)s.partner_id, %(p)s.res_model, %(p)s.res_id, %(p)s.email,"
        " %(p)s.email_encrypted)))",
        p=person,
    )
