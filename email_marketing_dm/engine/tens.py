"""Tens: round down figures about people whom the reader may not see, or who are encrypted.

From exact figures, a user who counts repeatedly, each time with other people added, could find out
whether a certain address is among the others. So a figure is lowered by a shift (0 to 19) and then
rounded down to a multiple of ten; a figure below 10 after the shift is shown as 0.

The shift is a keyed hash of the lists that the figure is about, so it can't be predicted. Asking
about the same lists again gives the same figure. Other lists have another shift, whether or not the
people by which they differ are counted. If it depended on the people who are counted, an unchanged
figure would reveal that the added people are not among them.
"""

from hashlib import sha256

from odoo.tools import SQL

TEN = 10
#: Exclusive upper bound of the shift by which a figure is lowered before it is rounded down.
SHIFT_MAX = 2 * TEN
#: A figure that is shown as 0 is lower than this.
FEW = SHIFT_MAX + TEN
#: Number of hexadecimal digits of a mark and of the hash for a shift; 7 fit into a positive int4.
DIGITS = 7


def make_mark(master_key, *question):
    """Return the mark of a question: a keyed hash, which `in_tens` derives the shift from.

    :param master_key: the data's `privacy.keys.MasterKey`
    :param question: values that identify the question; they must describe the lists asked about,
        never the people who are counted
    :rtype: int
    """
    text = "/".join(map(str, ("tens", *question)))
    return int(master_key.address_key(text)[:DIGITS], 16)


def mark_lists(env, master_key, company_id, audience_ids, excluded_ids, family_ids=()):
    """Return the mark of a question about the people of some audiences, minus those of others.

    :param master_key: the data's `privacy.keys.MasterKey`
    :param int company_id: the company whose opt-outs and limits count
    :param audience_ids: ids of the audiences
    :param excluded_ids: ids of the audiences whose people are left out
    :param family_ids: ids of the tasks whose people are left out: see `engine.family`
    :rtype: int
    """
    member = SQL("directmail_audience_member")
    sums = [
        env.execute_query(
            SQL(
                "SELECT %s FROM %s WHERE audience_id = ANY(%s)",
                people_mark(member),
                member,
                list(ids),
            )
        )[0][0]
        for ids in (audience_ids, excluded_ids)
    ]
    return make_mark(master_key, company_id, *sums, *family_ids)


def in_tens(count, mark, figure):
    """Return a number of people, lowered by the shift and rounded down to tens.

    :param int count: the exact number of people
    :param int mark: of the question: see `make_mark`
    :param str figure: name of the figure, so that figures of one question have different shifts
    :return: a multiple of ten, at most ``count``; 0 for too few people to show a number
    :rtype: int
    """
    digest = sha256(f"{mark}/{figure}".encode()).hexdigest()
    shift = int(digest[:DIGITS], 16) % SHIFT_MAX
    return max(0, count - shift) // TEN * TEN


def in_tens_to_sql(count, mark, figure):
    """Return SQL that computes the same as `in_tens`.

    :param SQL count: the exact number of people
    :param SQL mark: a column with the mark
    :param str figure: as in `in_tens`
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
    """Return SQL of an aggregate (a sum of hashes) that identifies a set of people.

    :param SQL person: name of a row with partner_id, res_model, res_id, email, email_encrypted
    """
    return SQL(
        "sum(hashtext(concat_ws('/', %(p)s.partner_id, %(p)s.res_model, %(p)s.res_id, %(p)s.email,"
        " %(p)s.email_encrypted)))",
        p=person,
    )
