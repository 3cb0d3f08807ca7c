"""The process that holds the definitions for the UI and the daemon.

``dagster dev`` would put a second one in front of it, by which edited code is loaded again. While nothing
happens, the UI, the daemon and the database then use 6.0 instead of 4.6 % of a core together.

Not here: the UI and the daemon themselves (cli.ui).
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import yaml


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
        named = ["--module-name", module, "--location-name", location, "--socket", str(self._socket)]
        self._command = [sys.executable, "-m", "dagster", "api", "grpc", *named, "--lazy-load-user-code",
                         "--inject-env-vars-from-instance", "--log-level", "warning"]  # fmt: skip
        server = {"host": "localhost", "socket": str(self._socket), "location_name": location}
        self.workspace.write_text(yaml.safe_dump({"load_from": [{"grpc_server": server}]}), "utf-8")
        self.process: subprocess.Popen[bytes] | None = None

    def keep(self) -> None:
        """Start the process if it does not run. In a session of its own, so that its runs end with it."""
        if self.process is not None and not self.has_ended:
            return
        self._socket.unlink(missing_ok=True)
        self.process = subprocess.Popen(self._command, start_new_session=True, env=self._environment)

    @property
    def has_ended(self) -> bool:
        """Whether it was started and does not run any more."""
        return self.process is not None and self.process.poll() is not None


def only_module(workspace: Path) -> tuple[str, str] | None:
    """The module and the name of the location, if a workspace file has one Python module and nothing else.

    Args:
        workspace: the file; a lab may have added code locations of its own, of any kind.
    """
    entries = (yaml.safe_load(workspace.read_text("utf-8")) or {}).get("load_from") or []
    module = entries[0].get("python_module") if len(entries) == 1 else None
    if not isinstance(module, dict) or set(module) != {"module_name", "location_name"}:
        return None
    return str(module["module_name"]), str(module["location_name"])
