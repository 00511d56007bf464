import json
from datetime import timedelta

from odoo import fields, http
from odoo.http import request

from ..clock.spans import CAPS
from ..directmail.const import ADDRESS_MAX
from ..models.mixins.directmail_recipient_preferences import PAUSES
from .directmail_recipient import (
    get_proof,
    get_recipient,
    is_number,
    render_recipient,
    render_start,
)
from .pages import HTML, get_language, render_page
from .tokens import find_company

#: Version of the texts of the sections, to be raised with each change of them.
PREFERENCES_VERSION = "1"
MOMENT_LENGTH = len("2026-12-31 23:59:59")


def _get_section_proof(recipient, section):
    return {
        "text": recipient._get_section_text(section),
        "text_version": PREFERENCES_VERSION,
        **get_proof(recipient),
    }


def _read_moment(text):
    """Return the moment in a hidden field (naive UTC), or None for anything else."""
    try:
        return fields.Datetime.to_datetime(text) if len(text) == MOMENT_LENGTH else None
    except ValueError:
        return None


class DirectmailPreference(http.Controller):
    """Serves the sections of the recipients' page that are about preferences.

    Each answer shows what was chosen, with a button that brings back what was chosen before.
    """

    @http.route(
        "/directmail/unsubscribe/<string:token>/frequency",
        type="http",
        auth="public",
        methods=["POST"],
        csrf=False,
        save_session=False,
        sitemap=False,
        recipient_parameters=("token", "cap"),
    )
    def limit(self, token, cap=None):
        """Set how often the recipient wants mail; an empty `cap` ends the limit."""
        recipient = get_recipient(token)
        if not recipient._can_prefer() or cap not in ("", *CAPS):
            return render_start(recipient, token)
        before = recipient._get_preferences()["cap"]
        recipient._limit_emails(cap, **_get_section_proof(recipient, "frequency"))
        return render_recipient(recipient, token, "frequency", undo={"cap": before})

    @http.route(
        "/directmail/unsubscribe/<string:token>/pause",
        type="http",
        auth="public",
        methods=["POST"],
        csrf=False,
        save_session=False,
        sitemap=False,
        recipient_parameters=("token", "weeks", "until"),
    )
    def pause(self, token, weeks="", until=None):
        """Pause mails for `weeks`, or until a moment as the page has it; "" ends the pause."""
        recipient = get_recipient(token)
        moment = _read_moment(until or "")
        if is_number(weeks) and int(weeks) in PAUSES:
            moment = fields.Datetime.now() + timedelta(weeks=int(weeks))
        if not recipient._can_prefer() or not moment and until != "":
            return render_start(recipient, token)
        before = recipient._get_preferences()["resumes_at"]
        recipient._pause(moment, **_get_section_proof(recipient, "pause"))
        return render_recipient(recipient, token, "pause", undo={"until": before or ""})

    @http.route(
        "/directmail/unsubscribe/<string:token>/language",
        type="http",
        auth="public",
        methods=["POST"],
        csrf=False,
        save_session=False,
        sitemap=False,
        recipient_parameters=("token", "lang"),
    )
    def speak(self, token, lang=""):
        """Set the recipient's language; the answer is in this language already."""
        recipient = get_recipient(token)
        before = recipient.env.lang
        if not recipient.address_key or lang not in dict(recipient._get_languages()):
            return render_start(recipient, token)
        recipient._speak(lang, **_get_section_proof(recipient, "language"))
        recipient = get_recipient(token)
        return render_recipient(recipient, token, "language", undo={"lang": before})

    @http.route(
        "/directmail/unsubscribe/<string:token>/data",
        type="http",
        auth="public",
        methods=["GET"],
        save_session=False,
        sitemap=False,
        recipient_parameters=("token",),
    )
    def show_known(self, token):
        """Show what the company has stored about the recipient, to who reads the address's mail.

        Others may have the link of a mail, too: the page then offers to mail another link.
        """
        recipient = get_recipient(token)
        if not recipient._reads_mailbox():
            return self._render_data(recipient, token, "data")
        return self._render_data(
            recipient,
            token,
            "known",
            known=recipient._describe_known() if recipient.address_key else [],
            own_address=not recipient.email_encrypted and recipient.email,
        )

    @http.route(
        "/directmail/unsubscribe/<string:token>/data",
        type="http",
        auth="public",
        methods=["POST"],
        csrf=False,
        save_session=False,
        sitemap=False,
        recipient_parameters=("token",),
    )
    def ask_for_known(self, token):
        """Mail a link that shows what is stored to the address that got the mail."""
        recipient = get_recipient(token)
        if not recipient._can_get_link():
            return self._render_data(recipient, token, "data")
        request.env["directmail.preference.link"]._request(
            recipient.company_id,
            recipient.email,
            recipient.env.lang,
            request.httprequest.remote_addr,
        )
        return self._render_data(recipient, token, "data_sent")

    def _render_data(self, recipient, token, stage, **values):
        return render_page(
            recipient,
            stage if recipient.address_key else "unknown",
            company=recipient.company_id,
            token=token,
            can_get_link=recipient._can_get_link(),
            **values,
        )

    @http.route(
        "/directmail/unsubscribe/<string:token>/data.json",
        type="http",
        auth="public",
        methods=["GET"],
        save_session=False,
        sitemap=False,
        recipient_parameters=("token",),
    )
    def export_known(self, token):
        """Download what the company has stored about the recipient; see `show_known`."""
        recipient = get_recipient(token)
        if not recipient._reads_mailbox():
            page = self._render_data(recipient, token, "data")
            return request.make_response(page, headers=HTML, status=403)
        known = recipient._get_known() if recipient.address_key else {}
        return request.make_response(
            json.dumps(known, ensure_ascii=False, indent=2),
            headers=[
                ("Content-Type", "application/json; charset=utf-8"),
                ("Content-Disposition", http.content_disposition("my-data.json")),
            ],
        )

    @http.route(
        "/directmail/preferences/<string:token>",
        type="http",
        auth="public",
        methods=["GET"],
        save_session=False,
        sitemap=False,
        recipient_parameters=("token",),
    )
    def preferences_page(self, token):
        """Show the preferences of a recipient, or ask for an address, by the kind of token."""
        if company := find_company(token):
            return self._render_request(company, token, "request")
        recipient = get_recipient(token)
        return render_recipient(recipient, token, "preferences")

    @http.route(
        "/directmail/preferences/<string:token>",
        type="http",
        auth="public",
        methods=["POST"],
        csrf=False,
        save_session=False,
        sitemap=False,
        recipient_parameters=("token", "email", "website"),
    )
    def ask_for_link(self, token, email="", website=""):
        """Store that somebody asks for the link to their preferences.

        The answer is the same for every address. `website` is invisible: only robots fill it in.
        """
        company = find_company(token)
        if not company:
            return render_start(get_recipient(token), token)
        if not website and len(email) <= ADDRESS_MAX:
            request.env["directmail.preference.link"]._request(
                company, email, self._get_language(company), request.httprequest.remote_addr
            )
        return self._render_request(company, token, "requested")

    def _get_language(self, company):
        return get_language(company.env["directmail.delivery"].with_company(company))

    def _render_request(self, company, token, stage):
        nobody = company.env["directmail.delivery"]
        nobody = nobody.with_context(lang=self._get_language(company))
        return render_page(nobody, stage, company=company, token=token)
