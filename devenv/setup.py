"""``make setup``: everything that a machine lacks. Can be interrupted and run again at will."""

import os

from . import chromium, node, odoo_source, packages, postgres, venv
from .common import ROOT, STATE, lock, main, say, write_atomically

WRAPPER = """#!/bin/sh
# written by devenv: {what}
DEVENV_DIR='{state}'; export DEVENV_DIR
exec '{python}' -m devenv.run {name} "$@"
"""
CONFIGURATION = """; written by devenv; which database server to use comes from the environment
[options]
addons_path = {addons}
data_dir = {data}
http_interface = 127.0.0.1
"""


def ensure():
    """Do what is still missing. Warm, this takes well below a second."""
    with lock("setup", waiting="waiting for another set-up of this checkout ..."):
        wanted = {"chromium": chromium.executable, "npm": node.npm}
        if not postgres.is_external():
            wanted["postgresql"] = postgres.binaries
        packages.ensure(wanted)
        odoo_source.ensure()
        venv.ensure()
        node.ensure()
        write_configuration()
        postgres.start()


def write_configuration():
    """Write Odoo's configuration and the commands in ``.devenv/bin``."""
    addons = [*odoo_source.addons_path(), ROOT]
    write_atomically(
        STATE / "odoo.conf",
        CONFIGURATION.format(addons=",".join(map(str, addons)), data=STATE / "data"),
    )
    for name, what in (
        ("odoo", "Odoo's command line, on this checkout's addons and database server"),
        (
            "python",
            "Python with Odoo, this checkout and the test tools, and the database server started",
        ),
        (
            "pytest",
            "pytest; add --odoo-database=... for the addon's own tests, -p no:odoo for others",
        ),
        ("psql", "psql on this checkout's database server"),
    ):
        text = WRAPPER.format(what=what, state=STATE, python=venv.PYTHON, name=name)
        write_atomically(STATE / "bin" / name, text, 0o755)


def command():
    ensure()
    shown = os.path.relpath(STATE) if STATE.is_relative_to(os.getcwd()) else STATE
    say(f"ready: {shown}/bin has odoo, python, pytest and psql (see devenv/README.md)")


if __name__ == "__main__":
    main(command)
