"""Brings the README and the addon's icon into the documentation's site (`mkdocs.yml` calls it)."""

import re
from pathlib import Path

from mkdocs.structure.files import File

ROOT = Path(__file__).resolve().parents[1]
README, PAGE = "../README.md", "installation.md"
ICON = ROOT / "email_marketing_dm" / "static" / "description" / "icon.png"
IN_DOCS = re.compile(r"\]\(docs/")
#: links to files that are not in the site: their text stays
OUTSIDE = re.compile(r"\[([^\]]+)\]\((?!docs/|http|#)[^)]+\)")


def on_files(files, config):
    """Add the README as a page, with links within the site, and the icon."""
    text = IN_DOCS.sub("](", OUTSIDE.sub(r"\1", (ROOT / "README.md").read_text()))
    files.append(File.generated(config, PAGE, content=text))
    files.append(File.generated(config, "images/icon.png", abs_src_path=str(ICON)))
    return files


def on_page_markdown(markdown, **_page):
    """Let links to the README lead to that page."""
    return markdown.replace(f"]({README}", f"]({PAGE}")
