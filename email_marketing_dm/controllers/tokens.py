from werkzeug.exceptions import ServiceUnavailable

from odoo.http import request

from ..engine.content import read_anonymous_token, read_delivery_token
from ..exceptions import MasterKeyProblem
from ..models.consent.directmail_preference_link import COMPANY_KIND, LINK_KIND
from .pages import make_dead_link, make_expired, make_unavailable


def find_mail(token):
    """Return (delivery, task) that a token in a pixel or tracked link names, with all rights.

    The delivery is empty if the token is the one that all people share who are not measured.

    :raise NotFound, ServiceUnavailable: as `find_delivery`
    """
    env, master_key = _get_key()
    task_id = read_anonymous_token(env, master_key, token)
    if task_id is None:
        delivery = find_delivery(token)
        return delivery, delivery.task_id
    delivery, task = env["directmail.delivery"], env["directmail.task"].browse(task_id).exists()
    if not task:
        raise make_dead_link(delivery)
    return delivery, task


def find_recipient(token):
    """Return the `directmail.recipient` of a link in a mail or in a letter, with all rights.

    :raise NotFound, ServiceUnavailable: as `find_delivery`, and for a link that is too old
    """
    env, _master_key = _get_key()
    links = env["directmail.preference.link"]
    number = links._read_token(LINK_KIND, token)
    if number is None:
        return find_delivery(token)
    link = links.browse(number).exists()
    if not link or not link._is_valid():
        raise make_expired(link)
    return link


def find_company(token):
    """Return the company on whose page people ask for their link; empty for another token.

    :raise ServiceUnavailable: as `find_delivery`
    """
    env, _master_key = _get_key()
    number = env["directmail.preference.link"]._read_token(COMPANY_KIND, token)
    return env["res.company"].browse(number or 0).exists()


def find_delivery(token):
    """Return the delivery that a token in a mail's link names, with all rights.

    :raise NotFound: if this database's master key did not sign the token, or the delivery is gone
    :raise ServiceUnavailable: if this server has not the master key of the data, so that it can't
        verify any token
    """
    env, master_key = _get_key()
    number = read_delivery_token(env, master_key, token)
    delivery = env["directmail.delivery"].browse(number or 0).exists()
    if not delivery:
        raise make_dead_link(delivery, None if number else token)
    return delivery


def _get_key():
    env = request.env(su=True)
    try:
        return env, env["directmail.keyring"]._get_master_key()
    except MasterKeyProblem as problem:
        raise ServiceUnavailable(response=make_unavailable(env)) from problem
