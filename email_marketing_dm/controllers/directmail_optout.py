from odoo import http
from odoo.http import request

from ..models.consent.directmail_optout_file import COLUMNS
from .download import make_csv_response


class DirectmailOptout(http.Controller):
    """Serves opt-outs as a file."""

    @http.route("/directmail/optouts.csv", type="http", auth="user", methods=["GET"], readonly=True)
    def optouts(self):
        """Download the opt-outs of all companies that the administrator is a member of."""
        optouts = request.env["directmail.optout"]
        if not optouts.has_access("unlink"):
            raise request.not_found()
        companies = request.env.user.company_ids
        return make_csv_response(
            "opt-outs.csv", COLUMNS, lambda last: optouts._export_page(companies, last)
        )
