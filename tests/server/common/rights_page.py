"""Writes what `rights_tries.try_roles` found as the page that an administrator reads."""

from itertools import groupby

from tests.server.common.rights_tries import (
    ANSWERED,
    CHANGED,
    DECLINED,
    FAULT,
    INSIDERS,
    NOTHING,
    REFUSED,
    WHOSE,
)

TITLES = {
    "marketer": "User",
    "downloader": "User who may download",
    "administrator": "Administrator",
}
SIGNS = {
    REFUSED: "–", CHANGED: "w", ANSWERED: "a", NOTHING: "0", DECLINED: "s", FAULT: "fault",
}  # fmt: skip
HEAD = """# Who may do what

<!-- Written by tests/server/test_rights.py from what it tried on a server: `make rights` -->

Every line was tried by remote calls on a running server, as a program with somebody's password
would send them: the buttons of the pages can do no more than this. A test compares this page with
what the server does.

The roles are the groups of the privilege *Email Marketing with DirectMail*: *User*, *User* with
*DirectMail: download people*, and *Administrator*. Each cell has four parts: **one's own** / a
colleague's **private** / a colleague's **public** / one of **another company**, and a fifth where
definitions are **shared** by all companies. Models without an owner or without a public form have
the same in the first three.

Nobody else gets anything: not without a login, not as a portal user, not as an employee without
these groups, and not with the *Settings* of Odoo.

Users and administrators of another company have the same rights there. With the records of this
company they get what the last part of a cell says: the same was tried from their side.
"""
RECORDS = """
## Records

`c` create, `r` read, `w` write, `d` delete. A letter in brackets: not refused to the role, but
declined here for another reason, for example because the record is in use. Each field may be
guarded besides: what only the product writes, nobody writes.
"""
METHODS = """
## Buttons and other methods

`w` it changes something, `a` it answers with data or opens a page, `0` nothing happens, `s` a
sentence says why it can't be done (the record made for the test is empty, say), `–` refused.
"""
NOTHING_AT_ALL = """
Nobody reads or changes, by any remote call: {}.
"""


def render(results, world):
    """Return the page. :param results: {role: `rights_tries.Role.try_all`}"""
    records = {
        name: [_cell(results[role][name]["rights"], str) for role in INSIDERS]
        for name, model in world.items()
        if model["ours"]
    }
    methods = {
        (name, method): [
            _cell(results[role][name]["methods"][method], SIGNS.get) for role in INSIDERS
        ]
        for name, model in world.items()
        for method in model["methods"]
    }
    closed = [name for name, cells in records.items() if set("".join(cells)) <= set("–/ ")]
    shown = {name: cells for name, cells in records.items() if name not in closed}
    return "".join(
        (
            HEAD,
            RECORDS,
            *_table("Model", shown, lambda name: f"{world[name]['title']} `{_short(name)}`"),
            NOTHING_AT_ALL.format(", ".join(f"`{name}`" for name in closed)),
            METHODS,
            *_table("Method", methods, lambda key: f"`{_short(key[0])}.{key[1]}`"),
        )
    )


def _short(name):
    return name.removeprefix("directmail.")


def _cell(found, sign):
    """Return a cell of the table; what has no company and no owner has one part."""
    parts = [sign(found[whose]) or "–" for whose in WHOSE if whose in found]
    return " / ".join(parts)


def _table(title, rows, label):
    """Yield a table; rows with the same cells are one. Roles without a difference are a column."""
    columns = [
        [TITLES[role], [cells[number] for cells in rows.values()]]
        for number, role in enumerate(INSIDERS)
    ]
    if columns[0][1] == columns[1][1]:
        columns = [[f"{columns[0][0]}, with download or without", columns[0][1]], columns[2]]
    yield f"\n| {' | '.join([title, *(name for name, _cells in columns)])} |\n"
    yield f"| {' | '.join('---' for _ in range(len(columns) + 1))} |\n"
    lines = zip(zip(*(cells for _name, cells in columns), strict=True), rows, strict=True)
    ordered = sorted(lines, key=lambda line: (line[0], label(line[1])))
    groups = [
        ("<br>".join(label(key) for _cells, key in group), cells)
        for cells, group in groupby(ordered, key=lambda line: line[0])
    ]
    for names, cells in sorted(groups):
        yield f"| {' | '.join([names, *cells])} |\n"
