from odoo import http
from odoo.http import request

from ..directmail.placeholders import assemble
from ..directmail.tokens import read_token
from ..engine.content import TOKEN_KIND, Person, get_database_uuid

# The mail was written by our own users, yet it is shown on our own host: no scripts, no forms.
VIEW_HEADERS = [
    ("Content-Security-Policy", "sandbox allow-popups; script-src 'none'; form-action 'none'"),
    ("Content-Type", "text/html; charset=utf-8"),
    ("Referrer-Policy", "no-referrer"),
]


class DirectmailRecipient(http.Controller):
    """The pages that a recipient opens from a mail. The signed token is the only credential."""

    def _get_delivery(self, token):
        """Return the delivery that a token was made for.

        :raise NotFound: for a token that this database did not make
        """
        env = request.env(su=True)
        key = env["directmail.keyring"]._get_master_key()
        number = read_token(key, get_database_uuid(env), TOKEN_KIND, token)
        delivery = env["directmail.delivery"].browse(number or 0).exists()
        if not delivery:
            raise request.not_found()
        return delivery.with_context(lang=delivery.partner_id.lang or env.company.partner_id.lang)

    @http.route(
        "/directmail/unsubscribe/<string:token>",
        type="http",
        auth="public",
        methods=["GET"],
        sitemap=False,
    )
    def unsubscribe_page(self, token):
        """Ask for a click. Scanners follow links, so a GET changes nothing (RFC 8058)."""
        return self._render_page(self._get_delivery(token), token, done=False)

    @http.route(
        "/directmail/unsubscribe/<string:token>",
        type="http",
        auth="public",
        methods=["POST"],
        csrf=False,
        save_session=False,
        sitemap=False,
    )
    def unsubscribe(self, token, **post):
        """Unsubscribe, from the mail program's one-click button or from our page."""
        delivery = self._get_delivery(token)
        one_click = post.get("List-Unsubscribe") == "One-Click"
        delivery.env["directmail.optout"]._record(delivery, "one_click" if one_click else "page")
        return self._render_page(delivery, token, done=True)

    @http.route(
        "/directmail/view/<string:token>",
        type="http",
        auth="public",
        methods=["GET"],
        sitemap=False,
    )
    def view_online(self, token):
        """Show the mail as this person got it."""
        delivery = self._get_delivery(token)
        template = delivery.task_id.template_id
        person = Person(
            delivery.id, delivery.partner_id.id, delivery.res_model, delivery.res_id or None
        )
        values = template._get_values([person])[person.id]
        html = assemble(template.submitted_text or "", {**values, "Token": token})
        return request.make_response(html, headers=VIEW_HEADERS)

    def _render_page(self, delivery, token, done):
        return (
            request.env(context=delivery.env.context)["ir.ui.view"]
            .sudo()
            ._render_template(
                "email_marketing_dm.unsubscribe_page",
                {
                    "company": delivery.company_id,
                    "token": token,
                    "done": done,
                    "lang": delivery.env.lang,
                },
            )
        )
