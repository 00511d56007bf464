import logging
import os
import time
from functools import lru_cache
from pathlib import Path

from odoo import api, fields, models
from odoo.tools import SQL, config, str2bool

from ...engine.keyed import has_keyed_rows, identify, key_blacklist
from ...engine.sql import set_pads
from ...exceptions import MasterKeyProblem
from ...privacy.keys import MasterKeyError, load_master_key

_logger = logging.getLogger(__name__)
CONFIG_OPTION = "directmail_master_key"
ENVIRONMENT_VARIABLE = "DIRECTMAIL_MASTER_KEY"
KEY_FILE = "directmail_master.key"
# Odoo tries crons that can't run every minute: log one line a minute, not one per cron.
REPORT_SECONDS = 50
_reported = {}


@lru_cache(maxsize=8)
def _load(configured, path, _stamp):
    return load_master_key(configured, Path(path), create=False)


def _get_stamp(path):
    """Return a tuple that differs after the file was replaced, None without a file.

    It is part of `_load`'s cache key, so that a new key file is read at once.
    """
    try:
        stat = os.stat(path)
    except OSError:
        return None
    return stat.st_ino, stat.st_mtime_ns, stat.st_size


class DirectmailKeyring(models.AbstractModel):
    """Access to the master key, which is never stored in the database.

    So a copy of the database alone reveals no secret and can't match addresses. The key is returned
    only if the database's address keys were made with it: `_get_master_key`. `_get_host_key` is for
    code that compares or replaces keys.
    """

    _name = "directmail.keyring"
    _description = "DirectMail Keyring"

    def _register_hook(self):
        """Override: log when a server starts that must not send because of its master key."""
        super()._register_hook()
        data_key = self.env["directmail.data.key"]
        # Raw SQL only: new code may meet a database that is not upgraded yet.
        if data_key._exists() and (row := data_key._read_key()) and not row[1]:
            host = self._find_host_key()
            if not host or host.fingerprint != row[0]:
                self._report_problem()

    @api.model
    def _get_master_key(self):
        """Return this server's master key, if it is the key of the data.

        It comes from the server's configuration, the environment, or a file (mode 0600) in the data
        directory. The file is created on first use, unless rows of the database depend on a key.

        :rtype: privacy.keys.MasterKey
        :raise MasterKeyProblem: if there is no usable key, or it is not the key of the data
        """
        row = self.env["directmail.data.key"]._read_key()
        if row and not row[1]:
            host = self._find_host_key()
            if host and host.fingerprint == row[0]:
                set_pads(self.env, host)
                return host
        return self._record_or_refuse(row)

    def _record_or_refuse(self, row):
        """Record this server's master key as the data's, if no row depends on another key.

        :param row: of `directmail.data.key`, from `_read_key`; its key is not this server's
        :return: the key, as from `_get_master_key`
        :raise MasterKeyProblem: the data has another key, or there is no usable one
        """
        data_key = self.env["directmail.data.key"]
        if row and row[1]:
            raise MasterKeyProblem(
                "rekeying",
                self.env._(
                    "The keys of opt-outs and addresses are being recomputed for a new master key."
                    " Sending and matching of addresses continue when this is finished."
                ),
            )
        keyed = has_keyed_rows(self.env)
        host = self._get_host_key(create=not keyed)
        set_pads(self.env, host)
        if keyed:
            fingerprint = row[0] if row else identify(self.env, host)
            if not row:
                data_key._write_key(fingerprint)
            if host.fingerprint != fingerprint:
                raise self._explain_mismatch(fingerprint, host)
        else:
            data_key._write_key(host.fingerprint)
            key_blacklist(self.env, host, anew=True)
        return host

    def _explain_mismatch(self, fingerprint, host):
        return MasterKeyProblem(
            "mismatch",
            self.env._(
                "Nothing is sent from this server: its master key is not the one that the opt-outs"
                " and addresses in this database were saved with, so people who have unsubscribed"
                " would not be recognized. Ask an administrator to open Configuration → Master"
                " key, which shows what to do."
            ),
            self.env._(
                "This server has the master key %(here)s, but the data was saved with %(data)s."
                " Set the right master key on this server. If that key is lost, recompute the"
                " keys.",
                here=host.fingerprint,
                data=fingerprint,
            ),
        )

    @api.model
    def _get_host_key(self, create=False):
        """Return this server's master key without comparing it with the key of the data.

        To compute address keys with it in SQL, call `engine.sql.set_pads` first.

        :param bool create: make the key file if there is neither a file nor a configured key
        :rtype: privacy.keys.MasterKey
        :raise MasterKeyProblem: if there is no usable key
        """
        configured = config.get(CONFIG_OPTION) or os.environ.get(ENVIRONMENT_VARIABLE) or None
        path = str(Path(config["data_dir"]) / KEY_FILE)
        try:
            if create and not configured and _get_stamp(path) is None:
                load_master_key(None, Path(path), create=True)
            return _load(configured, path, None if configured else _get_stamp(path))
        except (MasterKeyError, OSError) as error:
            raise MasterKeyProblem(
                "missing",
                self.env._(
                    "Nothing is sent from this server: it has no usable master key. Ask an"
                    " administrator to open Configuration → Master key, which shows the reason."
                ),
                self.env._(
                    "%(reason)s\nAsk the administrator of the server to set %(option)s in its"
                    " configuration to the key that was used before. If that key is lost, set a new"
                    " one and have the keys recomputed.",
                    reason=error,
                    option=CONFIG_OPTION,
                ),
                # `from None`: clients get the traceback, which would quote the error.
            ) from None

    @api.model
    def _find_host_key(self):
        """Return the same as `_get_host_key`, but None if there is no usable key."""
        try:
            return self._get_host_key()
        except MasterKeyProblem:
            return None

    @api.model
    def _find_problem(self):
        """Return why this server may not use its master key with this database.

        :rtype: MasterKeyProblem, or None if it may
        """
        try:
            self._get_master_key()
        except MasterKeyProblem as problem:
            return problem
        return None

    @api.model
    def _leaves_to_others(self, model_name):
        """Tell whether to leave a cron to another server or to a later time.

        :param str model_name: technical name of the cron's model
        """
        data_key = self.env["directmail.data.key"]
        if not model_name.startswith("directmail.") or not data_key._exists():
            return False
        if model_name == "directmail.rekey":
            row, host = data_key._read_key(), self._find_host_key()
            return bool(row and row[1] and (not host or host.fingerprint != row[1]))
        problem = self._find_problem()
        if problem and problem.kind != "rekeying":
            self._report_problem()
        return bool(problem)

    def _report_problem(self):
        """Log the problem as an error, at most once per REPORT_SECONDS and database."""
        now = time.monotonic()
        if _reported.get(self.env.cr.dbname, float("-inf")) + REPORT_SECONDS > now:
            return
        _reported[self.env.cr.dbname] = now
        problem = self.with_context(lang="en_US")._find_problem()
        # No error in a neutralized copy, which is not meant to send.
        # sudo(): users may not read parameters; nothing is shown.
        neutralized = self.env["ir.config_parameter"].sudo().get_param("database.is_neutralized")
        level = logging.INFO if str2bool(neutralized or "0", False) else logging.ERROR
        if problem:
            _logger.log(level, "DirectMail: %s", problem.full_text)


