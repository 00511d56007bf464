"""Finds the lines of Odoo's log that a test must not tolerate."""

from devenv import database as databases


def complaints(log, allowed=(), is_fine=lambda _lines: False):
    """Return the lines of a log that are warnings or worse, but for those with an allowed text.

    :param is_fine: as in `devenv.database.odoo`
    """
    lines = log.splitlines()
    return [
        line
        for number, line in enumerate(lines)
        if databases.is_complaint(line)
        and not any(text in line for text in allowed)
        and not is_fine(lines[number : number + 2])
    ]


def is_odoos_own(lines):
    """Tell whether Odoo fails to delete records of an app that goes, and nothing of ours is in it.

    It then deletes one by one and leaves some. It does so without the addon too: accounts of a
    journal, locations of a warehouse, views of a website.
    """
    text = "\n".join(lines)
    return (
        "odoo.sql_db: bad query: b'DELETE FROM" in lines[0]
        and "violates foreign key constraint" in text
        and "directmail" not in text.replace(f" {_find_database(lines[0])} ", " ")
    )


def _find_database(line):
    """Return the name in the log's fifth column, which has our name in it."""
    return (line.split(" ", 5) + [""] * 5)[4]
