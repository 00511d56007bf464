"""Pytest fixtures: ``directmail`` (one emulator per test) and ``directmail_factory``."""

import pytest

from .testing import Emulator


@pytest.fixture
def directmail_factory(tmp_path):
    """Starts emulators with the arguments of `Emulator`; all end with the test."""
    started = []

    def start(**arguments):
        arguments.setdefault("data", tmp_path / f"directmail-{len(started)}")
        emulator = Emulator(**arguments)
        started.append(emulator)
        return emulator.start()

    yield start
    for emulator in started:
        emulator.stop()


@pytest.fixture
def directmail(directmail_factory):
    """A fresh emulator with the default account."""
    return directmail_factory()
