"""A server that only copies another: it answers, changes nothing, and says where a load is to be done."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

from ccf_assets.db import database as our_database
from ccf_assets.db import holdings, install, roles, schema
from ccf_assets.errors import CcfError, server_said
from ccf_assets.pg import embedded
from ccf_assets_tests.db.test_database import MINE, use
from ccf_assets_tests.support.program import new_home, wait_for


@contextmanager
def serving(data: Path) -> Iterator[sa.URL]:
    """The address of the server with its files in ``data``, until the block ends."""
    server = subprocess.Popen(
        [embedded.program("postgres"), "-D", data, "-c", "listen_addresses=", "-k", data],
        **embedded._as_server(data), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        wait_for(lambda: (found := embedded._server(data)) and found.status in {"ready", "standby"})
        yield sa.URL.create("postgresql+psycopg", "postgres", database="lab", query={"host": str(data)})
    finally:
        server.terminate()
        server.wait()


@pytest.fixture(scope="module")
def standby() -> Iterator[sa.URL]:
    """A standby with the databases lab, as it should be, old, of the version before, and bare, empty."""
    with new_home() as home, pytest.MonkeyPatch.context() as patch:
        data = home / "standby"
        embedded._create(data)
        with (data / "postgresql.auto.conf").open("a") as file:
            file.write("fsync = off\nwal_level = replica\n")
        with serving(data) as url:
            for name in ("lab", "old", "bare"):
                admin = sa.create_engine(
                    url.set(database="postgres"), isolation_level="AUTOCOMMIT", poolclass=sa.NullPool
                )
                with admin.connect() as connection:
                    connection.exec_driver_sql(f"CREATE DATABASE {name}")
                if name != "bare":
                    use(patch, url.set(database=name))
                    engine = our_database.create_engine()
            with engine.begin() as connection:
                version = f"{install._INSTALLED}{install.VERSION - 1}"
                connection.exec_driver_sql(f"COMMENT ON SCHEMA ccf IS '{version}'")
        signal = data / "standby.signal"
        signal.touch(mode=0o600)
        embedded._give_to_server(signal)
        with serving(data) as url:
            yield url
    our_database.forget()


def test_it_answers_also_who_has_a_frame_of_their_own(
    standby: sa.URL, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "frames.toml").write_text(MINE.format(origin=5400))
    monkeypatch.setenv("CCF_FRAMES", str(tmp_path / "frames.toml"))
    use(monkeypatch, standby)
    engine = our_database.create_engine()
    assert holdings.holdings(engine) == []
    with engine.connect() as connection:
        names = set(connection.scalars(sa.select(schema.coordinate_frame.c.name)))
    assert "ccf" in names
    assert "mine" not in names


def test_who_wants_to_load_is_sent_to_the_primary(standby: sa.URL, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, standby)
    with pytest.raises(CcfError, match=r"read-only copy of another.* Do this on the primary"):
        our_database.dagster_url()


def test_roles_are_made_on_the_primary(standby: sa.URL, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, standby)
    with our_database.create_engine().begin() as connection, pytest.raises(CcfError, match="on the primary"):
        roles.make(connection)


def test_a_change_is_refused_with_the_place_where_it_can_be_made(
    standby: sa.URL, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, standby)
    with pytest.raises(sa.exc.DBAPIError) as error, our_database.create_engine().begin() as connection:
        connection.execute(sa.delete(schema.atlas))
    assert "read-only transaction. If it is a read-only copy of another server, do this on that one." in (
        server_said(error.value)
    )


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("old", f"read-only copy of version {install.VERSION - 1}; .* version {install.VERSION}"),
        ("bare", "read-only copy without the tables of ccf_assets"),
    ],
)
def test_tables_that_only_the_primary_can_make_are_asked_for_there(
    standby: sa.URL, monkeypatch: pytest.MonkeyPatch, name: str, what: str
) -> None:
    use(monkeypatch, standby.set(database=name))
    with pytest.raises(CcfError, match=f"{what}.* once on the primary") as error:
        our_database.create_engine()
    assert "drop" not in str(error.value)
