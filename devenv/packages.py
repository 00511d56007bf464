"""System packages that set-up needs, installed with apt when missing."""

import os
import shutil
import subprocess
import sys

from .common import SetupError, run, say


def ensure(wanted):
    """Install the system packages whose tool is missing.

    :param dict wanted: package name -> function that tells whether it is there already
    :raise SetupError: when they are missing and cannot be installed
    """
    missing = [package for package, present in wanted.items() if not present()]
    if not missing:
        return
    names = " ".join(missing)
    if not shutil.which("apt-get"):
        raise SetupError(f"these are missing and apt-get is not there to install them: {names}")
    say(f"installing system packages: {names} ...")
    prefix = as_root(names)
    install = [
        *prefix,
        "apt-get",
        "install",
        "--yes",
        "--no-install-recommends",
        "-o",
        "DPkg::Lock::Timeout=120",
        *missing,
    ]
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    try:
        run(install, "apt", f"installing {names}", env=environment, stdin=None)
    except SetupError:
        # the machine's package lists are missing or too old; one update fixes both
        run(
            [*prefix, "apt-get", "update"],
            "apt",
            "updating package lists",
            env=environment,
            stdin=None,
        )
        run(install, "apt", f"installing {names}", env=environment, stdin=None)
    still = [package for package in missing if not wanted[package]()]
    if still:
        raise SetupError(f"installed, but still not usable: {' '.join(still)}")


def as_root(names):
    """Return the words before a command that must run as root."""
    if os.geteuid() == 0:
        return []
    hint = f"ask an administrator for: apt-get install {names}"
    if not shutil.which("sudo"):
        raise SetupError(f"these system packages are missing and there is no sudo; {hint}")
    if not sys.stdin or not sys.stdin.isatty():
        # nobody could type a password, so sudo must not wait for one
        sudo = ["sudo", "--non-interactive"]
        if subprocess.run([*sudo, "true"], capture_output=True, check=False).returncode:
            raise SetupError(
                f"these system packages are missing; first run: sudo apt-get install {names}"
            )
        return sudo
    return ["sudo"]
