# One place for every command; all can be run again at no cost.
SHELL := /bin/sh
VENV := .venv
PYTHON := $(VENV)/bin/python
STAMP := $(VENV)/.installed
PAGE := api/web/dist/index.html
PAGE_SOURCES := $(shell find api/web -name node_modules -prune -o -name dist -prune -o -type f -print 2>/dev/null)

.PHONY: help install page demo test check torture bench clean

help: ## this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

install: $(STAMP) $(PAGE) ## everything needed, into .venv

$(STAMP): pyproject.toml constraints.txt
	python3 -m venv $(VENV)
	$(PYTHON) -m pip install --quiet --upgrade "pip>=25.1"
	$(PYTHON) -m pip install --quiet --constraint constraints.txt --editable ".[all]" --group dev
	@touch $@

page: $(PAGE) ## the live page, built from TypeScript

$(PAGE): $(STAMP) $(PAGE_SOURCES)
	scripts/build-page

demo: install ## the whole system with simulated rooftops at http://127.0.0.1:8800
	$(VENV)/bin/commonwatt demo --tour $(ARGS)

test: install ## every test; installs the real servers and the browser they need where it may
	scripts/install-test-servers
	$(PYTHON) -m pytest -n 2 --dist loadfile $(ARGS)

torture: install ## 200 kills and all other faults on the whole chain, for each store; writes docs/torture.md
	scripts/install-test-servers
	$(PYTHON) -m tests.torture --out docs/torture.md $(ARGS)

check: install ## linters, types, import rules
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports
	scripts/check-page

bench: install ## benchmarks, side by side in one run
	$(PYTHON) -m benchmarks $(ARGS)

clean: ## removes what was built and installed
	rm -rf $(VENV) api/web/dist api/web/node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis
