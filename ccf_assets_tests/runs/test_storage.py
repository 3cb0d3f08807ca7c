"""Dagster's storage: the file of an earlier version is good, and the private names it uses are there."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import psycopg2
import pytest
import sqlalchemy as sa
from dagster._serdes import ConfigurableClassData
from dagster_postgres import DagsterPostgresStorage

from ccf_assets import settings
from ccf_assets.db import database as our_database
from ccf_assets.runs import storage
from ccf_assets.runs.home import dagster_home

NOW, BEFORE = "module: ccf_assets.runs.storage\n", "module: ccf_assets.instance\n"


@pytest.mark.parametrize("named", [NOW, BEFORE])
def test_a_dagster_home_that_names_the_storage_as_before_loads_an_instance(
    database: sa.Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    text = settings.dagster_file("dagster.yaml").read_text("utf-8")
    assert NOW in text
    (tmp_path / "dagster.yaml").write_text(text.replace(NOW, named), "utf-8")
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    assert dagster_home() == tmp_path
    with dg.DagsterInstance.get() as instance:
        assert instance.get_runs_count() == 0
        instance.add_dynamic_partitions("recording", ["a.csv"])
        assert instance.get_dynamic_partitions("recording") == ["a.csv"]
    with database.connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM ccf_dagster.runs").scalar() == 0


def test_each_of_dagsters_storages_has_the_engine_that_is_replaced(database: sa.Engine) -> None:
    plain = DagsterPostgresStorage(our_database.dagster_url())
    assert [type(part._engine) for part in storage.storages_of(plain)] == [sa.Engine] * 3
    with plain._schedule_storage.connect() as connection:
        assert plain._schedule_storage._has_instigators_table(connection), "as ours says without looking"
    ours = storage.CcfDagsterStorage.from_config_value(None, {})
    engines = {id(part._engine) for part in storage.storages_of(ours)}
    assert len(engines) == 1, "one engine, and so the same connections, for all three"
    assert engines.isdisjoint({id(part._engine) for part in storage.storages_of(plain)})


def test_a_process_looks_for_the_tables_once_and_makes_them_again_if_they_are_gone(
    database: sa.Engine,
) -> None:
    connections: list[object] = []

    def runs() -> list[int]:
        made = storage.CcfDagsterStorage.from_config_value(None, {})
        return [made.run_storage.get_runs_count() for _ in range(3)]

    assert runs() == [0, 0, 0]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(psycopg2, "connect", lambda *_, **__: connections.append(1))
        assert runs() == [0, 0, 0]
    assert connections == [], "a tick of a sensor uses a connection that the process keeps"
    with database.begin() as connection:
        connection.exec_driver_sql("DROP SCHEMA ccf_dagster CASCADE")
    assert runs() == [0, 0, 0]


def test_the_class_that_dagster_hands_to_a_storage_is_the_one_of_our_annotations(
    database: sa.Engine,
) -> None:
    data = ConfigurableClassData("ccf_assets.runs.storage", "CcfDagsterStorage", "{}\n")
    assert storage.CcfDagsterStorage.from_config_value(data, {}).inst_data is data
