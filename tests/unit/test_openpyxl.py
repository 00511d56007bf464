"""The private names of openpyxl that lists/workbook.py uses are there, and do what it expects."""

import importlib
import inspect

import openpyxl
import pytest
from lxml import etree

ADVICE = (
    "openpyxl {version} has no {name}, which email_marketing_dm/lists/workbook.py uses. "
    "Install a version that requirements.txt allows, or adapt _make_parser() and read_sheet()."
)


def advice(name):
    return ADVICE.format(version=openpyxl.__version__, name=name)


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("openpyxl.worksheet._reader", "WorkSheetParser"),
        ("openpyxl.styles.stylesheet", "apply_stylesheet"),
    ],
)
def test_name_is_there(module, name):
    try:
        found = hasattr(importlib.import_module(module), name)
    except ImportError:
        found = False
    if not found:
        pytest.fail(advice(f"{module}.{name}"))


@pytest.mark.parametrize("name", ["epoch", "_date_formats", "_timedelta_formats"])
def test_workbook_has(name):
    if not hasattr(openpyxl.Workbook(), name):
        pytest.fail(advice(f"Workbook.{name}"))


def test_parser_takes_these_arguments():
    parser = importlib.import_module("openpyxl.worksheet._reader").WorkSheetParser
    known = inspect.signature(parser).parameters
    for name in ("data_only", "epoch", "date_formats", "timedelta_formats"):
        if name not in known:
            pytest.fail(advice(f"argument {name} of WorkSheetParser"))
    if not hasattr(parser, "parse_row"):
        pytest.fail(advice("WorkSheetParser.parse_row"))


def test_parser_returns_row_number_and_cells():
    from openpyxl.worksheet._reader import WorkSheetParser
    from openpyxl.xml.constants import SHEET_MAIN_NS

    row = etree.fromstring(
        f'<row xmlns="{SHEET_MAIN_NS}" r="7"><c r="B7" t="s"><v>1</v></c><c><v>2</v></c></row>'
    )
    number, cells = WorkSheetParser(None, ["a", "b"], data_only=True).parse_row(row)
    found = [(cell["column"], cell["value"]) for cell in cells]
    assert (number, found) == (7, [(2, "b"), (3, 2)]), advice("parse_row() with this result")
