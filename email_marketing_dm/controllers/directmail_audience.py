from odoo import http
from odoo.http import request
from odoo.tools import SQL

from ..engine.seen import prepare_to_look
from ..groups import GROUP_DOWNLOAD
from .download import PAGE, make_csv_response


class DirectmailAudience(http.Controller):
    """Serves the people of an audience as a file."""

    @http.route(
        "/directmail/audience/<int:audience_id>/people.csv",
        type="http",
        auth="user",
        methods=["GET"],
        readonly=True,
    )
    def people(self, audience_id):
        """Download the people of an audience as CSV, with formulas escaped by `safe_cell`.

        Contacts and other records that the user may not read are left out. For another user's
        public audience, the addresses that its owner uploaded are left out too. Encrypted
        addresses are written encrypted.
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
        """Return the next rows (member id, *CSV columns) of people whom the user may see."""
        shown = []
        while not shown:
            rows = self._read_members(audience, last)
            if not rows:
                break
            last = rows[-1][0]
            shown = [(number, *row) for number, is_shown, *row in rows if is_shown]
        return shown

    def _read_members(self, audience, last):
        """Return the next rows (member id, whether the user may see the person, *CSV columns)."""
        env = audience._get_company_env(request.env)
        member = SQL.identifier("page")
        prepare_to_look(env)
        return env.execute_query(
            SQL(
                """WITH page AS MATERIALIZED (
                       SELECT id, audience_id, partner_id, res_model, res_id, email,
                              email_encrypted
                         FROM directmail_audience_member
                        WHERE audience_id = %(audience)s AND id > %(last)s
                        ORDER BY id LIMIT %(page)s
                   )
                   SELECT page.id, %(seen)s, p.complete_name,
                          CASE WHEN page.partner_id IS NULL THEN page.email ELSE p.email END,
                          page.email_encrypted, page.res_model || ' ' || page.res_id,
                          page.partner_id
                     FROM page LEFT JOIN res_partner p ON p.id = page.partner_id
                    ORDER BY page.id""",
                audience=audience.id,
                last=last,
                page=PAGE,
                seen=env["directmail.audience.member"]._seen_to_sql(member),
            )
        )
