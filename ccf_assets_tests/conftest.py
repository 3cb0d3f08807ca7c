"""Fixtures: a PostgreSQL server for the session, a database for each test, the phantom, the real files.

The server is the embedded one, or the one CCF_POSTGRES_URL names (its user must be allowed to create
databases). The real files are those of the folder that CCF_TEST_DATA names, laid out like the Allen
Institute's archive; tests that need them are skipped where the variable is unset, and fail where it is set
and a file is missing. So are those that need files as other programs write them, in the
folder that CCF_TEST_CASES names, and the one that needs Dagster's Helm chart, which CCF_TEST_CHART names.
"""

from __future__ import annotations

import functools
import os
import signal
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest
import sqlalchemy as sa
from xdist.scheduler import LoadScopeScheduling

from ccf_assets.ccf import catalogue
from ccf_assets.db import database as our_database
from ccf_assets.pg import connect

if TYPE_CHECKING:
    from ccf_assets_tests.support.object_store import ObjectStore
    from ccf_assets_tests.support.recordings_lab import RecordingsLab

# A shell's background job ignores Ctrl-C, and so would every program the tests start in order to stop it.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Nothing fails for the time that it takes: on a busy machine an example of 3 ms takes 300. The fuzzers look
# further than 50 examples.
hypothesis.settings.register_profile("suite", deadline=None, max_examples=50)
hypothesis.settings.load_profile("suite")

# Fixtures of the session, too, see no setting of the shell the suite was started from but the suite's own.
_OURS = {"CCF_TEST_DATA", "CCF_TEST_CASES", "CCF_TEST_CHART", "CCF_POSTGRES_URL"}
for _name in {name for name in os.environ if name.startswith("CCF_")} - _OURS:
    del os.environ[_name]

_create_engine = functools.lru_cache(maxsize=8)(lambda _url: _new_engine())
_new_engine = our_database.create_engine
# One for each address: it keeps no connection, and remembers the statements it has compiled.
our_database.create_engine = lambda: _create_engine(our_database.database_url())

_SETTINGS = ("CCF_HOME", "CCF_POSTGRES_URL", "CCF_SOURCE", "CCF_RECORDINGS", "DAGSTER_HOME")

_ROLES = ("test_roles.py", "test_backup.py")
"""They make roles, which belong to the whole server: one after the other."""

_LONG = (
    "test_loading.py",
    "test_ui.py",
    "test_sensors.py",
    "test_cli.py",
    "test_embedded.py",
    "test_io_manager.py",
    "test_merge.py",
    "test_copy_in.py",
    "test_swap.py",
    "test_failures.py",
    "test_own_atlases.py",
    "test_canonical.py",
    "test_stored.py",
    "test_grids.py",
    "test_upgrade.py",
)


@functools.cache
def _asks_the_real_atlas(path: Path) -> bool:
    return "real_database" in path.read_text("utf-8")


class _Scheduling(LoadScopeScheduling):
    """A file's tests follow one another in one process; all files with tests of the real atlas share one."""

    def _split_scope(self, nodeid: str) -> str:
        file = self.config.rootpath / nodeid.partition("::")[0]
        if file.name in _ROLES:
            return "roles"
        return "the real atlas" if _asks_the_real_atlas(file) else str(file)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling | None:
    """With --dist loadfile: as above, so that the real atlas is loaded once."""
    return _Scheduling(config, log) if config.getvalue("dist") == "loadfile" else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes long goes first, so that no process is left with it at the end."""

    def place(item: pytest.Item) -> int:
        if _asks_the_real_atlas(item.path):
            return 0
        return 1 if item.path.name in _LONG else 2

    items.sort(key=place)


@pytest.fixture(scope="session")
def server_url() -> Iterator[sa.URL]:
    """The address of a server whose user may create databases.

    The embedded one is held by a process of its own: tests leave and stop servers in theirs.
    """
    named = os.environ.get("CCF_POSTGRES_URL")
    if named:
        yield sa.make_url(named).set(drivername="postgresql+psycopg")
        return
    # Not below pytest's own temporary folder: it is closed to other users, and under root the server is one.
    with tempfile.TemporaryDirectory(prefix="ccf_test_") as folder:
        holder = subprocess.Popen(
            [Path(sys.executable).with_name("ccf-assets"), "url", "--hold"],
            env={**os.environ, "CCF_HOME": folder},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        try:
            assert holder.stdout is not None
            url = sa.make_url(holder.stdout.readline().strip()).set(drivername="postgresql+psycopg")
            # The tests kill processes, not machines: a database that comes or goes need not reach the disk.
            with _administration(url).connect() as connection:
                connection.exec_driver_sql("ALTER SYSTEM SET fsync = off")
                connection.exec_driver_sql("SELECT pg_reload_conf()")
            yield url
        finally:
            holder.terminate()
            holder.wait()


@pytest.fixture(autouse=True)
def settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No test sees the settings of the shell, or of the test before it."""
    for name in _SETTINGS:
        # Set first, so that what a test sets without monkeypatch is undone too.
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setenv("CCF_HOME", str(tmp_path / "ccf"))
    catalogue.take_kept({}, {})
    monkeypatch.setattr("ccf_assets.db.stored_runs._kept", {})  # another test's database has its name


