"""Fixtures: a database with a schema ``lab`` for tests of the IO manager and of what is below it."""

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from ccf_assets import io_manager
from ccf_assets.pg.connect import engine_on
from ccf_assets_tests.conftest import new_database
from ccf_assets_tests.support.postgres_lab import PARTITIONED, PLAIN, Database


@pytest.fixture(scope="module")
def _engine(server_url: sa.URL) -> Iterator[sa.Engine]:
    with new_database(server_url) as url:
        yield engine_on(url)


@pytest.fixture
def lab(_engine: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """One database for all tests of a file, each with a new schema: a database costs half a second."""
    # One engine remembers compiled statements.
    monkeypatch.setattr(io_manager, "engine_on", lambda _url: _engine)
    lab = Database(_engine)
    lab.sql("DROP SCHEMA IF EXISTS lab CASCADE; CREATE SCHEMA lab;" + PLAIN + ";" + PARTITIONED)
    yield lab
    if "instance" in vars(lab):
        lab.instance.dispose()
