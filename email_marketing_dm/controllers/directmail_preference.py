from datetime import timedelta

from odoo import fields, http

from ..clock.spans import CAPS
from ..models.mixins.directmail_recipient_preferences import PAUSES
from .directmail_recipient import get_proof, get_recipient, is_number, render_recipient

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
        if not recipient.address_key or cap not in ("", *CAPS):
            return render_recipient(recipient, token, "ask")
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
        if not recipient.address_key or not moment and until != "":
            return render_recipient(recipient, token, "ask")
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
            return render_recipient(recipient, token, "ask")
        recipient._speak(lang, **_get_section_proof(recipient, "language"))
        recipient = get_recipient(token)
        return render_recipient(recipient, token, "language", undo={"lang": before})
