"""Chromium for browser tours and pictures."""

import shutil

#: the names that Odoo's test runner looks for, in its order
NAMES = ("google-chrome", "chromium", "chromium-browser", "google-chrome-stable")


def executable():
    """Return the path of the browser, or None."""
    return next(filter(None, map(shutil.which, NAMES)), None)
