"""Each method of a model stands once in the addon."""

import ast
from collections import defaultdict
from pathlib import Path

import pytest

ADDON = Path(__file__).parents[2] / "email_marketing_dm"
FOLDERS = ("models", "wizard", "report")


def find_methods(sources):
    """Return {(model, method): ["file:line", …]}.

    :param sources: {name of a file: its Python source}
    """
    found = defaultdict(list)
    for name, source in sources.items():
        for node in ast.walk(ast.parse(source)):
            model = isinstance(node, ast.ClassDef) and find_model(node)
            for method in node.body if model else ():
                if isinstance(method, ast.FunctionDef):
                    found[model, method.name].append(f"{name}:{method.lineno}")
    return found


def find_model(node):
    """Return the name of the model that a class defines or extends; None for other classes."""
    values = {
        statement.targets[0].id: ast.literal_eval(statement.value)
        for statement in node.body
        if isinstance(statement, ast.Assign)
        and isinstance(statement.targets[0], ast.Name)
        and statement.targets[0].id in ("_name", "_inherit")
    }
    inherited = values.get("_inherit")
    return values.get("_name") or (inherited if isinstance(inherited, str) else None)


@pytest.fixture(scope="module")
def methods():
    paths = [path for folder in FOLDERS for path in sorted((ADDON / folder).rglob("*.py"))]
    return find_methods({str(path.relative_to(ADDON)): path.read_text() for path in paths})


def test_each_method_of_a_model_stands_once(methods):
    """Also `create`, `write`, `copy` and `unlink`: a second one would call `super()`.

    Which of two runs first would depend on the order of imports.
    """
    assert ("directmail.task", "write") in methods, "the models are found"
    assert {key: places for key, places in methods.items() if len(places) > 1} == {}


def test_a_second_method_is_found():
    first = "class A:\n    _name = 'x'\n    def write(self, vals):\n        pass\n"
    second = first.replace("_name", "_inherit")
    found = find_methods({"first.py": first, "second.py": second})
    assert found == {("x", "write"): ["first.py:3", "second.py:3"]}
