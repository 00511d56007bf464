import csv
import io
import tracemalloc
import zipfile
from dataclasses import replace
from datetime import date, datetime

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import Workbook

from email_marketing_dm.lists.errors import ListError
from email_marketing_dm.lists.identifiers import guess_kind, match_key, read_safe_cell, safe_cell
from email_marketing_dm.lists.listfile import (
    LINE_MAX,
    Format,
    detect,
    read_rows,
)

TEXT = "name;email\nZoë Müller;zoe@example.com\n用户;user@example.cn\n"


def rows_of(data, form=None):
    form = form or detect(io.BytesIO(data))
    return [row for row, _place in read_rows(io.BytesIO(data), form)]


def workbook(*rows):
    book, stream = Workbook(), io.BytesIO()
    for row in rows:
        book.active.append(row)
    book.save(stream)
    return stream.getvalue()


@pytest.mark.parametrize("encoding", ("utf-8", "utf-8-sig", "utf-16", "gb18030"))
def test_encodings(encoding):
    data = (TEXT * 40).encode(encoding)
    form = detect(io.BytesIO(data))
    assert form.separator == ";"
    assert rows_of(data)[:3] == [
        ["name", "email"],
        ["Zoë Müller", "zoe@example.com"],
        ["用户", "user@example.cn"],
    ]


def test_western_europe():
    data = ("Zoë Müller;zoe@example.com\nJosé Ibáñez;jose@example.com\n" * 20).encode("latin-1")
    form = detect(io.BytesIO(data))
    assert rows_of(data, form)[1][0] == "José Ibáñez"


@pytest.mark.parametrize("separator", ",;\t|")
def test_separators(separator):
    lines = [separator.join(("a@example.com", "Ann", "x")) for _ in range(5)]
    assert detect(io.BytesIO("\n".join(lines).encode())).separator == separator


def test_one_column():
    assert rows_of(b"a@example.com\nb@example.com") == [["a@example.com"], ["b@example.com"]]


def test_quotes_and_line_breaks_in_cells():
    data = b'email,note\r\na@example.com,"one\ntwo, ""three"""\r\n\r\nb@example.com,\r\n'
    assert rows_of(data) == [
        ["email", "note"],
        ["a@example.com", 'one\ntwo, "three"'],
        [],
        ["b@example.com", ""],
    ]


@pytest.mark.parametrize("encoding", ("utf-8", "utf-16", "gb18030"))
def test_going_on_from_anywhere(encoding):
    data = "".join(f'"用户\n{n}",p{n}@example.com\r\n' for n in range(200)).encode(encoding)
    form = detect(io.BytesIO(data))
    whole = rows_of(data, form)
    assert len(whole) == 200
    for stop in (1, 57, 199):
        rows = read_rows(io.BytesIO(data), form)
        for _number in range(stop):
            _row, place = next(rows)
        position = place.get()
        rest = [row for row, _place in read_rows(io.BytesIO(data), form, position)]
        assert rest == whole[stop:], stop


def test_workbook():
    data = workbook(["email", "phone", "id"], ["a@example.com", 6591234567, 12.0], [None, "x"])
    assert detect(io.BytesIO(data)).kind == "xlsx"
    rows = rows_of(data)
    assert rows == [["email", "phone", "id"], ["a@example.com", "6591234567", "12"], ["", "x"]]
    rest = [row for row, _p in read_rows(io.BytesIO(data), Format("xlsx"), (1, 0))]
    assert rest[0][0] == "a@example.com"


def test_values_that_are_no_texts():
    data = workbook([1.0, 1e5, 12.5, True, date(2024, 2, 29), datetime(2024, 2, 29, 8, 30)])
    assert rows_of(data) == [
        ["1", "100000", "12.5", "True", "2024-02-29", "2024-02-29 08:30:00"],
    ]


def refused(data, form=None):
    with pytest.raises(ListError) as caught:
        rows_of(data, form)
    return caught.value


@pytest.mark.parametrize("data", (b"", b"\n \n\t", b"   "))
def test_empty(data):
    assert refused(data).code == "empty"


def test_the_encoding_is_told_by_the_first_letter_that_is_not_ascii():
    data = b"a@example.com,Ann\n" * 10_000 + "e@example.com,Zoé\n".encode("latin-1")
    assert rows_of(data)[-1] == ["e@example.com", "Zoé"]


def test_what_fits_nowhere_becomes_a_mark():
    data = b"a@example.com,Ann\n" * 10_000 + "e@example.com,Zoé\n".encode("latin-1")
    form = replace(detect(io.BytesIO(data)), encoding="utf-8")
    rows = rows_of(data, form)
    assert rows[-1] == ["e@example.com", "Zo\ufffd"]
    assert len(rows) == 10_001


