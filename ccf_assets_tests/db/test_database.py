"""A lab's own server: which addresses are taken, what is refused in which words, and what never shows."""

from __future__ import annotations

import os
import re
import socket
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import psycopg
import psycopg.conninfo
import pytest
import sqlalchemy as sa
from dagster._core.instance.ref import InstanceRef

from ccf_assets.db import database as database_module
from ccf_assets.db import install, loaded, schema
from ccf_assets.errors import CcfError
from ccf_assets.pg import connect, embedded, programs
from ccf_assets.pg.connect import IDLE_S
from ccf_assets.runs.home import dagster_home
from ccf_assets_tests.support.program import python, wait_for

SECRET = "s3cret/@:x"


@pytest.fixture(autouse=True)
def forget() -> Iterator[None]:
    """Addresses are checked once per process; each test is to see its own checked."""
    yield
    database_module.forget()


@pytest.fixture
def empty_database(database: sa.Engine) -> sa.URL:
    """A database with nothing of ours in it, by the address of the server's owner."""
    with database.begin() as connection:
        connection.exec_driver_sql("DROP SCHEMA ccf CASCADE")
    database_module.forget()
    return database.url


@pytest.fixture
def member(empty_database: sa.URL) -> Iterator[sa.URL]:
    """The address of the same database for a user of the server with no rights but to connect."""
    name = f"member_{uuid.uuid4().hex[:8]}"
    owner = sa.create_engine(empty_database, poolclass=sa.NullPool)
    with owner.begin() as connection:
        connection.exec_driver_sql(f"CREATE ROLE {name} LOGIN PASSWORD '{SECRET}'")
    yield empty_database.set(username=name, password=SECRET)
    with owner.begin() as connection:
        connection.exec_driver_sql(f"DROP OWNED BY {name} CASCADE; DROP ROLE {name}")


def use(monkeypatch: pytest.MonkeyPatch, url: sa.URL | str) -> None:
    text = url if isinstance(url, str) else url.render_as_string(hide_password=False)
    monkeypatch.setenv("CCF_POSTGRES_URL", text)


def refused(monkeypatch: pytest.MonkeyPatch, url: sa.URL | str) -> str:
    """The sentence that an address is refused with."""
    use(monkeypatch, url)
    with pytest.raises(CcfError) as refusal:
        database_module.database_url()
    sentence = str(refusal.value)
    assert "\n" not in sentence
    assert sentence.endswith(".")
    error = refusal.value
    assert error.__cause__ is None, "a cause may name the password, and would be printed too"
    assert error.__context__ is None or error.__suppress_context__
    return sentence


def execute(url: sa.URL, *statements: str) -> None:
    with sa.create_engine(url, poolclass=sa.NullPool).begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