@pytest.fixture(autouse=True)
def undrawn(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs in this process draw pictures only where those are the subject: they take a third of a run.

    Nothing is lost elsewhere: what goes wrong with a picture never shows in a run's end or its tables.
    """
    if request.path.name != "test_pictures.py":
        _draw_nothing(monkeypatch)


def _draw_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ccf_assets.defs.figures.shown", lambda _log, _name, _draw: {})


def _administration(server_url: sa.URL) -> sa.Engine:
    """For what is no part of a transaction."""
    return sa.create_engine(server_url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)


def _new_name() -> str:
    return f"ccf_test_{uuid.uuid4().hex[:12]}"


@contextmanager
def new_database(
    server_url: sa.URL, template: str | None = None, name: str | None = None
) -> Iterator[sa.URL]:
    name = name or _new_name()
    admin = _administration(server_url)
    with admin.connect() as connection:
        # Connections that Dagster keeps may be to it.
        connection.exec_driver_sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %(template)s",
            {"template": template or "template0"},
        )
        connection.exec_driver_sql(
            f"CREATE DATABASE {name} STRATEGY file_copy TEMPLATE {template or 'template0'}"
        )
    try:
        yield server_url.set(database=name)
    finally:
        with admin.connect() as connection:
            connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")


class Copies:
    """Copies of a database, one for each test. One that a test only read is as good as new for the next."""

    def __init__(self, server_url: sa.URL, template: sa.URL) -> None:
        self._server, self._template = server_url, template
        self._admin = _administration(server_url)
        # Of every copy, so that the engine stays the same and with it the statements it has compiled.
        self._name = _new_name()
        self._there = ExitStack()
        self._unchanged: sa.URL | None = None

    @contextmanager
    def one(self) -> Iterator[sa.URL]:
        """The address of a copy that nobody has changed."""
        if self._unchanged is None:
            self.close()
            copy = new_database(self._server, self._template.database, self._name)
            self._unchanged = self._there.enter_context(copy)
        url, self._unchanged = self._unchanged, None
        before, _ = self._state()
        yield url
        if self._state() == (before, 0):
            self._unchanged = url

    def close(self) -> None:
        self._there.close()

    def _state(self) -> tuple[int, int]:
        """The number of the server's next transaction that writes, and how many sessions the copy has."""
        query = (
            "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint, count(*) "
            "FROM pg_stat_activity WHERE datname = %(name)s"
        )
        with self._admin.connect() as connection:
            number, sessions = connection.exec_driver_sql(query, {"name": self._name}).one()
        return number, sessions


@pytest.fixture(scope="session")
def _empty_copies(server_url: sa.URL) -> Iterator[Copies]:
    with new_database(server_url) as url, pytest.MonkeyPatch.context() as patch:
        patch.setenv("CCF_POSTGRES_URL", connect.libpq_url(url))
        our_database.create_engine()
        with closing(Copies(server_url, url)) as copies:
            yield copies


@pytest.fixture
def database(_empty_copies: Copies, monkeypatch: pytest.MonkeyPatch) -> Iterator[sa.Engine]:
    """A database of this test's own, with the tables in place; the program's settings name it."""
    with _empty_copies.one() as url:
        monkeypatch.setenv("CCF_POSTGRES_URL", connect.libpq_url(url))
        yield our_database.create_engine()


def _loaded(server_url: sa.URL, source: str, *keys: str) -> Iterator[sa.URL]:
    """A database with the atlases ``keys`` loaded from ``source``, by the jobs the program runs."""
    from ccf_assets.definitions import defs
    from ccf_assets_tests.support.records import new_records

    with new_database(server_url) as url:
        # The settings are this load's only: tests and fixtures that come after must not see them.
        with (
            tempfile.TemporaryDirectory(prefix="ccf_test_") as folder,
            pytest.MonkeyPatch.context() as patch,
            new_records() as instance,
        ):
            _draw_nothing(patch)
            patch.setenv("CCF_HOME", folder)
            patch.setenv("CCF_SOURCE", source)
            patch.setenv("CCF_POSTGRES_URL", connect.libpq_url(url))
            defs.resolve_job_def("refresh_ontology").execute_in_process(instance=instance)
            for key in keys:
                defs.resolve_job_def("load_atlas").execute_in_process(instance=instance, partition_key=key)
        yield url


@pytest.fixture(scope="session")
def _phantom_url(server_url: sa.URL) -> Iterator[sa.URL]:
    yield from _loaded(server_url, "phantom", "phantom_100um", "phantom_50um")


@pytest.fixture(scope="session")
def _phantom_copies(server_url: sa.URL, _phantom_url: sa.URL) -> Iterator[Copies]:
    with closing(Copies(server_url, _phantom_url)) as copies:
        yield copies


@pytest.fixture
def phantom_database(_phantom_copies: Copies, monkeypatch: pytest.MonkeyPatch) -> Iterator[sa.Engine]:
    """A copy, of this test's own, of a database with phantom_100um and phantom_50um loaded."""
    with _phantom_copies.one() as url:
        monkeypatch.setenv("CCF_POSTGRES_URL", connect.libpq_url(url))
        monkeypatch.setenv("CCF_SOURCE", "phantom")
        yield our_database.create_engine()


@pytest.fixture(scope="session")
def ccf_data() -> Callable[[str], Path]:
    """Path of a real file below CCF_TEST_DATA: ``ccf_data("ontology/structure_graph.csv")``."""
    return _below("CCF_TEST_DATA")


@pytest.fixture(scope="session")
def ccf_cases() -> Callable[[str], Path]:
    """Path of a file of another program below CCF_TEST_CASES: ``ccf_cases("formats/a/b.json")``."""
    return _below("CCF_TEST_CASES")


def _below(variable: str) -> Callable[[str], Path]:
    """Paths below the folder that a variable names; the test is skipped where it names none."""
    folder = os.environ.get(variable)
    if not folder:
        pytest.skip(f"{variable} names no folder")

    def path(relative: str) -> Path:
        file = Path(folder).resolve() / relative
        if not file.exists():
            pytest.fail(f"{variable} is set, but {file} is missing")
        return file

    return path


@pytest.fixture(scope="session")
def _object_store() -> Iterator[ObjectStore]:
    from ccf_assets_tests.support.object_store import object_store

    with object_store() as store:
        yield store


@pytest.fixture
def store(_object_store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> ObjectStore:
    """An S3 server with an empty bucket, which the environment names."""
    _object_store.begin()
    for name, value in _object_store.environment.items():
        monkeypatch.setenv(name, value)
    return _object_store


@pytest.fixture(scope="session")
def _real_url(server_url: sa.URL, ccf_data: Callable[[str], Path]) -> Iterator[sa.URL]:
    keys = ("ccf_2017_100um", "ccf_2017_50um", "ccf_2017_25um")
    yield from _loaded(server_url, str(ccf_data("")), *keys)


@pytest.fixture
def real_database(_real_url: sa.URL, monkeypatch: pytest.MonkeyPatch) -> sa.Engine:
    """The database with the real CCFv3 at 100, 50 and 25 µm; shared by the session, so only read it."""
    monkeypatch.setenv("CCF_POSTGRES_URL", connect.libpq_url(_real_url))
    return our_database.create_engine()


@pytest.fixture(scope="session")
def _lab_url(server_url: sa.URL, _phantom_url: sa.URL) -> Iterator[sa.URL]:
    with new_database(server_url, template=_phantom_url.database) as url:
        yield url


@pytest.fixture
def lab(_lab_url: sa.URL, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[RecordingsLab]:
    """A folder of recordings, two phantoms, no site, and a Dagster instance of this test's own.

    The database is the same for all such tests: emptying its recordings is faster than a copy of it.
    """
    from ccf_assets_tests.support.recordings_lab import EMPTY, RecordingsLab
    from ccf_assets_tests.support.records import new_records

    monkeypatch.setenv("CCF_POSTGRES_URL", connect.libpq_url(_lab_url))
    monkeypatch.setenv("CCF_SOURCE", "phantom")
    engine = our_database.create_engine()
    with engine.begin() as connection:
        connection.exec_driver_sql(EMPTY)
    folder = tmp_path / "ccf" / "recordings"
    folder.mkdir(parents=True)
    with new_records() as instance:
        yield RecordingsLab(folder, engine, instance)
