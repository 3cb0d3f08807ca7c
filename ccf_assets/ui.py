"""The Dagster UI with its daemon, as one command that stops what it started."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable

from ccf_assets import postgres, settings
from ccf_assets.errors import CcfError
from ccf_assets.instance import dagster_home

HOST = "127.0.0.1"
PORT = 3000
_START_S = 120
_STOP_S = 30


def serve(host: str, port: int, report: Callable[[str], object]) -> None:
    """Run the UI and the daemon until interrupted (SIGINT or SIGTERM), then stop them.

    Args:
        host: address to listen on.
        port: port to listen on.
        report: receives what is going on, a line at a time.

    Raises:
        CcfError: the port is taken, or the UI ended by itself.
    """
    with socket.socket() as probe:
        if probe.connect_ex((host, port)) == 0:
            raise CcfError(f"Something listens on {host}:{port} already; stop it or choose another --port.")
    report("Starting the database …")
    postgres.database_url()
    dagster_home()
    workspace = str(settings.dagster_file("workspace.yaml"))
    report("Starting Dagster …")
    interrupted = False

    def interrupt(_signal: int, _frame: object) -> None:
        nonlocal interrupted
        interrupted = True

    # Before the child starts: a script's background job ignores SIGINT, and its children would, for ever.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, interrupt)
    # In its own session, so that a Ctrl-C in the terminal reaches only us, and we stop it in good order.
    child = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "dagster", "dev", "-w", workspace,
         "--host", host, "--port", str(port), "--log-level", "error"],
        start_new_session=True,
        # Remarks of dagster about its own features, from each of its processes.
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
    )  # fmt: skip
    try:
        ready = False
        deadline = time.monotonic() + _START_S
        while not interrupted and child.poll() is None:
            if not ready and _answers(host, port):
                ready = True
                report(f"The UI is at http://{host}:{port} — stop it with Ctrl-C.")
            if not ready and time.monotonic() > deadline:
                raise CcfError(f"The UI did not answer within {_START_S} s; see the messages above.")
            time.sleep(0.5)
        if not interrupted:
            raise CcfError(f"The UI ended by itself (exit code {child.returncode}); see the messages above.")
        report("Stopping …")
    finally:
        _stop(child)


def _answers(host: str, port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://{host}:{port}/server_info", timeout=2):
            return True
    except (urllib.error.URLError, OSError):
        return False


def _stop(child: subprocess.Popen[bytes]) -> None:
    """SIGINT ends dagster in order; what does not end in time is killed with its whole session."""
    if child.poll() is None:
        child.send_signal(signal.SIGINT)
        try:
            child.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