# ---- addresses


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg", "postgresql+psycopg2"])
def test_every_way_to_write_the_scheme_is_taken(
    empty_database: sa.URL, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    rest = empty_database.render_as_string(hide_password=False).partition("://")[2]
    use(monkeypatch, f" {scheme}://{rest}\n")
    assert database_module.database_url().drivername == "postgresql+psycopg"
    with database_module.create_engine().connect() as connection:
        assert connection.scalar(sa.text("SELECT count(*) FROM ccf.atlas")) == 0


@pytest.mark.parametrize(
    "text",
    [
        f"mysql://me:{SECRET}@db/lab",
        f"http://me:{SECRET}@db/lab",
        f"me:{SECRET}@db/lab",
        f"postgresql://me:{SECRET}@db:port/lab",
        f"postgresql://me:{SECRET}@db/lab",
        "host=db password=s3cret",
    ],
)
def test_what_is_no_address_is_refused_without_repeating_it(
    monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    sentence = refused(monkeypatch, text)
    assert "CCF_POSTGRES_URL is not the address of a PostgreSQL database" in sentence
    assert "s3cret" not in sentence
    assert "x@db" not in sentence


def test_an_unreachable_server_is_named_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    sentence = refused(monkeypatch, f"postgresql://me:s3cret@localhost:{port}/lab")
    assert f"PostgreSQL at localhost:{port} cannot be used" in sentence
    assert "refused" in sentence
    assert "Check CCF_POSTGRES_URL and the server." in sentence
    assert "s3cret" not in sentence


def test_an_unknown_host_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "PostgreSQL at db.invalid:5432" in refused(monkeypatch, "postgresql://me@db.invalid/lab")


def test_a_server_on_a_socket_is_named_by_its_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    sentence = refused(monkeypatch, f"postgresql:///lab?host={tmp_path}")
    assert f"PostgreSQL at {tmp_path}:5432" in sentence


def test_an_unknown_option_is_refused(server_url: sa.URL, monkeypatch: pytest.MonkeyPatch) -> None:
    sentence = refused(monkeypatch, server_url.update_query_dict({"nonsense": "1"}))
    assert 'invalid connection option "nonsense"' in sentence


def test_an_older_server_is_refused(server_url: sa.URL, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_module, "OLDEST_SERVER", 99)
    assert "ccf_assets needs 99 or newer" in refused(monkeypatch, server_url)


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1"])
def test_a_database_that_cannot_hold_every_character_is_refused_with_what_makes_one_that_can(
    server_url: sa.URL, monkeypatch: pytest.MonkeyPatch, encoding: str
) -> None:
    name = f"ccf_test {uuid.uuid4().hex[:8]}"
    admin = sa.create_engine(server_url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with admin.connect() as connection:
        connection.exec_driver_sql(
            f"CREATE DATABASE \"{name}\" ENCODING '{encoding}' LOCALE 'C' TEMPLATE template0"
        )
        try:
            sentence = refused(monkeypatch, server_url.set(database=name))
            assert f"The database {name} has the encoding {encoding}; ccf_assets needs UTF8." in sentence
            with pytest.raises(CcfError, match=f"has the encoding {encoding}"):
                database_module.empty_database_url()
            made = re.findall(r"CREATE DATABASE .*;", sentence)
            connection.exec_driver_sql(made[0])
            use(monkeypatch, server_url.set(database=f"{name}_utf8"))
            assert loaded.loaded_atlases(database_module.create_engine()) == []
        finally:
            for each in (name, f"{name}_utf8"):
                connection.exec_driver_sql(f'DROP DATABASE IF EXISTS "{each}" WITH (FORCE)')


def test_a_server_of_another_language_than_the_shell_and_the_user_is_asked_in_utf_8(
    empty_database: sa.URL, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGCLIENTENCODING", "SQL_ASCII")
    options = {"options": "-c client_encoding=LATIN1"}
    use(monkeypatch, empty_database.update_query_dict(options))
    with database_module.create_engine().connect() as connection:
        assert connection.scalar(sa.text("SHOW client_encoding")) == "UTF8"
        assert "→" in str(connection.scalar(sa.text("SELECT '→'")))
    with sa.create_engine(database_module.dagster_url()).connect() as connection:
        assert connection.scalar(sa.text("SHOW client_encoding")) == "UTF8"


def test_with_an_address_named_no_server_is_made_or_started(
    database: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "join", lambda _: pytest.fail("the embedded server was asked for"))
    use(monkeypatch, database.url)
    database_module.dagster_url()
    assert not (Path(os.environ["CCF_HOME"]) / "postgres").exists()


# ---- rights


def test_a_user_who_may_create_nothing_is_told_so(member: sa.URL, monkeypatch: pytest.MonkeyPatch) -> None:
    sentence = refused(monkeypatch, member)
    assert "permission denied" in sentence
    assert SECRET not in sentence


def test_a_user_who_may_create_schemas_has_all_they_need(
    member: sa.URL, empty_database: sa.URL, monkeypatch: pytest.MonkeyPatch
) -> None:
    execute(empty_database, f'GRANT CREATE ON DATABASE "{member.database}" TO {member.username}')
    use(monkeypatch, member)
    assert loaded.loaded_atlases(database_module.create_engine()) == []
    assert "ccf_dagster" in database_module.dagster_url()


def test_schemas_that_an_administrator_made_for_the_user_will_do(
    member: sa.URL, empty_database: sa.URL, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (schema.SCHEMA, database_module.DAGSTER_SCHEMA):
        execute(empty_database, f"CREATE SCHEMA {name} AUTHORIZATION {member.username}")
    use(monkeypatch, member)
    assert loaded.loaded_atlases(database_module.create_engine()) == []
    assert "ccf_dagster" in database_module.dagster_url()


@pytest.mark.parametrize(
    ("theirs", "named"),
    [
        (
            [
                "CREATE TABLE ccf.ccf (ccf_id int PRIMARY KEY, ccf_version text)",
                "CREATE TABLE ccf.brain_region (ccf_id int, region_id int)",
                "CREATE TABLE ccf.recording_site (recording_id int PRIMARY KEY, ap real)",
                "CREATE TABLE ccf.voxel (ccf_id int, x int)",
            ],
            "(brain_region, ccf, recording_site, voxel)",
        ),
        (["CREATE TABLE ccf.atlas (name text)"], "(atlas)"),
        (["CREATE VIEW ccf.sites AS SELECT 1 AS site"], "(sites)"),
        (["CREATE FUNCTION ccf.region(int) RETURNS int LANGUAGE sql RETURN 1"], "(region)"),
    ],
    ids=["a DataJoint pipeline", "a table of one of our names", "a view", "a function"],
)
def test_a_schema_of_our_name_that_is_somebody_elses_is_left_alone(
    empty_database: sa.URL, monkeypatch: pytest.MonkeyPatch, theirs: list[str], named: str
) -> None:
    execute(empty_database, "CREATE SCHEMA ccf", "COMMENT ON SCHEMA ccf IS 'ours'", *theirs)
    with sa.create_engine(empty_database, poolclass=sa.NullPool).connect() as connection:
        before = connection.scalar(sa.text("SELECT count(*) FROM pg_class"))
        sentence = refused(monkeypatch, empty_database)
        assert "The schema ccf of this database belongs to something else" in sentence
        assert named in sentence
        assert "Use another database, and name it in CCF_POSTGRES_URL." in sentence
        connection.rollback()
        assert connection.scalar(sa.text("SELECT count(*) FROM pg_class")) == before


def test_our_own_schema_is_known_also_without_its_comment(
    empty_database: sa.URL, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, empty_database)
    database_module.database_url()
    execute(empty_database, "COMMENT ON SCHEMA ccf IS NULL")
    database_module.forget()
    assert loaded.loaded_atlases(database_module.create_engine()) == []


def test_a_reader_can_ask(member: sa.URL, empty_database: sa.URL, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, empty_database)
    database_module.database_url()
    execute(
        empty_database,
        f"GRANT USAGE ON SCHEMA ccf TO {member.username}",
        f"GRANT SELECT ON ALL TABLES IN SCHEMA ccf TO {member.username}",
    )
    use(monkeypatch, member)
    assert loaded.loaded_atlases(database_module.create_engine()) == []


# ---- Dagster's records


def test_dagster_keeps_to_its_schema_also_beside_a_table_called_runs(
    database: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    execute(database.url, "CREATE TABLE public.runs (ours int)", "CREATE TABLE public.jobs (ours int)")
    before = _tables(database)
    dagster_home()
    with dg.DagsterInstance.get() as found:
        run = found.create_run_for_job(_nothing)
        assert found.get_run_by_id(run.run_id) is not None
        assert found.get_runs_count() == 1
    created = _tables(database) - before
    assert ("ccf_dagster", "runs") in created
    assert {where for where, _ in created} == {"ccf_dagster"}


def test_dagster_asks_by_one_connection_and_by_another_when_that_is_lost(database: sa.Engine) -> None:
    ours = (
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle' "
        "AND query NOT LIKE '%%advisory%%' AND pid <> pg_backend_pid()"
    )
    dagster_home()
    with dg.DagsterInstance.get() as found, database.connect() as connection:
        for number in range(5):
            found.add_dynamic_partitions("recording", [str(number)])
            assert found.get_runs_count() == 0
        (pid,) = connection.exec_driver_sql(ours).scalars().all()
        assert connection.exec_driver_sql(f"SELECT pg_terminate_backend({pid}, 5000)").scalar()
        connection.rollback()  # who is there is asked once in a transaction
        time.sleep(IDLE_S)
        assert found.get_dynamic_partitions("recording") == ["0", "1", "2", "3", "4"]
        assert connection.exec_driver_sql(ours).scalars().all() != [pid]


@dg.job
def _nothing() -> None: ...


def _tables(engine: sa.Engine) -> set[tuple[str, str]]:
    query = "SELECT schemaname, tablename FROM pg_tables WHERE schemaname NOT LIKE 'pg_%%'"
    with engine.connect() as connection:
        return {tuple(row) for row in connection.exec_driver_sql(query)}


def test_the_password_is_in_nothing_that_dagster_passes_on_or_shows(
    member: sa.URL, empty_database: sa.URL, monkeypatch: pytest.MonkeyPatch
) -> None:
    execute(empty_database, f'GRANT CREATE ON DATABASE "{member.database}" TO {member.username}')
    use(monkeypatch, member)
    home = dagster_home()
    with dg.DagsterInstance.get() as found:
        ref: InstanceRef = found.get_ref()
        shown = [dg.serialize_value(ref), str(ref), found.info_str(), repr(database_module.create_engine())]
    shown += [file.read_text() for file in home.rglob("*.yaml")]
    assert not [text for text in shown if SECRET in text or "s3cret" in text]


# ---- addresses for other programs


def test_an_address_for_psql_says_what_ours_says() -> None:
    url = sa.URL.create(
        "postgresql+psycopg",
        username="jane doe",
        password="a b+c%d/e@f:g?µ",
        database="my lab",
        query={"host": "/tmp/a b+c", "options": "-c a=1 -c b=2"},
    )
    assert psycopg.conninfo.conninfo_to_dict(connect.libpq_url(url)) == {
        "user": "jane doe",
        "password": "a b+c%d/e@f:g?µ",
        "dbname": "my lab",
        "host": "/tmp/a b+c",
        "options": "-c a=1 -c b=2",
    }


def test_psql_gets_the_password_where_nobody_else_can_read_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    psql = tmp_path / "psql"
    psql.write_text('#!/bin/sh\necho "$PGPASSWORD"\necho "$@"\nexit 3\n')
    psql.chmod(0o755)
    monkeypatch.setattr(embedded, "program", lambda _: psql)
    url = sa.URL.create("postgresql+psycopg", username="me", password=SECRET, host="db", database="lab")
    assert programs.run_program("psql", ["-c", "SELECT 1"], url) == 3
    assert capfd.readouterr().out.splitlines() == [SECRET, "--dbname postgresql://me@db/lab -c SELECT 1"]


# ---- what is left behind


def test_the_statement_of_a_killed_client_ends_soon_and_lets_go_of_its_locks(database: sa.Engine) -> None:
    client = python(
        "-c",
        "import sqlalchemy as sa\n"
        "from ccf_assets import create_engine\n"
        "with create_engine().begin() as connection:\n"
        "    connection.execute(sa.text('LOCK ccf.atlas'))\n"
        "    connection.execute(sa.text('SELECT pg_sleep(600)'))\n",
    )
    busy = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%%pg_sleep(600)%%' AND pid <> %s"
    with psycopg.connect(connect.libpq_url(database.url), autocommit=True) as watch:
        own = watch.info.backend_pid

        def sessions() -> int:
            row = watch.execute(busy, [own]).fetchone()
            return row[0] if row else 0

        wait_for(sessions)
        client.kill()
        client.wait()
        wait_for(lambda: sessions() == 0)
        with watch.transaction():
            watch.execute("LOCK ccf.atlas NOWAIT")


# ---- who may only read, and who only asks

MINE = """
[mine]
description = "ours"
source = "the lab"
xyz = ["ap", "dv", "ml"]
unit = "um"
dv_from = "bregma"
origin_um = [{origin}, 0, 5700]
ap = "anterior"
dv = "down"
ml = "right"
"""


@pytest.fixture
def reader(empty_database: sa.URL, member: sa.URL, monkeypatch: pytest.MonkeyPatch) -> sa.URL:
    """The address for a user who may read, with the words of the README."""
    use(monkeypatch, empty_database)
    with database_module.create_engine().begin() as connection:
        connection.exec_driver_sql(f"GRANT USAGE ON SCHEMA ccf TO {member.username}")
        connection.exec_driver_sql(f"GRANT SELECT ON ALL TABLES IN SCHEMA ccf TO {member.username}")
    database_module.forget()
    return member


def test_a_reader_may_ask_with_frames_of_the_readers_own(
    reader: sa.URL, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "frames.toml").write_text(MINE.format(origin=5400))
    monkeypatch.setenv("CCF_FRAMES", str(tmp_path / "frames.toml"))
    use(monkeypatch, reader)
    with database_module.create_engine().connect() as connection:
        names = set(connection.scalars(sa.select(schema.coordinate_frame.c.name)))
    assert "ccf" in names
    assert "mine" not in names


def test_frames_of_ones_own_keep_nobody_from_asking_a_database_that_takes_no_writes(
    empty_database: sa.URL, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    use(monkeypatch, empty_database)
    database_module.database_url()
    database_module.forget()
    (tmp_path / "frames.toml").write_text(MINE.format(origin=5400))
    monkeypatch.setenv("CCF_FRAMES", str(tmp_path / "frames.toml"))
    # As on a standby, which says the same of its transactions.
    use(monkeypatch, empty_database.update_query_dict({"options": "-c default_transaction_read_only=on"}))
    with database_module.create_engine().connect() as connection:
        names = set(connection.scalars(sa.select(schema.coordinate_frame.c.name)))
    assert "ccf" in names
    assert "mine" not in names


def test_a_reader_with_a_newer_program_is_told_to_ask_the_owner(
    reader: sa.URL, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(install, "VERSION", install.VERSION + 1)
    assert "Ask their owner to use this ccf_assets once" in refused(monkeypatch, reader)


def test_who_only_asks_changes_no_frame(
    empty_database: sa.URL, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    use(monkeypatch, empty_database)
    monkeypatch.setenv("CCF_FRAMES", str(tmp_path / "frames.toml"))
    stored = []
    for origin in (5400, 5000):
        (tmp_path / "frames.toml").write_text(MINE.format(origin=origin))
        database_module.forget()
        with database_module.create_engine().connect() as connection:
            frame = schema.coordinate_frame.c
            stored.append(connection.scalar(sa.select(frame.x_0).where(frame.name == "mine")))
    assert stored == [5400, 5400]


def test_a_file_of_frames_that_cannot_be_read_keeps_nobody_from_what_needs_none(
    empty_database: sa.URL, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    use(monkeypatch, empty_database)
    (tmp_path / "frames.toml").write_text("[mine\n")
    monkeypatch.setenv("CCF_FRAMES", str(tmp_path / "frames.toml"))
    with database_module.create_engine().connect() as connection:
        assert "ibl" in set(connection.scalars(sa.select(schema.coordinate_frame.c.name)))
    assert str(tmp_path / "frames.toml") in caplog.text


def test_a_process_that_asks_again_and_again_keeps_its_session_and_replaces_a_lost_one(
    database: sa.Engine,
) -> None:
    def session() -> int:
        with database_module.kept_engine().connect() as connection:
            return int(connection.scalar(sa.func.pg_backend_pid()))

    first = session()
    assert session() == first
    with database.begin() as connection:
        connection.execute(sa.select(sa.func.pg_terminate_backend(first, 5000)))
    time.sleep(IDLE_S)
    second = session()
    assert second != first
    assert session() == second
