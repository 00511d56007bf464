"""Moments in messages: to the minute, as in the lists and forms beside them."""

import ast
from pathlib import Path

ADDON = Path(__file__).parents[2] / "email_marketing_dm"


def find_calls():
    """Yield (file, line, name of the format) of each moment that a text says."""
    for path in sorted(ADDON.rglob("*.py")):
        if "tests" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "format_datetime":
                [form] = [word.value for word in node.keywords if word.arg == "dt_format"] or [None]
                yield path.name, node.lineno, getattr(form, "value", None)


def test_no_text_says_seconds():
    calls = list(find_calls())
    assert "directmail_home.py" in [name for name, _line, _form in calls]
    assert [call for call in calls if call[2] != "short"] == []
