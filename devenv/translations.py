"""Exports the addon's terms as Odoo does, into the file that the catalogues are made from."""

import tempfile
from pathlib import Path

from . import database
from .common import ADDON, ROOT, main

TARGET = ROOT / ADDON / "i18n" / f"{ADDON}.pot"


def export(target=TARGET):
    """Write all terms of the addon as it is now to ``target``."""
    with database.temporary("terms") as name:
        database.odoo(
            ["i18n", "export", "-d", name, "-l", "pot", "-o", str(target), ADDON],
            "terms",
            "exporting the terms",
        )


def read_fresh():
    """Return the text of a fresh export."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / f"{ADDON}.pot"
        export(target)
        return target.read_text()


if __name__ == "__main__":
    main(export)
