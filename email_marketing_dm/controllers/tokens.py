from odoo.http import request

from ..engine.content import read_delivery_token
from .pages import make_dead_link


def find_delivery(token):
    """Return the delivery that a token in a mail's link was made for, with all rights.

    :raise NotFound: for a token that this database did not make
    """
    env = request.env(su=True)
    delivery = env["directmail.delivery"].browse(read_delivery_token(env, token) or 0).exists()
    if not delivery:
        raise make_dead_link(delivery)
    return delivery
