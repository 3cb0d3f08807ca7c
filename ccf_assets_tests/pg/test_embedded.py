"""The embedded server: made, shared, stopped by the last, whatever happened to those before."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest
import sqlalchemy as sa

from ccf_assets.db import database
from ccf_assets.errors import CcfError
from ccf_assets.pg import embedded
from ccf_assets_tests.support.program import (
    COMMAND,
    ROOT,
    ccf,
    new_home,
    python,
    read_until,
    server,
    start,
    wait_for,
)

USER = """
import sys
from pathlib import Path
from ccf_assets.pg import embedded
print(embedded.join(Path(sys.argv[1])).pid, flush=True)
sys.stdin.read()
"""
"""A process that uses the server in the folder of its first argument until its standard input ends."""

SYSTEMS_PYTHON = f"/usr/bin/python{sys.version_info.major}.{sys.version_info.minor}"
"""Root's own interpreter may be out of others' reach; the system's of the same version serves as well."""


@pytest.fixture
def empty() -> Iterator[Path]:
    """A CCF_HOME without a server."""
    with new_home() as home:
        yield home
        embedded.leave()


@pytest.fixture(scope="module")
def made() -> Iterator[Path]:
    """The data folder of a new server, to be copied: making one takes seconds."""
    with new_home() as home:
        embedded._create(home / "made")
        # The tests kill processes, not machines.
        with (home / "made/postgresql.auto.conf").open("a") as file:
            file.write("fsync = off\n")
        yield home / "made"


@pytest.fixture
def home(empty: Path, made: Path) -> Path:
    """A CCF_HOME with a server that does not run."""
    copy(made, empty / "postgres")
    return empty


@pytest.fixture(scope="module")
def running(made: Path) -> Iterator[embedded.Server]:
    """A server for the tests that only look."""
    with new_home() as home:
        copy(made, home / "postgres")
        (home / "postgres/postgresql.auto.conf").write_text("")
        yield embedded.join(home / "postgres")
        embedded.leave()


def copy(made: Path, to: Path) -> None:
    to.parent.mkdir(exist_ok=True)
    subprocess.run(["cp", "-a", made, to], check=True)


@contextmanager
def user(home: Path) -> Iterator[subprocess.Popen[str]]:
    process = python("-c", USER, str(home / "postgres"))
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def joined(process: subprocess.Popen[str]) -> int:
    """Number of the server's process, once ``process`` has joined it."""
    assert process.stdout is not None
    return int(process.stdout.readline())


def end(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.close()
    assert process.wait(20) == 0


def ask(found: embedded.Server, query: str) -> object:
    address = {"host": found.socket_dir, "port": found.port, "user": "postgres", "dbname": "postgres"}
    with psycopg.connect(**address, autocommit=True) as connection:  # type: ignore[arg-type]
        cursor = connection.execute(query)
        row = cursor.fetchone() if cursor.description else None
        return row[0] if row else None


def kill_server(found: embedded.Server) -> None:
    """As a power cut does: every process of it at once."""
    processes = [psutil.Process(found.pid), *psutil.Process(found.pid).children()]
    for process in processes:
        with suppress(psutil.NoSuchProcess):  # a child ends by itself when it notices that the first has
            process.kill()
    psutil.wait_procs(processes, 10)


# ---- what it is


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("wal_level", "minimal"),
        ("max_wal_senders", "0"),
        ("fsync", "on"),
        ("shared_buffers", "512MB"),
        ("listen_addresses", ""),
        ("unix_socket_permissions", "0700"),
        ("server_encoding", "UTF8"),
        ("lc_messages", "C"),
    ],
)
def test_it_runs_with_the_settings_written_here(running: embedded.Server, name: str, value: str) -> None:
    assert ask(running, f"SHOW {name}") == value


def test_it_listens_on_no_port(running: embedded.Server) -> None:
    process = psutil.Process(running.pid)
    assert not [c for c in process.net_connections("inet") if c.status == psutil.CONN_LISTEN]


def test_only_its_own_user_and_root_reach_its_socket(running: embedded.Server) -> None:
    found = (Path(running.socket_dir) / f".s.PGSQL.{running.port}").stat()
    assert stat.S_ISSOCK(found.st_mode)
    assert stat.S_IMODE(found.st_mode) == 0o700
    assert found.st_uid == psutil.Process(running.pid).uids().real


