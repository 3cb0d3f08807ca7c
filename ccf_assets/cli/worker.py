"""A Celery worker for the runs of the UI: what is checked before it starts, in words.

Not here: how it executes a run (runs.celery_app).
"""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import sqlalchemy as sa

import ccf_assets
from ccf_assets import settings
from ccf_assets.db import database
from ccf_assets.errors import CcfError
from ccf_assets.finding import counted
from ccf_assets.objects import Objects
from ccf_assets.pg.connect import new_engine
from ccf_assets.runs.daemon import running_ui
from ccf_assets.runs.home import dagster_home
from ccf_assets.runs.run_engine import QUEUE, require_workers
from ccf_assets.sources.source import Sources

CLOCKS_S = 5.0
"""Most seconds between the clocks of this host and the database: a file is read once it has been unchanged
for some seconds, and runs of several hosts are put in order by time."""


def work(slots: int | None, queues: Sequence[str], report: Callable[[str], object]) -> None:
    """Check that runs can be executed here, and become Celery's worker; does not return.

    Args:
        slots: how many runs it executes at a time; None is as many as this host has cores, and at most
            CCF_SLOTS.
        queues: whose runs it takes; none is the default queue.
        report: receives what is found, a line at a time.

    Raises:
        CcfError: something is missing or does not fit; the sentence says what to do.
    """
    place = require_workers("A worker")
    _check_database(report)
    for line in _folders():
        report(line)
    dagster_home(report)
    queues = list(dict.fromkeys(queues)) or [QUEUE]
    for queue in queues:
        if "," in queue or not queue.strip():
            raise CcfError(f"{queue!r} is no name of a queue: give --queue once for each queue.")
    slots = slots or min(_cores(), settings.slots())
    names = " and ".join(queues)
    report(f"Waiting at the broker at {place} for runs of the queue {names}, {slots} at a time; Ctrl-C ends.")
    sys.stdout.flush()
    sys.stderr.flush()
    # Another program in this process: its children, which are forked, share no connection of the checks.
    command = [sys.executable, "-m", "celery", "--quiet", "--app", "ccf_assets.runs.celery_app", "worker"]
    # Two workers of one host must not share a mailbox.
    name = f"ccf-{os.getpid()}@{socket.gethostname()}"
    options = [
        "--pool", "prefork", "--concurrency", str(slots), "--queues", ",".join(queues), "--hostname", name,
        "--without-gossip", "--without-mingle", "--loglevel", "WARNING",
    ]  # fmt: skip
    # No warnings of Dagster, Celery and their dependencies about each other.
    os.execve(sys.executable, [*command, *options], {**os.environ, "PYTHONWARNINGS": "ignore"})  # noqa: S606


def _cores() -> int:
    """The cores that this process may use; a batch system may give it fewer than there are."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _check_database(report: Callable[[str], object]) -> None:
    """Refuse a database of another version, and one whose clock differs.

    Raises:
        CcfError: the database cannot be used, or not by this program.
    """
    # Asked before anything that would bring the tables to this program's version.
    with new_engine(database.empty_database_url(), poolclass=sa.NullPool).connect() as connection:
        ui = running_ui(connection)
        before = time.time()
        theirs = float(connection.scalar(sa.text("SELECT extract(epoch FROM clock_timestamp())")) or 0)
        ahead = (before + time.time()) / 2 - theirs
    ours = ccf_assets.__version__
    if ui is None:
        report(f"No UI of this database runs now; start `ccf-assets up` of version {ours} on one host.")
    elif ui.version != ours:
        raise CcfError(
            f"The UI of this database, on {ui.host}, is ccf_assets {ui.version or 'of an older version'}, "
            f"and this host has {ours}: a run would depend on its host. Install one version on both."
        )
    if abs(ahead) > CLOCKS_S:
        raise CcfError(
            f"The clock of this host is {abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} that of "
            f"the database; {CLOCKS_S:.0f} s are allowed. Set both by a time server."
        )
    database.database_url()


def _folders() -> list[str]:
    """What this host has of the folders that runs read, a line each."""
    source = Sources.from_settings()
    lines = [
        _folder("Recordings", settings.recordings(), "runs that read files of sites cannot be executed here"),
    ]
    if source.is_remote or source.is_phantom:
        lines.append(f"Source of the atlases: {source.label}, kept in {source.cache}.")
    else:
        lines.append(
            _folder("Source of the atlases", settings.path(source.source), "nothing can be loaded here")
        )
    return lines


def _folder(what: str, folder: settings.Place, without: str) -> str:
    if not isinstance(folder, Path):
        try:
            return f"{what}: {folder}{', where nothing is yet' if Objects(folder).is_empty() else ''}."
        except CcfError as error:
            return f"{what}: {error} Until then {without}."
    try:
        entries = sum(1 for entry in folder.iterdir() if not entry.name.startswith("."))
    except OSError:
        return f"{what}: {folder} is not here; {without}."
    return f"{what}: {folder}, {counted(entries, 'entry', 'entries')}."
