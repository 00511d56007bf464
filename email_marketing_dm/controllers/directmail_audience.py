from odoo import http
from odoo.http import request
from odoo.tools import SQL

from ..engine.audience import visible_contacts
from ..models.directmail_audience import GROUP_DOWNLOAD
from .download import PAGE, make_csv_response


class DirectmailAudience(http.Controller):
    @http.route(
        "/directmail/audience/<int:audience_id>/people.csv",
        type="http",
        auth="user",
        methods=["GET"],
        readonly=True,
    )
    def people(self, audience_id):
        """Download the people of an audience, safe to open in a spreadsheet.

        Contacts that the user may not read are left out, also of somebody else's public audience.
        Nobody's encrypted address is told in clear.
        """
        audience = request.env["directmail.audience"].browse(audience_id).exists()
        if not (request.env.user.has_group(GROUP_DOWNLOAD) and audience.has_access("read")):
            raise request.not_found()
        env = audience.env
        titles = [
            env._("Name"),
            env._("Email"),
            env._("Encrypted email"),
            env._("Record"),
            env._("Contact ID"),
        ]
        return make_csv_response(
            f"{audience.name}.csv", titles, lambda last: self._read_page(audience, last)
        )

    def _read_page(self, audience, last):
        return request.env.execute_query(
            SQL(
                """SELECT m.id, p.complete_name,
                          CASE WHEN m.partner_id IS NULL THEN m.email ELSE p.email END,
                          m.email_encrypted, m.res_model || ' ' || m.res_id, m.partner_id
                     FROM directmail_audience_member m LEFT JOIN res_partner p
                          ON p.id = m.partner_id AND p.id IN (%s)
                    WHERE m.audience_id = %s AND m.id > %s
                      AND (m.partner_id IS NULL OR p.id IS NOT NULL)
                    ORDER BY m.id LIMIT %s""",
                visible_contacts(request.env),
                audience.id,
                last,
                PAGE,
            )
        )
