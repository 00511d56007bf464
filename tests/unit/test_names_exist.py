"""Each private method that the addon calls exists: Python tells it only when the call runs."""

import ast
import re
from importlib.util import find_spec
from pathlib import Path

ADDON = Path(__file__).parents[2] / "email_marketing_dm"
EXCEPT = ("tests", "migrations")
DEFINED = re.compile(r"\bdef (_\w+)")
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
#: of Python and of libraries
OTHERS = {"_", "_asdict", "_replace", "_make"}


def find_called(source):
    """Return {name: line} of the private methods that are called as `….name(…)`."""
    return {
        node.func.attr: node.lineno
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr.startswith("_")
        and not node.func.attr.startswith("__")
    }


def find_defined(source):
    """Return the names that a source defines: functions, classes, variables and attributes."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, FUNCTIONS):
            found.add(node.name)
        elif isinstance(node, (ast.Name, ast.Attribute)) and isinstance(node.ctx, ast.Store):
            found.add(node.id if isinstance(node, ast.Name) else node.attr)
    return found


def read_sources():
    return {
        path.relative_to(ADDON).as_posix(): path.read_text()
        for path in ADDON.rglob("*.py")
        if not {*path.relative_to(ADDON).parts} & set(EXCEPT)
    }


def read_odoo():
    """Return the names of the private functions of Odoo and all of its addons."""
    folders = map(Path, find_spec("odoo").submodule_search_locations)
    return {
        name
        for folder in folders
        for path in folder.rglob("*.py")
        if "tests" not in path.parts
        for name in DEFINED.findall(path.read_text(errors="replace"))
    }


def test_the_search_finds_what_is_missing():
    source = "class A:\n    def _a(self):\n        self._a()\n        self._b()\n"
    assert find_called(source).keys() - find_defined(source) == {"_b"}


def test_each_private_method_that_is_called_exists():
    sources = read_sources()
    defined = set().union(*map(find_defined, sources.values())) | OTHERS
    missing = [
        f"{name}:{line}: {called}"
        for name, source in sources.items()
        for called, line in find_called(source).items()
        if called not in defined
    ]
    if missing:
        known = read_odoo()
        missing = [one for one in missing if one.rpartition(" ")[2] not in known]
    assert missing == []
