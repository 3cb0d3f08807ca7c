"""The program as people run it, in a process of its own, and a folder for it that leaves nothing behind."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from ccf_assets.pg import embedded

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-c", "from ccf_assets.cli.main import main; main()"]


def ccf(*arguments: str, timeout: float = 180, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; ``settings`` are environment variables."""
    return subprocess.run(
        [*COMMAND, *arguments],
        check=False,
        cwd=ROOT,
        env={**os.environ, **settings},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
    )


def start(*arguments: str, **settings: str) -> subprocess.Popen[str]:
    """Start a command in a session of its own; its output is one stream, at ``stdout``."""
    return python(*COMMAND[1:], *arguments, **settings)


def python(*arguments: str, **settings: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**os.environ, **settings},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def read_until(process: subprocess.Popen[str], words: str) -> str:
    """What the process says up to and with the line that has ``words`` in it."""
    said = ""
    assert process.stdout is not None
    for line in process.stdout:
        said += line
        if words in line:
            return said
    raise AssertionError(f"ended without saying {words!r}:\n{said}")


def wait_for(what: Callable[[], Any], seconds: float = 20) -> Any:
    """The first true answer of ``what``."""
    deadline = time.monotonic() + seconds
    while not (answer := what()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)
    return answer


def server(home: Path) -> embedded.Server | None:
    """The embedded server of a CCF_HOME, if it runs."""
    return embedded._server(home.resolve() / "postgres")


def session(process: subprocess.Popen[str]) -> Sequence[psutil.Process]:
    """What is alive of the session of a process that was started here."""

    def belongs(other: psutil.Process) -> bool:
        try:
            return os.getsid(other.pid) == process.pid and other.status() != psutil.STATUS_ZOMBIE
        except (ProcessLookupError, psutil.NoSuchProcess):
            return False

    return [other for other in psutil.process_iter() if belongs(other)]


@contextmanager
def new_home() -> Iterator[Path]:
    """An empty CCF_HOME; a server that still runs in it at the end is a failure, and is ended."""
    # Not below pytest's own temporary folder: that is closed to others, and under root the server is another.
    with tempfile.TemporaryDirectory(prefix="ccf_test_") as folder:
        home = Path(folder).resolve()
        yield home
        left = [data for data in home.rglob("postgres") if embedded._server(data)]
        for data in left:
            embedded._stop(data)
        assert not left
