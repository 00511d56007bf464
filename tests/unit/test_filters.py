"""Filters kept as text: what Odoo's editor writes is read, code is refused at once."""

from datetime import date, datetime

import pytest

from email_marketing_dm.lists.filters import TERMS_MAX, TEXT_MAX, parse_filter

# a Saturday evening in UTC, already Sunday in Shanghai
NOW = datetime(2026, 2, 28, 20, 30)


def read(value, **options):
    """Return the value of the one condition ``("f", "=", value)``."""
    [condition] = parse_filter(f'[("f", "=", {value})]', now=NOW, **options)
    return condition[2]


@pytest.mark.parametrize("text", ["", None, "  ", "[]", "\n[]\n"])
def test_no_text_is_no_condition(text):
    assert parse_filter(text) == []


def test_literals_are_read_as_they_are():
    text = """['&', ("a", "=", True), '!', ['b', "in", [1, -2, 3.5, None, "O'Brien 🎉"]]]"""
    assert parse_filter(text) == [
        "&",
        ("a", "=", True),
        "!",
        ["b", "in", [1, -2, 3.5, None, "O'Brien 🎉"]],
    ]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("uid", 7),
        ("context_today()", date(2026, 2, 28)),
        ("context_today().strftime('%Y-%m-%d')", "2026-02-28"),
        ("(context_today() - relativedelta(months=1)).strftime('%Y-%m-01')", "2026-01-01"),
        ("(context_today() + relativedelta(day=1, weekday=0)).isoformat()", "2026-02-02"),
        ("datetime.datetime.now()", NOW),
        ("(datetime.datetime.now() - datetime.timedelta(days=7)).strftime('%d')", "21"),
        ("datetime.date(2026, 1, 31) + relativedelta(months=1)", date(2026, 2, 28)),
        ("datetime.date.today().replace(day=1)", date(2026, 2, 1)),
        ("datetime.datetime.now().date()", date(2026, 2, 28)),
        ("time.strftime('%Y-01-01')", "2026-01-01"),
        ("-1.5", -1.5),
        ("'today -7d'", "today -7d"),
    ],
)
def test_dates_that_the_editor_writes(text, value):
    assert read(text, uid=7) == value


def test_today_is_the_day_of_the_readers_calendar():
    assert read("context_today()", tz="Asia/Shanghai") == date(2026, 3, 1)
    assert read("context_today()", tz="America/New_York") == date(2026, 2, 28)


def test_midnight_of_the_reader_becomes_utc():
    text = (
        "datetime.datetime.combine(context_today() - relativedelta(days=1),"
        " datetime.time(0, 0, 0)).to_utc().strftime('%Y-%m-%d %H:%M:%S')"
    )
    assert read(text, tz="Asia/Shanghai") == "2026-02-27 16:00:00"
    assert read(text, tz="UTC") == "2026-02-27 00:00:00"


@pytest.mark.parametrize(
    "value",
    [
        "3**60000000 % 7",
        "'a' * 10**9",
        "[0] * 10**9",
        "1 << 10**9",
        "9" * 25,
        "'a' 'b' + 'c'",
        "f'{uid}'",
        "b'x'",
        "1j",
        "uid.bit_length()",
        "''.join(['a'])",
        "().__class__.__bases__",
        "context_today().__class__",
        "context_today().strftime('%Y' * 3)",
        "context_today().strftime('" + "%999999999d" * 20 + "')",
        "datetime.sys.modules",
        "datetime.datetime.strptime('1', '%d')",
        "datetime.datetime(10**9, 1, 1)",
        "relativedelta(years=10**12)",
        "relativedelta(days=uid, **{'a': 1})",
        "context_today() + relativedelta(years=999999)",
        "[x for x in range(10**9)]",
        "lambda: 1",
        "1 if uid else 2",
        "uid or 3",
        "not uid",
        "~1",
        "{1: 2}",
        "{1, 2}",
        "open('/etc/passwd')",
        "unknown",
        "context_today(1)",
        "-True",
        "-'a'",
        "1 + 1",
        "'a'.to_utc()",
        "...",
        "ref('base.main_company')",
    ],
)
def test_anything_else_is_refused(value):
    with pytest.raises(ValueError, match="."):
        read(value, uid=7)


@pytest.mark.parametrize(
    "text",
    [
        "(",
        "[(]",
        "'text'",
        "1",
        "('a', '=', 1)",
        "[" * 1000 + "]" * 1000,
        "[" * 60 + "]" * 60,
        "-" * 100_000 + "1",
        "[" + "'!', " * 5000 + "('a', '=', 1)]",
        "[('a', 'any', [" + "'!', " * 5000 + "('a', '=', 1)])]",
        "[]\0",
        "[" + " " * TEXT_MAX + "]",
        "import os",
        "[] ; 1",
    ],
)
def test_what_is_no_list_of_conditions_is_refused(text):
    with pytest.raises(ValueError, match="."):
        parse_filter(text)


def test_as_many_conditions_as_allowed_are_read():
    text = f"[{', '.join(['(1, 2, 3)'] * TERMS_MAX)}]"
    assert len(parse_filter(text)) == TERMS_MAX


def test_many_chosen_records_are_read():
    ids = list(range(1, 20_001))
    assert parse_filter(f"[('id', 'in', {ids})]") == [("id", "in", ids)]
