"""What the packages that import no Odoo may depend on."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from devenv.without_odoo import ADDON, PACKAGES

ROOT = Path(__file__).parents[2]
FILES = sorted(path for package in PACKAGES for path in (ADDON / package).glob("*.py"))
SDK = ("alibabacloud", "darabonba", "Tea")
#: {file: prefixes of the SDK's packages that it may import}
IMPORTERS = {"transport.py": SDK, "server_credentials.py": ("alibabacloud_credentials",)}
#: files that load the SDK or open connections: only the client and models that make it load them
TRANSPORT = ("client", "connections", "server_credentials", "transport")


def imported(path):
    """Yield (level, name) of the imports anywhere in a file; level 0 is absolute."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((0, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.level, node.module
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.level, alias.name) for alias in node.names)


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_imports(path):
    for level, name in imported(path):
        first = name.split(".")[0]
        if level == 2:
            assert first in PACKAGES
        else:
            assert level < 2
            assert first not in ("odoo", ADDON.name)
        assert name.startswith(IMPORTERS.get(path.name, ())) or not name.startswith(SDK)


@pytest.mark.parametrize(
    "path",
    [path for path in FILES if path.parent.name != "directmail"],
    ids=lambda path: f"{path.parent.name}/{path.name}",
)
def test_the_other_packages_know_only_the_limits_of_directmail(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level == 2:
            if node.module == "directmail":
                assert {alias.name for alias in node.names} == {"const"}
            else:
                assert node.module == "directmail.const" or "directmail" not in node.module


def test_packages_without_odoo_are_complete():
    """A new package that imports no Odoo is listed, so that it is checked like the others."""
    packages = {path.parent for path in ADDON.glob("*/__init__.py")}
    with_odoo = {"controllers", "engine", "models", "report", "tests", "wizard"}
    assert {path.name for path in packages} - with_odoo == set(PACKAGES)


def test_only_the_client_loads_the_sdk():
    modules = [
        f"{ADDON.name}.{path.parent.name}.{path.stem}"
        for path in FILES
        if path.stem not in (*TRANSPORT, "__init__")
    ]
    program = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "import devenv.without_odoo\n"
        f"import {', '.join(modules)}\n"
        "print([name for name in sys.modules if name.startswith(sys.argv[2:])])\n"
    ).replace("sys.argv[2:]", repr(SDK + ("requests", "aiohttp")))
    run = [sys.executable, "-c", program, str(ROOT)]
    assert subprocess.check_output(run, text=True).strip() == "[]"
