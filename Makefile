# What each command does is in devenv/README.md. All of them set up what is missing first.
SHELL := /bin/sh
STATE := $(or $(DEVENV_DIR),.devenv)
PYTHON = $(STATE)/bin/python
ONLY ?=
DB ?= directmail_dev

.DEFAULT_GOAL := help
.PHONY: help setup test lint shell terms rights docs demo bench torture screenshots stop

help:
	@echo "make setup   get Odoo 19, PostgreSQL, Chromium and the Python packages (once; warm: at once)"
	@echo "make demo    run one whole campaign and leave the server up (ONCE=1: end after the account)"
	@echo "make test    run every test (ONLY=path: just those)"
	@echo "make lint    run the linters"
	@echo "make shell   Odoo's Python shell on a database of your own (DB=name)"
	@echo "make bench   side-by-side figures (ONLY=name, SCALE=people)"
	@echo "make torture the long reliability runs (ONLY=name, SEED=number)"
	@echo "make screenshots  take the documentation's pictures again (ONLY=audience, consent or series)"
	@echo "make rights  try what every role may do, and write docs/rights.md"
	@echo "make terms   export the addon's terms, and bring the translations in step"
	@echo "make docs    build the documentation as one site with a search (.devenv/site/index.html)"
	@echo "make stop    stop the database server (it also stops by itself)"

setup:
	@devenv/setup

test: setup
	@$(PYTHON) -m devenv.test $(ONLY)

lint: setup
	@$(PYTHON) -m devenv.test lint

shell: setup
	@$(PYTHON) -m devenv.database shell $(DB)

terms: setup
	@$(PYTHON) -m devenv.translations

rights: setup
	@RIGHTS=write $(PYTHON) -m devenv.test tests/server/test_rights.py

docs: setup
	@NO_MKDOCS_2_WARNING=1 $(PYTHON) -m mkdocs build --strict --site-dir $(abspath $(STATE))/site

stop:
	@$(STATE)/venv/bin/python -m devenv.postgres stop

ifneq ($(wildcard devenv/demo.py),)
demo: setup
	@ONCE=$(ONCE) $(PYTHON) -m devenv.demo
endif

ifneq ($(wildcard devenv/screenshots.py),)
screenshots: setup
	@ONLY=$(ONLY) $(PYTHON) -m devenv.screenshots
endif

ifneq ($(wildcard tests/torture/__main__.py),)
torture: setup
	@SEED=$(SEED) ONLY=$(ONLY) $(PYTHON) -m tests.torture
endif

# every file in benchmarks/ whose name does not begin with an underscore is a benchmark
BENCHES := $(filter-out _%,$(basename $(notdir $(wildcard benchmarks/*.py))))
ifneq ($(BENCHES),)
bench: setup
	@code=0; for name in $(or $(ONLY),$(BENCHES)); do $(PYTHON) -m benchmarks.$$name || code=1; done; exit $$code
endif
