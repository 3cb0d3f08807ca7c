# PYTHON names the interpreter that the environment is made with, 3.10 to 3.14; UV=none installs with pip alone.

PYTHON ?= python3
UV ?= uv
VENV := .venv
LOCK := test
BIN := $(VENV)/bin

.PHONY: help run test test-lowest lint view notebook bench drill soak fuzz ui audit lock clean
# Targets install into the same environment, and use all cores themselves.
.NOTPARALLEL:

help:  ## what there is to make; so does plain make
	@sed -n 's/^\([a-z-]*\):.*  ## /  make \1@/p' Makefile | \
	  awk -F@ '{ printf "%-19s%s\n", $$1, $$2 }'

run: $(VENV)/.run  ## everything up to a loaded database
	$(BIN)/ccf-assets load

test: $(VENV)/.$(LOCK)  ## everything up to a green test suite
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

test-lowest:  ## the suite with the lowest versions that pyproject.toml allows; Python 3.10 to 3.12
	@$(MAKE) test VENV=.venv-lowest LOCK=lowest

lint: $(VENV)/.test  ## ruff (lint and format), mypy, and which package may import which
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

ui: $(VENV)/.run  ## the Dagster UI on http://127.0.0.1:3000
	$(BIN)/ccf-assets up

view: $(VENV)/.view  ## the viewer in a browser, until Ctrl-C (docs/view.md); ARGS='--region VISp'
	$(BIN)/ccf-assets view $(ARGS)

notebook: $(VENV)/.notebook  ## the tutorial in Jupyter, docs/tutorial.ipynb
	$(BIN)/jupyter lab docs/tutorial.ipynb

bench: $(VENV)/.bench  ## what is to be fast, beside yardsticks (benchmarks/README.md); ARGS='--only runs --sizes 25'
	$(BIN)/python -m benchmarks $(ARGS)

drill: $(VENV)/.test  ## real faults on a database of its own (drills/README.md)
	$(BIN)/python -m drills.crashes
	$(BIN)/python -m drills.concurrency
	$(BIN)/python -m drills.faults
	$(BIN)/python -m drills.recordings
	$(BIN)/python -m drills.volume_forms
	$(BIN)/python -m drills.hosts

soak: $(VENV)/.test  ## half an hour of everything at once under the UI
	$(BIN)/python -m drills.soak

fuzz: $(VENV)/.fuzz  ## every parser of files, half an hour each (fuzz/README.md); ARGS='frames --seconds 60'
	$(BIN)/python -m fuzz $(or $(ARGS),all)

# In an environment of its own: its dependencies are not ours. Strict: what could not be looked up is a failure.
audit: $(VENV)/.run  ## known vulnerabilities of what is installed; needs the network
	$(BIN)/python -m pip check
	$(BIN)/python -m pip freeze --exclude-editable > $(VENV)/audit.txt
	$(BIN)/python -m venv --without-pip $(VENV)/audit
	$(BIN)/python -m pip --python $(VENV)/audit/bin/python --quiet install 'pip-audit>=2.7,<3'
	$(VENV)/audit/bin/pip-audit --strict --no-deps --disable-pip --requirement $(VENV)/audit.txt

COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.10 --no-emit-index-url \
  --custom-compile-command 'make lock' $(ARGS)

# run, view, notebook, bench and fuzz are constrained by the lock of the tests, so that one environment can hold them all.
lock: $(VENV)/.uv  ## the locks after a change of pyproject.toml; ARGS=--upgrade: with the newest of everything
	$(COMPILE) -o locks/test.txt --generate-hashes --group make --extra test pyproject.toml
	$(COMPILE) -o locks/run.txt --generate-hashes --group make -c locks/test.txt pyproject.toml
	$(COMPILE) -o locks/view.txt --generate-hashes --group make --extra view -c locks/test.txt pyproject.toml
	$(COMPILE) -o locks/notebook.txt --generate-hashes --group make --extra notebook -c locks/test.txt pyproject.toml
	$(COMPILE) -o locks/bench.txt --group make --extra bench -c locks/test.txt pyproject.toml
	$(COMPILE) -o locks/fuzz.txt --group make --extra fuzz -c locks/test.txt pyproject.toml
	$(COMPILE) -o locks/lowest.txt --group make --extra test --resolution lowest-direct pyproject.toml
	echo 'uv>=0.9,<1' | $(COMPILE) -o locks/uv.txt --generate-hashes -

# One file for each lock that is installed. A lock or pyproject.toml that has changed is installed again.
$(VENV)/.%: locks/%.txt locks/uv.txt locks/install.sh pyproject.toml
	@PYTHON='$(PYTHON)' UV='$(UV)' sh locks/install.sh $(VENV) $*
	@touch $@

clean:  ## remove the environments; databases and downloads stay
	rm -rf .venv .venv-lowest
