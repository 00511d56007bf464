"""Odoo with tests that keep the entries of `ormcache` which a test has not made invalid.

Odoo empties all caches after each test and each class, so that every test looks up access rights,
rules, menus and compiled pages anew: an eighth of all statements of the addon's tests. An entry is
valid as long as Odoo does not clear its cache. So, when the changes of a test are rolled back:

- a cache that was not cleared meanwhile is kept as it is;
- a cache that was cleared is put back to what it was when the test began.

The same goes for a class. Run as a module, it is Odoo's command line, which tells in the end how
many tests the files of ``DEVENV_COUNTED`` have, and whose hypothesis reads no files of Odoo; pytest
takes it as a plugin.
"""

import importlib
import os
import unittest
from pathlib import Path

from hypothesis.internal.conjecture import providers

from odoo.modules.registry import Registry
from odoo.tests.common import TransactionCase, get_db_name

from .common import ROOT, STATE


class KeptCaches:
    """What the caches held when a test or a class began.

    :param dict caches: Odoo's `LRU` of each cache by name
    """

    def __init__(self, caches):
        self._caches = caches
        self._entries = {}
        for name, cache in caches.items():
            self._entries[name] = cache.snapshot
            cache[self] = True  # an entry that is gone after the cache was cleared

    def look(self):
        """Note what can be kept: call it before Odoo clears the caches."""
        for name, cache in self._caches.items():
            entries = cache.snapshot
            if entries.pop(self, False):
                self._entries[name] = entries

    def forget(self):
        """Keep nothing."""
        self._entries = {name: {} for name in self._entries}

    def restore(self):
        """Fill the caches: call it when what the test has changed is rolled back."""
        for name, entries in self._entries.items():
            cache = self._caches[name]
            cache.clear()
            for key, value in entries.items():
                cache[key] = value


def keep():
    """Let all tests of Odoo in this process keep the caches."""
    set_up, set_up_class = TransactionCase.setUp, TransactionCase.setUpClass.__func__

    def setUp(self):
        kept = []
        # cleanups run last in, first out: this one after Odoo's own, `look` before them
        self.addCleanup(lambda: [one.restore() for one in kept])
        set_up(self)
        kept.append(KeptCaches(self.registry._Registry__caches))
        self.addCleanup(kept[0].look)

    def setUpClass(cls):
        registry = Registry(get_db_name())
        kept = KeptCaches(registry._Registry__caches)
        before = registry.registry_sequence, registry.registry_invalidated

        def look():
            kept.look()
            if before != (registry.registry_sequence, registry.registry_invalidated):
                kept.forget()  # the class has changed models

        cls.addClassCleanup(kept.restore)
        set_up_class(cls)
        cls.addClassCleanup(look)

    TransactionCase.setUp = setUp
    TransactionCase.setUpClass = classmethod(setUpClass)


def pytest_configure():
    """Do it in a run of pytest."""
    keep()


def spare_odoo():
    """Let hypothesis look for constants to try in this checkout's files only.

    It would parse the 1,500 files of Odoo that are loaded, in six processor seconds.
    """
    is_local = providers.is_local_module_file

    def is_ours(path):
        return path.startswith(f"{ROOT}/") and not path.startswith(f"{STATE}/") and is_local(path)

    providers.is_local_module_file = is_ours


def count_tests(paths):
    """Return how many tests these files of addons have, also where Odoo would not look for them."""
    loader = unittest.TestLoader()
    names = [".".join(Path(path).with_suffix("").parts) for path in paths]
    modules = [importlib.import_module(f"odoo.addons.{name}") for name in names]
    found = sum(loader.loadTestsFromModule(module).countTestCases() for module in modules)
    return found + sum(len(find_unrunnable(module)) for module in modules)


def find_unrunnable(module):
    """Return names of what looks like a test, but is run by nobody: it is no `TestCase`."""
    return [
        name
        for name, found in vars(module).items()
        if name.startswith(("test_", "Test"))
        and getattr(found, "__module__", None) == module.__name__
        and not (isinstance(found, type) and issubclass(found, unittest.TestCase))
    ]


if __name__ == "__main__":
    from odoo.cli.command import main

    keep()
    spare_odoo()
    try:
        main()
    finally:
        counted = os.environ.get("DEVENV_COUNTED", "").split()
        print(f"the files have {count_tests(counted)} tests", flush=True)
