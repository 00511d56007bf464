"""Every awkward file of `common_list_files`, through the code that reads lists."""

import io
from dataclasses import replace

import pytest

from email_marketing_dm.lists.cells import find_addresses
from email_marketing_dm.lists.errors import ListError
from email_marketing_dm.lists.identifiers import is_doubtful, read_ids
from email_marketing_dm.lists.listfile import detect, list_sheets, read_rows
from email_marketing_dm.tests.common_list_files import cells, main, make_cases

CASES = make_cases()


def judge(cell):
    """Return ([addresses], [reasons]) of a cell, as an upload would that finds no contact."""
    people, flaws = [], []
    for one in read_ids("email", cell):
        if one.key and is_doubtful(one.key):
            flaws.append("doubtful")
        elif one.key:
            people.append(one.key)
        else:
            flaws.append(one.flaw)
    return people, flaws


def read(case):
    form = detect(io.BytesIO(case.data), case.language)
    if case.sheet:
        assert case.sheet in [sheet.name for sheet in list_sheets(io.BytesIO(case.data))]
        form = replace(form, sheet=case.sheet)
    rows = [row for row, _place in read_rows(io.BytesIO(case.data), form) if any(row)]
    return form, rows


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_file(case):
    if case.error:
        with pytest.raises(ListError) as caught:
            read(case)
        assert caught.value.code == case.error
        return
    form, rows = read(case)
    if case.encoding:
        assert form.encoding == case.encoding
    if case.text:
        assert any(case.text in row[0] for row in rows), rows[:2]
    width = max(map(len, rows))
    columns = [[row[n] for row in rows[:50] if n < len(row)] for n in range(width)]
    column = max(range(width), key=lambda n: sum("@" in cell for cell in columns[n]))
    if rows[0][column] == "email":
        rows = rows[1:]
    people, flaws = {}, []
    for row in rows:
        found, wrong = judge(row[column])
        people.update(dict.fromkeys(found))
        flaws += wrong
    assert tuple(people) == case.people
    assert tuple(flaws) == case.flaws


@pytest.mark.parametrize(("cell", "people", "flaws"), cells())
def test_cell(cell, people, flaws):
    if cell.startswith('"=""'):
        cell = cell[1:-1].replace('""', '"')
    found, wrong = judge(cell)
    assert (tuple(found), tuple(wrong)) == (people, flaws)


def test_hidden_characters_are_shown():
    [found] = find_addresses("al\u0007ice@list.example")
    assert found.text == "al[U+0007]ice@list.example"
    [found] = find_addresses("\u200b")
    assert found.text == "[U+200B]"


def test_files_can_be_written(tmp_path):
    main(tmp_path)
    assert len(list(tmp_path.iterdir())) == 2 * len(CASES)
