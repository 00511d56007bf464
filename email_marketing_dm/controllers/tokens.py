from werkzeug.exceptions import ServiceUnavailable

from odoo.http import request

from ..engine.content import read_delivery_token
from ..exceptions import MasterKeyProblem
from .pages import make_dead_link, make_unavailable


def find_delivery(token):
    """Return the delivery that a token in a mail's link names, with all rights.

    :raise NotFound: if this database's master key did not sign the token, or the delivery is gone
    :raise ServiceUnavailable: if this server has not the master key of the data, so that it can't
        verify any token
    """
    env = request.env(su=True)
    try:
        master_key = env["directmail.keyring"]._get_master_key()
    except MasterKeyProblem as problem:
        raise ServiceUnavailable(response=make_unavailable(env)) from problem
    number = read_delivery_token(env, master_key, token)
    delivery = env["directmail.delivery"].browse(number or 0).exists()
    if not delivery:
        raise make_dead_link(delivery, None if number else token)
    return delivery