def test_nobody_else_can_reach_it_read_its_files_or_hold_its_locks(running: embedded.Server) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can try as somebody else")
    nobody: dict[str, Any] = {"user": 65534, "group": 65534, "extra_groups": [], "cwd": "/"}

    def tries(*command: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, check=False, capture_output=True, text=True, **nobody)

    data = Path(running.socket_dir)
    psql = embedded.program("psql")
    assert tries(psql, "--version").returncode == 0
    asked = tries(psql, "-h", data, "-p", running.port, "-U", "postgres", "-c", "SELECT 1")
    assert asked.returncode == 2
    assert "Permission denied" in asked.stderr
    for name in (
        "log",
        "ccf.conf",
        "PG_VERSION",
        "../postgres.lock",
        "../postgres.users",
        "../postgres.server",
    ):
        assert (data / name).exists(), name
        assert "Permission denied" in tries("cat", data / name).stderr, name
    assert "Permission denied" in tries("ls", data).stderr


def test_it_takes_nobody_over_a_network_whatever_it_listens_on(running: embedded.Server) -> None:
    hosts = "SELECT string_agg(DISTINCT auth_method, ',') FROM pg_hba_file_rules WHERE type LIKE 'host%'"
    assert ask(running, hosts) == "reject"


def test_it_never_runs_as_root(running: embedded.Server) -> None:
    assert psutil.Process(running.pid).uids().effective != 0


def test_sorting_and_case_are_the_same_on_every_machine(running: embedded.Server) -> None:
    ordered = "SELECT string_agg(a, '' ORDER BY a) || lower('É') FROM (VALUES ('b'), ('B'), ('a')) AS t (a)"
    assert ask(running, ordered) == "Babé"


# ---- where it may be


@pytest.mark.parametrize(
    "name",
    ['Jane Doe\'s $HOME `x` "y" é µ, z', "a%41b?c=d&e#f;g\\h", "x" * 120],
    ids=["a name that no shell likes", "a name that no address likes", "longer than a socket's path may be"],
)
def test_any_folder_will_do(empty: Path, made: Path, name: str) -> None:
    copy(made, empty / name / "postgres")
    result = ccf("psql", "-Atc", "SELECT current_database()", CCF_HOME=str(empty / name))
    assert (result.returncode, result.stdout) == (0, "ccf\n"), result.stderr
    assert server(empty / name) is None


def test_a_folder_with_a_line_break_is_refused(empty: Path) -> None:
    with pytest.raises(CcfError, match=r"a\\nb/postgres' has a line break in it\. Set CCF_HOME to another"):
        embedded.join(empty / "a\nb" / "postgres")
    assert list(empty.iterdir()) == []


def test_a_socket_outside_the_folder_is_out_of_others_reach_and_goes_with_the_server(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "_LONGEST_SOCKET_DIR", len(str(home / "postgres")) - 1)
    monkeypatch.setattr(embedded.tempfile, "gettempdir", lambda: "/tmp")
    folder = Path(embedded.join(home / "postgres").socket_dir)
    assert folder != home / "postgres"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    embedded.leave()
    assert not folder.exists()


@pytest.mark.parametrize("temporary", ["t" * 120, "a, b", "gone"], ids=["long", "odd", "not there"])
def test_a_long_folder_and_a_temporary_one_that_will_not_do_have_a_socket_all_the_same(
    empty: Path, made: Path, temporary: str
) -> None:
    home = empty / ("x" * 120)
    copy(made, home / "postgres")
    if temporary != "gone":
        (empty / temporary).mkdir()
    result = ccf("psql", "-Atc", "SELECT 1", CCF_HOME=str(home), TMPDIR=str(empty / temporary))
    assert (result.returncode, result.stdout) == (0, "1\n"), result.stderr
    assert server(home) is None


def test_where_no_socket_can_be_the_paths_to_shorten_are_named(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "_LONGEST_SOCKET_DIR", 0)
    with pytest.raises(
        CcfError, match=r"are too long for a socket.* set CCF_HOME or TMPDIR to a shorter one"
    ):
        embedded.join(home / "postgres")


