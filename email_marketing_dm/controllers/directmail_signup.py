from werkzeug.exceptions import NotFound

from odoo import http
from odoo.http import request

from ..exceptions import MasterKeyProblem
from ..privacy.address import normalise
from .pages import (
    HTML,
    get_accepted_languages,
    get_program,
    make_unavailable,
    render_template,
)

PAGE = "email_marketing_dm.signup_page"
BUSY = 429
#: A field that people don't see. Programs that fill in every form fill it in, too.
TRAP = "homepage"


def _render(form, stage, status=200, company=None, **values):
    """Return a page of a form, in the language of its environment.

    :param form: a `directmail.signup.form`, empty if there is none
    :param str stage: which text of the template `PAGE` to show
    :param company: by default that of the form
    """
    values = {"company": company or form.company_id, "form": form, **values}
    page = render_template(form, PAGE, {"stage": stage, **values})
    return request.make_response(page, headers=HTML, status=status)


def _with_language(form, *wanted):
    return form.with_context(lang=form._choose_lang(*wanted, *get_accepted_languages()))


class DirectmailSignup(http.Controller):
    """Serves the public page of a sign-up form, and the links that confirm a sign-up."""

    def _get_form(self, token, lang=None):
        """Return the form with a token, in the visitor's language.

        :param str lang: the language that the form was shown in
        :raise NotFound: if there is no such form or it is closed
        """
        form = request.env["directmail.signup.form"]._find(token)
        if not form:
            raise NotFound(response=_render(_with_language(form), "closed", 404))
        return _with_language(form, lang)

    @http.route(
        "/directmail/signup/<string:token>",
        type="http",
        auth="public",
        methods=["GET"],
        save_session=False,
        sitemap=False,
        recipient_parameters=("token", "lang"),
    )
    def signup_page(self, token, lang=None):
        """Show the form."""
        return self._show(self._get_form(token, lang), token)

    @http.route(
        "/directmail/signup/<string:token>",
        type="http",
        auth="public",
        methods=["POST"],
        csrf=False,
        save_session=False,
        sitemap=False,
        recipient_parameters=("token", "email", "name", "lang", "version", TRAP),
    )
    def sign_up(self, token, email="", name="", lang=None, version="", **post):
        """Store a sign-up, and say that a mail is on its way.

        The answer is the same for every address. The field "topic" occurs once for each topic that
        is ticked. csrf=False: the form may stand on another website.
        """
        form = self._get_form(token, lang)
        ticked = set(request.httprequest.form.getlist("topic"))
        topics = form._get_topics()
        chosen = topics.filtered(lambda topic: str(topic.id) in ticked) if topics[1:] else topics
        entered = {"email": email, "name": name, "chosen": chosen}
        if version != form._get_version():
            return self._show(form, token, error="changed", **entered)
        address = normalise(email)
        if not address:
            return self._show(form, token, error="email", **entered)
        if not chosen:
            return self._show(form, token, error="topic", **entered)
        if not post.get(TRAP):
            stored = request.env["directmail.signup"]._sign_up(
                form,
                address,
                name if form.asks_name else "",
                chosen,
                lang=form.env.lang,
                ip=request.httprequest.remote_addr,
                user_agent=get_program(),
                text=form._get_text(),
                text_version=form._get_version(),
            )
            if not stored:
                return _render(form, "busy", BUSY)
        return _render(form, "sent")

    def _show(self, form, token, **values):
        fields = form._render_fields(f"/directmail/signup/{token}", **values)
        return _render(form, "ask", fields=fields)

    def _get_signup(self, token):
        """Return the sign-up that a link is made for, in the language of its form.

        :raise NotFound: for a link that is not valid (any more)
        """
        signup = request.env["directmail.signup"]._find(token)
        if not signup:
            raise NotFound(response=_render(_with_language(signup.form_id), "expired", 404))
        return signup.with_context(lang=signup.form_id._choose_lang(signup.lang))

    @http.route(
        "/directmail/signup/confirm/<string:token>",
        type="http",
        auth="public",
        methods=["GET"],
        save_session=False,
        sitemap=False,
        recipient_parameters=("token",),
    )
    def confirm_page(self, token):
        """Show the button; mail scanners follow links, so a GET must not confirm."""
        signup = self._get_signup(token)
        try:
            stage = signup._find_outcome() if signup.state == "confirmed" else "confirm"
        except MasterKeyProblem:
            return make_unavailable(signup.env)
        return _render(signup.form_id, stage, token=token, signup=signup)

    @http.route(
        "/directmail/signup/confirm/<string:token>",
        type="http",
        auth="public",
        methods=["POST"],
        csrf=False,
        save_session=False,
        sitemap=False,
        recipient_parameters=("token",),
    )
    def confirm(self, token):
        """Record the confirmation."""
        signup = self._get_signup(token)
        try:
            outcome = signup._confirm(request.httprequest.remote_addr)
        except MasterKeyProblem:
            return make_unavailable(signup.env)
        if outcome == "confirmed" and signup.form_id.redirect_url:
            return request.redirect(signup.form_id.redirect_url, local=False)
        return _render(signup.form_id, outcome, signup=signup)
