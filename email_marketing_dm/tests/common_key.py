import os
from contextlib import contextmanager
from unittest.mock import patch

from ..models.key.directmail_keyring import ENVIRONMENT_VARIABLE

ANOTHER = "another server's master key, long enough"
THIRD = "the master key of a third server, long enough"


class KeyMixin:
    """Plays a server with another master key, as the environment gives it one."""

    @contextmanager
    def _on_server_with(self, key=ANOTHER):
        self.env.flush_all()
        with patch.dict(os.environ, {ENVIRONMENT_VARIABLE: key}):
            self.env.invalidate_all()
            yield self.env["directmail.keyring"]._find_host_key()
            self.env.flush_all()
        self.env.invalidate_all()

    def _rekey(self, **aes):
        """Do what an administrator does on the page *Master key*, and let the cron run.

        :param aes: `key`: the AES key to enter
        """
        start = self._open_page()
        start.understood = True
        if aes:
            start.aes_ids.key = aes["key"]
        start.action_start()
        self.env.flush_all()
        self._run_rekey()
        return start

    def _open_page(self):
        pages = self.env["directmail.rekey.start"].with_user(self.admin)
        return pages.browse(pages.action_open()["res_id"])

    def _run_rekey(self):
        """Do what the cron does, without asking for older transactions: the test is one."""
        run = self.env["directmail.rekey"].search([("state", "=", "running")])
        while run._run_chunk():
            pass
        self.env.invalidate_all()
