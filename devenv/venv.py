"""The Python virtual environment with the dependencies of Odoo, the addon and its tests."""

import os
import subprocess
import sys
from pathlib import Path

from . import odoo_source
from .common import (
    ROOT,
    STATE,
    SetupError,
    digest,
    forget,
    is_done,
    mark_done,
    remove,
    run,
    step,
    write_atomically,
)

HOME = STATE / "venv"
PYTHON = HOME / "bin" / "python"
EMULATOR = ROOT / "directmail_emulator"
REQUIREMENTS = (
    ROOT / "devenv" / "requirements-odoo.txt",
    ROOT / "requirements.txt",
    ROOT / "devenv" / "requirements-dev.txt",
)


def ensure():
    """Make sure that the environment holds what the requirement files say."""
    if not (3, 10) <= sys.version_info[:2] <= (3, 13):
        raise SetupError(f"Python 3.10 to 3.13 is needed, this is {sys.version.split()[0]}")
    # an environment dies with the Python that it was made from
    made_from = digest(sys.version, os.path.realpath(sys.base_prefix), str(HOME))
    wanted = digest(made_from, *REQUIREMENTS)
    if not (is_done("venv-python", made_from) and PYTHON.exists()):
        # its scripts hold its path, so it cannot be renamed into place: the stamp decides
        remove(HOME)
        forget("venv")
        forget("emulator")
        run([base_python(), "-m", "venv", HOME], "venv", "making the Python environment")
        mark_done("venv-python", made_from)
    if not is_done("venv", wanted):
        with step("installing Python packages"):
            files = [word for path in REQUIREMENTS for word in ("-r", path)]
            command = [PYTHON, "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
            run([*command, *files], "venv", "installing Python packages")
            mark_done("venv", wanted)
    link_sources()
    install_emulator(digest(made_from, str(EMULATOR), EMULATOR / "pyproject.toml"))


def base_python():
    """Return the interpreter itself, also when set-up was started from inside an environment."""
    return getattr(sys, "_base_executable", None) or sys.executable


def link_sources():
    """Let the environment import Odoo and this checkout from wherever it is started."""
    folders = [odoo_source.python_path(), ROOT]
    site = subprocess.run(
        [PYTHON, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    write_atomically(Path(site) / "devenv.pth", "".join(f"{folder}\n" for folder in folders))


def install_emulator(wanted):
    """Install this checkout's emulator as a package, editable, as the addon's tests expect it.

    Needs no network: its dependencies and setuptools are in the environment already.
    """
    if is_done("emulator", wanted):
        return
    command = [PYTHON, "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
    options = ["--no-index", "--no-deps", "--no-build-isolation", "--editable", EMULATOR]
    run([*command, *options], "venv", "installing the emulator")
    mark_done("emulator", wanted)
