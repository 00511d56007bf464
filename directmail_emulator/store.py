"""Everything the emulator knows, in one SQLite file.

What is written is handed to the operating system before a call is answered, so it survives a
kill of the emulator (not a power cut). One connection writes, on the event loop's thread; long
queries run on a second connection in a thread of their own and hold nothing up.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS account (
    id INTEGER PRIMARY KEY, region TEXT NOT NULL, access_key_id TEXT NOT NULL,
    changes TEXT NOT NULL DEFAULT '{}', added TEXT, UNIQUE (region, access_key_id));

-- The truth: one row per accepted recipient. Nothing may change or remove a row.
CREATE TABLE IF NOT EXISTS ledger (
    seq INTEGER PRIMARY KEY, account INTEGER NOT NULL, sender TEXT NOT NULL,
    rcpt TEXT NOT NULL COLLATE NOCASE, subject TEXT NOT NULL, tag TEXT NOT NULL,
    message_id TEXT NOT NULL, headers TEXT NOT NULL, env_id TEXT NOT NULL,
    request_id TEXT NOT NULL, template_id INTEGER, content INTEGER, variables TEXT,
    alias TEXT NOT NULL, options TEXT NOT NULL, accepted_at REAL NOT NULL);
CREATE INDEX IF NOT EXISTS ledger_rcpt ON ledger (rcpt, account);
CREATE INDEX IF NOT EXISTS ledger_tag ON ledger (tag, account);
CREATE TRIGGER IF NOT EXISTS ledger_keeps BEFORE UPDATE ON ledger
    BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER IF NOT EXISTS ledger_stays BEFORE DELETE ON ledger
    BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;

-- Bodies: template versions for good, bodies of a mail's own as many as the settings say.
CREATE TABLE IF NOT EXISTS content (
    id INTEGER PRIMARY KEY, template INTEGER, subject TEXT NOT NULL, nickname TEXT NOT NULL,
    html TEXT NOT NULL, text TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS content_own ON content (id) WHERE template IS NULL;

-- What is still to happen, and what has happened.
CREATE TABLE IF NOT EXISTS step (
    id INTEGER PRIMARY KEY, due REAL NOT NULL, seq INTEGER NOT NULL, behaviour TEXT NOT NULL,
    position INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS step_due ON step (due);
CREATE TABLE IF NOT EXISTS outcome (
    seq INTEGER PRIMARY KEY, status INTEGER NOT NULL, classification TEXT NOT NULL,
    code TEXT NOT NULL, message TEXT NOT NULL, at REAL NOT NULL, visible_at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS activity (
    id INTEGER PRIMARY KEY, seq INTEGER NOT NULL, account INTEGER NOT NULL, kind TEXT NOT NULL,
    machine INTEGER NOT NULL, tracked INTEGER NOT NULL, url TEXT NOT NULL, at REAL NOT NULL,
    note TEXT NOT NULL DEFAULT '');
CREATE INDEX IF NOT EXISTS activity_seq ON activity (seq);
CREATE INDEX IF NOT EXISTS activity_time ON activity (account, at);

CREATE TABLE IF NOT EXISTS tag (
    id INTEGER PRIMARY KEY AUTOINCREMENT, account INTEGER NOT NULL, name TEXT NOT NULL,
    description TEXT NOT NULL, created_at REAL NOT NULL, UNIQUE (account, name));
CREATE TABLE IF NOT EXISTS template (
    id INTEGER PRIMARY KEY AUTOINCREMENT, account INTEGER NOT NULL, name TEXT NOT NULL,
    nickname TEXT NOT NULL, subject TEXT NOT NULL, text TEXT NOT NULL, remark TEXT NOT NULL,
    status INTEGER NOT NULL, comment TEXT NOT NULL, content INTEGER, created_at REAL NOT NULL,
    changed_at REAL NOT NULL, review_due REAL, UNIQUE (account, name));
CREATE TABLE IF NOT EXISTS blocked (
    id INTEGER PRIMARY KEY AUTOINCREMENT, account INTEGER NOT NULL, type TEXT NOT NULL,
    rcpt TEXT NOT NULL COLLATE NOCASE, sender TEXT NOT NULL, level TEXT NOT NULL,
    reason INTEGER NOT NULL, send_time REAL NOT NULL, at REAL NOT NULL,
    effective_at REAL NOT NULL, UNIQUE (account, type, rcpt, sender));
CREATE TABLE IF NOT EXISTS invalid (
    id INTEGER PRIMARY KEY AUTOINCREMENT, account INTEGER NOT NULL,
    rcpt TEXT NOT NULL COLLATE NOCASE, at REAL NOT NULL, UNIQUE (account, rcpt));
CREATE TABLE IF NOT EXISTS suppression (
    id INTEGER PRIMARY KEY AUTOINCREMENT, account INTEGER NOT NULL,
    address TEXT NOT NULL COLLATE NOCASE, type TEXT NOT NULL, created_at REAL NOT NULL,
    last_bounce REAL NOT NULL, UNIQUE (account, address));
CREATE TABLE IF NOT EXISTS usage (
    account INTEGER NOT NULL, day TEXT NOT NULL, sender TEXT NOT NULL, mails INTEGER NOT NULL,
    PRIMARY KEY (account, day, sender)) WITHOUT ROWID;
-- Nonces of the running and of the previous window, by turns (see `Nonces`).
CREATE TABLE IF NOT EXISTS nonce_0 (nonce TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS nonce_1 (nonce TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS event (
    id INTEGER PRIMARY KEY AUTOINCREMENT, account INTEGER NOT NULL, type TEXT NOT NULL,
    env_id TEXT NOT NULL, body TEXT NOT NULL, state TEXT NOT NULL, due REAL NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0, error TEXT NOT NULL DEFAULT '',
    created_at REAL NOT NULL);
CREATE INDEX IF NOT EXISTS event_due ON event (due) WHERE state = 'waiting';
"""

