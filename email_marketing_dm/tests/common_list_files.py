"""Awkward files that people upload as lists, and the result that each must have.

The files are made when a test needs them: each case is a few lines. This command writes all of them
to a folder: `python email_marketing_dm/tests/common_list_files.py FOLDER`. Imports no Odoo, because
`tests/unit/test_list_files.py` reads the same files without it.
"""

import io
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

from openpyxl import Workbook
from openpyxl.styles import PatternFill

A, B, C, D = (f"{name}@list.example" for name in ("alice", "bob", "carol", "dave"))


@dataclass(frozen=True)
class Case:
    """A file and what is expected of it.

    :ivar people: the addresses in it, each once, in order
    :ivar flaws: reasons of the rows that are no addresses, in order
    :ivar error: code of the ListError, where it is no list
    :ivar encoding: that is guessed, as far as it matters
    :ivar text: that some cell must hold, in the right letters
    :ivar language: of the reader
    :ivar sheet: that is chosen
    :ivar odoo: goes through a real upload, too
    """

    name: str
    data: bytes
    people: tuple = ()
    flaws: tuple = ()
    error: str | None = None
    encoding: str | None = None
    text: str | None = None
    language: str = "en_US"
    sheet: str | None = None
    odoo: bool = False


# === ENCODINGS: what Excel writes in other countries === #

_LETTERS = (
    # codec of Python, encoding that is guessed, line, reader's language
    ("cp932", "shift_jis", "㈱山田商店", "ja_JP"),
    ("cp932", "shift_jis", "髙橋①,", "en_US"),
    ("cp932", "shift_jis", "ﾔﾏﾀﾞ ～商店", "ja_JP"),
    ("cp949", "euc-kr", "김똠철", "ko_KR"),
    ("cp949", "euc-kr", "박쿕영 주식회사", "en_US"),
    ("cp1250", "windows-1250", "Petr Šťastný", "cs_CZ"),
    ("cp1250", "windows-1250", "Łukasz Żółć", "en_US"),
    ("cp1256", "windows-1256", "محمد پور", "ar_SY"),
    ("cp1256", "windows-1256", "علي گچ\u200cپژ", "en_US"),
    ("cp950", "big5", "王小明€", "zh_TW"),
    ("big5hkscs", "big5", "陳啟恆㗎", "zh_HK"),
    ("gb18030", "gb18030", "张三€䶮", "zh_CN"),
    ("gb18030", "gb18030", "李娜，王芳", "en_US"),
    ("cp1251", "windows-1251", "Иван Петров №1 «Ромашка»", "en_US"),
    ("koi8_r", "koi8-u", "Иван Петров", "ru_RU"),
    ("cp1253", "windows-1253", "Γιώργος Άννα “Αθήνα”", "en_US"),
    ("cp1254", "windows-1254", "Şükrü Işık “İzmir”", "tr_TR"),
    ("cp1255", "windows-1255", "דוד כהן ₪5", "en_US"),
    ("cp1257", "windows-1257", "Žilvinas Šarūnas", "lt_LT"),
    ("cp874", "windows-874", "สมชาย “ใจดี”…", "th_TH"),
    ("cp1252", "windows-1252", "José “Pepe” €5", "en_US"),
    ("cp1252", "windows-1252", "Zoë Müller", "de_DE"),
    ("euc_jis_2004", "euc-jp", "㈱山田商店のひと", "ja_JP"),
    ("iso2022_jp", "iso-2022-jp", "山田商店", "ja_JP"),
    ("iso8859_2", "iso-8859-2", "Petr Šťastný Žižka", "cs_CZ"),
    ("utf-8-sig", "utf-8", "Zoë 山田", "en_US"),
    ("utf-16", "utf-16", "Zoë 山田", "en_US"),
    ("utf-16-le", "utf-16-le", "Zoë Müller of the company", "en_US"),
    ("utf-16-be", "utf-16-be", "Zoë Müller of the company", "en_US"),
)


