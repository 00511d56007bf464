import json

from odoo import http
from odoo.exceptions import AccessError, MissingError
from odoo.http import request


class DirectmailConsent(http.Controller):
    """Serves the proof of a contact's answers as a file."""

    @http.route(
        "/directmail/consents/<int:partner_id>.json",
        type="http",
        auth="user",
        methods=["GET"],
        readonly=True,
    )
    def proof(self, partner_id):
        """Download the answers of a contact that the user may read."""
        partner = request.env["res.partner"].browse(partner_id)
        try:
            consents = request.env["directmail.consent"]._find_proofs(partner)
            proof = {
                "contact": partner.display_name,
                "email": partner.email or "",
                "answers": [
                    {
                        "company": consent.company_id.name,
                        "address": consent.email or "",
                        "entered_by": consent.user_id.name or "",
                        **consent._export_proof()[0],
                    }
                    for consent in consents
                ],
            }
        except (AccessError, MissingError):
            raise request.not_found() from None
        return request.make_response(
            json.dumps(proof, ensure_ascii=False, indent=2),
            headers=[
                ("Content-Type", "application/json; charset=utf-8"),
                ("Content-Disposition", http.content_disposition("consents.json")),
            ],
        )
