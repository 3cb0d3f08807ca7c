"""The process that holds the definitions for the UI and the daemon.

``dagster dev`` would put a second one in front of it, by which edited code is loaded again. While nothing
happens, the UI, the daemon and the database then use 6.0 instead of 4.6 % of a core together.

Its heartbeat is a private name of Dagster (a test fails when it is renamed).
Not here: the UI and the daemon themselves (cli.ui).
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import yaml
from dagster._grpc.client import DagsterGrpcClient

_BEAT_S = 20.0
"""How often the process is told that it is still needed."""

_PATIENCE_S = 120
"""It ends, when its runs have, if it has not been told so for so long: the command was killed."""

_PAUSE_S = 10.0
"""From one start to the next: what makes it end may last, and each start logs why."""


_PR_SET_PDEATHSIG = 1
"""From linux/prctl.h: the signal that a process gets when its parent ends."""


def end_with_parent() -> None:
    """Called in a child before its program begins: Linux interrupts it when its parent is killed."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGINT)


class CodeServer:
    """The code server of one Python module; `keep` starts it, and again whenever it has ended."""

    def __init__(self, module: str, location: str, folder: Path, environment: Mapping[str, str]) -> None:
        """Write the workspace file that names the server's socket.

        Args:
            module: that has the definitions.
            location: name of the code location.
            folder: where the socket and the file are; its path is short enough for a socket.
            environment: of the process, and of the runs that it starts.
        """
        self._socket, self.workspace = folder / "code", folder / "workspace.yaml"
        self._environment = environment
        # Definitions are loaded before it listens: if they cannot be, it ends, and is started again.
        named = ["--module-name", module, "--location-name", location, "--socket", str(self._socket)]
        self._command = [sys.executable, "-m", "dagster", "api", "grpc", *named, "--log-level", "warning",
                         "--inject-env-vars-from-instance", "--heartbeat",
                         "--heartbeat-timeout", str(_PATIENCE_S)]  # fmt: skip
        server = {"host": "localhost", "socket": str(self._socket), "location_name": location}
        self.workspace.write_text(yaml.safe_dump({"load_from": [{"grpc_server": server}]}), "utf-8")
        self.processes: list[subprocess.Popen[bytes]] = []
        """All that were started: the runs of one that was killed go on, in its session."""
        self._started = self._told = 0.0

    @property
    def listens(self) -> bool:
        """Whether it has loaded the definitions."""
        return self._socket.exists() and not self.has_ended

    @property
    def has_ended(self) -> bool:
        """Whether it was started and does not run any more."""
        return bool(self.processes) and self.processes[-1].poll() is not None

    def keep(self) -> None:
        """Start the process if it does not run, in a session of its own; else tell it that it is needed.

        Raises:
            OSError: it cannot be started, such as for lack of memory.
        """
        now = time.monotonic()
        # A number whose session is gone may be given to another one.
        self.processes[:-1] = [each for each in self.processes[:-1] if signalled(each)]
        if not self.processes or (self.has_ended and now - self._started > _PAUSE_S):
            self._socket.unlink(missing_ok=True)
            self._started = self._told = now
            self.processes.append(
                subprocess.Popen(
                    self._command,
                    start_new_session=True,
                    env=self._environment,
                    preexec_fn=end_with_parent,  # noqa: PLW1509 - no other thread is busy here
                )
            )
        elif self.listens and now - self._told > _BEAT_S:
            self._told = now
            with contextlib.suppress(Exception):  # it is ending, or busy: told again at the next beat
                DagsterGrpcClient(socket=str(self._socket)).heartbeat("ping")


def signalled(leader: subprocess.Popen[bytes], number: int = 0) -> bool:
    """Whether any process in the session of ``leader`` was there to be sent a signal; 0 sends none."""
    leader.poll()  # or, having ended, it would go on counting as a process
    with contextlib.suppress(ProcessLookupError):
        os.killpg(leader.pid, number)
        return True
    return False


def only_module(workspace: Path) -> tuple[str, str] | None:
    """The module and the name of the location, if a workspace file has one Python module and nothing else.

    Args:
        workspace: the file; a lab may have added code locations of its own, of any kind. What is wrong with
            it is left to Dagster to say.
    """
    try:
        told = yaml.safe_load(workspace.read_text("utf-8"))
    except yaml.YAMLError:
        return None
    match told:
        case {"load_from": [{"python_module": {"module_name": module, "location_name": name, **more}}]}:
            return None if more else (str(module), str(name))
    return None
