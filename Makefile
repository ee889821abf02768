# `make run` and `make test` are all that is needed; both set up what is missing.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help run demo test check format pytest screenshots lock bench-watch bench-delivery clean

help:            ## what there is
	@grep -hE '^[a-z-]+: .*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 16

run: $(VENV)/.runtime   ## run everything on this machine: http://127.0.0.1:8000 (PORT=… for another)
	@exec $(BIN)/python -m kubegraf.local.up

demo: $(VENV)/.dev      ## the same with a simulated cluster and an inbox, to try it out with no account anywhere
	@exec $(BIN)/python -m demo

test: check pytest      ## every check and every test, on SQLite and on PostgreSQL

check: $(VENV)/.dev     ## linters, types, import rules, Django's own checks
	$(BIN)/pip check
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	KUBEGRAF_DEMO=1 $(BIN)/mypy
	DJANGO_SETTINGS_MODULE=tests.settings $(BIN)/python manage.py check --fail-level WARNING
	DJANGO_SETTINGS_MODULE=tests.settings $(BIN)/python manage.py makemigrations --check --dry-run

# Tests are compiled once for all processes and for both databases. `tests/sharing.py` says how they are shared.
PYTEST := PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n auto --dist loadgroup
pytest: $(VENV)/.dev    ## the tests alone, on SQLite and on PostgreSQL
	@$(BIN)/python -m tests.browser.install
	$(PYTEST) --database=sqlite
	$(PYTEST) --database=postgresql
	# By itself, for it stops the server that the others share.
	$(BIN)/python -m pytest --database=postgresql tests/reliability/test_database_restart.py

# Taken by the tests in a browser, so that no picture shows what is no longer so.
SCREENSHOTS := overview overview-dark-1280 connector-types subscription-form events event silence \
               delivery dead-letters cluster-checked history
screenshots: $(VENV)/.dev   ## take the pictures in docs/images again
	@$(BIN)/python -m tests.browser.install
	KUBEGRAF_SCREENSHOTS=docs/images KUBEGRAF_SCREENSHOTS_OF="$(foreach name,$(SCREENSHOTS),$(if $(findstring 1280,$(name)),$(name),$(name)-light-1280))" \
		$(BIN)/python -m pytest -q --database=sqlite tests/browser -k "fit and not every_page"

bench-delivery: $(VENV)/.dev   ## how fast deliveries go, compared with others (ARGS=--quick for less); see bench/README.md
	@$(BIN)/python -m bench.delivery $(ARGS)

format: $(VENV)/.dev    ## let ruff put the code in order
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: $(VENV)/.dev      ## resolve requirements*.in again into pinned, hashed requirements*.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --upgrade --custom-compile-command 'make lock' -o requirements.txt requirements.in
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --upgrade --custom-compile-command 'make lock' -o requirements-dev.txt requirements-dev.in

bench-watch: $(VENV)/.dev   ## what watching costs, against the official client (ARGS=--quick)
	@$(BIN)/python -m bench.watch $(ARGS)

clean:           ## forget the virtual environment and caches (var/ with the data stays)
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .import_linter_cache

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "KubeGraf needs Python 3.11 or newer, and $(PYTHON) is " + sys.version.split()[0] + ". Name another: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.runtime: requirements.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	@touch $@

$(VENV)/.dev: requirements-dev.txt $(VENV)/.runtime
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@touch $@
