"""The linters of JavaScript and XML, and axe-core, from the machine's npm registry."""

import shutil

from .common import ROOT, STATE, digest, is_done, mark_done, run, step

HOME = STATE / "node"
PACKAGES = ROOT / "devenv" / "node" / "package.json"
BIN = HOME / "node_modules" / ".bin"
#: checks the accessibility of a page; a script to run in it
AXE = HOME / "node_modules" / "axe-core" / "axe.min.js"


def npm():
    """Return the path of npm, None where it is missing."""
    return shutil.which("npm")


def ensure():
    """Make sure that the linters are there at the versions that `package.json` names."""
    wanted = digest(str(HOME), PACKAGES)
    if is_done("node", wanted) and BIN.is_dir():
        return
    with step("installing linters of JavaScript and XML"):
        HOME.mkdir(parents=True, exist_ok=True)
        shutil.copy(PACKAGES, HOME)
        command = [npm(), "install", "--no-audit", "--no-fund", "--no-package-lock"]
        run([*command, "--prefix", HOME], "node", "installing linters of JavaScript and XML")
        mark_done("node", wanted)
