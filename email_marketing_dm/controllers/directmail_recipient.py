from werkzeug.exceptions import ServiceUnavailable

from odoo import http
from odoo.http import request

from ..content.filling import assemble
from ..engine.content import Person
from ..models.consent.directmail_consent import TEXT_VERSION
from ..models.consent.directmail_consent_mailing import OPTOUT_VERSION, TOPICS_VERSION
from .pages import (
    LostKeyLink,
    add_online_footer,
    get_language,
    get_program,
    make_unavailable,
    render_page,
)
from .tokens import find_delivery, find_recipient

# Users write the mail's HTML and it is served from Odoo's own origin, so forbid scripts and forms.
VIEW_HEADERS = [
    ("Content-Security-Policy", "sandbox allow-popups; script-src 'none'; form-action 'none'"),
    ("Content-Type", "text/html; charset=utf-8"),
    ("Referrer-Policy", "no-referrer"),
]
FEEDBACK_MAX = 2000
DIGITS_MAX = 20
SCOPES = ("company", "sender", "all")


def is_number(value):
    # int() raises ValueError for a string of more than 4,300 digits.
    return value.isdecimal() and len(value) < DIGITS_MAX


def get_recipient(token):
    """Return the `directmail.recipient` that a token was made for, in the recipient's language.

    :raise NotFound: for a token that this database did not make
    """
    recipient = find_recipient(token)
    return recipient.with_context(lang=get_language(recipient))


def get_proof(recipient):
    """Return what is stored with an answer of a recipient: language, address and program."""
    return {
        "lang": recipient.env.lang,
        "ip": request.httprequest.remote_addr,
        "user_agent": get_program(),
    }


def render_recipient(recipient, token, stage, scope="company", **values):
    """Return the recipients' page as HTML.

    :param recipient: a `directmail.recipient` that the token proves
    :param str stage: which text is on top, see the template `PAGE`
    :param str scope: what the recipient unsubscribed from
    :param values: further values for the template
    """
    # sudo(): only whether there are several sender addresses.
    several = recipient.sudo()._get_delivery().account_id.sender_ids.filtered("ready")
    # Erasure empties `address_key`, so there is no address to unsubscribe any more.
    known = bool(recipient.address_key)
    return render_page(
        recipient,
        stage if known else "unknown",
        company=recipient.company_id,
        sender=recipient._get_sender() if len(several) > 1 else None,
        reasons=recipient.env["mailing.subscription.optout"].search([]),
        token=token,
        scope=scope if scope in SCOPES else "company",
        can_undo=stage in ("done", "preferences") and recipient._can_undo(),
        may_undo=recipient._may_undo(),
        topics=recipient._get_topics(),
        reads_mailbox=recipient._reads_mailbox(),
        can_get_link=recipient._can_get_link(),
        preferences=known and recipient._get_preferences(),
        gets_mail=known and not recipient._has_left_all(),
        asks_measuring=known,
        answer=known and recipient._get_measuring_answer(),
        **values,
    )


def render_start(recipient, token):
    """Return the page as it is before the recipient did anything, as HTML."""
    # Only the link in a mail says *Unsubscribe*, and only as long as there is something to end.
    asks = recipient._get_delivery() and not recipient._has_left_all()
    stage = "ask" if asks else "preferences"
    return render_recipient(recipient, token, stage)


