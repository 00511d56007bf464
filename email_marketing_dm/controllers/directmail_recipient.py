from werkzeug.exceptions import ServiceUnavailable

from odoo import http
from odoo.http import request

from ..content.filling import assemble
from ..engine.content import Person
from ..models.consent.directmail_consent import AGENT_MAX, TEXT_VERSION
from ..models.consent.directmail_consent_mailing import TOPICS_VERSION
from .pages import LostKeyLink, add_online_footer, get_language, make_unavailable, render_page
from .tokens import find_delivery

# Users write the mail's HTML and it is served from Odoo's own origin, so forbid scripts and forms.
VIEW_HEADERS = [
    ("Content-Security-Policy", "sandbox allow-popups; script-src 'none'; form-action 'none'"),
    ("Content-Type", "text/html; charset=utf-8"),
    ("Referrer-Policy", "no-referrer"),
]
FEEDBACK_MAX = 2000
DIGITS_MAX = 20
SCOPES = ("company", "sender", "all")


def _is_number(value):
    # int() raises ValueError for a string of more than 4,300 digits.
    return value.isdecimal() and len(value) < DIGITS_MAX


def _get_proof(delivery):
    """Return what is stored with an answer of a recipient: language, address and program."""
    asked = request.httprequest
    return {
        "lang": delivery.env.lang,
        "ip": asked.remote_addr,
        "user_agent": (asked.headers.get("User-Agent") or "")[:AGENT_MAX],
    }


