"""The password of the database is in no error, no log, no record and no file."""

from __future__ import annotations

import logging
import string
import subprocess
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy as sa

from ccf_assets.db import database
from ccf_assets.definitions import defs
from ccf_assets.defs.partitions import add_atlases
from ccf_assets.errors import CcfError
from ccf_assets.pg import connect, embedded
from ccf_assets.pg.arrow import read_arrow
from ccf_assets.runs.home import dagster_home

PARTS = ("Zq7xW", "Yk9wV")
"""Beginning and end of a password; between them stands what could take it apart."""


@pytest.fixture(autouse=True)
def forget() -> Iterator[None]:
    """Addresses are checked once per process; each test is to see its own checked."""
    yield
    database.forget()


def shows(text: str) -> bool:
    return any(part in text for part in PARTS)


@pytest.mark.parametrize(
    "between",
    [*string.punctuation, " ", "µ", "%2", "%41", "%00", "@:", ":@", "@/", "?a=", "@h:1/d?x=", "\\n"],
)
def test_an_address_that_is_refused_is_not_repeated(monkeypatch: pytest.MonkeyPatch, between: str) -> None:
    """However the password was written, and wherever it ends up when the address is taken apart."""
    password = between.join(PARTS)
    for address in (
        f"postgresql://me:{password}@127.0.0.1:1/lab",
        f"postgres://me:{password}@127.0.0.1:x/lab",
    ):
        monkeypatch.setenv("CCF_POSTGRES_URL", address)
        database.forget()
        with pytest.raises(CcfError) as refusal:
            database.database_url()
        assert not shows("".join(traceback.format_exception(refusal.value)))


@pytest.mark.parametrize("address", ["127.0.0.1:1", "nowhere.invalid:5432", "127.0.0.1:1/lab?nonsense=1"])
@pytest.mark.parametrize("way", ["SQLAlchemy", "Arrow", "Dagster's"])
def test_the_error_of_a_server_that_went_away_is_without_it(
    way: str, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, _, query = address.partition("?")
    password = "%20%25%27".join(PARTS)
    url = sa.make_url(f"postgresql+psycopg://me:{password}@{place.removesuffix('/lab')}/lab?{query}")
    ways: dict[str, Callable[[], object]] = {
        "SQLAlchemy": lambda: sa.create_engine(url).connect(),
        "Arrow": lambda: read_arrow(url, sa.select(sa.literal(1))),
        "Dagster's": lambda: sa.create_engine(url.set(drivername="postgresql+psycopg2")).connect(),
    }
    with pytest.raises(Exception) as error:  # noqa: PT011
        ways[way]()
    # Names of variables are in a traceback, their values are not.
    assert not shows("".join(traceback.format_exception(error.value)))
    assert not shows(repr(url))


def test_nothing_that_is_written_holds_it(
    phantom_database: sa.Engine,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Runs that end well, fail in the database and lose it: Dagster's records, our tables, logs and files."""
    url = phantom_database.url.set(password="-".join(PARTS))  # not asked for on this server
    named = connect.libpq_url(url)
    monkeypatch.setenv("CCF_POSTGRES_URL", named)
    caplog.set_level(logging.DEBUG)
    home = dagster_home()
    job = defs.resolve_job_def("load_region_sets")

    with dg.DagsterInstance.get() as found:
        add_atlases(found, {"phantom_100um": False})

        def run() -> bool:
            return job.execute_in_process(
                instance=found, partition_key="phantom_100um", raise_on_error=False
            ).success

        assert run()
        with phantom_database.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE ccf.region_set RENAME TO gone")
        assert not run()
        with phantom_database.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE ccf.gone RENAME TO region_set")
        gone = sa.URL.create(url.drivername, url.username, url.password, "127.0.0.1", 1, url.database)
        monkeypatch.setenv("CCF_POSTGRES_URL", connect.libpq_url(gone))
        database.forget()
        assert not run()
        failures = [record for record in found.get_runs() if record.status is dg.DagsterRunStatus.FAILURE]
        assert len(failures) == 2
    written = subprocess.run(
        [embedded.program("pg_dump"), "--inserts", connect.libpq_url(phantom_database.url)],
        check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    assert 'relation \\"ccf.region_set\\" does not exist' in written or "no table ccf.region_set" in written
    assert "phantom_100um" in written
    assert not shows(written)
    assert not shows(caplog.text)
    captured = capfd.readouterr()
    assert not shows(captured.out + captured.err)
    files = [file for file in Path(home).parent.rglob("*") if file.is_file()]
    assert files
    assert not [file for file in files if shows(file.read_text("utf-8", "replace"))]
