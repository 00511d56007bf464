"""Prepared Odoo databases: a test starts from a copy (a second), not from an install (a minute).

- ``base``: Odoo with the apps that the addon meets, without the addon. Made once per Odoo version.
- ``template``: ``base`` with the addon, updated when the addon's files changed. Nobody works in it.
- ``apps``: ``template`` with further apps, made again when the addon's files changed.
- everything else is a copy of ``template``, filestore included, and may be dropped at any time.

What a database was made from is kept in its own comment; a half-made one has none and is made
again.
"""

import contextlib
import os
import re
import shutil
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import psycopg2
from psycopg2 import sql

from . import jobs, odoo_source, postgres
from .common import ADDON, LOGS, ROOT, STATE, SetupError, digest, lock, main, remove, step
from .run import environment

#: apps that the addon depends on or takes people, orders and themes from when they are installed
BASE_MODULES = ("contacts", "crm", "mass_mailing", "mass_mailing_themes", "sale_management")
#: folders of the addon whose files are not loaded into the database (assets are read at run time)
NOT_LOADED = ("tests", "readme", "__pycache__", ".ruff_cache")
#: scripts and style sheets that pages load when they need them; Odoo's `_pregenerate_…` omits them
LAZY_BUNDLES = (
    "bus.websocket_worker_assets", "mass_mailing.assets_builder",
    "mass_mailing.assets_inside_builder_iframe", "web.assets_backend_lazy", "web.assets_emoji",
    "web.chartjs_lib", "web.fullcalendar_lib", "web_tour.automatic", "web_tour.interactive",
)  # fmt: skip
#: compiled scripts and style sheets in the template: a copy's first page comes in 1 s, not in 10
WARM_ASSETS = f"""
env["ir.qweb"]._pregenerate_assets_bundles()
for name in {LAZY_BUNDLES}:
    env["ir.qweb"]._get_asset_bundle(name, css=False).js()
    env["ir.qweb"]._get_asset_bundle(name, js=False).css()
env.cr.commit()
"""


def full_name(name):
    """Return the database's name on the server. On a shared server checkouts keep apart."""
    mark = f"_{digest(str(ROOT))[:6]}" if postgres.is_external() else ""
    return f"directmail{mark}_{name}"


def connect(database="postgres"):
    """Open a connection in autocommit mode, the server started if need be. Close it after use."""
    postgres.start()
    os.environ.update(postgres.environment())
    try:
        connection = psycopg2.connect(dbname=database)
    except psycopg2.OperationalError as error:
        reason = str(error).strip().splitlines()[0]
        raise SetupError(f"cannot connect to PostgreSQL: {reason}") from error
    connection.autocommit = True
    return closing(connection)


def execute(query, *names, values=None):
    """Run one statement, ``{}`` standing for the quoted ``names``. Return its rows."""
    with connect() as connection, connection.cursor() as cursor:
        cursor.execute(sql.SQL(query).format(*map(sql.Identifier, names)), values)
        return cursor.fetchall() if cursor.description else []


def filestore(database):
    """Return the folder with the database's attachments."""
    return STATE / "data" / "filestore" / database


def made_from(database):
    """Return the key that ``mark`` left on the database; None if it is missing or half-made."""
    rows = execute(
        "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s",
        values=[database],
    )
    return rows[0][0] if rows and filestore(database).is_dir() else None


def mark(database, key):
    """Write on the database what it was made from. None says: being changed, don't trust it."""
    execute("COMMENT ON DATABASE {} IS %s", database, values=[key])


def drop(database):
    """Drop the database, whoever is connected, and its filestore."""
    execute("DROP DATABASE IF EXISTS {} WITH (FORCE)", database)
    remove(filestore(database))


def copy(source, target):
    """Make ``target`` an exact copy of ``source``, replacing an older one. Half a second.

    :raise SetupError: when somebody is connected to ``source``
    """
    drop(target)
    try:
        execute("CREATE DATABASE {} TEMPLATE {}", target, source)
    except psycopg2.errors.ObjectInUse as error:
        raise SetupError(
            f"somebody is connected to the database {source}; close that first"
        ) from error
    # attachments are named by their content and never rewritten, so a link is as good as a copy
    shutil.copytree(filestore(source), filestore(target), copy_function=link_or_copy)


