"""The page on architecture names files and functions that are there."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ADDON = ROOT / "email_marketing_dm"
PAGE = (ROOT / "docs" / "architecture.md").read_text()
STOPS = re.findall(r"^\d+\. `([\w/]+\.py)`: `(\w+)`", PAGE, re.MULTILINE)


def test_the_way_of_one_recipient_is_short():
    assert 20 <= len(STOPS) <= 40


@pytest.mark.parametrize(("path", "function"), STOPS)
def test_a_stop_is_in_the_code(path, function):
    tree = ast.parse((ADDON / path).read_text())
    names = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    assert function in names


def test_files_that_are_named_exist():
    folders = "models|engine|directmail|content|lists|privacy|clock|statistics|wizard|controllers"
    named = re.findall(rf"`((?:{folders})/[\w/]+\.py)`", PAGE)
    assert named
    assert [path for path in named if not (ADDON / path).is_file()] == []
