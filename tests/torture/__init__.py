"""The long reliability runs: ``python -m tests.torture``."""
