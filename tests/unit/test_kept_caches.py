"""What of Odoo's caches outlives a test of the addon."""

from hypothesis.internal.conjecture import providers

from odoo.tools import lru
from odoo.tools.lru import LRU

from devenv.kept_caches import KeptCaches, spare_odoo
from email_marketing_dm.privacy import tokens


def make_caches():
    caches = {"default": LRU(100), "templates": LRU(100)}
    caches["default"]["country"] = "Norway"
    caches["templates"]["page"] = "<p/>"
    return caches


def end(kept, caches):
    """What happens at the end of a test."""
    kept.look()
    for cache in caches.values():
        cache.clear()
    kept.restore()
    return {name: dict(cache) for name, cache in caches.items()}


def test_what_was_not_cleared_is_kept_with_what_the_test_has_added():
    caches = make_caches()
    kept = KeptCaches(caches)
    caches["default"]["city"] = "Oslo"
    assert end(kept, caches) == {
        "default": {"country": "Norway", "city": "Oslo"},
        "templates": {"page": "<p/>"},
    }


def test_what_was_cleared_is_what_it_was_before():
    caches = make_caches()
    kept = KeptCaches(caches)
    caches["default"].clear()
    caches["default"]["country"] = "changed by the test"
    caches["templates"]["other"] = "<br/>"
    assert end(kept, caches) == {
        "default": {"country": "Norway"},
        "templates": {"page": "<p/>", "other": "<br/>"},
    }


def test_a_class_keeps_what_none_of_its_tests_has_cleared():
    caches = make_caches()
    kept = KeptCaches(caches)
    first = KeptCaches(caches)
    caches["default"].clear()
    caches["templates"]["one"] = "<i/>"
    end(first, caches)
    second = KeptCaches(caches)
    caches["templates"]["two"] = "<b/>"
    end(second, caches)
    assert end(kept, caches) == {
        "default": {"country": "Norway"},
        "templates": {"page": "<p/>", "one": "<i/>", "two": "<b/>"},
    }


def test_a_class_that_clears_a_cache_leaves_nothing_of_it():
    caches = make_caches()
    kept = KeptCaches(caches)
    caches["default"].clear()
    caches["default"]["user"] = "made by the class"
    end(KeptCaches(caches), caches)
    assert end(kept, caches)["default"] == {"country": "Norway"}


def test_nothing_is_left_of_a_class_that_changes_models():
    caches = make_caches()
    kept = KeptCaches(caches)
    kept.look()
    kept.forget()
    kept.restore()
    assert not any(map(dict, caches.values()))


def test_hypothesis_reads_files_of_the_addon_and_not_of_odoo(monkeypatch):
    monkeypatch.setattr(providers, "is_local_module_file", providers.is_local_module_file)
    assert providers.is_local_module_file(lru.__file__)
    spare_odoo()
    assert providers.is_local_module_file(tokens.__file__)
    assert not providers.is_local_module_file(lru.__file__)