@pytest.mark.parametrize("prepared", ["a link", "a folder open to all"])
def test_a_socket_folder_that_somebody_else_made_is_not_used(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prepared: str
) -> None:
    data = home / "postgres"
    monkeypatch.setattr(embedded.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(embedded, "_may_hold_a_socket", lambda folder: folder != data)
    folder = tmp_path / f"ccf-{embedded.hashlib.sha256(os.fsencode(data)).hexdigest()[:12]}"
    if prepared == "a link":
        (tmp_path / "elsewhere").mkdir()
        folder.symlink_to(tmp_path / "elsewhere")
    else:
        folder.mkdir()
        folder.chmod(0o777)
    with pytest.raises(CcfError, match="is open to others or belongs to them; remove it"):
        embedded.join(data)


def test_a_server_that_cannot_be_seen_from_here_keeps_its_folder_to_itself(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = home / "postgres"
    found = embedded.join(data)
    with monkeypatch.context() as patch:
        patch.setattr(embedded, "START_S", 0.3)
        patch.setattr(embedded, "_server", lambda _: None)  # as from another container
        with pytest.raises(CcfError, match=r"Another PostgreSQL serves .* in another container"):
            embedded.join(data)
    assert (data / "postmaster.pid").read_text().startswith(f"{found.pid}\n")
    assert ask(embedded.join(data), "SELECT 1") == 1


def test_the_first_start_makes_it_whatever_the_language_of_the_shell(empty: Path) -> None:
    shell = {"LC_ALL": "xx_YY.UTF-8", "LANG": "nonsense", "PGPORT": "7777", "PGDATA": "/nonexistent"}
    result = ccf("psql", "-Atc", "SHOW port", CCF_HOME=str(empty), **shell)
    assert (result.returncode, result.stdout) == (0, "5432\n"), result.stderr


def test_a_closed_umask_does_not_shut_the_server_out(empty: Path) -> None:
    closed = f"import os; os.umask(0o077); {USER}"
    process = python("-c", closed, str(empty / "closed" / "postgres"))
    assert joined(process) > 0
    end(process)


def test_shared_memory_as_small_as_in_a_container_is_enough(empty: Path) -> None:
    small = ["unshare", "-m", "sh", "-c", 'mount -t tmpfs -o size=1m tmpfs /dev/shm && exec "$@"', "sh"]
    if subprocess.run([*small, "true"], check=False, capture_output=True).returncode:
        pytest.skip("only root can make shared memory small, and not in every container")
    done = subprocess.run(
        [*small, *COMMAND, "psql", "-qAtc", "SELECT 1"],
        env={**os.environ, "CCF_HOME": str(empty)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "1\n"), done.stderr


def test_an_ordinary_user_has_a_server_of_their_own(empty: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("the other tests are run by an ordinary user already")
    nobody = 65534
    empty.chmod(0o755)
    own = empty / "own"
    own.mkdir()
    os.chown(own, nobody, nobody)
    python = next(filter(_runs_for(nobody), (sys.executable, SYSTEMS_PYTHON)), None)
    if python is None:
        pytest.skip("an ordinary user cannot run Python with what is installed here")
    process = subprocess.Popen(
        [python, "-c", USER, own / "postgres"], **_as(nobody),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    assert psutil.Process(joined(process)).uids().effective == nobody
    end(process)
    assert server(own) is None


def test_a_user_who_is_only_a_number_is_told_how_to_have_a_server_and_can_use_one(
    empty: Path, made: Path
) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can try as a user without a name")
    number = 54321
    python = next(filter(_runs_for(number), (sys.executable, SYSTEMS_PYTHON)), None)
    if python is None:
        pytest.skip("an ordinary user cannot run Python with what is installed here")
    empty.chmod(0o755)
    for name in ("new", "made"):
        (empty / name).mkdir()
        os.chown(empty / name, number, 0)

    def run(home: Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [python, "-c", USER, home / "postgres"], **_as(number),
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        )  # fmt: skip

    refused = run(empty / "new").stderr.splitlines()[-1]
    assert f"user ID {number}: user does not exist. Give the user a name, by a line in /etc/passwd" in refused
    assert refused.endswith("or set CCF_POSTGRES_URL to a server of your own.")
    copy(made, empty / "made/postgres")
    subprocess.run(["chown", "-R", f"{number}:0", empty / "made"], check=True)
    done = run(empty / "made")
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 0


def _as(user: int) -> dict[str, object]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
    return {"user": user, "group": user, "extra_groups": [], "cwd": ROOT, "env": environment}


def _runs_for(user: int) -> Callable[[str], bool]:
    def runs(python: str) -> bool:
        try:
            done = subprocess.run([python, "-c", "import ccf_assets.pg.embedded"], check=False, **_as(user))
        except OSError:
            return False
        return done.returncode == 0

    return runs


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda home: (home / "home").write_text(""), "cannot be used"),
        (lambda home: _write(home / "home/postgres/PG_VERSION", "12\n"), "was created by PostgreSQL 12"),
        (lambda home: _write(home / "home/postgres/stray", "x"), "is no data folder of PostgreSQL"),
    ],
    ids=["CCF_HOME is a file", "an older PostgreSQL's folder", "somebody's folder called postgres"],
)
def test_a_folder_that_cannot_be_the_servers_is_refused_in_a_sentence(
    empty: Path, spoil: Callable[[Path], object], words: str
) -> None:
    spoil(empty)
    with pytest.raises(CcfError, match=words) as refusal:
        embedded.join(empty / "home/postgres")
    assert str(empty) in str(refusal.value)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True)
    path.write_text(text)


def test_a_server_that_does_not_start_is_quoted(home: Path) -> None:
    embedded.join(home / "postgres")
    embedded.leave()
    with (home / "postgres/postgresql.conf").open("a") as file:
        file.write("nonsense = 1\n")
    with pytest.raises(CcfError, match=r"does not start: .*nonsense.* Its log is .*/log") as refusal:
        embedded.join(home / "postgres")
    assert "\n" not in str(refusal.value)


# ---- who uses it


def test_processes_that_start_it_at_once_share_one_and_the_last_to_end_stops_it(home: Path) -> None:
    with user(home) as first, user(home) as second, user(home) as third:
        assert len({joined(process) for process in (first, second, third)}) == 1
        for process in (third, first):
            end(process)
            assert server(home)
        end(second)
        assert server(home) is None


def test_a_killed_user_does_not_keep_it_alive(home: Path) -> None:
    with user(home) as killed, user(home) as other:
        assert joined(killed) == joined(other)
        killed.kill()
        killed.wait()
        end(other)
        assert server(home) is None


def test_when_all_its_users_were_killed_the_next_one_finds_it_and_stops_it(home: Path) -> None:
    with user(home) as killed:
        pid = joined(killed)
    assert server(home)
    with user(home) as process:
        assert joined(process) == pid
        end(process)
    assert server(home) is None


def test_a_server_that_was_killed_is_started_again_for_who_asks_it_next(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CCF_HOME", str(home))
    url = database.database_url()
    found = server(home)
    assert found is not None
    psutil.Process(found.pid).kill()
    wait_for(lambda: server(home) is None)
    with database.create_engine().connect() as connection:
        assert connection.scalar(sa.text("SELECT count(*) FROM ccf.atlas")) == 0
    assert database.database_url() == url
    database.leave()
    assert server(home) is None


def test_a_ctrl_c_in_the_terminal_is_not_the_servers(home: Path) -> None:
    with user(home) as process:
        pid = joined(process)
        os.killpg(process.pid, signal.SIGINT)
        process.wait(20)
        # The process ended, and so its server; the server was not interrupted before that.
        assert server(home) is None
        log = (home / "postgres/log").read_text()
        assert log.count("received fast shutdown request") == 1, pid


def test_leaving_it_twice_or_without_having_joined_does_nothing(home: Path) -> None:
    embedded.leave()
    embedded.join(home / "postgres")
    embedded.leave()
    embedded.leave()
    assert server(home) is None


def test_a_process_may_come_back_after_leaving(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CCF_HOME", str(home))
    for _ in range(2):
        with database.create_engine().connect() as connection:
            assert connection.scalar(sa.text("SELECT count(*) FROM ccf.atlas")) == 0
        database.leave()
        assert server(home) is None


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_url_hold_keeps_it_for_another_program_until_it_is_stopped(
    home: Path, number: signal.Signals
) -> None:
    holding = start("url", "--hold", CCF_HOME=str(home))
    said = read_until(holding, "Holding the server")
    with psycopg.connect(said.splitlines()[0]) as connection:
        assert connection.execute("SELECT count(*) FROM ccf.atlas").fetchone() == (0,)
    holding.send_signal(number)
    assert holding.communicate(timeout=20)[0] == ""
    assert server(home) is None


# ---- after a fall


def test_what_was_committed_survives_a_power_cut(home: Path) -> None:
    found = embedded.join(home / "postgres")
    ask(found, "CREATE TABLE kept AS SELECT generate_series(1, 1000) AS n")
    kill_server(found)
    assert server(home) is None
    again = embedded.join(home / "postgres")
    assert again.pid != found.pid
    assert ask(again, "SELECT count(*) FROM kept") == 1000


def test_a_number_that_is_now_another_process_is_not_taken_for_the_server(home: Path) -> None:
    found = embedded.join(home / "postgres")
    file = home / "postgres/postmaster.pid"
    lines = file.read_text().splitlines()
    kill_server(found)
    # As after a reboot, when this test's number was the server's.
    lines[0] = str(os.getpid())
    file.write_text("\n".join(lines) + "\n")
    lock = home / f"postgres/.s.PGSQL.{found.port}.lock"
    lock.write_text(lock.read_text().replace(str(found.pid), str(os.getpid())))
    assert server(home) is None
    assert ask(embedded.join(home / "postgres"), "SELECT 1") == 1


def test_a_folder_that_was_half_made_is_made_again(empty: Path) -> None:
    _write(empty / "postgres.new/PG_VERSION", "18\n")
    assert ask(embedded.join(empty / "postgres"), "SELECT 1") == 1
    assert not (empty / "postgres.new").exists()


def test_a_server_that_is_still_starting_is_waited_for(home: Path) -> None:
    found = embedded.join(home / "postgres")
    file = home / "postgres/postmaster.pid"
    ready = file.read_bytes()

    def write(content: bytes) -> None:
        with file.open("r+b") as status:  # in place, as the server does; an empty file is one of no server
            status.write(content)

    write(ready.replace(b"ready   ", b"starting"))
    threading.Timer(1, write, [ready]).start()
    began = time.monotonic()
    assert embedded.join(home / "postgres") == found
    assert time.monotonic() - began > 0.9


def test_a_server_that_does_not_get_ready_is_not_waited_for_for_ever(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    embedded.join(home / "postgres")
    file = home / "postgres/postmaster.pid"
    ready = file.read_text()
    # Cut off, as the server writes it when it begins.
    file.write_text("\n".join(ready.splitlines()[:5]) + "\n")
    monkeypatch.setattr(embedded, "START_S", 0.5)
    with pytest.raises(CcfError, match=r"is not ready after 0.5 s.* Try again in a minute; its log is"):
        embedded.join(home / "postgres")
    file.write_text(ready)


def test_a_server_that_answers_not_yet_is_asked_again(
    home: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("CCF_HOME", str(home))
    true, refusals = database._set_up, ["the database system is starting up", "... is in recovery mode"]

    def set_up(url: sa.URL, where: str) -> sa.URL:
        if refusals:
            raise sa.exc.OperationalError("", None, psycopg.OperationalError(f"FATAL:  {refusals.pop()}"))
        return true(url, where)

    monkeypatch.setattr(database, "_set_up", set_up)
    assert database.database_url().database == "ccf"
    assert "the embedded PostgreSQL is not ready yet; waiting" in caplog.text
    database.leave()


def test_the_socket_of_a_server_that_was_killed_is_taken_over(home: Path) -> None:
    found = embedded.join(home / "postgres")
    kill_server(found)
    left = home / f"postgres/.s.PGSQL.{found.port}"
    assert left.exists()
    with socket.socket(socket.AF_UNIX) as dead, pytest.raises(ConnectionRefusedError):
        dead.connect(str(left))
    assert ask(embedded.join(home / "postgres"), "SELECT 1") == 1


# ---- forks


_FORKS = """
import os, sys, time
from ccf_assets import create_engine

engine = create_engine()

def answer():
    with engine.connect() as connection:
        return connection.exec_driver_sql("SELECT count(*) FROM ccf.coordinate_frame").scalar_one()

before, began, worker = answer(), time.monotonic(), os.fork()
if worker == 0:
    if "asks" in sys.argv:
        assert answer() == before
    sys.exit(0)  # as programs end, exit handlers and all
_, status = os.waitpid(worker, 0)
print(status, answer() == before, time.monotonic() - began < 30)
"""


@pytest.mark.parametrize("child", ["ends", "asks"])
def test_a_forked_child_that_ends_leaves_its_parent_the_server(empty: Path, child: str) -> None:
    parent = python("-c", _FORKS, child, CCF_HOME=str(empty), CCF_POSTGRES_URL="")
    assert parent.communicate(timeout=120)[0].split() == ["0", "True", "True"]
    assert server(empty) is None


def test_an_engine_goes_on_when_the_server_was_killed(empty: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CCF_HOME", str(empty))
    monkeypatch.setenv("CCF_POSTGRES_URL", "")
    engine = database.create_engine()
    found = server(empty)
    assert found is not None
    os.kill(found.pid, signal.SIGKILL)
    wait_for(lambda: server(empty) is None)
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM ccf.atlas").scalar_one() == 0
    database.leave()
