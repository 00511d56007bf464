from werkzeug.exceptions import NotFound

from odoo.http import request
from odoo.tools import SQL

from ..content.languages import choose_language
from ..engine.installed import find_model
from ..models.template.directmail_template_author import LANGUAGE_FIELDS
from ..privacy.tokens import read_number

PAGE = "email_marketing_dm.unsubscribe_page"
RETRY_SECONDS = 120
HTML = [("Content-Type", "text/html; charset=utf-8")]


class LostKeyLink(NotFound):
    """The link may be genuine, but the master key that it was signed with is lost."""


def get_language(delivery):
    """Return the code of the language in which a recipient is spoken to.

    That of the contact, or of the lead that is none yet; else the browser's; else the company's.
    Only languages that are installed here can be spoken.

    :param delivery: a `directmail.delivery` with all rights, or an empty one for somebody unknown
    """
    env = delivery.env
    person = delivery.partner_id
    source = find_model(env, delivery.res_model)
    if not person and source is not None:
        person = source.browse(delivery.res_id).exists()
    company = delivery.company_id or env.company
    wanted = (
        *(person[name] for name in LANGUAGE_FIELDS if person and name in person._fields),
        *request.httprequest.accept_languages.values(),
        company.partner_id.lang,
    )
    return choose_language(wanted, [code for code, _name in env["res.lang"].get_installed()])


def render_page(delivery, stage, **values):
    """Return the page that a recipient meets, as HTML in the language of the delivery's context.

    :param str stage: which of the page's texts
    :param values: what that text shows
    """
    view = request.env(su=True, context=delivery.env.context)["ir.ui.view"]
    return view._render_template(PAGE, {"stage": stage, "lang": delivery.env.lang, **values})


def make_dead_link(delivery, token=None):
    """Return the exception to raise for a link that leads nowhere: 404, with words for a reader.

    :param str token: the token that this database's key did not sign. If it may have been signed
        with a key that was lost since, the page says what to do instead
    """
    nobody = delivery.browse()
    if token and (company := _find_sender(nobody.env, token)):
        return LostKeyLink(response=_make_answer(nobody, "unverified", 404, company=company))
    return NotFound(response=_make_answer(nobody, "dead", 404))


def make_unavailable(env, kept=False):
    """Return the response of a server that can't verify links: 503, for somebody else to answer.

    A load balancer asks another server, and a mail program tries again.

    :param bool kept: whether a request to unsubscribe was kept until it can be verified
    """
    nobody = env["directmail.delivery"].browse()
    response = _make_answer(nobody, "unavailable", 503, kept=kept)
    response.headers["Retry-After"] = str(RETRY_SECONDS)
    return response


def _make_answer(nobody, stage, status, **values):
    page = render_page(nobody.with_context(lang=get_language(nobody)), stage, **values)
    return request.make_response(page, headers=HTML, status=status)


def _find_sender(env, token):
    """Return the company whose mail a token of a lost master key seems to be in; empty if none.

    Nothing but the company's own name and address may be shown: the token is not verified.
    """
    number = read_number(token)
    rows = number and env.execute_query(
        SQL(
            """SELECT company_id FROM directmail_delivery
                WHERE id = %s AND claimed_at IS NOT NULL AND id <= (
                      SELECT max(last_delivery) FROM directmail_rekey
                       WHERE from_fingerprint != to_fingerprint)""",
            number,
        )
    )
    return env["res.company"].browse(rows[0]) if rows else env["res.company"]
