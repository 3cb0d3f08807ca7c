#!/bin/sh
# Installs what a lock names, and this project, into an environment, which it makes if it is not there.
#
#     install.sh ENVIRONMENT LOCK        as the Makefile calls it: install.sh .venv test
#
# PYTHON (default python3) is the interpreter of a new environment. UV (default uv) installs in seconds; where it
# is not on PATH it is itself installed into the environment, by a lock of its own. Where it cannot be had, or
# cannot reach what pip is set up to reach, pip installs the same lock in a minute or two. UV=none: pip only.
# What the installers say is in ENVIRONMENT/install.log, and is shown if they fail.

set -eu
venv=$1 lock=locks/$2.txt
python=$venv/bin/python
log=$venv/install.log

find_uv() {
  uv=
  [ "${UV:=uv}" = none ] || uv=$(command -v "$UV" || command -v "$venv/bin/uv" || true)
}

make_environment() {
  ${PYTHON:=python3} -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 15))' || {
    echo "ccf_assets needs Python 3.10 to 3.14; name one: make PYTHON=python3.12 …" >&2
    exit 1
  }
  echo "Making the environment in $venv …"
  mkdir -p "$venv"
  if [ "$uv" ] && "$uv" venv --quiet --allow-existing --python "$(command -v "$PYTHON")" "$venv"; then return; fi
  $PYTHON -m venv "$venv" || {
    echo "Python's venv module is missing; on Debian and Ubuntu: apt install python3-venv" >&2
    exit 1
  }
}

with_pip() {
  # An environment that uv made has no pip until the lock is installed.
  "$python" -m pip --version >/dev/null 2>&1 || "$python" -m ensurepip || return
  "$python" -m pip install --disable-pip-version-check --quiet "$@"
}

with_uv() {
  # Compiled at once, as pip does: where Python may write no bytecode, every start would compile Dagster anew.
  "$uv" pip install --compile-bytecode --python "$python" "$@"
}

install() {
  # A lock is complete, with the project's build backend: nothing comes in that it does not name. Where it has
  # hashes, both installers hold every file to them.
  "with_$1" --no-deps -r "$lock" || return
  [ "$lock" = locks/uv.txt ] || "with_$1" --no-deps --no-build-isolation -e .
}

find_uv
[ -e "$venv/bin/activate" ] || make_environment

if [ -z "$uv" ] && [ "$UV" != none ]; then
  with_pip --no-deps -r locks/uv.txt >"$log" 2>&1 || true
  find_uv
fi

if [ "$uv" ]; then
  echo "Installing $lock …"
  if install uv >"$log" 2>&1; then exit; fi
fi
echo "Installing $lock with pip (a minute or two) …"
install pip >>"$log" 2>&1 || {
  cat "$log" >&2
  exit 1
}
