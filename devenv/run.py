"""Runs a program with the database server started: what the commands in ``.devenv/bin`` call."""

import os
import shutil
import sys

from . import postgres
from .common import ROOT, STATE, SetupError, main

ODOO = ROOT / "devenv" / "odoo_bin" / "odoo"


def environment():
    """Return the variables that every program of the environment gets."""
    return {
        **os.environ,
        **postgres.environment(),
        "ODOO_RC": str(STATE / "odoo.conf"),
        # where the emulator and its Odoo listen; in odoo.conf it would be an unknown option
        "DIRECTMAIL_TEST_ENDPOINTS": "127.0.0.1, localhost",
        "PYTHONUNBUFFERED": "1",
        **bytecode(),
    }


def bytecode():
    """Return the variables that let Python keep compiled modules between runs, below `STATE`.

    Some machines switch that off for everybody. Odoo then compiles a thousand files at each start,
    which takes almost as long as all else that it does there.
    """
    return {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(STATE / "bytecode")}


def command():
    """Replace this process by the program asked for, so that signals and exit codes are its own."""
    name, arguments = sys.argv[1], sys.argv[2:]
    postgres.start()
    found = environment()
    if name == "psql":
        program = shutil.which("psql", path=found.get("PATH"))
        if not program:
            raise SetupError("psql is missing; apt-get install postgresql-client")
        words = [program, *arguments]
    elif name == "python":
        found.pop("ODOO_RC")
        words = [sys.executable, *arguments]
    elif name == "odoo":
        words = [sys.executable, str(ODOO), *arguments]
    elif name == "pytest":
        words = [sys.executable, "-m", "pytest", *arguments]
        if not any(argument.startswith("--odoo-database") for argument in arguments):
            # with ODOO_RC set pytest-odoo would switch itself on for every test
            found.pop("ODOO_RC")
            words[3:3] = ["-p", "no:odoo"]
    else:
        words = [sys.executable, "-m", name, *arguments]
    os.execve(words[0], words, found)


if __name__ == "__main__":
    main(command)
