import re

from werkzeug.exceptions import NotFound

from odoo.http import request
from odoo.tools import SQL
from odoo.tools.mail import html_to_inner_content

from ..content.languages import choose_language
from ..engine.installed import find_model
from ..models.consent.directmail_consent import AGENT_MAX
from ..models.consent.directmail_letter import get_postal_line
from ..models.template.directmail_template_author import LANGUAGE_FIELDS
from ..privacy.entered import clean_line
from ..privacy.tokens import read_number

PAGE = "email_marketing_dm.unsubscribe_page"
ONLINE_FOOTER = "email_marketing_dm.online_footer"
RETRY_SECONDS = 120
LANGUAGES_MAX = 20  # of a browser
_BODY_END = re.compile(r"</body\s*>", re.IGNORECASE)
HTML = [("Content-Type", "text/html; charset=utf-8")]


class LostKeyLink(NotFound):
    """The link may be genuine, but the master key that it was signed with is lost."""


def get_language(recipient):
    """Return the code of the language for a recipient's page.

    The first installed language among: the one that the recipient chose there; that of the contact,
    or of the source record (a lead, say) if there is no contact; those of the browser; that of the
    company.

    :param recipient: a `directmail.recipient` with all rights, empty if the recipient is unknown
    """
    env = recipient.env
    person, delivery = recipient.partner_id, recipient._get_delivery()
    source = find_model(env, delivery.res_model)
    if not person and source is not None:
        person = source.browse(delivery.res_id).exists()
    company = recipient.company_id or env.company
    wanted = (
        recipient._get_preference().lang,
        *(person[name] for name in LANGUAGE_FIELDS if person and name in person._fields),
        *get_accepted_languages(),
        company.partner_id.lang,
    )
    return choose_language(wanted, [code for code, _name in env["res.lang"].get_installed()])


def get_accepted_languages():
    """Return the codes of the languages that the browser asks for, the most wanted first.

    Reading a code takes time, and a request may have thousands of them.

    :rtype: list[str]
    """
    return list(request.httprequest.accept_languages.values())[:LANGUAGES_MAX]


def get_program():
    """Return the name of the program that sent the request, as it calls itself. :rtype: str"""
    return clean_line(request.httprequest.headers.get("User-Agent"), AGENT_MAX)


def render_page(delivery, stage, **values):
    """Return a recipient's page as HTML, in the language of the delivery's context.

    :param str stage: which text of the template `PAGE` to show
    :param values: further values for the template
    """
    return render_template(delivery, PAGE, {"stage": stage, **values})


def add_online_footer(delivery, html):
    """Return the HTML of a mail with logo, name and address of its company at the end.

    A mail that contains the address already is returned unchanged.
    """
    company = delivery.company_id
    # sudo(): every recipient may know the company's address.
    partner = company.sudo().partner_id
    text = " ".join(html_to_inner_content(html).split())
    if partner.street and all(part in text for part in (partner.street, partner.city or "")):
        return html
    footer = str(render_template(delivery, ONLINE_FOOTER, {"company": company}))
    end = max((match.start() for match in _BODY_END.finditer(html)), default=len(html))
    return html[:end] + footer + html[end:]


def render_template(delivery, template, values):
    """Return a template as HTML, in the language of the record's context.

    :param delivery: a `directmail.delivery`, or another record in the visitor's language
    :param str template: xml id
    :param dict values: for the template; with `company`, its postal address is added as `address`
    """
    # sudo(): the public user may read neither views nor contacts. The template shows only `values`
    # and the company's name, logo and address, which are public.
    view = request.env(su=True, context=delivery.env.context)["ir.ui.view"]
    address = get_postal_line(values.get("company") or delivery.env["res.company"])
    return view._render_template(
        template, {**values, "lang": delivery.env.lang, "address": address}
    )


def make_dead_link(delivery, token=None):
    """Return the 404 exception for a link whose token is invalid, with a page that explains it.

    :param str token: a token that this database's key did not sign. If it may have been signed
        with a master key that was lost since, a `LostKeyLink` is returned, whose page says what
        to do instead
    """
    nobody = delivery.browse()
    if token and (company := _find_sender(nobody.env, token)):
        return LostKeyLink(response=_make_answer(nobody, "unverified", 404, company=company))
    return NotFound(response=_make_answer(nobody, "dead", 404))


def make_expired(link):
    """Return the 404 exception for a link that was asked for and is no longer valid.

    :param link: a `directmail.preference.link`, empty if it is deleted already
    """
    nobody = link.env["directmail.delivery"].browse()
    return NotFound(response=_make_answer(nobody, "expired", 404, company=link.company_id))


def make_unavailable(env, kept=False):
    """Return the 503 response of a server that can't verify tokens with its master key.

    On 503 a load balancer asks another server, and a mail program tries again.

    :param bool kept: whether a request to unsubscribe was stored until it can be verified
    """
    nobody = env["directmail.delivery"].browse()
    response = _make_answer(nobody, "unavailable", 503, kept=kept)
    response.headers["Retry-After"] = str(RETRY_SECONDS)
    return response


def _make_answer(nobody, stage, status, **values):
    page = render_page(nobody.with_context(lang=get_language(nobody)), stage, **values)
    return request.make_response(page, headers=HTML, status=status)


def _find_sender(env, token):
    """Return the company that seems to have sent the mail with a token of a lost master key.

    The token is not verified, so nothing but the company's name, logo and address may be shown.

    :rtype: res.company, empty if the token names no mail sent before a re-key
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
