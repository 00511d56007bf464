"""Odoo 19: an existing source tree (``ODOO_SOURCE``), or Debian's package, unpacked only.

Debian carries Odoo 19.0 as the package ``odoo-19`` in its unstable suite. It is downloaded through
private apt lists and unpacked below the state folder: the machine's own packages stay as they are.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

from .common import STATE, SetupError, digest, is_done, mark_done, remove, run, step

HOME = STATE / "odoo"
#: in the package many fonts and scripts are links into these other packages
PACKAGES = (
    "odoo-19/unstable",
    "libjs-jquery/unstable",
    "libjs-jquery-form/unstable",
    "libjs-underscore/unstable",
    "fonts-roboto-unhinted/unstable",
    "fonts-montserrat/unstable",
    "fonts-ocr-b/unstable",
    "fonts-inconsolata/unstable",
    # unstable has version 7 with other file names: every icon would vanish
    "fonts-font-awesome/stable",
)
#: stripped from the package; without it every backend page logs an error, which fails every tour
STRIPPED = ("mail/static/lib/selfie_segmentation/selfie_segmentation.js",)
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


def python_path():
    """Return the folder that holds the ``odoo`` Python package."""
    given = os.environ.get("ODOO_SOURCE")
    if not given:
        return HOME / "usr/lib/python3/dist-packages"
    folder = Path(given).expanduser().resolve()
    release = folder / "odoo" / "release.py"
    if not release.is_file():
        raise SetupError(
            f"ODOO_SOURCE={given} is no Odoo source tree: there is no odoo/release.py in it"
        )
    version = re.search(r"version_info = \(([^,]+), *([^,]+)", release.read_text())
    if not version or version.group(1) != "19":
        found = ".".join(version.groups()) if version else "unknown"
        raise SetupError(f"ODOO_SOURCE={given} is Odoo {found}; this addon is for Odoo 19.0")
    return folder


def addons_path():
    """Return the folders that Odoo looks for addons in, beside its own ``odoo/addons``."""
    beside = python_path() / "addons"
    return [beside] if beside.is_dir() else []


def key():
    """Tell one Odoo from another: databases made by one are not used with the other."""
    if os.environ.get("ODOO_SOURCE"):
        return digest("source", str(python_path()))
    return digest(*PACKAGES, *STRIPPED)


def ensure():
    """Make sure that Odoo is there. :raise SetupError: if it cannot be had."""
    if os.environ.get("ODOO_SOURCE"):
        python_path()
        return
    if is_done("odoo", key()) and python_path().is_dir():
        return
    with step("downloading Odoo 19"):
        work = STATE / "odoo.download"
        remove(work)
        for folder in ("lists/partial", "cache/archives/partial", "debs", "tree"):
            (work / folder).mkdir(parents=True)
        need_space(work, 2_500)
        download(work)
        for deb in sorted((work / "debs").glob("*.deb")):
            run(["dpkg", "-x", deb, work / "tree"], "odoo", "unpacking Odoo")
        check(work / "tree")
        remove(HOME)
        (work / "tree").replace(HOME)
        remove(work)
        mark_done("odoo", key())


def need_space(folder, megabytes):
    """:raise SetupError: when less than ``megabytes`` are free where ``folder`` is."""
    free = shutil.disk_usage(folder).free // 1_000_000
    if free < megabytes:
        raise SetupError(f"the disk is full: {free} MB free at {STATE}, {megabytes} MB needed")


def download(work):
    """Download the packages into ``work/debs``, checked against Debian's signatures by apt."""
    mirror = debian_mirror(work)
    signed = f"[signed-by={KEYRING}] " if KEYRING.is_file() else ""
    sources = work / "sources.list"
    sources.write_text(
        "".join(f"deb {signed}{mirror} {suite} main\n" for suite in ("stable", "unstable"))
    )
    options = private_apt(
        work, f"Dir::Etc::SourceList={sources}", "Dir::Etc::SourceParts=/dev/null"
    )
    run(["apt-get", *options, "update", "--error-on=any"], "odoo", "reading Debian's package lists")
    run(["apt-get", *options, "download", *PACKAGES], "odoo", "downloading Odoo", cwd=work / "debs")


def private_apt(work, *options):
    """Return apt options that keep lists and cache in ``work``, so that no root is needed."""
    wanted = (
        f"Dir::State::Lists={work / 'lists'}",
        f"Dir::Cache={work / 'cache'}",
        "APT::Sandbox::User=",
        "Acquire::Languages=none",
        "Acquire::Retries=2",
        *options,
    )
    return [word for option in wanted for word in ("-o", option)]


def debian_mirror(work):
    """Return the address of the Debian mirror that this machine is configured for."""
    if not shutil.which("apt-get"):
        raise SetupError("there is no apt-get here: set ODOO_SOURCE to an Odoo 19 source tree")
    mirror = first_mirror([])
    if not mirror:
        # a fresh machine has sources but no lists yet; read them privately, which needs no root
        options = private_apt(work)
        problem = SetupError(
            "apt has no Debian mirror here: set ODOO_SOURCE to an Odoo 19 source tree"
        )
        try:
            run(["apt-get", *options, "update"], "odoo", "reading the machine's package lists")
        except SetupError as error:
            # errors of other sources do not matter here
            problem = error
        mirror = first_mirror(options)
        if not mirror:
            raise problem
    return mirror


def first_mirror(options):
    """Ask apt for its Debian archive. Security and updates archives lack the unstable suite."""
    command = [
        "apt-get",
        *options,
        "indextargets",
        "--format",
        "$(REPO_URI)|$(RELEASE)",
        "Created-By: Packages",
        "Origin: Debian",
    ]
    said = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    for line in said.splitlines():
        address, _, suite = line.partition("|")
        if address and "-" not in suite and "security" not in address:
            return address
    return None


def check(tree):
    """Fill the known gaps of the unpacked package and make sure that no other has opened."""
    addons = tree / "usr/lib/python3/dist-packages/odoo/addons"
    if not addons.is_dir():
        raise SetupError("Debian's odoo-19 package has another layout now: set ODOO_SOURCE instead")
    for name in STRIPPED:
        path = addons / name
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    broken = [
        path.relative_to(addons)
        for path in (addons / "web/static").rglob("*")
        if path.is_symlink() and not path.exists()
    ]
    if broken:
        raise SetupError(f"Debian's odoo-19 package links to a file that is not there: {broken[0]}")