def _encodings():
    for number, (codec, encoding, name, language) in enumerate(_LETTERS):
        name = name.rstrip(",")
        text = f"{name};{A}\r\n{name};{B}\r\n"
        yield Case(
            f"{number:02} {codec}.csv",
            text.encode(codec),
            (A, B),
            encoding=encoding,
            text=name,
            language=language,
            odoo=codec in ("cp932", "cp949", "cp1250", "cp1256", "cp950", "utf-16-le"),
        )
    good = f"Zoë;{A}\r\n".encode()
    yield Case(
        "byte that fits nowhere, in a name.csv",
        good * 5_000 + b"Jos\xff;" + B.encode() + b"\r\n",
        (A, B),
        encoding="utf-8",
        text="Jos\ufffd",
        odoo=True,
    )
    yield Case(
        "byte that fits nowhere, in the first rows.csv",
        good * 20 + b"Jos\xff;" + B.encode() + b"\r\n",
        (A, B),
        encoding="utf-8",
        text="Jos\ufffd",
        odoo=True,
    )
    yield Case(
        "byte that fits nowhere, in the address.csv",
        good * 20_000 + b"Bob;b\xffb@list.example\r\n" + f"Cy;{C}\r\n".encode(),
        (A, C),
        ("encoding",),
        encoding="utf-8",
    )
    yield Case(
        "replacement mark in the address.csv",
        f"Zoë;{A}\r\nBob;b\ufffdb@list.example\r\nCy;{C}\r\n".encode(),
        (A, C),
        ("encoding",),
        encoding="utf-8",
        odoo=True,
    )
    late = f"Ann;{A}\r\n".encode() * 9000 + f"Zoé;{B}\r\n".encode("cp1252")
    yield Case("first accent after 200 kB.csv", late, (A, B), encoding="windows-1252", text="Zoé")


# === CELLS === #

_CELLS = (
    # cell, people, flaws
    (f"'{A}", (A,), ()),
    (f'="{A}"', (A,), ()),
    (f'"=""{A}"""', (A,), ()),
    (f"mailto:{A}", (A,), ()),
    (f"MAILTO:{A}?subject=Hello%20there", (A,), ()),
    (f"<mailto:{A}>", (A,), ()),
    (f'  "{A}"', (A,), ()),
    (f"'{A}'", (A,), ()),
    (f"“{A}”", (A,), ()),
    (f"\u200b{A}\u200b", (A,), ()),
    (f"\u200e{A}\u200f", (A,), ()),
    (f"\u202a{A}\u202c", (A,), ()),
    ("ali\u00adce@list.example", (A,), ()),
    (f"\ufeff{A}", (A,), ()),
    (f"\u00a0{A}\u00a0", (A,), ()),
    (f"\u3000{A}", (A,), ()),
    ("alice＠list.example", (A,), ()),
    ("ａｌｉｃｅ＠ｌｉｓｔ．ｅｘａｍｐｌｅ", (A,), ()),
    (f"Alice ::: {A}", (A,), ()),
    (f"Alice - {A}", (A,), ()),
    (f"Alice <{A}>", (A,), ()),
    (f"Alice ({A})", (A,), ()),
    (f"Alice [mailto:{A}]", (A,), ()),
    (f"{A} (work)", (A,), ()),
    (f"SMTP:{A}", (A,), ()),
    (f"E-Mail: {A}", (A,), ()),
    (f"1. {A}", (A,), ()),
    (f"• {A}", (A,), ()),
    (f"{A}.", (A,), ()),
    (f"{A},", (A,), ()),
    (f"{A};", (A,), ()),
    (f"&lt;{A}&gt;", (A,), ()),
    (f"{A}_x000D_", (A,), ()),
    ("o'brien@list.example", ("o'brien@list.example",), ()),
    ("alice@bücher.example", ("alice@xn--bcher-kva.example",), ()),
    ("ALICE@XN--BCHER-KVA.example", ("alice@xn--bcher-kva.example",), ()),
    (f"{A}; {B}", (A, B), ()),
    (f"{A}, {B},{C}", (A, B, C), ()),
    (f"{A} {B}", (A, B), ()),
    (f"{A}\n{B}", (A, B), ()),
    (f"{A}；{B}、{C}", (A, B, C), ()),
    (f"Doe, Alice <{A}>; Roe, Bob <{B}>", (A, B), ()),
    (f'"Doe, Alice" <{A}>, Bob <{B}>', (A, B), ()),
    (f"{A}; nonsense@; {B}", (A, B), ("invalid",)),
    (f"{A}; {A}", (A,), ()),
    # Rather a row with a reason than somebody else's address.
    ("Alice^alice@list.example", (), ("doubtful",)),
    ("?lodie@list.example", (), ("doubtful",)),
    ("name=alice@list.example", (), ("doubtful",)),
    ("john smith@list.example", (), ("unclear",)),
    (f"{A} Smith", (), ("unclear",)),
    ("alice@list,example", (), ("invalid", "no_at")),
    ("alice@@list.example", (), ("invalid",)),
    ("alice@list..example", (), ("invalid",)),
    ("alice@list", (), ("invalid",)),
    ("alice at list.example", (), ("no_at",)),
    ("@list.example", (), ("invalid",)),
    ("al\u0007ice@list.example", (), ("hidden",)),
    ("älice@list.example", (), ("local",)),
    ("alice@li☃st.example", (), ("domain",)),
    (f"{A}/{B}", (), ("invalid",)),
    (f"{B} <{A}>", (A,), ("unclear",)),
    ("\u200b", (), ("nothing",)),
)


