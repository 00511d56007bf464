from werkzeug.exceptions import NotFound

from odoo.http import request

from ..directmail.languages import choose_language
from ..engine.installed import find_model
from ..models.directmail_template_values import LANGUAGE_FIELDS

PAGE = "email_marketing_dm.unsubscribe_page"
DEAD_HEADERS = [("Content-Type", "text/html; charset=utf-8"), ("X-Robots-Tag", "noindex")]


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


def make_dead_link(delivery):
    """Return the exception to raise for a link that leads nowhere: 404, with words for a reader."""
    nobody = delivery.browse()
    page = render_page(nobody.with_context(lang=get_language(nobody)), "dead")
    return NotFound(response=request.make_response(page, headers=DEAD_HEADERS, status=404))
