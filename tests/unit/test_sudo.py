"""Each `sudo()` of the addon says whose rights were checked before, or why none are needed."""

import ast
import io
import re
import tokenize
from pathlib import Path

import pytest

ADDON = Path(__file__).parents[2] / "email_marketing_dm"
EXCEPT = ("tests", "migrations")
#: not "right" alone, as in "the right key"
SAID = re.compile(r"\bsudo\b|\brights\b|\bright to\b", re.IGNORECASE)
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def find_silent(sources):
    """Return ["file:line", …] of calls that raise rights in a function that says nothing of them.

    A function says it in its docstring, or in a comment in it or directly above it, with the word
    "sudo" or "rights" (or "right to").

    :param sources: {name of a file: its Python source}
    """
    found = []
    for name, source in sources.items():
        tree = ast.parse(source)
        functions = [node for node in ast.walk(tree) if isinstance(node, FUNCTIONS)]
        comments = _find_comments(source)
        for call in filter(_raises_rights, ast.walk(tree)):
            around = [node for node in functions if node.lineno <= call.lineno <= node.end_lineno]
            # The innermost function; a call outside of all functions says it on its own line.
            place = max(around, key=lambda node: node.lineno, default=call)
            if not SAID.search(_read_about(place, comments)):
                found.append(f"{name}:{call.end_lineno}")
    return sorted(found)


def _raises_rights(node):
    """Tell whether a node calls `sudo()`, `sudo(True)` or `with_user(SUPERUSER_ID)`."""
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
        return False
    arguments = [ast.unparse(argument) for argument in node.args]
    if node.func.attr == "sudo":
        return arguments != ["False"]
    return node.func.attr == "with_user" and any("SUPERUSER_ID" in text for text in arguments)


def _find_comments(source):
    """Return {line: comment}."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {token.start[0]: token.string for token in tokens if token.type == tokenize.COMMENT}


def _read_about(node, comments):
    """Return the docstring of a function, and the comments in it and directly above, as a text."""
    decorators = getattr(node, "decorator_list", ())
    first = min((decorator.lineno for decorator in decorators), default=node.lineno)
    while first - 1 in comments:
        first -= 1
    lines = range(first, node.end_lineno + 1)
    docstring = (ast.get_docstring(node) or "") if isinstance(node, FUNCTIONS) else ""
    return "\n".join([docstring, *(comments[line] for line in lines if line in comments)])


@pytest.fixture(scope="module")
def silent():
    paths = [path.relative_to(ADDON) for path in sorted(ADDON.rglob("*.py"))]
    return find_silent(
        {str(path): (ADDON / path).read_text() for path in paths if path.parts[0] not in EXCEPT}
    )


def test_each_sudo_says_whose_rights_were_checked(silent):
    assert silent == []


@pytest.mark.parametrize(
    "call", ["self.sudo().unlink()", "self.sudo(True).unlink()", "self.with_user(SUPERUSER_ID)"]
)
def test_a_silent_sudo_is_found(call):
    assert find_silent({"a.py": f"def f(self):\n    # Why not.\n    {call}\n"}) == ["a.py:3"]
    assert find_silent({"a.py": f"records = {call}\n"}) == ["a.py:1"]


@pytest.mark.parametrize(
    "source",
    [
        "# The caller checked the rights.\n@api.model\ndef f(self):\n    self.sudo().unlink()\n",
        'def f(self):\n    """Delete, with all rights."""\n    self.sudo().unlink()\n',
        "def f(self):\n    # sudo(): `write` was checked above.\n    self.sudo().unlink()\n",
        "def f(self):\n    return self.sudo(False)\n",
    ],
)
def test_a_sudo_with_a_reason_passes(source):
    assert find_silent({"a.py": source}) == []


@pytest.mark.parametrize("comment", ["pass  # sudo(): why.\n\n", "pass\n\n\n# The right key.\n"])
def test_other_comments_do_not_count(comment):
    found = find_silent({"a.py": f"def g(self):\n    {comment}\ndef f(self):\n    self.sudo()\n"})
    assert len(found) == 1
