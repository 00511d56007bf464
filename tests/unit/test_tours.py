"""The browser tours are given time for each step."""

import re
from pathlib import Path

TOURS = Path(__file__).parents[2] / "email_marketing_dm" / "static" / "tests" / "tours"


def test_every_tour_is_given_time():
    """Odoo loads the files in the order of their names, and `patience.js` changes what is there."""
    [*files, last] = sorted(TOURS.rglob("*.js"))
    assert last.name == "patience.js"
    tours = [name for file in files for name in re.findall(r'\.add\(\s*"(\w+)"', file.read_text())]
    assert len(tours) >= len(files)
    assert [name for name in tours if not name.startswith("directmail_")] == []