#: raised whenever the tables above change; older data directories are then refused
SCHEMA_VERSION = 1


class StoreError(RuntimeError):
    """The data directory can't be used; the text says why."""


class Store:
    """The database. ``write`` methods are for the event loop's thread only."""

    def __init__(self, path):
        self.path = str(path)
        self._lock = self._take(f"{path}.lock")
        self._db = self._connect()
        found = self._db.execute("PRAGMA user_version").fetchone()[0]
        if found not in (0, SCHEMA_VERSION):
            raise StoreError(
                f"{path} was written by another version of the emulator"
                f" ({found}, this one is {SCHEMA_VERSION}): use another --data"
            )
        self._db.executescript(SCHEMA)
        self._db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        self._reader = ThreadPoolExecutor(1, "directmail-emulator-read")
        self._local = threading.local()
        self._depth = 0

    @staticmethod
    def _take(path):
        """Two emulators on one directory would number their mails alike; the lock ends with us."""
        lock = open(path, "w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            raise StoreError(f"{path}: another emulator uses this directory") from None
        return lock

    def _connect(self):
        db = sqlite3.connect(
            self.path, isolation_level=None, check_same_thread=False, cached_statements=256
        )
        db.row_factory = sqlite3.Row
        db.execute("PRAGMA journal_mode = WAL")
        # Without waiting for the disk: a kill of this process loses nothing, a power cut may.
        db.execute("PRAGMA synchronous = OFF")
        db.execute("PRAGMA cache_size = -16000")
        db.execute("PRAGMA busy_timeout = 10000")
        return db

    def close(self):
        self._reader.submit(self._close_reader)
        self._reader.shutdown(wait=True)
        self._db.close()
        self._lock.close()

    def _close_reader(self):
        if hasattr(self._local, "db"):
            self._local.db.close()

    @contextmanager
    def transaction(self):
        """All or nothing; inner ones join the outer one."""
        if self._depth:
            yield self._db
            return
        self._depth += 1
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield self._db
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        else:
            self._db.execute("COMMIT")
        finally:
            self._depth -= 1

    def execute(self, sql, parameters=()):
        """Run one statement on the writing connection and return its cursor."""
        return self._db.execute(sql, parameters)

    def rows(self, sql, parameters=()):
        return self._db.execute(sql, parameters).fetchall()

    def row(self, sql, parameters=()):
        return self._db.execute(sql, parameters).fetchone()

    def value(self, sql, parameters=()):
        """The first column of the first row, or ``None``."""
        found = self._db.execute(sql, parameters).fetchone()
        return found[0] if found else None

    async def read(self, sql, parameters=()):
        """Rows of a query that may take long, from the reading thread."""

        def query():
            if not hasattr(self._local, "db"):
                self._local.db = self._connect()
            return self._local.db.execute(sql, parameters).fetchall()

        return await asyncio.get_running_loop().run_in_executor(self._reader, query)

    def load(self, name, default=None):
        """A remembered value (anything JSON can hold)."""
        text = self.value("SELECT value FROM meta WHERE name = ?", (name,))
        return default if text is None else json.loads(text)

    def save(self, name, value):
        self.execute(
            "INSERT OR REPLACE INTO meta (name, value) VALUES (?, ?)", (name, json.dumps(value))
        )


class Nonces:
    """Which nonces were used within the window; on disk, so memory stays flat and a restart
    forgets nothing. Two tables take turns: each holds one window and is then emptied whole."""

    def __init__(self, store, window):
        self._store = store
        self._window = max(window, 1)
        self._turn = store.load("nonce_turn")

    def use(self, access_key_id, nonce, now):
        """Note a nonce. Returns False when it was used before."""
        turn = int(now // self._window)
        if turn != self._turn:
            self._start(turn)
        name = f"{access_key_id} {nonce}"
        if self._store.row(f"SELECT 1 FROM nonce_{1 - turn % 2} WHERE nonce = ?", (name,)):
            return False
        added = self._store.execute(
            f"INSERT OR IGNORE INTO nonce_{turn % 2} (nonce) VALUES (?)", (name,)
        )
        return added.rowcount == 1

    def _start(self, turn):
        with self._store.transaction():
            if self._turn is None or turn != self._turn + 1:
                self._store.execute(f"DELETE FROM nonce_{1 - turn % 2}")
            self._store.execute(f"DELETE FROM nonce_{turn % 2}")
            self._store.save("nonce_turn", turn)
        self._turn = turn
