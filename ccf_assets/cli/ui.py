"""The Dagster UI with its daemon as one command, which stops every process that it started.

Not here: what the UI shows (definitions).
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path

import dagster as dg
import sqlalchemy as sa

from ccf_assets import settings
from ccf_assets.db import database
from ccf_assets.db.loaded import atlases_in_database
from ccf_assets.defs.partitions import add_atlases
from ccf_assets.errors import CcfError, server_said, why
from ccf_assets.pg.embedded import short_folders
from ccf_assets.runs.code_server import CodeServer, end_with_parent, only_module, signalled
from ccf_assets.runs.daemon import DaemonPlace, DaemonRunsElsewhereError
from ccf_assets.runs.home import dagster_home
from ccf_assets.runs.liveness import START_S, close_dead_runs
from ccf_assets.runs.run_engine import require_workers

_START_S = 120

_STOP_S = 15


def serve(host: str, port: int, report: Callable[[str], object]) -> None:
    """Run the UI and the daemon until interrupted (SIGINT or SIGTERM), then stop them.

    Args:
        host: address to listen on.
        port: port to listen on.
        report: receives progress, a line at a time.

    Raises:
        CcfError: the port cannot be used, another UI of the database is running, or the UI ended by itself.
    """
    try:
        socket.create_server((host, port)).close()
    except (OSError, OverflowError) as error:
        reason = why(error) if isinstance(error, OSError) else error
        raise CcfError(
            f"Cannot listen on {host}:{port}: {reason}. Choose another --port or --host."
        ) from None
    if settings.engine() is not None:
        broker = require_workers("`ccf-assets up`")
        report(f"Runs are executed by the workers of the broker at {broker} (`ccf-assets worker`).")
    report("Starting the database …")
    place = DaemonPlace()
    place.take()
    dagster_home(report)
    with dg.DagsterInstance.get() as instance:
        close_dead_runs(instance, START_S)
        # Those that an older version loaded, too.
        add_atlases(instance, atlases_in_database(database.create_engine()))
    report("Starting Dagster …")
    interrupted = False

    def interrupt(_signal: int, _frame: object) -> None:
        nonlocal interrupted
        interrupted = True

    # Before the children start: a script's background job ignores SIGINT, and they would inherit that.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)
    # Dagster's processes meet at sockets among the temporary files, whose path may be too long for one.
    temporary = dict(zip(["TMPDIR"], map(str, short_folders()), strict=False))
    # No warnings of Dagster and its dependencies about each other, in any process it starts.
    quiet = {"CCF_UI_URL": _address(host, port), **os.environ, **temporary, "PYTHONWARNINGS": "ignore"}
    workspace, code = settings.dagster_file("workspace.yaml"), None
    dagster: subprocess.Popen[bytes] | None = None
    with tempfile.TemporaryDirectory(prefix="ccf_", dir=temporary.get("TMPDIR")) as folder:
        if module := only_module(workspace):
            code = CodeServer(*module, Path(folder), quiet)
            workspace = code.workspace
        try:
            if code is not None:
                code.keep()
                _wait_for(code, lambda: interrupted)
            # In a session of its own: Ctrl-C in the terminal reaches only this process, which then stops it.
            dagster = subprocess.Popen(
                [sys.executable, "-m", "dagster", "dev", "-w", str(workspace),
                 "--host", host, "--port", str(port), "--log-level", "error"],
                start_new_session=True,
                env=quiet,
                preexec_fn=end_with_parent,  # noqa: PLW1509 - no other thread is busy here
            )  # fmt: skip
            _watch(dagster, code, lambda: interrupted, place, (host, port), report)
            report("Stopping …")
        finally:
            _stop([*([dagster] if dagster else []), *(code.processes if code else [])])
            place.close()


def _watch(
    dagster: subprocess.Popen[bytes],
    code: CodeServer | None,
    interrupted: Callable[[], bool],
    place: DaemonPlace,
    address: tuple[str, int],
    report: Callable[[str], object],
) -> None:
    """Keep the database and the code server up until the command is interrupted.

    Raises:
        CcfError: the UI did not answer in time, or ended by itself.
    """
    ready, reported = False, ""
    deadline = time.monotonic() + _START_S
    while not interrupted() and dagster.poll() is None:
        if not ready and answers(*address):
            ready = True
            report("The UI is at http://{}:{} — stop it with Ctrl-C.".format(*address))
        if not ready and time.monotonic() > deadline:
            raise CcfError(f"The UI did not answer within {_START_S} s; see the messages above.")
        reported = _keep_database(place, reported, report)
        if code is not None:
            with contextlib.suppress(OSError):  # no memory or process left: tried again
                code.keep()
        time.sleep(1)
    if not interrupted():
        raise CcfError(f"The UI ended by itself (exit code {dagster.returncode}); see the messages above.")


def _wait_for(code: CodeServer, interrupted: Callable[[], bool]) -> None:
    """Wait until the definitions are loaded, or the command is interrupted."""
    deadline = time.monotonic() + _START_S
    while not (code.listens or interrupted()):
        if code.has_ended or time.monotonic() > deadline:
            raise CcfError("The definitions could not be loaded; see the messages above.")
        time.sleep(0.1)


def _keep_database(place: DaemonPlace, reported: str, report: Callable[[str], object]) -> str:
    """Start the embedded server again if it was killed; returns why it cannot start, reported once.

    Args:
        place: of the one daemon, which is taken again if its session was lost.
        reported: what the last call returned.
        report: receives the reason, if it is another.
    """
    try:
        place.take()
    except DaemonRunsElsewhereError:
        raise
    except (CcfError, sa.exc.SQLAlchemyError) as error:  # such as a full disk, which may have room later
        sentence = str(error) if isinstance(error, CcfError) else server_said(error)
        if sentence != reported:
            report(sentence)
        return sentence
    return ""


def _address(host: str, port: int) -> str:
    """The address of the UI for other machines, where it listens for them."""
    everywhere = host in {"0.0.0.0", "::"}  # noqa: S104 - compared, not bound
    return f"http://{socket.gethostname() if everywhere else host}:{port}"


def answers(host: str, port: int) -> bool:
    """Whether the UI answers there."""
    try:
        with urllib.request.urlopen(f"http://{host}:{port}/server_info", timeout=2):
            return True
    except (urllib.error.URLError, OSError):
        return False


def _stop(children: Sequence[subprocess.Popen[bytes]]) -> None:
    """End every process in the sessions of ``children``, runs in progress included, and wait for that.

    On SIGINT Dagster's processes shut down, and a run is recorded as failed. A process that does not end in
    time is killed.
    """
    left = list(children)
    for number, seconds in ((signal.SIGINT, _STOP_S), (signal.SIGKILL, 5)):
        left = [child for child in left if signalled(child, number)]
        deadline = time.monotonic() + seconds
        while left and time.monotonic() < deadline:
            time.sleep(0.1)
            left = [child for child in left if signalled(child)]
