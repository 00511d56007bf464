import logging
from datetime import timedelta

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.service.model import retrying
from odoo.tools import SQL

from ...engine.claim import lock_gate
from ...engine.keyed import UNKNOWN
from ...engine.rekey import MARKED, TABLES, Rekey, convert_chunk
from ...engine.sql import UNMATCHABLE, set_pads

_logger = logging.getLogger(__name__)

CRON = "email_marketing_dm.ir_cron_directmail_rekey"
WAIT = timedelta(seconds=2)  # between two checks whether older transactions are over


class DirectmailRekey(models.Model):
    """A recomputation of all address keys for a new master key.

    A cron does it in chunks. Each chunk is committed together with its position, so that the cron
    can be interrupted at any time. While a recomputation is running, nothing is sent and no other
    address key is written: see `directmail.keyring`.
    """

    _name = "directmail.rekey"
    _description = "Recomputation of Address Keys"
    _order = "id desc"

    state = fields.Selection(
        [("running", "Running"), ("done", "Done")], required=True, readonly=True, default="running"
    )
    from_fingerprint = fields.Char("Old master key", required=True, readonly=True)
    to_fingerprint = fields.Char("New master key", required=True, readonly=True)
    started_at = fields.Datetime("Started", required=True, readonly=True)
    finished_at = fields.Datetime("Finished on", readonly=True)
    # Transactions that began before this moment may not see `next_fingerprint`.
    seen_at = fields.Datetime(readonly=True)
    # Index of the current table in `engine.rekey.TABLES`, and id of its last row that is done.
    step = fields.Integer(readonly=True)
    position = fields.Integer(readonly=True)
    done_count = fields.Integer("Keys recomputed", readonly=True)
    left_count = fields.Integer("Keys that can't be recomputed", readonly=True)
    unmatched_count = fields.Integer(
        "Opt-outs that can't be matched",
        compute="_compute_unmatched_count",
        compute_sudo=True,
        help="Opt-outs whose address is not known. Nobody to whom they may belong gets mail.",
    )
    # Id of the last delivery whose links were signed with the old key.
    last_delivery = fields.Integer(readonly=True)
    progress = fields.Char(compute="_compute_progress")

    _one_running = models.UniqueIndex(
        "(state) WHERE state = 'running'", "Address keys are being recomputed already."
    )

    def _compute_unmatched_count(self):
        optouts = self.env["directmail.optout"]
        self.unmatched_count = optouts.search_count([("unmatched", "=", True)])

    @api.depends("state", "step", "done_count")
    def _compute_progress(self):
        for run in self:
            if run.state == "done":
                run.progress = self.env._("All keys have been recomputed.")
            elif not run.seen_at or (not run.position and not run.step and run._find_older()):
                run.progress = self.env._(
                    "Waiting for other operations in the database to finish before the first key"
                    " is changed."
                )
            else:
                run.progress = self.env._(
                    "Step %(step)s of %(steps)s. Nothing is sent until this is finished.",
                    step=min(run.step + 1, len(TABLES)),
                    steps=len(TABLES),
                )

    # === BUSINESS === #

    @api.model
    def _start(self, key):
        """Stop all sending and have the cron recompute the address keys.

        :param key: the new `privacy.keys.MasterKey`, which is this server's
        :raise UserError: a recomputation is running already
        """
        # Wait for claims under way; later ones wait for the gate lock before their first read, so
        # that they see `next_fingerprint`.
        lock_gate(self.env)
        data_key = self.env["directmail.data.key"]
        row = data_key._read_key()
        if row and row[1]:
            raise UserError(self.env._("Address keys are being recomputed already."))
        old = row[0] if row else UNKNOWN
        data_key._write_key(old, key.fingerprint)
        [(last,)] = self.env.execute_query(SQL("SELECT max(id) FROM directmail_delivery"))
        run = self.create(
            {
                "from_fingerprint": old,
                "to_fingerprint": key.fingerprint,
                "started_at": fields.Datetime.now(),
                "last_delivery": last or 0,
            }
        )
        self.env.ref(CRON)._trigger()
        return run

    @api.model
    def _resolve(self):
        """Start a recomputation if a new AES key may make marked address keys computable."""
        marked = any(
            self.env.execute_query(
                SQL(
                    "SELECT 1 FROM %s WHERE address_key LIKE %s LIMIT 1",
                    SQL.identifier(table),
                    MARKED,
                )
            )
            for table in TABLES
            if table != "res_partner"
        )
        if marked:
            # sudo(): `_enter` has checked the right to enter an AES key.
            self.sudo()._start(self.env["directmail.keyring"]._get_master_key())

    @api.model
    def _cron_run(self):
        """Continue the running recomputation, if there is one."""
        run = self.search([("state", "=", "running")])
        if not run:
            return
        if not run._is_alone():
            self.env.ref(CRON)._trigger(fields.Datetime.now() + WAIT)
            return
        cron = self.env["ir.cron"]
        cron._commit_progress(remaining=1)
        while retrying(run._run_chunk, self.env):
            if not cron._commit_progress(1, remaining=1):
                self.env.ref(CRON)._trigger()
                return
        cron._commit_progress(1, remaining=0)

    def _is_alone(self):
        """Tell whether all transactions are over that may still write old address keys.

        The first call, after `_start` was committed, sets `seen_at`: transactions that begin later
        see `next_fingerprint`. Call it again in a later run of the cron, because this run's cron
        keeps an older transaction open.
        """
        if not self.seen_at:
            self.env.cr.execute(
                SQL(
                    """UPDATE directmail_rekey SET seen_at = clock_timestamp() AT TIME ZONE 'UTC'
                        WHERE id = %s""",
                    self.id,
                )
            )
            self.invalidate_recordset(["seen_at"])
            return False
        return not self._find_older()

    def _find_older(self):
        """Return how many other open transactions of this database began before `seen_at`."""
        [(count,)] = self.env.execute_query(
            SQL(
                """SELECT count(*) FROM pg_stat_activity a JOIN directmail_rekey r ON r.id = %s
                    WHERE a.datname = current_database() AND a.pid != pg_backend_pid()
                      AND a.backend_type = 'client backend'
                      AND a.xact_start < r.seen_at AT TIME ZONE 'UTC'""",
                self.id,
            )
        )
        return count

    def _run_chunk(self):
        """Recompute the address keys of the next chunk of rows.

        :return: whether there is more to do
        """
        self.ensure_one()
        self.invalidate_recordset()
        if self.state != "running":
            return False
        if self.step >= len(TABLES):
            self._finish()
            return False
        key = self.env["directmail.keyring"]._get_host_key()
        set_pads(self.env, key)
        rekey = Rekey(
            key,
            self.env["directmail.aes.key"]._get_reader(master_key=key),
            self.from_fingerprint,
            self.to_fingerprint,
        )
        last, done, left = convert_chunk(self.env, rekey, TABLES[self.step], self.position)
        if last is None:
            self.write({"step": self.step + 1, "position": 0})
        else:
            self.write(
                {
                    "position": last,
                    "done_count": self.done_count + done,
                    "left_count": self.left_count + left,
                }
            )
        self.env.flush_all()
        self.env.invalidate_all()
        return True

    def _finish(self):
        self.write({"state": "done", "finished_at": fields.Datetime.now()})
        self.env["directmail.data.key"]._write_key(self.to_fingerprint)
        if self.from_fingerprint != self.to_fingerprint:
            self._remember_known()
        # sudo(): the cron calls this; accounts of all companies send again.
        accounts = self.env["directmail.account"].sudo().search([("state", "=", "active")])
        accounts._trigger_sending()
        _logger.info(
            "Address keys: done, %s recomputed, %s can't be", self.done_count, self.left_count
        )

    def _remember_known(self):
        """Set `known_until` of `directmail.data.key` to the start of this recomputation.

        It is NULL if the old key was UNKNOWN, because opt-outs may then be of several keys. It is
        not changed if opt-outs that an earlier recomputation has marked are left.
        """
        self.env.cr.execute(
            SQL(
                """UPDATE directmail_data_key SET known_until = CASE
                       WHEN %(old)s = %(unknown)s THEN NULL
                       WHEN EXISTS (SELECT FROM directmail_optout
                                     WHERE left(address_key, 1) = %(unmatchable)s
                                       AND address_key NOT LIKE %(marked)s) THEN known_until
                       ELSE %(moment)s END""",
                old=self.from_fingerprint,
                unknown=UNKNOWN,
                unmatchable=UNMATCHABLE,
                marked=f"{UNMATCHABLE}{self.from_fingerprint}:%",
                moment=self.started_at,
            )
        )

    def action_view_unmatched(self):
        """Open the opt-outs that can't be matched (`unmatched`)."""
        self.check_access("read")
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "email_marketing_dm.directmail_optout_action"
        )
        return {**action, "domain": [("unmatched", "=", True)]}
