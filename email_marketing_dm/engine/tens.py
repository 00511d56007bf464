"""Tens: figures that mix in people whom the reader may not see, or whose address is encrypted.

Whoever may count again and again, each time with other people of their own added, could find out
from exact figures whether one address is among the others. So a figure is told for ten people or
more only, and as a multiple of ten at most as high as it is.

Where the next ten begins is moved by a shift that can't be foreseen. It belongs to the lists that
were asked about, not to the people who are counted. The same lists have the same answer, however
often they are asked about. Other lists have another shift, whether or not the people they differ by
are counted: otherwise a figure that stays the same would tell that they are not.
"""

from hashlib import sha256

from odoo.tools import SQL

TEN = 10
#: by how much a figure is lowered at most, before it is rounded down
SHIFT_MAX = 2 * TEN
#: a figure that is told as 0 is lower than this
FEW = SHIFT_MAX + TEN
#: hexadecimal digits of a mark and of what a shift is made of: a positive integer of PostgreSQL
DIGITS = 7


def make_mark(env, *question):
    """Return a secret number that belongs to what is asked.

    :param question: what tells it from other questions: lists, never what was found in them
    :rtype: int
    """
    text = "/".join(map(str, ("tens", *question)))
    secret = env["directmail.keyring"]._get_master_key().address_key(text)
    return int(secret[:DIGITS], 16)


def mark_lists(env, company, audiences, excluded):
    """Return the mark of a question about the people of audiences, without those of others.

    :param company: the `res.company` whose opt-outs and limits count
    :rtype: int
    """
    member = SQL("directmail_audience_member")
    sums = [
        env.execute_query(
            SQL(
                "SELECT %s FROM %s WHERE audience_id = ANY(%s)",
                people_mark(member),
                member,
                lists.ids,
            )
        )[0][0]
        for lists in (audiences, excluded)
    ]
    return make_mark(env, company.id, *sums)


def in_tens(count, mark, figure):
    """Return a number of people, rounded down to tens.

    :param int count: how many people there are
    :param int mark: of the question: see `make_mark`
    :param str figure: what tells this figure from others of the same question
    :return: a multiple of ten, at most ``count``; 0 means that it is not told
    :rtype: int
    """
    digest = sha256(f"{mark}/{figure}".encode()).hexdigest()
    shift = int(digest[:DIGITS], 16) % SHIFT_MAX
    return max(0, count - shift) // TEN * TEN


def in_tens_to_sql(count, mark, figure):
    """Return the SQL of `in_tens`.

    :param SQL count: the number of people
    :param SQL mark: a column with the mark
    """
    return SQL(
        """GREATEST(0, %(count)s - ('x' || left(encode(sha256(convert_to(
              concat(%(mark)s, '/', %(figure)s), 'UTF8')), 'hex'), %(digits)s)
           )::bit(%(bits)s)::int %% %(shift)s) / %(ten)s * %(ten)s""",
        count=count,
        mark=mark,
        figure=figure,
        digits=DIGITS,
        bits=SQL(str(4 * DIGITS)),
        shift=SHIFT_MAX,
        ten=TEN,
    )


def people_mark(person):
    """Return SQL of an aggregate that differs for different sets of people.

    :param SQL person: name of a row with partner_id, res_model, res_id, email, email_encrypted
    """
    return SQL(
        "sum(hashtext(concat_ws('/', %(p)s.partner_id, %(p)s.res_model, %(p)s.res_id, %(p)s.email,"
        " %(p)s.email_encrypted)))",
        p=person,
    )
