"""Where a connection leads: where its address says, whatever the shell was set to for another database."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

import polars as pl
import pytest
import sqlalchemy as sa

from ccf_assets.db import database
from ccf_assets.pg import connect, embedded
from ccf_assets.pg.arrow import read_arrow
from ccf_assets.pg.connect import KEPT, engine_on, stay_open, undiverted
from ccf_assets.pg.session import psycopg_of
from ccf_assets_tests.support.program import ccf, new_home

ELSEWHERE = {
    "PGSERVICE": "elsewhere",
    "PGHOST": "127.0.0.9",
    "PGHOSTADDR": "127.0.0.9",
    "PGPORT": "9",
    "PGDATABASE": "elsewhere",
    "PGUSER": "somebody",
    "PGAPPNAME": "a lab's script",
    "PGOPTIONS": "-c search_path=elsewhere -c default_transaction_read_only=on",
    "PGCLIENTENCODING": "SQL_ASCII",
    "PGREQUIREAUTH": "scram-sha-256",
    "PGCHANNELBINDING": "require",
    "PGGSSENCMODE": "require",
    "PGSSLMODE": "verify-full",
    "PGTARGETSESSIONATTRS": "standby",
}
"""Variables that would lead the program to a server that is not there, or make ours refuse."""

SERVICE = """[elsewhere]
host=127.0.0.9
hostaddr=127.0.0.9
port=9
dbname=elsewhere
user=somebody
"""


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """A CCF_HOME with a server."""
    with new_home() as folder:
        assert ccf("status", CCF_HOME=str(folder)).returncode == 0
        yield folder


@pytest.fixture
def service(tmp_path: Path) -> str:
    """A file in which the service is defined."""
    file = tmp_path / "pg_service.conf"
    file.write_text(SERVICE)
    return str(file)


@pytest.mark.parametrize(
    "defined", [True, False], ids=["a service elsewhere", "a service that is not defined"]
)
def test_the_embedded_server_is_found_whatever_the_shell_says_of_others(
    home: Path, service: str, defined: bool
) -> None:
    shell = {**ELSEWHERE, "PGSERVICEFILE": service if defined else "/nonexistent", "CCF_HOME": str(home)}
    for command in (["status"], ["psql", "-Atc", "SELECT current_database()"], ["region", "VISp"]):
        ended = ccf(*command, **shell)
        assert "elsewhere" not in ended.stdout + ended.stderr
        assert "127.0.0.9" not in ended.stderr
        assert "Traceback" not in ended.stderr
        assert ended.returncode == (command[0] == "region"), ended.stderr  # nothing is loaded
        assert command[0] != "psql" or ended.stdout == "ccf\n"


def test_python_and_streams_find_the_embedded_server_and_the_shell_keeps_its_variables(
    home: Path, service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CCF_HOME", str(home))
    for name, value in {**ELSEWHERE, "PGSERVICEFILE": service}.items():
        monkeypatch.setenv(name, value)
    try:
        engine = database.create_engine()
        query = sa.select(sa.func.current_database().label("name"))
        with engine.connect() as connection:
            assert connection.scalar(query) == "ccf"
            named = connection.scalar(sa.func.current_setting("application_name"))
            assert named == "a lab's script", "which diverts nothing, and says who is connected"
        assert pl.DataFrame(read_arrow(engine.url, query).read_all())["name"].to_list() == ["ccf"]
        assert os.environ["PGSERVICE"] == "elsewhere"
    finally:
        database.leave()


def test_an_address_of_a_server_is_not_diverted_by_a_service(
    server_url: sa.URL, service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PGSERVICE", "PGHOSTADDR", "PGCLIENTENCODING"):
        monkeypatch.setenv(name, ELSEWHERE[name])
    monkeypatch.setenv("PGSERVICEFILE", service)
    query = sa.select(sa.func.current_database().label("name"))
    url = server_url.set(port=None)
    url = url.set(query={name: value for name, value in url.query.items() if name != "port"})
    with engine_on(url).connect() as connection:
        assert connection.scalar(query) == server_url.database
    assert read_arrow(url, query).read_all().to_pylist() == [{"name": server_url.database}]


def test_a_service_in_the_address_itself_is_followed(
    server_url: sa.URL, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "pg_service.conf"
    host = server_url.host or server_url.query["host"]
    port = server_url.port or server_url.query.get("port", 5432)
    file.write_text(f"[lab]\nhost={host}\nport={port}\ndbname={server_url.database}\n")
    monkeypatch.setenv("PGSERVICEFILE", str(file))
    monkeypatch.setenv("PGSERVICE", "elsewhere")
    url = sa.URL.create(
        "postgresql+psycopg", server_url.username, server_url.password, query={"service": "lab"}
    )
    with engine_on(url).connect() as connection:
        assert connection.scalar(sa.func.current_database()) == server_url.database


def test_variables_come_back_when_the_last_of_several_threads_has_connected(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PGSERVICE", "elsewhere")
    url = sa.make_url("postgresql+psycopg://me@db/lab")
    inside, go_on = threading.Event(), threading.Event()

    def connect() -> None:
        with undiverted(url):
            inside.set()
            go_on.wait(10)

    other = threading.Thread(target=connect)
    other.start()
    inside.wait(10)
    with undiverted(url):
        go_on.set()
        other.join()
        assert "PGSERVICE" not in os.environ
    assert os.environ["PGSERVICE"] == "elsewhere"


def test_a_folder_that_no_server_of_ours_had_is_none_of_ours() -> None:
    assert not embedded.is_socket("/tmp")
    assert not embedded.is_socket(None)


def set_by_statements(connection: sa.Connection) -> set[str]:
    query = "SELECT name FROM pg_settings WHERE source = 'session'"
    return set(connection.scalars(sa.text(query)))


def test_what_is_set_for_a_transaction_is_not_left_in_the_session(server_url: sa.URL) -> None:
    """A pooler gives the session to another client afterwards, and this client another session."""
    engine = engine_on(server_url, pool=KEPT)
    pid = sa.select(sa.func.pg_backend_pid())
    with engine.begin() as connection:
        assert set_by_statements(connection) >= {
            "client_connection_check_interval",
            "tcp_keepalives_idle",
            "tcp_keepalives_interval",
            "tcp_keepalives_count",
            "tcp_user_timeout",
        }
        session = connection.scalar(pid)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        assert connection.scalar(pid) == session
        assert set_by_statements(connection) == set()
    engine.dispose()


def test_a_kept_connection_is_asked_whether_it_lives_only_after_a_pause_and_replaced_if_it_does_not(
    server_url: sa.URL, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, pid = engine_on(server_url, pool=KEPT), sa.select(sa.func.pg_backend_pid())
    asked: list[object] = []
    ping = engine.dialect.do_ping
    monkeypatch.setattr(engine.dialect, "do_ping", lambda raw: asked.append(raw) or ping(raw))

    def session() -> int:
        with engine.connect() as connection:
            return int(connection.scalar(pid) or 0)

    monkeypatch.setattr(connect, "IDLE_S", 3600)
    first = session()
    assert {session() for _ in range(5)} == {first}
    assert not asked
    monkeypatch.setattr(connect, "IDLE_S", 0)
    assert session() == first
    assert len(asked) == 1
    with engine_on(server_url).connect() as other:
        # Waits until it has ended, 10 s at most.
        assert other.scalar(sa.text("SELECT pg_terminate_backend(:pid, 10000)"), {"pid": first})
    assert session() != first
    engine.dispose()


@pytest.mark.parametrize("pool", [None, KEPT])
def test_a_session_that_the_server_has_ended_is_given_back_without_a_traceback(
    server_url: sa.URL, pool: Mapping[str, object] | None, caplog: pytest.LogCaptureFixture
) -> None:
    engine = engine_on(server_url, pool=pool)
    given = engine.raw_connection()
    with given.cursor() as cursor, engine_on(server_url).connect() as other:
        cursor.execute("SELECT pg_backend_pid()")
        ended = {"pid": (cursor.fetchone() or [None])[0]}
        assert other.scalar(sa.text("SELECT pg_terminate_backend(:pid, 10000)"), ended)
    given.close()
    assert [record for record in caplog.records if record.exc_info] == []
    with engine.connect() as connection:
        assert connection.scalar(sa.select(1)) == 1
    engine.dispose()


def test_a_server_that_cannot_notice_a_lost_client_costs_no_work(
    server_url: sa.URL, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connect, "_LOST_CLIENT", "SET LOCAL client_connection_check_interval = 'never'")
    with engine_on(server_url).begin() as connection:
        assert connection.scalar(sa.select(1)) == 1
    with engine_on(server_url).connect() as connection:
        raw = psycopg_of(connection)
        raw.execute("CREATE TEMP TABLE work AS SELECT 1")
        assert connection.scalar(sa.text("SELECT count(*) FROM work")) == 1


def test_a_statement_that_is_executed_often_is_not_prepared_in_the_session(server_url: sa.URL) -> None:
    with engine_on(server_url).connect() as connection:
        for number in range(12):
            assert connection.scalar(sa.text("SELECT CAST(:n AS int)"), {"n": number}) == number
        assert connection.scalar(sa.text("SELECT count(*) FROM pg_prepared_statements")) == 0


def test_a_transaction_that_is_to_stay_open_has_no_time_limit(server_url: sa.URL) -> None:
    limits = ["idle_in_transaction_session_timeout"]
    with engine_on(server_url).connect() as connection:
        limits += ["transaction_timeout"] * (connection.dialect.server_version_info >= (17,))
    options = " ".join(f"-c {limit}=1h" for limit in limits)
    with engine_on(server_url.update_query_dict({"options": options})).connect() as connection:
        assert [connection.scalar(sa.text(f"SHOW {limit}")) for limit in limits] == ["1h"] * len(limits)
        stay_open(connection)
        assert [connection.scalar(sa.text(f"SHOW {limit}")) for limit in limits] == ["0"] * len(limits)
