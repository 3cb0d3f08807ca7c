"""Debian's PostgreSQL and pgbouncer, each in a folder of its own and on a port of its own, for drills under root.

Not here: what is done to them (poolers).
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

OWNER, DATABASE = "ccf_owner", "lab"

_USER = "postgres"
"""The operating system's user that Debian's packages add; neither program runs as root."""

_PATIENCE_S = 60


def programs() -> Path | None:
    """The folder of the newest PostgreSQL's programs, or None."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    return found[-1].parent if found else None


def missing() -> str:
    """What this machine lacks for these servers, in words; empty if nothing."""
    lacking = [
        *(["root"] if os.geteuid() else []),
        *([] if programs() else ["Debian's package postgresql"]),
        *([] if shutil.which("pgbouncer") else ["Debian's package pgbouncer"]),
    ]
    return ", ".join(lacking)


def free_port() -> int:
    """A port of this machine that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def url(port: int, database: str = DATABASE, user: str = OWNER) -> str:
    """The address of a database on a server or pooler of this machine."""
    return f"postgresql://{user}@127.0.0.1:{port}/{database}"


@contextmanager
def postgres(folder: Path, primary: int | None = None) -> Iterator[int]:
    """A server, with the role `OWNER`, until the block ends.

    Args:
        folder: of its files; it is made.
        primary: the port of another one, of which this is to be a streaming replica.

    Yields:
        Its port.
    """
    port, bin_folder = free_port(), programs()
    assert bin_folder is not None
    _own(folder)
    data = folder / "data"
    if primary is None:
        _run(bin_folder / "initdb", "-D", data, "-U", _USER, "--auth=trust", "--encoding=UTF8", "--locale=C")
        settings = {"wal_level": "replica", "shared_buffers": "256MB", "hot_standby": "on", "fsync": "off"}
        with (data / "postgresql.conf").open("a") as file:
            file.writelines(f"{name} = {value}\n" for name, value in settings.items())
    else:
        _run(bin_folder / "pg_basebackup", "-D", data, "-R", "-X", "stream", "-c", "fast",
             "-d", url(primary, "postgres", _USER))  # fmt: skip
    with _process(folder, bin_folder / "postgres", "-D", data, "-p", port, "-h", "127.0.0.1", "-k", folder):
        _until_it_answers(url(port, "postgres", _USER))
        if primary is None:
            execute(url(port, "postgres", _USER), f"CREATE ROLE {OWNER} LOGIN")
        yield port


@contextmanager
def pgbouncer(folder: Path, server: int, mode: str, ignores: str = "", pool: int = 20) -> Iterator[int]:
    """A pooler in front of the server at port ``server``, until the block ends; yields its port.

    Args:
        folder: of its files; it is made.
        server: port of the server.
        mode: ``session`` or ``transaction``.
        ignores: names of the startup parameters that it ignores, with commas between them.
        pool: its default_pool_size.
    """
    port = free_port()
    _own(folder)
    (folder / "users.txt").write_text(f'"{OWNER}" ""\n"{_USER}" ""\n')
    (folder / "pgbouncer.ini").write_text(
        f"[databases]\n* = host=127.0.0.1 port={server}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n"
        f"listen_port = {port}\nunix_socket_dir =\nauth_type = trust\nauth_file = {folder / 'users.txt'}\n"
        f"admin_users = {_USER}\npool_mode = {mode}\ndefault_pool_size = {pool}\n"
        + (f"ignore_startup_parameters = {ignores}\n" if ignores else "")
    )
    with _process(folder, shutil.which("pgbouncer") or "", folder / "pgbouncer.ini"):
        _until_it_answers(url(port, "pgbouncer", _USER))
        yield port


def execute(address: str, statement: str) -> list[tuple[object, ...]]:
    """The rows of a statement, executed by itself."""
    with psycopg.connect(address, autocommit=True) as connection:
        # The pooler's own commands know no prepared statements.
        cursor = psycopg.ClientCursor(connection).execute(statement)
        return cursor.fetchall() if cursor.description else []


def _own(folder: Path) -> None:
    folder.mkdir(mode=0o700)
    shutil.chown(folder, _USER)


def _run(*command: object) -> None:
    subprocess.run([str(word) for word in command], **_as_user(), check=True, stdout=subprocess.DEVNULL)  # type: ignore[call-overload]


def _as_user() -> dict[str, object]:
    """Arguments of subprocess; the environment is not the lab's, by which its processes are found."""
    group = pwd.getpwnam(_USER).pw_gid
    return {"user": _USER, "group": group, "extra_groups": [], "cwd": "/", "env": {"PATH": os.defpath}}


@contextmanager
def _process(folder: Path, *command: object) -> Iterator[None]:
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [str(word) for word in command], **_as_user(), stdout=log, stderr=log, start_new_session=True
        )  # type: ignore[call-overload]
    try:
        yield
    finally:
        process.send_signal(signal.SIGINT)  # end all sessions, then end
        process.wait(_PATIENCE_S)


def _until_it_answers(address: str) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        try:
            # pgbouncer's own database takes no other statement.
            execute(address, "SHOW VERSION" if address.endswith("/pgbouncer") else "SELECT 1")
        except psycopg.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return