def link_or_copy(source, target):
    """Hard-link a file, or copy it where links are not possible."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def odoo(arguments, log, doing, text=None, is_fine=lambda _lines: False):
    """Run Odoo's command line to its end.

    :param str text: what it reads from standard input (``odoo shell``)
    :param is_fine: called with a complaint and the line after it; tells whether to pass over it
    :raise SetupError: when it fails or logs an error or a warning; the log is printed from there on
    """
    LOGS.mkdir(parents=True, exist_ok=True)
    path = LOGS / f"{log}.log"
    command = [sys.executable, "-m", "odoo", *arguments]
    with path.open("w") as output:
        code = subprocess.run(
            command,
            input=text,
            text=True,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment(),
            cwd=ROOT,
            check=False,
        ).returncode
    lines = path.read_text().splitlines()
    bad = (n for n, line in enumerate(lines) if is_complaint(line))
    first = next((n for n in bad if not is_fine(lines[n : n + 2])), None)
    if code or first is not None:
        print("\n".join(lines[-30:] if first is None else lines[first : first + 60]), flush=True)
        raise SetupError(f"{doing} failed (exit code {code}, details: {path})")


def is_complaint(line):
    """Tell whether a line of Odoo's log is a warning or worse.

    Deprecations in the sources of Odoo and its libraries are not: Babel 2.19 reports some when
    Odoo exports terms.
    """
    foreign = f" py.warnings: {STATE}/" in line and ": DeprecationWarning: " in line
    return not foreign and any(
        f" {level} " in line[:80] for level in ("WARNING", "ERROR", "CRITICAL")
    )


def install(database, option, modules, log):
    """Install (``-i``) or update (``-u``) modules, nothing else running."""
    arguments = [
        "-d",
        database,
        option,
        ",".join(modules),
        "--stop-after-init",
        "--no-http",
        "--max-cron-threads=0",
    ]
    odoo(arguments, log, f"odoo {option} {','.join(modules)}")


def ensure_base():
    """Return the name of the database without the addon, made if need be."""
    name, key = full_name("base"), f"base {digest(odoo_source.key(), *BASE_MODULES)}"
    if made_from(name) != key:
        with step("installing Odoo's own apps into a database"):
            drop(name)
            install(name, "-i", BASE_MODULES, "database-base")
            mark(name, key)
    return name


def addon_key():
    """Hash what Odoo loads from the addon into a database: code, data, views, translations."""
    parts = []
    for path in sorted((ROOT / ADDON).rglob("*")):
        inside = path.relative_to(ROOT / ADDON)
        if path.is_file() and not set(inside.parts) & set(NOT_LOADED) and path.suffix != ".pyc":
            parts += [str(inside), path]
    return digest(*parts)


def ensure_template():
    """Return the name of the database with the addon as it is now, made or updated if need be."""
    with preparing():
        return prepare_template()


def preparing():
    """Keep other processes of this checkout from changing or copying the template meanwhile."""
    return lock("database", waiting="waiting for another process that prepares the databases ...")


def prepare_template():
    """Do what `ensure_template` says, with the lock held."""
    base = ensure_base()
    name = full_name("template")
    base_key, now = made_from(base), addon_key()
    before = made_from(name) or ""
    if before == f"{base_key} addon {now}":
        return name
    if before.startswith(f"{base_key} addon "):
        try:
            with step(f"updating {ADDON} in the prepared database"):
                mark(name, None)
                install(name, "-u", [ADDON], "database-update")
                finish(name, f"{base_key} addon {now}")
                return name
        except SetupError as error:
            # an update may fail where an installation works, as after a field has changed its type
            print(f"devenv: {error}; trying a fresh install", flush=True)
    with step(f"installing {ADDON} into the prepared database"):
        copy(base, name)
        install(name, "-i", [ADDON], "database-install")
        finish(name, f"{base_key} addon {now}")
    return name


def finish(name, key):
    """Make the template's copies quick to start, then declare it done."""
    odoo(
        ["shell", "-d", name, "--no-http"], "database-assets", "compiling assets", text=WARM_ASSETS
    )
    mark(name, key)


def prepare_apps(apps):
    """Return the name of the database with the addon and, installed after it, these apps.

    It is not updated but made anew: that apps are installed beside the addon is tested, too.
    """
    name, key = full_name("apps"), f"{made_from(ensure_template())} apps {digest(*apps)}"
    if made_from(name) != key:
        with step("installing further apps into a prepared database"):
            fresh("apps")
            install(name, "-i", apps, "database-apps")
            mark(name, key)
    return name


def fresh(name, apps=()):
    """Return the full name of a new copy of the template, called ``name``.

    :param apps: Odoo's apps that the copy has, too
    """
    target = full_name(name)
    if apps:
        with lock("database-apps", waiting="waiting for another process that installs apps ..."):
            copy(prepare_apps(apps), target)
    else:
        with preparing():
            copy(prepare_template(), target)
    return target


@contextlib.contextmanager
def temporary(name, apps=()):
    """Give a new copy of the template to work in, dropped at the end.

    Its name carries this process's id, so that runs do not disturb each other.

    :param apps: as in `fresh`
    """
    for (found,) in execute("SELECT datname FROM pg_database"):
        process = re.fullmatch(re.escape(full_name(name)) + r"_(\d+)", found)
        if process and not Path(f"/proc/{process.group(1)}").exists():
            drop(found)
    target = full_name(f"{name}_{os.getpid()}")
    try:
        yield fresh(f"{name}_{os.getpid()}", apps)
    finally:
        drop(target)


def open_shell(database):
    """Open Odoo's Python shell on ``database``, made from the template if it is not there yet."""
    if not execute("SELECT 1 FROM pg_database WHERE datname = %s", values=[database]):
        with preparing():
            copy(prepare_template(), database)
    words = [sys.executable, "-m", "odoo", "shell", "-d", database, "--no-http"]
    os.execve(words[0], words, environment())


def command():
    """``python -m devenv.database template | fresh NAME | shell DATABASE | drop NAME | list``"""
    # An Odoo that it runs ends with it.
    jobs.obey_signals()
    what, *names = sys.argv[1:] or [""]
    if what == "template" and not names:
        print(ensure_template())
    elif what == "fresh" and len(names) == 1:
        print(fresh(names[0]))
    elif what == "shell" and len(names) == 1:
        open_shell(names[0])
    elif what == "drop" and len(names) == 1:
        drop(full_name(names[0]))
    elif what == "list" and not names:
        pattern = full_name("").replace("_", r"\_") + "%"
        for (found,) in execute(
            "SELECT datname FROM pg_database WHERE datname LIKE %s", values=[pattern]
        ):
            print(found)
    else:
        raise SetupError(command.__doc__)


if __name__ == "__main__":
    main(command)
