"""The documentation builds as one site, and its links and anchors exist."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def build(config, site):
    """Build the site as `make docs` does. :return: the exit code and what was said"""
    command = [sys.executable, "-m", "mkdocs", "build", "--strict"]
    done = subprocess.run(
        [*command, "--config-file", config, "--site-dir", site],
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stdout + done.stderr


def test_every_page_is_in_the_site_and_every_link_leads_somewhere(tmp_path):
    code, said = build(ROOT / "mkdocs.yml", tmp_path)
    assert code == 0, said
    pages = {path.stem for path in (ROOT / "docs").glob("*.md")} | {"installation"}
    assert pages <= {path.stem for path in tmp_path.glob("*.html")}
    assert "Adding it to your Odoo" in (tmp_path / "installation.html").read_text()
    for page in pages:
        assert f"{page}.html" in (tmp_path / "index.html").read_text(), "not in the navigation"