def cells():
    """Return (cell, people, flaws) of single cells, which no file has to be made for."""
    return _CELLS


# === LINES === #


def _lines():
    yield Case("pasted To line.txt", f"{A}, {B}; {C}".encode(), (A, B, C), odoo=True)
    yield Case(
        "pasted To line with names.txt",
        f'"Doe, Alice" <{A}>, Bob <{B}>, {C}\n'.encode(),
        (A, B, C),
        odoo=True,
    )
    yield Case(
        "several in quoted cells.csv",
        f'name;email\nx;"{A}\n{B}"\ny;"{C}, {D}"\n'.encode(),
        (A, B, C, D),
        odoo=True,
    )
    yield Case(
        "several in a few quoted cells.csv",
        f'name,email\nx,{A}\ny,"{B}; {C}"\nz,{D}\n'.encode(),
        (A, B, C, D),
        odoo=True,
    )
    yield Case("names that are cut.txt", f"Doe, Alice <{A}>; Roe, Bob <{B}>\n".encode() * 3, (A, B))
    yield Case("two columns and several.csv", f"x,{A};{B}\ny,{C};{D}\n".encode(), (A, B, C, D))
    yield Case("lines with one or several.txt", f"{A}; {B}\n{C}\n{D}\n".encode(), (A, B, C, D))
    yield Case("address like a tag.txt", b"<table@list.example>\n", ("table@list.example",))
    yield Case("title above lines of several.csv", f"email\n{A}, {B}\n{C}\n".encode(), (A, B, C))
    yield Case(
        "sep line of Excel.csv", f"sep=;\r\nname;email\r\nx;{A}\r\n".encode(), (A,), odoo=True
    )
    yield Case(
        "space before a quote.csv",
        f'name, email\n"Doe, A", "{A}"\n"Roe, B", "{B}"\n'.encode(),
        (A, B),
        odoo=True,
    )
    yield Case("byte order mark and quotes.csv", f'\ufeff"email","n"\n"{A}","1"\n'.encode(), (A,))
    yield Case(
        "600 empty columns.csv", (f"{A}" + "," * 600 + f"\n{B}" + "," * 600).encode(), (A, B)
    )
    yield Case("only carriage returns.csv", f"{A}\r{B}\r".encode(), (A, B))


# === WORKBOOKS === #


