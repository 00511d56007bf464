import time
from datetime import timedelta

from odoo import api, fields, models
from odoo.service.model import retrying
from odoo.tools import SQL

from ...engine.content import read_delivery_token
from ...privacy.tokens import read_number

CRON = "email_marketing_dm.ir_cron_directmail_unsubscribe"
# Anybody can make `_keep` write rows by requesting our pages with an invented token: limit them.
MOST = 50_000  # requests in the table
PER_DELIVERY = 3  # requests with the number of one delivery: only one of its tokens can be genuine
PER_MINUTE = 600  # requests that one process takes per database
KEEP = timedelta(days=365)
_taken = {}


class DirectmailUnsubscribeRequest(models.Model):
    """A request to unsubscribe whose token could not be verified when it arrived.

    The token may have been signed with another master key than this server's. The request has no
    effect until a server with the right key verifies the token and unsubscribes the person.
    """

    _name = "directmail.unsubscribe.request"
    _description = "Unverified Unsubscribe Request"
    _log_access = False

    token = fields.Char(required=True, readonly=True, groups=fields.NO_ACCESS)
    delivery_number = fields.Integer(required=True, readonly=True, index=True)
    scope = fields.Char(required=True, readonly=True)
    one_click = fields.Boolean(readonly=True)
    received_at = fields.Datetime(required=True, readonly=True)
    # Proof of the request.
    ip = fields.Char("IP address", readonly=True)
    user_agent = fields.Char("Program", readonly=True)
    # Fingerprint of the master key that failed to verify the token, which is not tried again.
    tried_fingerprint = fields.Char(readonly=True)

    _token_unique = models.UniqueIndex("(token)")

    @api.model
    def _keep(self, token, scope, one_click, ip=None, user_agent=None):
        """Store a request with a token that can't be verified, if it may be genuine.

        It may be, if the token's number is the id of a delivery that was claimed, and none of the
        limits above is reached.

        :param str token: the token as received
        :param str scope: as in `directmail.delivery._unsubscribe`
        :param bool one_click: whether a mail program's button sent the request
        :param str ip: address of the request
        :param str user_agent: name of the program that sent the request
        :return: whether the request is stored
        :rtype: bool
        """
        number = read_number(token)
        if number is None or not _may_take(self.env.cr.dbname):
            return False
        rows = self.env.execute_query(
            SQL(
                """INSERT INTO directmail_unsubscribe_request
                          (token, delivery_number, scope, one_click, ip, user_agent, received_at)
                   SELECT %(token)s, id, %(scope)s, %(one_click)s, %(ip)s, %(user_agent)s,
                          now() AT TIME ZONE 'UTC'
                     FROM directmail_delivery
                    WHERE id = %(number)s AND claimed_at IS NOT NULL
                      AND (SELECT count(*) FROM directmail_unsubscribe_request
                            WHERE delivery_number = %(number)s) < %(each)s
                      AND (SELECT count(*) FROM (SELECT FROM directmail_unsubscribe_request
                                                  LIMIT %(most)s) most) < %(most)s
                       ON CONFLICT (token) DO UPDATE SET scope = EXCLUDED.scope
                RETURNING id""",
                token=token,
                scope=scope,
                one_click=one_click,
                ip=ip or None,
                user_agent=user_agent or None,
                number=number,
                each=PER_DELIVERY,
                most=MOST,
            )
        )
        if rows:
            # sudo(): a visitor calls this and may not read crons; the run checks the token.
            self.env.ref(CRON).sudo()._trigger()
        return bool(rows)

    @api.model
    def _cron_apply(self):
        """Apply the requests that can be verified, and delete those older than `KEEP`."""
        self.search([("received_at", "<", fields.Datetime.now() - KEEP)]).unlink()
        if self._apply_open():
            self.env["ir.cron"]._commit_progress(remaining=0)
        else:
            self.env.ref(CRON)._trigger()

    @api.model
    def _apply_open(self):
        """Apply all requests that can be verified with this server's master key.

        `directmail.account._cron_send` calls it before it sends: a request that only waited for the
        right key must count before the next mail.

        :return: whether all requests were tried; False if the cron's time is up
        :rtype: bool
        """
        while count := retrying(self._apply_some, self.env):
            if not self.env["ir.cron"]._commit_progress(count, remaining=1):
                return False
        return True

    def _apply_some(self):
        """Try the next 200 requests that were not tried with this master key.

        :return: the number of requests tried
        :rtype: int
        """
        key = self.env["directmail.keyring"]._get_master_key()
        requests = self.search(
            ["|", ("tried_fingerprint", "=", False), ("tried_fingerprint", "!=", key.fingerprint)],
            limit=200,
            order="id",
        )
        for request in requests:
            request._apply(key)
        return len(requests)

    def _apply(self, key):
        self.ensure_one()
        number = read_delivery_token(self.env, key, self.token)
        delivery = self.env["directmail.delivery"].browse(number or 0).exists()
        if not delivery:
            self.tried_fingerprint = key.fingerprint
            return
        if delivery.address_key:
            delivery._unsubscribe(
                "one_click" if self.one_click else "page",
                self.scope,
                recorded_at=self.received_at.replace(microsecond=0),
                ip=self.ip,
                user_agent=self.user_agent,
            )
        self.unlink()


def _may_take(database):
    """Count a request, and tell whether this process may store it in this minute."""
    minute = int(time.monotonic() // 60)
    started, taken = _taken.get(database, (minute, 0))
    taken = taken + 1 if started == minute else 1
    _taken[database] = minute, taken
    return taken <= PER_MINUTE
