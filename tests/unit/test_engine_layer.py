"""The engine calls no model of the addon: what it needs of them is handed to it."""

import ast
from functools import cache
from pathlib import Path

import pytest

ADDON = Path(__file__).parents[2] / "email_marketing_dm"
FILES = sorted((ADDON / "engine").glob("*.py"))
ABOVE = ("models", "wizard", "controllers", "report")
# Methods of Odoo's own models, which the addon's models override.
ODOO_METHODS = frozenset(("_search", "_field_to_sql"))


@cache
def find_methods():
    """Return the names of the private methods of the addon's models and dialogs."""
    return {
        node.name
        for folder in ABOVE
        for path in (ADDON / folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("_")
    } - ODOO_METHODS


def find_constants(tree):
    """Return {name: text} of the constants of a module."""
    return {
        target.id: node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def find_calls_upwards(source):
    """Yield the places where code depends on a model of the addon.

    These are `env["directmail.…"]` with the name or a constant, calls of a private method that a
    model defines on anything but `self`, and imports from the packages of the models.
    """
    tree = ast.parse(source)
    constants = find_constants(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Subscript) and ast.unparse(node.value).split(".")[-1] == "env":
            key = node.slice
            name = key.value if isinstance(key, ast.Constant) else constants.get(ast.unparse(key))
            if str(name).startswith("directmail."):
                yield ast.unparse(node)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if ast.unparse(node.func.value) != "self" and node.func.attr in find_methods():
                yield ast.unparse(node)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in ABOVE:
            yield ast.unparse(node)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_the_engine_calls_no_model(path):
    assert list(find_calls_upwards(path.read_text())) == []


@pytest.mark.parametrize(
    "source",
    [
        'self.env["directmail.task"].browse(1)',
        'NAME = "directmail.task"\nenv[NAME].search([])',
        "account._get_capacity()",
        "from ..models.task import directmail_task",
    ],
)
def test_the_check_finds_calls(source):
    assert list(find_calls_upwards(source))


@pytest.mark.parametrize(
    "source",
    ['env["res.partner"]._search([])', 'SQL("SELECT id FROM directmail_task")', "self._judge()"],
)
def test_the_check_lets_tables_and_odoo_pass(source):
    assert not list(find_calls_upwards(source))
