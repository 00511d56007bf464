"""The pages for developers name files and functions that are there."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ADDON = ROOT / "email_marketing_dm"
PAGE = (ROOT / "docs" / "architecture.md").read_text()
PAGES = {"architecture": PAGE, "contributing": (ROOT / "CONTRIBUTING.md").read_text()}
FOLDERS = ("email_marketing_dm", "directmail_emulator", "tests", "devenv")
FILES = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*.*") if path.is_file()]
STOPS = re.findall(r"^\d+\. `([\w/]+\.py)`: `(\w+)`", PAGE, re.MULTILINE)


def test_the_way_of_one_recipient_is_short():
    assert 20 <= len(STOPS) <= 40


@pytest.mark.parametrize(("path", "function"), STOPS)
def test_a_stop_is_in_the_code(path, function):
    tree = ast.parse((ADDON / path).read_text())
    names = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    assert function in names


@pytest.mark.parametrize("page", PAGES)
def test_a_file_that_is_named_exists(page):
    """A name may leave out the folders that the text around it gives."""
    named = set(re.findall(r"`([\w./]+\.(?:py|js|xml))`", PAGES[page]))
    assert named
    assert [name for name in sorted(named) if not find_files(name)] == []


@pytest.mark.parametrize("page", PAGES)
def test_what_a_file_is_said_to_have_is_in_it(page):
    said = re.findall(r"`([\w./]+\.py)`(?:: | \()`(\w+)`", PAGES[page])
    said += [
        pair[::-1] for pair in re.findall(r"`(\w+)`(?:\s+in|\s+of)\s+`([\w./]+\.py)`", PAGES[page])
    ]
    assert said
    missing = [
        (name, word)
        for name, word in said
        if not any(re.search(rf"\b{word}\b", path.read_text()) for path in find_files(name))
    ]
    assert missing == []


def find_files(name):
    """Return the files of the repository whose path ends with a name."""
    return [path for path in FILES if f"/{path}".endswith(f"/{name}")]
