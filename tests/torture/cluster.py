"""A PostgreSQL server of one's own, to be killed."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from devenv import postgres


class Cluster:
    """A private cluster on a unix socket. It may be killed; what was committed is still there."""

    def __enter__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="torture-pg-", dir="/tmp"))
        user = postgres.server_user()
        if user:
            os.chown(self.folder, user.pw_uid, user.pw_gid)
        self.environment = {
            "PGHOST": str(self.folder), "PGUSER": postgres.ROLE, "DEVENV_PRIVATE_PGHOST": "",
        }  # fmt: skip
        self._run(
            "initdb", "-D", self.folder / "data", "-U", postgres.ROLE, "--auth=trust",
            "--encoding=UTF8", "--locale=C.UTF-8",
        )  # fmt: skip
        self._start()
        return self

    def __exit__(self, *_details):
        self._run("pg_ctl", "stop", "-w", "-m", "immediate", "-D", self.folder / "data")
        shutil.rmtree(self.folder, ignore_errors=True)

    def kill(self):
        """End it without any good-byes, as a power cut would, and start it again."""
        self._run("pg_ctl", "stop", "-w", "-m", "immediate", "-D", self.folder / "data")
        self._start()

    def take_over(self, database):
        """Copy a database of the usual server into this one."""
        copied = self.folder / "dump"
        with copied.open("wb") as dump:
            subprocess.run(
                [postgres.binaries() / "pg_dump", "-Fc", database], check=True, stdout=dump,
                env={**os.environ, **postgres.environment()},
            )  # fmt: skip
        environment = {**os.environ, **self.environment}
        subprocess.run([postgres.binaries() / "createdb", database], check=True, env=environment)
        subprocess.run(
            [postgres.binaries() / "pg_restore", "-d", database, "--no-owner", "-j2", copied],
            check=True, env=environment,
        )  # fmt: skip
        copied.unlink()

    def _start(self):
        self._run(
            "pg_ctl", "start", "-w", "-s", "-D", self.folder / "data", "-l", self.folder / "log",
            "-o", f"-c listen_addresses='' -c unix_socket_directories='{self.folder}'",
        )  # fmt: skip

    def _run(self, program, *arguments):
        subprocess.run(
            [str(postgres.binaries() / program), *map(str, arguments)], check=True,
            start_new_session=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, **postgres.as_server(),
        )  # fmt: skip