def _book(*sheets):
    book = Workbook()
    book.remove(book.active)
    for title, state, rows in sheets:
        sheet = book.create_sheet(title)
        sheet.sheet_state = state
        for row in rows:
            sheet.append(row)
    return book


def _save(book):
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()


def _repack(data, change):
    """Return a workbook with its parts changed: {name: bytes} -> {name: bytes}."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in change(parts).items():
            archive.writestr(name, content)
    return stream.getvalue()


def _rename(names):
    """Return a change that calls parts otherwise, also where they are referred to."""

    def change(parts):
        renamed = {}
        for name, content in parts.items():
            for old, new in names.items():
                content = content.replace(old.encode(), new.encode())
                name = name.replace(old, new)
            renamed[name] = content
        return renamed

    return change


def _inline(xml):
    """Return a change that replaces the first sheet's rows."""

    def change(parts):
        head = b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">'
        sheet = head + b"<sheetData>" + xml.encode() + b"</sheetData></worksheet>"
        return parts | {"xl/worksheets/sheet1.xml": sheet}

    return change


def _text_row(*texts):
    cells = "".join(f'<c t="inlineStr"><is><t>{text}</t></is></c>' for text in texts)
    return f"<row>{cells}</row>"


def _workbooks():
    plain = _save(_book(("One", "visible", [["name", "email"], ["x", A], ["y", B]])))
    yield Case("plain.xlsx", plain, (A, B))
    hidden = [("Old", "hidden", [["email"], [D]]), ("Very old", "veryHidden", [["email"], [D]])]
    shown = [("People", "visible", [["email"], [A]]), ("Others", "visible", [["email"], [B]])]
    yield Case("first sheets hidden.xlsx", _save(_book(*hidden, *shown)), (A,), odoo=True)
    yield Case("second sheet chosen.xlsx", _save(_book(*shown)), (B,), sheet="Others", odoo=True)
    yield Case(
        "escaped line breaks.xlsx",
        _repack(
            plain,
            _inline(
                _text_row("email")
                + _text_row(f"{A}_x000D_\n{B}")
                + _text_row(C)
                + _text_row("x_x005F_y_x000D_")
            ),
        ),
        (A, B, C),
        ("no_at",),
        odoo=True,
    )
    yield Case(
        "other names of parts.xlsx",
        _repack(
            plain,
            _rename(
                {
                    "xl/workbook.xml": "xl/book7.xml",
                    "workbook.xml.rels": "book7.xml.rels",
                    "worksheets/sheet1": "tabs/blatt",
                    "styles.xml": "looks.xml",
                }
            ),
        ),
        (A, B),
        odoo=True,
    )
    yield Case(
        "backslashes and capitals.xlsx",
        _repack(
            plain,
            lambda parts: {
                name.replace("/", "\\").replace("sheet1", "Sheet1"): content
                for name, content in parts.items()
            },
        ),
        (A, B),
    )
    yield Case(
        "strict.xlsx",
        _repack(
            plain,
            lambda parts: {
                name: content.replace(
                    b"http://schemas.openxmlformats.org/spreadsheetml/2006/main",
                    b"http://purl.oclc.org/ooxml/spreadsheetml/main",
                ).replace(
                    b"http://schemas.openxmlformats.org/officeDocument/2006/relationships",
                    b"http://purl.oclc.org/ooxml/officeDocument/relationships",
                )
                for name, content in parts.items()
            },
        ),
        (A, B),
    )
    book = _book(("One", "visible", [["email"], [A]]))
    for column in range(1, 601):
        book.active.cell(2, column).fill = PatternFill("solid", fgColor="FFFF00")
    yield Case("styled cells to column 600.xlsx", _save(book), (A,), odoo=True)
    empty = "".join(f'<row r="{n}"><c r="A{n}" s="0"/></row>' for n in range(3, 20_000))
    yield Case(
        "styled rows behind the end.xlsx",
        _repack(plain, _inline(_text_row("email") + _text_row(A) + empty)),
        (A,),
    )
    yield Case(
        "empty rows before the titles.xlsx",
        _save(_book(("One", "visible", [[None]] * 40 + [["email"], [A], [None], [B]]))),
        (A, B),
        odoo=True,
    )
    yield Case(
        "formula with its last value.xlsx",
        _repack(
            plain, _inline(_text_row("email") + f'<row><c t="str"><f>A1</f><v>{A}</v></c></row>')
        ),
        (A,),
    )
    rich = '<row><c t="inlineStr"><is><r><t>alice@</t></r><r><t>list.example</t></r></is></c></row>'
    yield Case(
        "two formats in a cell.xlsx", _repack(plain, _inline(_text_row("email") + rich)), (A,)
    )
    yield Case(
        "several in a cell.xlsx",
        _save(_book(("One", "visible", [["email"], [f"{A}\n{B}; {C}"]]))),
        (A, B, C),
    )


