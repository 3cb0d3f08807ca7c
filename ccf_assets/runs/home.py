"""Dagster's home folder: DAGSTER_HOME where that is one of ours, else ``dagster`` in CCF_HOME.

No Dagster here, so that a command that only starts other processes need not import it. Where the records
themselves are kept is in storage.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from ccf_assets import settings
from ccf_assets.errors import CcfError, why
from ccf_assets.files import whole_file
from ccf_assets.runs.run_engine import with_workers

_FILE = "dagster.yaml"

_STORAGES = ("ccf_assets.runs.storage", "ccf_assets.instance")
"""The module that our dagster.yaml names for the storage, and its name until 0.3."""


def dagster_home(say: Callable[[str], object] = lambda _line: None) -> Path:
    """Dagster's home folder, which DAGSTER_HOME names from now on, also for children.

    It is the one that DAGSTER_HOME names if the ``dagster.yaml`` there names our storage. A home of another
    project has other records and not our limits, by which files are read one after the other; instead of it,
    and of one that is not there, CCF_HOME/dagster is used, which gets our dagster.yaml.

    Args:
        say: receives a sentence if DAGSTER_HOME is not used.

    Raises:
        CcfError: the folder cannot be made.
    """
    home = settings.home() / "dagster"
    # Dagster takes no relative path.
    named = settings.path(os.environ.get("DAGSTER_HOME") or str(home))
    if named != home:
        trouble = _trouble(named)
        if not trouble:
            os.environ["DAGSTER_HOME"] = str(named)
            return named
        say(
            f"DAGSTER_HOME is not used: {named} {trouble}. Dagster's home is {home} instead; unset "
            "DAGSTER_HOME, or name a folder whose dagster.yaml has the storage of ccf_assets."
        )
    try:
        _renew(home)
    except OSError as error:
        raise CcfError(
            f"Dagster's home {home} cannot be made: {why(error)}. Set CCF_HOME to a folder of your own."
        ) from None
    os.environ["DAGSTER_HOME"] = str(home)
    return home


def _trouble(home: Path) -> str:
    """Why a folder is no Dagster home of ours; empty if it is one."""
    try:
        lines = (home / _FILE).read_text("utf-8").splitlines()
    except FileNotFoundError:
        return f"has no {_FILE}" if home.is_dir() else "does not exist"
    except (OSError, UnicodeDecodeError) as error:
        reason = why(error) if isinstance(error, OSError) else "it is not UTF-8"
        return f"has a {_FILE} that cannot be read ({reason})"
    said = [line.partition("#")[0] for line in lines]
    if not any(name in line for name in _STORAGES for line in said):
        return "belongs to another project, whose records are elsewhere"
    if _has_workers() and not any(line.startswith("run_launcher:") for line in said):
        return f"has a {_FILE} without a run_launcher, and the workers of CCF_ENGINE would get no run"
    return ""


def _has_workers() -> bool:
    """Whether the runs of the UI are executed by workers; on Kubernetes its chart says where they are."""
    return settings.engine() not in (None, settings.KUBERNETES)


def _renew(home: Path) -> None:
    """Make the folder, with our dagster.yaml as it now is."""
    home.mkdir(parents=True, exist_ok=True)
    ours, file = settings.dagster_file(_FILE).read_bytes(), home / _FILE
    if _has_workers():
        ours = with_workers(ours)
    if not file.is_file() or file.read_bytes() != ours:
        # In one step: a process that read half of the file would keep its records elsewhere.
        with whole_file(file) as aside:
            aside.write_bytes(ours)