def test_ten_megabytes_on_one_line():
    data = b"ok@example.com\n" + b"x" * 10_000_000
    tracemalloc.start()
    error = refused(data)
    peak = tracemalloc.get_traced_memory()[1] - len(data)
    tracemalloc.stop()
    assert (error.code, error.line) == ("long_line", 2)
    assert peak < 8 * LINE_MAX


@pytest.mark.parametrize("limit", (128 * 1024, 500 * 1024**2), ids=("of csv", "of Odoo"))
def test_quote_that_is_never_closed(limit):
    before = csv.field_size_limit(limit)
    try:
        assert refused(b'a@example.com\n"' + b"b@example.com\n" * 100_000).code == "long_cell"
    finally:
        csv.field_size_limit(before)


def test_too_many_columns():
    assert refused(b",".join([b"a"] * 600)).code == "columns"


def test_what_is_no_list():
    assert refused(b"\xd0\xcf\x11\xe0" + b"\0" * 100).code == "old_excel"
    assert refused(b"\x89PNG\r\n\x1a\n" + bytes(range(256))).code == "binary"
    assert refused(b"PK\x03\x04 is not all").code == "workbook"
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("word/document.xml", "<w/>")
    assert refused(stream.getvalue()).code == "workbook"


def test_zip_bomb():
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("xl/workbook.xml", "<w/>")
        with archive.open("xl/worksheets/sheet1.xml", "w", force_zip64=True) as sheet:
            for _number in range(1100):
                sheet.write(b"0" * 1024**2)
    data = stream.getvalue()
    assert len(data) < 10_000_000
    assert refused(data).code == "too_large"


