"""What the package may depend on."""

import ast
import subprocess
import sys
from pathlib import Path

import directmail
import pytest

PACKAGE = Path(directmail.__file__).parent
FILES = sorted(PACKAGE.glob("*.py"))
SDK = ("alibabacloud", "darabonba", "Tea")
#: what opens connections for the client, of which nothing else needs to know
TRANSPORT = ("client", "connections")


def imported(path):
    """Names of the absolute imports anywhere in a file."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_imports(path):
    for name in imported(path):
        assert name.split(".")[0] not in ("odoo", "directmail", "email_marketing_dm")
        assert path.name == "client.py" or not name.startswith(SDK)


def test_only_the_client_loads_the_sdk():
    modules = [path.stem for path in FILES if path.stem not in (*TRANSPORT, "__init__")]
    program = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        f"import {', '.join('directmail.' + module for module in modules)}\n"
        "print([name for name in sys.modules if name.startswith(sys.argv[2:])])\n"
    ).replace("sys.argv[2:]", repr(SDK + ("requests", "aiohttp")))
    run = [sys.executable, "-c", program, str(PACKAGE.parent)]
    assert subprocess.check_output(run, text=True).strip() == "[]"
