"""The page of security names tests that there are, and every group of promises names some."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "security.md"
ADDON_TESTS = ROOT / "email_marketing_dm" / "tests"


def test_every_test_that_is_named_exists():
    rows = [line for line in PAGE.read_text().splitlines() if "`test_" in line or "`tests/" in line]
    rows = [line for line in rows if line.startswith("|")]
    assert len(rows) > 15
    for row in rows:
        named = re.findall(r"`([\w/.]*test_\w+(?:\.py)?)`", row.rpartition(" | ")[2])
        assert named, row
        for name in named:
            found = [ROOT / name] if "/" in name else [*ADDON_TESTS.glob(f"*/{name}.py")]
            assert len(found) == 1 and found[0].is_file(), f"{name} is not there"


def test_every_promise_names_its_tests():
    promises = PAGE.read_text().partition("## What is promised")[2].partition("## What is not")[0]
    for line in promises.splitlines():
        if line.startswith("| ") and not line.startswith(("| promise", "| ---")):
            assert "test_" in line.rpartition(" | ")[2], line