class DirectmailDataKey(models.Model):
    """The master key with which the database's address keys were made: a single row.

    Opt-outs are found by address keys. With another master key none would be found, and people who
    have unsubscribed would be mailed again. So a server with another key neither sends nor writes
    address keys: see `directmail.keyring`, which creates the row.
    """

    _name = "directmail.data.key"
    _description = "Master Key of the Data"
    _log_access = False

    fingerprint = fields.Char(required=True, readonly=True)
    # Fingerprint of the new key while address keys are recomputed. Nothing is sent then.
    next_fingerprint = fields.Char(readonly=True)
    # The address keys of people who were mailed before this moment have been recomputed, so an
    # opt-out that could not be recomputed (it has no address) is not theirs.
    known_until = fields.Datetime(readonly=True)

    _single_row = models.UniqueIndex("((TRUE))")

    def _exists(self):
        """Tell whether the table exists, because new code may run on an old database."""
        [(table,)] = self.env.execute_query(SQL("SELECT to_regclass('directmail_data_key')"))
        return bool(table)

    def _read_key(self):
        """Return (fingerprint, next fingerprint or None), or None if there is no row yet.

        Read by SQL, not from the ORM's cache, because other servers change the row.
        """
        rows = self.env.execute_query(
            SQL("SELECT fingerprint, next_fingerprint FROM directmail_data_key")
        )
        return rows[0] if rows else None

    def _write_key(self, fingerprint, next_fingerprint=None):
        """Insert or update the single row."""
        self.env.cr.execute(
            SQL(
                """INSERT INTO directmail_data_key AS k (fingerprint, next_fingerprint)
                   VALUES (%s, %s) ON CONFLICT ((TRUE)) DO UPDATE
                      SET fingerprint = EXCLUDED.fingerprint,
                          next_fingerprint = EXCLUDED.next_fingerprint""",
                fingerprint,
                next_fingerprint,
            )
        )