def test_broken_workbook():
    stream = io.BytesIO(workbook(["a"], ["b"]))
    with zipfile.ZipFile(stream, "a") as archive:
        names = archive.namelist()
    broken = io.BytesIO()
    with zipfile.ZipFile(stream) as source, zipfile.ZipFile(broken, "w") as target:
        for name in names:
            content = source.read(name)
            target.writestr(name, content[: len(content) // 2] if "sheet1" in name else content)
    assert refused(broken.getvalue()).code == "workbook"


@given(st.binary(max_size=400))
def test_nothing_else_is_raised(data):
    try:
        rows_of(data)
    except ListError as error:
        assert error.code


@given(
    st.lists(
        st.lists(
            st.text(st.characters(blacklist_characters="\0", codec="utf-8"), max_size=8),
            min_size=2,
            max_size=2,
        ),
        min_size=1,
        max_size=8,
    )
)
def test_what_was_written_is_read(rows):
    stream = io.StringIO()
    csv.writer(stream).writerows(rows)
    data = stream.getvalue().encode()
    if not data.strip():
        return
    assert rows_of(data, Format()) == [[cell.strip() for cell in row] for row in rows]


@pytest.mark.parametrize(
    ("kind", "value", "key"),
    (
        ("email", " Ann@Example.COM ", "ann@example.com"),
        ("email", "Ann <ann@example.com>", "ann@example.com"),
        ("email", "ann", None),
        ("contact", "0042", "42"),
        ("contact", "42.5", None),
        ("contact", "99999999999", None),
        ("reference", " C-1 ", "C-1"),
        ("external", "base.partner_1", "base.partner_1"),
        ("external", "partner", None),
        ("md5", "D41D8CD98F00B204E9800998ECF8427E", "d41d8cd98f00b204e9800998ecf8427e"),
        ("md5", "d41d", None),
        ("sha256", "a" * 64, "a" * 64),
        ("phone", "+65 9123-4567", "6591234567"),
        ("phone", "0065 9123 4567", "6591234567"),
        ("phone", "12", None),
        ("reference", "x" * 2000, None),
        ("reference", "  ", None),
    ),
)
def test_match_key(kind, value, key):
    assert match_key(kind, value) == key


def test_guess_kind():
    assert guess_kind(["a@example.com", "b@example.com", "x"]) == "email"
    assert guess_kind(["a" * 64] * 3) == "sha256"
    assert guess_kind(["a" * 64] * 3, can_decrypt=lambda value: True) == "encrypted"
    assert guess_kind(["Ann", "Bob"]) is None
    assert guess_kind(["", " "]) is None


@pytest.mark.parametrize("value", ("=1+1", "+1", "-1", "@x", "\t=1", "\r=1", "＝1"))
def test_formulas_are_made_harmless(value):
    assert safe_cell(value) == "'" + value
    assert safe_cell("a=1") == "a=1"


@pytest.mark.parametrize("value", ("=1", "'=1", "''+1", "'", "''", "'a", "a", "", "\n@x", "'\t"))
def test_what_was_made_harmless_is_read_again(value):
    assert not safe_cell(value).startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
    assert read_safe_cell(safe_cell(value)) == value


def zipped(files):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return stream.getvalue()


def unzipped(data):
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def with_shared_texts(sheet, texts):
    """A workbook as Excel writes it: cells refer to a table of texts."""
    files = unzipped(workbook(["a"]))
    files["[Content_Types].xml"] = files["[Content_Types].xml"].replace(
        b"</Types>",
        b'<Override PartName="/xl/sharedStrings.xml" ContentType="application/vnd.openxmlformats-'
        b'officedocument.spreadsheetml.sharedStrings+xml"/></Types>',
    )
    names = b'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
    files["xl/worksheets/sheet1.xml"] = b"<worksheet %s><sheetData>%s</sheetData></worksheet>" % (
        names,
        sheet,
    )
    files["xl/sharedStrings.xml"] = b"<sst %s>%s</sst>" % (names, texts)
    return zipped(files)


ROWS = 20_000


@pytest.mark.parametrize(
    "cell",
    (b'<c t="s"><v>%d</v></c>', b'<c t="inlineStr"><is><t>p%d@x.example</t></is></c>'),
    ids=("shared texts", "texts in cells"),
)
def test_workbook_in_flat_memory(cell):
    """Files of any program: openpyxl alone would load all texts, or the whole sheet."""
    sheet = b"".join(b"<row>" + cell % n + b"<c><v>%d</v></c></row>" % n for n in range(ROWS))
    texts = b"".join(b"<si><t>p%d@x.example</t></si>" % n for n in range(ROWS))
    stream = io.BytesIO(with_shared_texts(sheet, texts))
    process = psutil.Process()
    rows_of(workbook(["warm"]))
    before, most = process.memory_info().rss, 0
    for number, (row, _place) in enumerate(read_rows(stream, Format("xlsx"))):
        assert row == [f"p{number}@x.example", str(number)]
        if number % 1000 == 0:
            most = max(most, process.memory_info().rss)
    assert number == ROWS - 1
    assert most - before < 3 * 1024**2


def test_going_on_in_a_workbook():
    data = workbook(*([f"p{n}@example.com", n] for n in range(200)))
    whole = rows_of(data)
    for stop in (1, 57, 199):
        reader = read_rows(io.BytesIO(data), Format("xlsx"))
        places = [next(reader)[1] for _ in range(stop)]
        rest = [row for row, _ in read_rows(io.BytesIO(data), Format("xlsx"), places[-1].get())]
        assert rest == whole[stop:]
        assert 0 < places[-1].share() <= 1


def test_rich_texts():
    data = with_shared_texts(
        b'<row><c t="s"><v>1</v></c><c t="s"><v>0</v></c></row>',
        b"<si><t/></si><si><r><t>ann@</t></r><r><t>x.example</t></r>"
        b"<rPh sb='0' eb='1'><t>spoken</t></rPh></si>",
    )
    assert rows_of(data) == [["ann@x.example"]]
    assert refused(with_shared_texts(b'<row><c t="s"><v>1</v></c></row>', b"")).code == "workbook"


def test_a_relation_without_target_is_ignored():
    files = unzipped(workbook(["ann@example.com"]))
    relations = files["xl/_rels/workbook.xml.rels"]
    files["xl/_rels/workbook.xml.rels"] = relations.replace(
        b"</Relationships>", b'<Relationship Id="rId99" Type="x/theme"/></Relationships>'
    )
    assert rows_of(zipped(files)) == [["ann@example.com"]]


def test_the_first_sheet_counts():
    book, stream = Workbook(), io.BytesIO()
    book.active.append(["ann@example.com"])
    book.create_sheet("other").append(["no@example.com"])
    book.save(stream)
    assert rows_of(stream.getvalue()) == [["ann@example.com"]]


@pytest.mark.parametrize(
    ("name", "content"),
    (
        ("xl/worksheets/sheet1.xml", b'<sheetData><row r="1">' + b"<c/>" * 2_000_000),
        ("xl/worksheets/sheet1.xml", b"<x/>" * 2_000_000),
        ("xl/sharedStrings.xml", b"<si><t>" + b"x" * 9_000_000),
        ("xl/styles.xml", b" " * 33 * 1024**2),
    ),
    ids=("one row", "no rows", "one text", "styles"),
)
def test_parts_out_of_all_proportion(name, content):
    files = unzipped(with_shared_texts(b"", b""))
    head = files[name].index(b">", files[name].index(b"main")) + 1
    files[name] = files[name][:head] + content
    data = zipped(files)
    assert len(data) < 200_000
    assert refused(data).code == "too_large"


def test_a_row_that_is_far_below():
    """Missing rows before it are skipped, not counted one by one."""
    files = unzipped(workbook(["a"], ["b"]))
    sheet = files["xl/worksheets/sheet1.xml"]
    files["xl/worksheets/sheet1.xml"] = sheet.replace(b'r="2"', b'r="999999999"')
    assert rows_of(zipped(files)) == [["a"], ["b"]]