# === WHAT IS NO LIST === #


def _zip(**parts):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name.replace("__", "/").replace("_dot_", "."), content)
    return stream.getvalue()


def _others():
    table = f"<table><tr><td>{A}</td></tr></table>"
    yield Case(
        "web page.xls", f"<html><body>{table}</body></html>".encode(), error="html", odoo=True
    )
    yield Case(
        "web page in UTF-16.xls", f"\r\n<!DOCTYPE html>{table}".encode("utf-16"), error="html"
    )
    yield Case("mere table.xls", table.encode(), error="html")
    yield Case(
        "web archive.xls", b"MIME-Version: 1.0\r\nContent-Type: multipart/related\r\n", error="html"
    )
    yield Case(
        "XML of Excel 2003.xls",
        b'<?xml version="1.0"?>\n<?mso-application progid="Excel.Sheet"?>\n'
        b'<Workbook xmlns="urn:schemas-microsoft-com:office:spreadsheet"/>',
        error="xml",
        odoo=True,
    )
    yield Case(
        "old.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600, error="old_excel", odoo=True
    )
    yield Case("very old.xls", b"\x09\x08\x10\x00\x00\x06\x05\x00", error="old_excel")
    ole = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 1000
    yield Case(
        "password.xlsx", ole + "EncryptedPackage".encode("utf-16-le"), error="protected", odoo=True
    )
    yield Case(
        "calc.ods",
        _zip(mimetype="application/vnd.oasis.opendocument.spreadsheet", content_dot_xml="<x/>"),
        error="opendocument",
        odoo=True,
    )
    yield Case("apple.numbers", _zip(Index__Document_dot_iwa="x"), error="numbers")
    yield Case("binary.xlsb", _binary_workbook(), error="xlsb")
    yield Case("packed.zip", _zip(list_dot_csv=A), error="zip")
    yield Case("cards.csv", b"BEGIN:VCARD\nVERSION:3.0\nEMAIL:a@x\nEND:VCARD\n", error="vcard")
    yield Case("paper.csv", b"%PDF-1.7\n1 0 obj\n", error="binary")
    yield Case("empty.csv", b"\r\n \r\n", error="empty")


def _binary_workbook():
    relations = (
        '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
        '<Relationship Id="r1" Target="xl/workbook.bin" Type="http://schemas.openxmlformats.org/'
        'officeDocument/2006/relationships/officeDocument"/></Relationships>'
    )
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("_rels/.rels", relations)
        archive.writestr("xl/workbook.bin", b"\x83\x01")
    return stream.getvalue()


def make_cases():
    """Return all cases that are files."""
    return [*_encodings(), *_lines(), *_workbooks(), *_others()]


def main(directory):
    """Write every file, and what is expected of it beside it."""
    folder = Path(directory)
    folder.mkdir(parents=True, exist_ok=True)
    for case in make_cases():
        (folder / case.name).write_bytes(case.data)
        expected = case.error or "\n".join((*case.people, *(f"- {flaw}" for flaw in case.flaws)))
        (folder / f"{case.name}.expected").write_text(expected + "\n", "utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
