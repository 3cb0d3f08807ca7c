# make run    everything up to a loaded database
# make test   everything up to a green test suite
# make lint   ruff (lint and format) and mypy
# make bench  what is to be fast, beside yardsticks (benchmarks/README.md); ARGS='--only runs --sizes 25'
# make drill  real faults on a database of its own: drills/README.md
# make soak   half an hour of everything at once under the UI
# make ui     the Dagster UI on http://127.0.0.1:3000
# make audit  known vulnerabilities of what is installed; needs the network
#
# PYTHON names the interpreter the environment is made with (3.10 or newer).

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: run test lint bench drill soak ui audit clean

run: $(VENV)/.run
	$(BIN)/ccf-assets load

ui: $(VENV)/.run
	$(BIN)/ccf-assets up

test: $(VENV)/.test
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/.bench
	$(BIN)/python -m benchmarks $(ARGS)

drill: $(VENV)/.test
	$(BIN)/python -m drills.crashes
	$(BIN)/python -m drills.concurrency
	$(BIN)/python -m drills.faults
	$(BIN)/python -m drills.recordings

soak: $(VENV)/.test
	$(BIN)/python -m drills.soak

# In an environment of its own: its dependencies are not ours. Strict: what could not be looked up is a failure.
audit: $(VENV)/.run
	$(BIN)/python -m pip check
	$(BIN)/python -m pip freeze --exclude-editable > $(VENV)/audit.txt
	$(PYTHON) -m venv $(VENV)/audit
	$(VENV)/audit/bin/python -m pip install --disable-pip-version-check --quiet 'pip-audit>=2.7,<3'
	$(VENV)/audit/bin/pip-audit --strict --no-deps --disable-pip --requirement $(VENV)/audit.txt

$(VENV)/.venv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { \
	  echo "ccf_assets needs Python 3.10 or newer; name one: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@echo "Making the environment in $(VENV) …"
	@$(PYTHON) -m venv $(VENV) || { \
	  echo "Python's venv module is missing; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@touch $@

$(VENV)/.run: $(VENV)/.venv pyproject.toml
	@echo "Installing ccf_assets (about a minute, once) …"
	$(BIN)/python -m pip install --disable-pip-version-check --progress-bar off -e .
	@touch $@

$(VENV)/.test: $(VENV)/.run
	@echo "Installing what the tests need …"
	$(BIN)/python -m pip install --disable-pip-version-check --progress-bar off -e '.[test]'
	@touch $@

$(VENV)/.bench: $(VENV)/.run
	@echo "Installing what the benchmarks compare with …"
	$(BIN)/python -m pip install --disable-pip-version-check --progress-bar off -e '.[bench]'
	@touch $@

clean:
	rm -rf $(VENV)