class DirectmailRecipient(http.Controller):
    """Serves the pages that a recipient opens from a mail; the signed token authenticates.

    `DirectmailPreference` serves the other sections of the same page.
    """

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
        return render_start(get_recipient(token), token)

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
            recipient = get_recipient(token)
        except (LostKeyLink, ServiceUnavailable) as error:
            # sudo() because the public user may not write. The request is only stored: it takes
            # effect once a server with the right key has verified the token. Return the response
            # instead of raising it, because raising would roll the stored request back.
            requests = request.env["directmail.unsubscribe.request"].sudo()
            address = request.httprequest.remote_addr
            kept = requests._keep(token, scope, one_click, address, get_program())
            return (
                error.response
                if isinstance(error, LostKeyLink)
                else make_unavailable(requests.env, kept)
            )
        if recipient.address_key:
            origin, proof = "one_click", get_proof(recipient)
            if not one_click:
                origin, text = "page", recipient._get_scope_text(scope)
                proof |= {"text": text, "text_version": OPTOUT_VERSION}
            recipient._unsubscribe(origin, scope, **proof)
        return render_recipient(recipient, token, "done", scope=scope)

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
        recipient = get_recipient(token)
        reasons = recipient.env["mailing.subscription.optout"]
        number = int(reason) if is_number(reason) else 0
        chosen = reasons.browse(number).exists()
        recipient._explain_unsubscription(scope, chosen, feedback[:FEEDBACK_MAX])
        return render_recipient(recipient, token, "thanks", scope=scope)

    @http.route(
        "/directmail/unsubscribe/<string:token>/undo",
        type="http",
        auth="public",
        methods=["POST"],
        csrf=False,
        save_session=False,
        sitemap=False,
        recipient_parameters=("token", "mistake"),
    )
    def undo(self, token, mistake=""):
        """Undo an unsubscription made on our own pages, unless `_can_undo` says no."""
        recipient = get_recipient(token)
        if not recipient._may_undo():
            return render_start(recipient, token)
        undone = recipient._undo_unsubscription(
            text=recipient._get_undo_text(bool(mistake)),
            text_version=OPTOUT_VERSION,
            **get_proof(recipient),
        )
        if not undone:
            return render_recipient(recipient, token, "stopped")
        return render_recipient(recipient, token, "undone" if mistake else "again")

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
        recipient = get_recipient(token)
        if answer not in ("yes", "no", "erase") or not recipient.address_key:
            return render_start(recipient, token)
        if answer != "erase" or recipient._get_measuring_answer() != "no":
            text = recipient._get_measuring_text()
            recipient._answer_measuring(
                "yes" if answer == "yes" else "no",
                text=text,
                text_version=TEXT_VERSION,
                **get_proof(recipient),
            )
        if answer == "erase":
            recipient._erase_reactions()
        return render_recipient(recipient, token, "measuring", erased=answer == "erase")

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
        recipient = get_recipient(token)
        if not recipient.address_key or recipient._has_left_all():
            return render_start(recipient, token)
        shown, ticked = (
            {int(value) for value in request.httprequest.form.getlist(name) if is_number(value)}
            for name in ("shown", "topic")
        )
        recipient._answer_topics(shown, ticked, text_version=TOPICS_VERSION, **get_proof(recipient))
        asked = recipient._find_unconfirmed().filtered(lambda topic: topic.id in shown & ticked)
        if asked and not recipient._reads_mailbox():
            recipient._ask_to_confirm(request.httprequest.remote_addr)
            return render_recipient(recipient, token, "unconfirmed", asked=asked.mapped("name"))
        return render_recipient(recipient, token, "topics")

    @http.route(
        "/directmail/unsubscribe/<string:token>/topics/confirm",
        type="http",
        auth="public",
        methods=["POST"],
        csrf=False,
        save_session=False,
        sitemap=False,
        recipient_parameters=("token",),
    )
    def confirm_topics(self, token):
        """Record that the recipient confirms the topics in the fields "topic".

        Only the holder of a link that was mailed to the address on request can do that.
        """
        recipient = get_recipient(token)
        if not recipient.address_key or not recipient._reads_mailbox():
            return render_start(recipient, token)
        values = request.httprequest.form.getlist("topic")
        numbers = {int(value) for value in values if is_number(value)}
        proof = {"text_version": TOPICS_VERSION, **get_proof(recipient)}
        if not recipient._confirm_topics(numbers, **proof):
            return render_start(recipient, token)
        return render_recipient(recipient, token, "confirmed")

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
        delivery = find_delivery(token)
        delivery = delivery.with_context(lang=get_language(delivery))
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