class DirectmailRecipient(http.Controller):
    """Serves the pages that a recipient opens from a mail; the signed token authenticates."""

    def _get_delivery(self, token):
        """Return the delivery that a token was made for, in the recipient's language.

        :raise NotFound: for a token that this database did not make
        """
        delivery = find_delivery(token)
        return delivery.with_context(lang=get_language(delivery))

    @http.route(
        "/directmail/unsubscribe/<string:token>",
        type="http",
        auth="public",
        methods=["GET"],
        save_session=False,
        sitemap=False,
        recipient_parameters=("token",),
    )
    def unsubscribe_page(self, token):
        """Show the button; mail scanners follow links, so a GET must not unsubscribe (RFC 8058)."""
        return self._render_page(self._get_delivery(token), token, "ask")

    @http.route(
        "/directmail/unsubscribe/<string:token>",
        type="http",
        auth="public",
        methods=["POST"],
        csrf=False,
        save_session=False,
        sitemap=False,
        recipient_parameters=("token", "List-Unsubscribe", "scope"),
    )
    def unsubscribe(self, token, **post):
        """Unsubscribe: called by the mail program's one-click button and by our own page."""
        one_click = post.get("List-Unsubscribe") == "One-Click"
        scope = post.get("scope") if post.get("scope") in SCOPES else "company"
        try:
            delivery = self._get_delivery(token)
        except (LostKeyLink, ServiceUnavailable) as error:
            # sudo() because the public user may not write. The request is only stored: it takes
            # effect once a server with the right key has verified the token. Return the response
            # instead of raising it, because raising would roll the stored request back.
            requests = request.env["directmail.unsubscribe.request"].sudo()
            kept = requests._keep(token, scope, one_click)
            return (
                error.response
                if isinstance(error, LostKeyLink)
                else make_unavailable(requests.env, kept)
            )
        if delivery.address_key:
            delivery._unsubscribe("one_click" if one_click else "page", scope)
        return self._render_page(delivery, token, "done", scope=scope)

    @http.route(
        "/directmail/unsubscribe/<string:token>/reason",
        type="http",
        auth="public",
        methods=["POST"],
        csrf=False,
        save_session=False,
        sitemap=False,
        recipient_parameters=("token", "reason", "feedback", "scope"),
    )
    def explain(self, token, reason="", feedback="", scope="company"):
        """Store the reason and the feedback that the recipient gave for unsubscribing."""
        delivery = self._get_delivery(token)
        reasons = delivery.env["mailing.subscription.optout"]
        number = int(reason) if _is_number(reason) else 0
        chosen = reasons.browse(number).exists()
        delivery._explain_unsubscription(scope, chosen, feedback[:FEEDBACK_MAX])
        return self._render_page(delivery, token, "thanks", scope=scope)

    @http.route(
        "/directmail/unsubscribe/<string:token>/undo",
        type="http",
        auth="public",
        methods=["POST"],
        csrf=False,
        save_session=False,
        sitemap=False,
        recipient_parameters=("token",),
    )
    def undo(self, token):
        """Undo an unsubscription made on our own pages, unless `_can_undo` says no."""
        delivery = self._get_delivery(token)
        undone = delivery._undo_unsubscription()
        return self._render_page(delivery, token, "undone" if undone else "stopped")

    @http.route(
        "/directmail/unsubscribe/<string:token>/measuring",
        type="http",
        auth="public",
        methods=["POST"],
        csrf=False,
        save_session=False,
        sitemap=False,
        recipient_parameters=("token", "answer"),
    )
    def measure(self, token, answer=""):
        """Record whether the recipient may be measured; "erase" also deletes what was recorded."""
        delivery = self._get_delivery(token)
        if answer not in ("yes", "no", "erase") or not delivery.address_key:
            return self._render_page(delivery, token, "ask")
        if answer != "erase" or delivery._get_measuring_answer() != "no":
            text = delivery._get_measuring_text()
            delivery._answer_measuring(
                "yes" if answer == "yes" else "no",
                text=text,
                text_version=TEXT_VERSION,
                **_get_proof(delivery),
            )
        if answer == "erase":
            delivery._erase_reactions()
        return self._render_page(delivery, token, "measuring", erased=answer == "erase")

    @http.route(
        "/directmail/unsubscribe/<string:token>/topics",
        type="http",
        auth="public",
        methods=["POST"],
        csrf=False,
        save_session=False,
        sitemap=False,
        recipient_parameters=("token",),
    )
    def choose_topics(self, token):
        """Record which topics the recipient wants.

        The fields "shown" and "topic" occur several times, once for each topic that the page
        showed and that was ticked.
        """
        delivery = self._get_delivery(token)
        if not delivery.address_key or delivery._has_left_all():
            return self._render_page(delivery, token, "ask")
        shown, ticked = (
            {int(value) for value in request.httprequest.form.getlist(name) if _is_number(value)}
            for name in ("shown", "topic")
        )
        delivery._answer_topics(shown, ticked, text_version=TOPICS_VERSION, **_get_proof(delivery))
        return self._render_page(delivery, token, "topics")

    @http.route(
        "/directmail/view/<string:token>",
        type="http",
        auth="public",
        methods=["GET"],
        save_session=False,
        sitemap=False,
        recipient_parameters=("token",),
    )
    def view_online(self, token):
        """Show the submitted text of the mail with the person's values as they are now.

        The company's logo, name and address follow the mail.
        """
        delivery = self._get_delivery(token)
        template = delivery.task_id._get_version_template(delivery.version)
        person = Person(
            delivery.id,
            delivery.partner_id.id,
            delivery.res_model,
            delivery.res_id or None,
            delivery.address_key,
            delivery.email_encrypted,
        )
        values = delivery.task_id._get_values(delivery.version, [person])[person.id]
        html = assemble(template.submitted_text or "", {**values, **delivery._get_tokens()})
        return request.make_response(add_online_footer(delivery, html), headers=VIEW_HEADERS)

    def _render_page(self, delivery, token, stage, scope="company", **values):
        several = delivery.account_id.sender_ids.filtered("ready")
        return render_page(
            delivery,
            # Erasure empties `address_key`, so there is no address to unsubscribe any more.
            stage if delivery.address_key else "unknown",
            company=delivery.company_id,
            sender=delivery.task_id.sender_id if len(several) > 1 else None,
            reasons=delivery.env["mailing.subscription.optout"].search([]),
            token=token,
            scope=scope if scope in SCOPES else "company",
            can_undo=stage == "done" and delivery._can_undo(),
            topics=delivery._get_topics(),
            asks_measuring=bool(delivery.address_key),
            answer=delivery.address_key and delivery._get_measuring_answer(),
            **values,
        )
