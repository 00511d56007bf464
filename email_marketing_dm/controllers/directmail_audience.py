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

        Contacts and other records that the user may not read are left out, also of somebody else's
        public audience.
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
        """Return the next people that the user may see, each after the id of the member."""
        shown = []
        while not shown:
            rows = self._read_members(audience, last)
            if not rows:
                break
            last = rows[-1][0]
            shown = [(number, *row) for number, is_shown, *row in rows if is_shown]
        return shown

    def _read_members(self, audience, last):
        """Return the next members: id, whether the user may see that person, what to tell."""
        env = audience._get_company_env(request.env)
        found = SQL("SELECT * FROM page")
        if audience._has_others_than_contacts():
            found = env["directmail.data.table"]._select_readable(env, found)
        return env.execute_query(
            SQL(
                """WITH page AS MATERIALIZED (
                       SELECT id, partner_id, res_model, res_id, email, email_encrypted
                         FROM directmail_audience_member
                        WHERE audience_id = %(audience)s AND id > %(last)s
                        ORDER BY id LIMIT %(page)s
                   )
                   SELECT page.id, p.id IS NOT NULL OR m.partner_id IS NULL AND m.id IS NOT NULL,
                          p.complete_name,
                          CASE WHEN m.partner_id IS NULL THEN m.email ELSE p.email END,
                          m.email_encrypted, m.res_model || ' ' || m.res_id, m.partner_id
                     FROM page LEFT JOIN (%(found)s) m ON m.id = page.id
                     LEFT JOIN res_partner p ON p.id = m.partner_id AND p.id IN (%(visible)s)
                    ORDER BY page.id""",
                audience=audience.id,
                last=last,
                page=PAGE,
                found=found,
                visible=visible_contacts(env),
            )
        )
